"""One file: what is in it, what it takes, and that nothing in it does harm."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from typing import Any

import numpy as np
import pytest

from cases.packed_panels import unpacked as unpacked_panel
from cases.recordings import MAPS as AXES
from cases.recordings import VECTOR, maps, named
from cases.runs import run_of
from layerscope.core.errors import ViewError
from layerscope.core.network import Layer, Network
from layerscope.interfaces.page.page_file import Limits, PageFile
from layerscope.interfaces.page.recording_subject import RecordingSubject
from layerscope.interfaces.page.subject import PageSubject
from layerscope.recordings.recording import Recording

HOSTILE = "</script><!--<script>alert(1)\u2028\u2029&lt;\"'"


def acts(address: str = "conv", name: str = "net", samples: int = 2, side: int = 12) -> Recording:
    """A convolution and a vector after it."""
    values = maps(6, side, side, samples).values.clip(0)
    layers = (Layer(address, "Conv", inputs=("input",)), Layer("out", "Dense", inputs=(address,)))
    return Recording(
        {
            address: named(values, AXES),
            "out": named(values.mean((1, 2)), VECTOR),
        },
        network=Network(name, "by hand", (Layer("input", "Input", role="input"), *layers)),
        inputs={"input": named(maps(3, side, side, samples).values, AXES)},
        samples=[f"{name}-{i}" for i in range(samples)],
    )


def trained(steps: int = 9) -> PageSubject:
    """A run of noise, which can't be packed well."""
    values = np.random.default_rng(0).normal(size=(steps, 3, 16, 16, 8)).astype(np.float32)
    return PageSubject(run=run_of({"conv": (AXES, values)}, image=values[0, ..., :1]))


def read(html: str) -> tuple[dict[str, Any], list[str]]:
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert data
    blocks = re.findall(
        r'<script type="application/octet-stream" id="block-\d+">(.*?)</script>', html
    )
    return json.loads(data[1]), blocks


def unpacked(block: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    return unpacked_panel(gzip.decompress(base64.b64decode(block)))


def test_all_layers_of_all_samples_are_in_it_as_the_page_would_get_them():
    recording = acts()
    subject = RecordingSubject(recording)
    data, blocks = read(PageFile(subject).html())
    outline = data["outline"]
    assert [layer["address"] for layer in outline["layers"]] == ["conv", "out"]
    assert [sample["name"] for sample in outline["samples"]] == ["net-0", "net-1"]
    for sample in (0, 1):
        for number, address in enumerate(("conv", "out")):
            panel = subject.panel("layer", {"address": address, "sample": str(sample)})
            header, buffers = unpacked(blocks[data["index"][f"layer/{number}/{sample}/"]])
            assert buffers == panel.buffers
            assert header == json.loads(json.dumps(panel.header))


def test_the_passage_is_one_layout_and_what_differs_by_moment():
    subject = RecordingSubject(acts())
    data, blocks = read(PageFile(subject).html())
    usual, _ = unpacked(blocks[data["index"]["layout/0"]])
    for sample in (0, 1):
        panel = subject.panel("passage", {"sample": str(sample), "scale": "unit"})
        changed, buffers = unpacked(blocks[data["index"][f"passage/0/{sample}/"]])
        whole = {**usual, **changed}
        assert whole.pop("over_steps") == {}
        assert whole == json.loads(json.dumps(panel.header))
        assert buffers == panel.buffers
        assert "lines" not in changed


def test_an_input_is_in_it_once_for_all_steps():
    data, blocks = read(PageFile(trained()).html())
    inputs = [name for name in data["index"] if name.startswith("layer/input/")]
    assert sorted(inputs) == [f"layer/input/{sample}" for sample in (0, 1, 2)]
    assert len(set(blocks)) == len(blocks)


def test_the_policy_allows_this_script_and_this_style_and_nothing_else():
    html = PageFile(RecordingSubject(acts())).html()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    for name, element in (("script-src", "script"), ("style-src", "style")):
        text = re.findall(rf"<{element}>(.*?)</{element}>", html, re.DOTALL)
        assert len(text) == 1
        digest = base64.b64encode(hashlib.sha256(text[0].encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"
    assert html.index("Content-Security-Policy") < html.index("<style>")
    assert "http://" not in html.replace("http://www.w3.org/", "")
    assert "https://" not in html


def test_names_from_a_model_can_not_end_an_element():
    recording = acts(f"a{HOSTILE}", f"n{HOSTILE}")
    html = PageFile(RecordingSubject(recording)).html()
    usual = PageFile(RecordingSubject(acts())).html()
    for tag in ("<script", "</script>", "<!--", "<style", "</style>"):
        assert html.count(tag) == usual.count(tag), tag
    assert "<title>n&lt;/script&gt;&lt;!--" in html
    data, _ = read(html)
    assert data["outline"]["layers"][0]["address"] == f"a{HOSTILE}"


@pytest.fixture(scope="module")
def sizes() -> tuple[int, int]:
    """What the page takes without layers, and with all of the trained ones."""
    file = PageFile(trained())
    return file.least, len(file.html().encode())


@pytest.mark.parametrize("share", [0.1, 0.3, 0.7, 1.3])
def test_it_gets_no_larger_than_it_may(sizes, share):
    size = round(sizes[0] + share * (sizes[1] - sizes[0]))
    file = PageFile(trained(), Limits(size))
    html = file.html()
    assert len(html.encode()) <= size
    data, _ = read(html)
    assert set(file.left_out) <= set(data["outline"]["notes"])
    told = [
        note
        for note in data["outline"]["notes"]
        if "is a file" not in note and note != "made by hand"
    ]
    assert bool(told) == (share < 1)
    steps = data["outline"]["steps"]
    assert steps[-1] == 8
    assert steps[0] == 0 or len(steps) == 1
    for name in ("epochs", "moments"):
        assert len(data["outline"][name]) == len(steps)
    samples = len(data["outline"]["samples"])
    assert {f"layer/0/{i}/{step}" for i in range(samples) for step in steps} <= {*data["index"]}


def test_it_says_about_how_large_it_gets(sizes):
    for limit in (10_000_000, sum(sizes) // 2):
        file = PageFile(trained(), Limits(limit))
        assert file.expected == pytest.approx(len(file.html()), rel=0.25)


def test_large_maps_are_averaged_and_the_strongest_are_kept():
    values = np.random.default_rng(1).normal(size=(1, 160, 160, 40)).astype(np.float32)
    values += np.arange(40) / 10
    recording = acts(samples=1, side=160)
    recording = Recording(
        {"conv": named(values, AXES), "out": recording.named("out")},
        network=recording.network,
        inputs={"input": recording.named(None)},
    )
    least = PageFile(RecordingSubject(recording)).least
    file = PageFile(RecordingSubject(recording), Limits(least + 90_000))
    data, blocks = read(file.html())
    header, buffers = unpacked(blocks[data["index"]["layer/0/0/"]])
    side = file.extract.side
    assert side is not None
    count, height, width = header["shape"]
    assert max(height, width) <= side
    assert header["thinned"] == -(-160 // side)
    assert len(buffers["pixels"]) == count * height * width
    assert header["left_out"] == 40 - count
    if count < 40:
        assert header["labels"] == [str(i) for i in range(40 - count, 40)]


def test_too_small_is_said_with_what_it_takes():
    with pytest.raises(
        ViewError,
        match=r"takes \d\d\d\.\d kB with as little as it may hold, more than the 50\.0 kB",
    ):
        PageFile(RecordingSubject(acts()), Limits(50_000))


def test_a_layer_that_can_not_be_drawn_is_its_error():
    recording = acts()
    words = named(np.array([["a"], ["b"]]), VECTOR)
    recording = Recording(
        {"conv": recording.named("conv"), "out": words},
        network=recording.network,
        inputs={"input": recording.named(None)},
    )
    data, blocks = read(PageFile(RecordingSubject(recording)).html())
    header, _ = unpacked(blocks[data["index"]["layer/1/0/"]])
    assert header["kind"] == "error"
    assert "<U1" in header["error"]
