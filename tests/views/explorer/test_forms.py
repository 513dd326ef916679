"""What a layer returns, in the form that it has: series, vectors, attention, texts."""

from __future__ import annotations

import numpy as np
import pytest

from cases.networks import layer, network
from cases.recordings import VECTOR, maps, named, recording
from layerscope.core.axes import NamedArray
from layerscope.core.errors import ViewError
from layerscope.recordings.recording import Recording
from layerscope.views.explorer.inputs import under
from layerscope.views.explorer.layer import layer_panel
from layerscope.views.explorer.moment import Moment
from layerscope.views.render import stack as stacks
from layerscope.views.render.stack import stack_of, stack_panel
from layerscope.views.render.thinning import extremes, means

rng = np.random.default_rng(0)


def test_the_extremes_of_a_long_row_stay() -> None:
    row = rng.normal(size=(2, 16_000)).astype(np.float32)
    row[0, 7_777], row[1, 3] = 99, -99
    thin = extremes(row, 1000)
    assert thin.shape == (2, 1000)
    assert thin.max() == 99
    assert thin.min() == -99
    parts = np.split(row[0], 500)
    np.testing.assert_array_equal(thin[0, ::2], [part.min() for part in parts])
    np.testing.assert_array_equal(thin[0, 1::2], [part.max() for part in parts])
    assert extremes(row, 16_000) is row
    assert extremes(row[:, :7], 4).tolist() == [
        [min(r[:3]), max(r[:3]), min(r[3:7]), max(r[3:7])] for r in row[:, :7].tolist()
    ]


def test_maps_are_averaged() -> None:
    values = rng.normal(size=(2, 5, 6)).astype(np.float32)
    expected = values[:, :4].reshape(2, 2, 2, 3, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(means(values, 2), expected, rtol=1e-6)


def test_a_sound_that_is_too_long_keeps_its_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "MOST_BYTES", 400)
    sound = np.zeros((1, 16_000, 2), np.float32)
    sound[0, 9_999, 1] = 1
    acts = recording({"conv": named(sound, ("sample", "position", "channel"))})
    panel = stack_panel(stack_of(acts, "conv"))
    assert panel.header["form"] == "series"
    assert panel.header["shape"] == [2, 1, 200]
    assert panel.header["thinned"] == 80
    assert np.frombuffer(panel.buffers["high"], "<f4").tolist() == [0, 1]


def test_a_long_vector_that_comes_in_is_a_signal() -> None:
    wave = np.sin(np.arange(4000, dtype=np.float32))[None]
    acts = recording({"dense": named(wave, VECTOR)}, image=named(wave, VECTOR))
    assert stack_of(acts, "input").form == "series"
    assert stack_of(acts, "input").maps.shape == (1, 1, 4000)
    assert stack_of(acts, "dense").form == "vector"


def test_indexes_of_words_are_whole() -> None:
    tokens = named(np.array([[3, 1, 4]]), VECTOR)
    acts = recording({"conv": maps(2)}, image=tokens)
    assert layer_panel(Moment(acts), "input").header["whole"]
    assert not layer_panel(Moment(acts), "conv").header["whole"]


def test_texts_are_a_table() -> None:
    words = named(np.array([["a\x1b[0m", b"b"], ["c", "d"]], object), ("sample", "position"))
    acts = recording({"conv": maps(2)}, image=words)
    header = layer_panel(Moment(acts, 0), "input").header
    assert header["kind"] == "table"
    assert header["rows"] == [["0", "a\\x1b[0m"], ["1", "b"]]


def test_the_heads_of_attention_as_one() -> None:
    weights = rng.random((1, 2, 3, 3)).astype(np.float32)
    weights /= weights.sum(axis=-1, keepdims=True)
    axes = ("sample", "head", "query", "key")
    acts = Recording(
        {"a/attention": named(weights, axes), "b/attention": named(weights, axes)},
        network=network([layer("a/attention", "Any"), layer("b/attention", "Any")]),
    )
    each = layer_panel(Moment(acts), "b/attention")
    assert each.header["shape"] == [2, 3, 3]
    mean = layer_panel(Moment(acts), "b/attention", heads="mean")
    assert mean.header["shape"] == [1, 3, 3]
    assert np.frombuffer(mean.buffers["high"], "<f4")[0] == pytest.approx(
        weights[0].mean(axis=0).max(), rel=1e-6
    )
    assert mean.header["code"].endswith("ls.sheet(acts, 'b/attention', sample=0, heads='mean')")
    rolled = layer_panel(Moment(acts), "b/attention", heads="rollout")
    top = acts.rollout().named("b/attention").values.max()
    assert np.frombuffer(rolled.buffers["high"], "<f4")[0] == pytest.approx(top, rel=1e-6)
    with pytest.raises(ViewError, match="heads='sum'"):
        layer_panel(Moment(acts), "b/attention", heads="sum")


def test_the_output_has_the_names_of_its_classes() -> None:
    rows = [layer("hidden", "Dense"), layer("out", "Dense", inputs=("hidden",))]
    values = named(np.ones((1, 3)), VECTOR)
    acts = Recording({"hidden": values, "out": values}, network=network(rows))
    moment = Moment(acts, classes=("ash", "birch\x07", "cedar"))
    assert layer_panel(moment, "out").header["names"] == ["ash", "birch\\x07", "cedar"]
    assert "names" not in layer_panel(moment, "hidden").header
    assert "names" not in layer_panel(Moment(acts, classes=("a",)), "out").header


@pytest.mark.parametrize("axes", [("sample", "y", "x", "channel"), ("sample", "channel", "y", "x")])
def test_maps_of_a_single_row_of_a_single_row_go_along_it(axes: tuple[str, ...]) -> None:
    def row(length: int, channels: int) -> NamedArray:
        values = rng.normal(size=(1, 1, length, channels)).astype(np.float32)
        last = ("sample", "y", "x", "channel")
        return named(values.transpose([last.index(axis) for axis in axes]), axes)

    conv, sound = row(40, 3), row(90, 1)
    acts = recording({"conv": conv}, image=sound)
    for address, shape in (("conv", (3, 1, 40)), ("input", (1, 1, 90))):
        stack = stack_of(acts, address)
        assert (stack.form, stack.flat, stack.maps.shape) == ("series", True, shape)
    below = under(acts, "input", 0)
    assert below is not None
    assert below.series
    np.testing.assert_array_equal(below.values, sound.values.reshape(1, 90))
    image = named(np.ones((1, 9, 9, 1), np.float32), ("sample", "y", "x", "channel"))
    of_picture = recording({"conv": conv}, image=image)
    assert stack_of(of_picture, "conv").form == "maps"  # of a picture it stays one, to lie on it
