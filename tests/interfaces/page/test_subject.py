"""What a page asks, and what it is answered."""

from __future__ import annotations

import base64

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import layerscope as ls
from cases import page_models
from layerscope.core.errors import AddressError, InputError, LayerscopeError, ViewError
from layerscope.instruments.samples import SampleRecordings
from layerscope.interfaces.page.subject import PageSubject
from layerscope.interfaces.page.wire import plain_json
from layerscope.views.render.palette import LEVELS, table


@pytest.fixture(scope="module")
def subject():
    return PageSubject(SampleRecordings(page_models.residual(), page_models.INPUTS["residual"]()))


@pytest.fixture(scope="module")
def acts():
    return ls.activations(page_models.residual(), page_models.INPUTS["residual"]())


def test_the_outline_is_plain_and_names_what_there_is(subject, acts):
    outline = subject.outline()
    assert plain_json(outline)
    assert [layer["address"] for layer in outline["layers"]] == list(acts)
    assert len(outline["samples"]) == 2
    for layer in outline["layers"]:
        axes = {name: n for name, n in acts.axes(layer["address"]).items() if name != "sample"}
        assert dict(zip(layer["axes"], layer["shape"], strict=True)) == axes
        assert layer["units"] == axes.get("channel", axes.get("unit"))
    palette = np.frombuffer(base64.b64decode(outline["palettes"]["viridis"]), np.uint8)
    assert (palette.reshape(-1, 3) == table("viridis", "dark")[:LEVELS]).all()


@pytest.mark.parametrize("sample", [0, 1])
def test_a_layers_panel_has_its_values(subject, acts, sample):
    panel = subject.panel("layer", {"address": "stage1.0.relu#2", "sample": str(sample)})
    values = acts["stage1.0.relu#2"].transpose("sample", "channel", "y", "x").values[sample]
    low = np.frombuffer(panel.buffers["low"], "<f4")
    high = np.frombuffer(panel.buffers["high"], "<f4")
    np.testing.assert_allclose(low, values.min((1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(high, values.max((1, 2)), rtol=1e-5, atol=1e-6)
    sent = np.frombuffer(panel.buffers["pixels"], np.uint8).reshape(values.shape)
    back = low[:, None, None] + sent / (LEVELS - 1) * (high - low)[:, None, None]
    step = (high - low)[:, None, None] / (LEVELS - 1)
    assert (abs(back - values) <= 0.51 * step + 1e-5).all()


def test_the_passage_answers_and_opens_what_it_is_told(subject, acts):
    panel = subject.panel("passage", {"sample": "1"})
    values = acts["head"].values[1]
    answers = panel.header["answers"]
    assert [answer["unit"] for answer in answers] == list(range(6))
    np.testing.assert_allclose([a["value"] for a in answers], values, rtol=1e-4, atol=1e-5)
    closed = subject.panel("passage", {"depth": "0"})
    opened = subject.panel("passage", {"depth": "0", "open": "\nstage1\nstage1.1"})
    blocks = [{frame["block"] for frame in p.header["frames"]} for p in (closed, opened)]
    assert blocks == [set(), {"stage1", "stage1.1"}]


@pytest.mark.parametrize(
    "panel",
    [
        panel["name"]
        for panel in PageSubject(
            SampleRecordings(page_models.mlp(), page_models.INPUTS["mlp"]())
        ).outline()["unit_panels"]
    ],
)
@pytest.mark.parametrize("address", ["stage1.0.relu#2:3", "head:1", "pool:2"])
def test_every_panel_of_a_unit_is_made_or_there_is_none(subject, panel, address):
    made = subject.panel(f"unit.{panel}", {"address": address})
    assert made is None or plain_json(made.header)


@pytest.mark.parametrize(
    ("panel", "words", "error", "message"),
    [
        ("nothing", {}, ViewError, "no panel 'nothing'"),
        ("unit.nothing", {"address": "head:1"}, ViewError, "no panel 'nothing'"),
        ("unit.../map", {"address": "head:1"}, ViewError, "no panel"),
        ("layer", {"address": "nowhere"}, AddressError, "nowhere"),
        ("unit.map", {"address": "stem:99"}, AddressError, "99 is not among them"),
        ("unit.histogram", {"address": "stem:99"}, AddressError, "99 is not among them"),
        ("layer", {"address": "stem", "sample": "2"}, InputError, "no sample 2: there are 2"),
        ("layer", {"address": "stem", "sample": "-1"}, InputError, "sample='-1' is no number"),
        ("layer", {"address": "stem", "sample": "１"}, InputError, "is no number"),
        ("layer", {"address": "stem", "sample": "9" * 13}, InputError, "is no number"),
        ("layer", {"address": "stem", "step": "x"}, InputError, "step='x' is no number"),
        ("passage", {"depth": "1e9"}, InputError, "depth='1e9' is no number"),
        ("passage", {"scale": "nonsense"}, ViewError, "nonsense"),
    ],
    ids=range(13),
)
def test_what_is_not_there_is_said_in_a_sentence(subject, panel, words, error, message):
    with pytest.raises(error, match=message):
        subject.panel(panel, words)


def test_a_subject_of_nothing_says_so():
    with pytest.raises(LayerscopeError):
        PageSubject().outline()


def test_a_model_that_was_trained_further_is_shown_as_it_is_then(monkeypatch):
    from layerscope.instruments import model_watch

    monkeypatch.setattr(model_watch, "_PAUSE", 0.0)
    monkeypatch.setattr(model_watch, "_SHARE", 0)
    model = page_models.residual()
    subject = PageSubject(SampleRecordings(model, page_models.INPUTS["residual"]()))
    subject.watch_models()
    assert subject.outline()["can"]["change"]

    def shown():
        kernel = subject.panel("unit.kernel", {"address": "stem:1"})
        layer = subject.panel("layer", {"address": "stem"})
        return {**kernel.buffers, **layer.buffers}, layer.header["layer"]

    before = shown()
    assert subject.changes() == {"generation": 0, "missing": "", "trained": 0}
    with torch.no_grad():
        model.stem.weight *= -2
    # While it is still being trained nothing is told, and what is shown is of one moment.
    assert subject.changes()["trained"] == 0
    assert shown() == before
    assert subject.changes() == {"generation": 1, "missing": "", "trained": 1}
    after = shown()
    assert after[0] != before[0]
    np.testing.assert_allclose(after[1][::-1], -2 * np.array(before[1]), rtol=1e-4, atol=1e-5)
    assert subject.changes()["trained"] == 1
