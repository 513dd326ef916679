from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cases.runs import MAPS, changing_maps, learner, run_of
from layerscope.core.addresses import Place
from layerscope.core.axes import NamedArray
from layerscope.core.errors import ViewError
from layerscope.core.network import Network
from layerscope.recordings.recording import Recording
from layerscope.views.explorer.answers import answers_beside
from layerscope.views.explorer.layer import layer_panel
from layerscope.views.explorer.moment import Against, Moment
from layerscope.views.explorer.unit import unit_panel
from layerscope.views.render.palette import LEVELS, NAN, table
from layerscope.views.render.stack import as_maps

VALUES = changing_maps()


def moment(first: tuple[int, int] = (4, 0), second: tuple[int, int] = (4, 2)) -> Moment:
    """Two moments of a run, each a step and a sample."""
    run = learner()
    one, other = (Moment(run.at(step), sample, step, run) for step, sample in (first, second))
    return replace(one, against=Against(other, ("sample 0", "sample 2")))


def values_of(panel) -> np.ndarray:
    """What the indexes of a panel stand for."""
    shape = panel.header["shape"]
    pixels = np.frombuffer(panel.buffers["pixels"], np.uint8).reshape(shape)
    low, high = (np.frombuffer(panel.buffers[n], "<f4")[:, None, None] for n in ("low", "high"))
    return low + pixels / (LEVELS - 1) * (high - low)


def test_each_channel_stands_beside_the_others_with_the_difference() -> None:
    panel = layer_panel(moment(), "conv")
    assert panel.header["parts"] == ["sample 0", "sample 2", "difference"]
    assert panel.header["shape"] == [12, 6, 8]
    one, other = (np.moveaxis(VALUES[4, sample], -1, 0) for sample in (0, 2))
    step = 2 * float(VALUES.max()) / (LEVELS - 1)
    shown = values_of(panel)
    for part, expected in enumerate((one, other, one - other)):
        assert np.abs(shown[part::3] - expected).max() <= step
    assert panel.header["layer"] == [0, pytest.approx(max(one.max(), other.max()))]
    assert panel.header["difference"] == pytest.approx(np.abs(one - other).max())


def test_two_steps() -> None:
    panel = layer_panel(moment((1, 0), (3, 0)), "conv")
    expected = np.moveaxis(VALUES[1, 0] - VALUES[3, 0], -1, 0)
    assert np.allclose(np.frombuffer(panel.buffers["low"], "<f4")[2::3], expected.min(axis=(1, 2)))


def test_a_units_map_has_its_exact_values_and_the_difference() -> None:
    panel = unit_panel("map").panel(moment(), Place("conv", 2))
    values = np.frombuffer(panel.buffers["values"], "<f4").reshape(3, 6, 8)
    one, other = VALUES[4, 0, ..., 2], VALUES[4, 2, ..., 2]
    assert (values == np.stack([one, other, one - other])).all()


def test_vectors_are_compared_value_by_value() -> None:
    panel = layer_panel(moment(), "dense")
    assert panel.header["form"] == "vector"
    values = np.frombuffer(panel.buffers["low"], "<f4")
    assert np.array_equal(values[2::3], values[0::3] - values[1::3])


def test_infinite_values_and_nan() -> None:
    values = changing_maps(1)
    values[0, :2, 0, 0, 0] = np.inf
    values[0, 0, 1, 1, 1] = np.nan
    recording = Recording({"conv": NamedArray(values[0], MAPS)}, network=Network("net", "", ()))
    against = Against(Moment(recording, 1), ("a", "b"))
    panel = layer_panel(Moment(recording, 0, against=against), "conv")
    pixels = np.frombuffer(panel.buffers["pixels"], np.uint8).reshape(4, 3, 6, 8)
    assert pixels[0, 2, 0, 0] == NAN
    assert pixels[1, 2, 1, 1] == NAN
    assert np.isfinite(panel.header["difference"])


def test_shapes_that_differ_are_one_sentence() -> None:
    small = run_of({"conv": (MAPS, changing_maps(1, size=(5, 8)))}, network=Network("n", "", ()))
    here = moment()
    there = Against(Moment(small.at(0), 0, 0, small), ("sample 0", "sample 1"))
    with pytest.raises(ViewError) as caught:
        layer_panel(replace(here, against=there), "conv")
    assert str(caught.value) == (
        "There is no difference to show: conv is 4 × 6 × 8 for sample 0 and 4 × 5 × 8 for sample 1."
    )


def test_a_layer_may_be_called_otherwise_there() -> None:
    other = run_of({"first": (MAPS, changing_maps())}, network=Network("n", "", ()))
    there = Moment(other.at(4), 0, 4, other)
    against = Against(there, ("model 0", "model 1"), {"conv": "first"})
    panel = layer_panel(replace(moment(), against=against), "conv")
    assert panel.header["difference"] == 0


def test_images_in_colour_are_compared_by_their_colours() -> None:
    image = np.random.default_rng(0).random((2, 4, 5, 3)).astype(np.float32)
    run = run_of({"conv": (MAPS, changing_maps(1))}, image=image, network=Network("n", "", ()))
    against = Against(Moment(run.at(0), 1, 0, run), ("sample 0", "sample 1"))
    panel = layer_panel(Moment(run.at(0), 0, 0, run, against=against), "input")
    assert panel.header["labels"] == ["red", "green", "blue"]
    assert panel.header["difference"] == pytest.approx(np.abs(image[0] - image[1]).max())


def test_a_saved_picture_has_zero_in_the_middle_of_the_differences() -> None:
    panel = layer_panel(moment((4, 0), (4, 0)), "conv")
    tile = as_maps(panel).pixels(2)
    assert (tile == table("diverging", "dark")[round((LEVELS - 1) / 2)]).all()
    assert panel.png()


def test_answers_stand_beside_one_another() -> None:
    here = moment()
    answers = answers_beside(here)
    dense = here.activations.named("dense").values
    assert answers
    for answer in answers:
        assert answer.value == pytest.approx(float(dense[0, answer.unit]))
        assert answer.other == pytest.approx(float(dense[2, answer.unit]))
    assert {int(dense[0].argmax()), int(dense[2].argmax())} <= {a.unit for a in answers}
