"""What a notebook shows of a thing: a picture, and a frame with everything in it."""

from __future__ import annotations

import base64
import html
import re
import subprocess
import sys

import numpy as np
import pytest

import layerscope as ls
from cases.recordings import MAPS, VECTOR, kernel, maps, named, recording
from cases.runs import run_of
from cases.surveys import spots
from cases.visualizations import coloured
from layerscope.core.network import Layer, Network
from layerscope.interfaces.notebook import HEIGHT, MAX_SIZE
from layerscope.recordings.recording import Recording

PNG = b"\x89PNG\r\n"
HOSTILE = "</iframe></script><script>alert(1)</script>\"'&quot;\u2028"


def acts(name: str = "conv", side: int = 12) -> Recording:
    layers = (
        Layer("input", "Input", role="input"),
        Layer(name, "Conv", inputs=("input",)),
        Layer("out", "Dense", inputs=(name,)),
    )
    values = maps(6, side, side).values
    return Recording(
        {name: named(values, MAPS), "out": named(values.mean((1, 2)), VECTOR)},
        network=Network(name, "by hand", layers),
        inputs={"input": named(maps(1, side, side).values, MAPS)},
    )


def run():
    values = np.random.default_rng(0).normal(size=(6, 3, 8, 8, 4)).astype(np.float32)
    return run_of({"conv": (MAPS, values)}, image=values[0, ..., :1])


def silent_run():
    values = np.random.default_rng(0).random((6, 3, 8, 8, 4)).astype(np.float32)
    values[3:, ..., 1] = 0
    return run_of({"relu": (MAPS, values)}, metrics={"val_loss": [6, 5, 4, 3, 2, 1]})


THINGS = {
    "activations": acts,
    "run": run,
    "network": lambda: acts().network,
    "weights": lambda: recording({"conv/kernel": kernel(3, 4)}, kind="weights"),
    "features": coloured,
    "survey": spots,
    "sheet": lambda: ls.sheet(acts(), "conv"),
    "histogram": lambda: ls.histogram(acts(), "conv"),
    "curves": lambda: ls.curves(run()),
    "fates": lambda: silent_run().fate(),
    "strips": lambda: silent_run().fate().picture(),
    "diagram": lambda: ls.diagram(acts().network, acts()),
}


@pytest.mark.parametrize("name", THINGS)
def test_each_has_a_picture_and_its_text(name):
    shown = THINGS[name]()._repr_mimebundle_()
    assert base64.b64decode(shown["image/png"]).startswith(PNG)
    assert shown["text/plain"].startswith("<layerscope.") or name in ("network", "fates", "survey")
    assert sum(map(len, shown.values())) <= MAX_SIZE


@pytest.mark.parametrize("name", THINGS)
def test_a_frame_holds_a_document_with_everything_in_it(name):
    shown = THINGS[name]()._repr_mimebundle_()["text/html"]
    assert shown.isascii()
    (height,) = re.findall(r"; height: (\d+)px", shown)
    assert 200 <= int(height) <= HEIGHT
    assert int(height) == HEIGHT or name in ("sheet", "weights", "features", "survey", "strips")
    found = re.search(r'<iframe title="layerscope" srcdoc="([^"]*)"', shown)
    assert found
    document = html.unescape(found[1])
    assert document.startswith("<!doctype html>")
    assert "default-src 'none'" in document
    assert shown.count("<iframe") == 1
    assert "<script" not in re.sub(r'srcdoc="[^"]*"', "", shown)


def test_a_frame_of_one_row_is_lower_than_one_of_many():
    row, many = (ls.sheet(acts(), "conv", columns=columns) for columns in (6, 1))
    heights = [
        int(re.findall(r"; height: (\d+)px", panel._repr_mimebundle_()["text/html"])[0])
        for panel in (row, many)
    ]
    assert heights[0] < heights[1] == HEIGHT


def test_names_from_a_model_stay_in_the_frame():
    shown = acts(HOSTILE)._repr_mimebundle_()["text/html"]
    usual = acts()._repr_mimebundle_()["text/html"]
    assert shown.count('"') == usual.count('"')
    assert shown.count("</iframe>") == usual.count("</iframe>") == 1
    outside = re.sub(r'srcdoc="[^"]*"', "", shown)
    assert "alert" not in outside


def test_a_large_recording_is_thinned_to_what_a_cell_may_hold():
    values = np.random.default_rng(0).normal(size=(1, 128, 128, 700)).astype(np.float32)
    arrays = {f"conv{i}": named(values, MAPS) for i in range(2)}
    layers = tuple(
        Layer(name, "Conv", inputs=(before,))
        for before, name in zip(["input", "conv0"], arrays, strict=True)
    )
    large = Recording(
        arrays,
        network=Network("large", "by hand", (Layer("input", "Input", role="input"), *layers)),
        inputs={"input": named(values[..., :3], MAPS)},
    )
    shown = large._repr_mimebundle_()
    assert sum(map(len, shown.values())) <= MAX_SIZE
    assert "averaged" in shown["text/html"]


@pytest.mark.parametrize(("count", "side"), [(64, 224), (16, 512), (512, 56)])
def test_a_large_sheet_is_averaged_and_its_picture_made_smaller(count, side):
    values = np.random.default_rng(0).normal(size=(1, side, side, count)).astype(np.float32)
    shown = ls.sheet(recording({"conv": named(values, MAPS)}), "conv")._repr_mimebundle_()
    assert base64.b64decode(shown["image/png"]).startswith(PNG)
    assert 'srcdoc="' in shown["text/html"]
    assert sum(map(len, shown.values())) <= MAX_SIZE


def test_what_can_not_be_drawn_is_text():
    network = Network("two", "by hand", (Layer("a", "A"), Layer("b", "B")))
    assert network._repr_mimebundle_() == {"text/plain": repr(network)}


def test_no_import_of_a_name_is_needed():
    """Whatever module an object's class came from, the package was imported before it."""
    code = (
        "from layerscope.core.network import Layer, Network\n"
        "shown = Network('a', 'b', (Layer('x', 'X', role='input'),))._repr_mimebundle_()\n"
        "assert set(shown) >= {'image/png', 'text/plain'}, set(shown)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_kernels_are_shown_first_among_weights():
    bias = named([1.0, 2], ("channel",))
    both = recording({"a/bias": bias, "a/kernel": kernel(1, 2)}, kind="weights")
    picture = both._repr_mimebundle_()["image/png"]
    assert base64.b64decode(picture) == ls.sheet(both, "a/kernel").png()
