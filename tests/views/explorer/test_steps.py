from __future__ import annotations

import numpy as np
import pytest

from cases.runs import MAPS, changing_maps, learner, run_of
from layerscope.core.network import Layer, Network
from layerscope.views.explorer.layer import layer_panel
from layerscope.views.explorer.moment import Moment
from layerscope.views.explorer.passage import passage_panel
from layerscope.views.explorer.steps import activity, steps_panel
from layerscope.views.ranges import StepRanges


def waking(woke: int = 2, steps: int = 5):
    """A ReLU of four channels: 0 wakes, 1 never fires, 2 and 3 fire throughout, 2 more and more."""
    values = np.ones((steps, 2, 4, 4, 4), np.float32)
    values[:woke, ..., 0] = 0
    values[..., 1] = 0
    values[..., 2] *= np.arange(1, steps + 1)[:, None, None, None]
    layer = Layer("relu", "ReLU", kind="activation", activation="relu")
    image = np.zeros((2, 4, 4, 1), np.float32)
    network = Network("net", "none", (layer,))
    metrics = {"loss": [5, 4, 3, 2, 2.5][:steps], "val_loss": [5, 4, 3, 2, 2.5][:steps]}
    steps_at = [10 * i for i in range(steps)]
    return run_of(
        {"relu": (MAPS, values)},
        image=image,
        network=network,
        metrics=metrics,
        steps=steps_at,
        epochs=range(steps),
    )


def test_metrics_and_what_came_about() -> None:
    panel = steps_panel(waking())
    assert panel is not None
    header = panel.header
    assert (header["kind"], header["x"]["label"]) == ("lines", "epoch")
    (losses,) = header["charts"]
    assert [line["name"] for line in losses["series"]] == ["loss", "val_loss"]
    assert panel.numbers(losses["series"][0]["y"]).tolist() == [5, 4, 3, 2, 2.5]
    assert (header["steps"], header["at"]) == ([0, 10, 20, 30, 40], [0, 1, 2, 3, 4])
    assert header["moments"] == ["epoch 0", *(f"step {n}" for n in (10, 20, 30, 40))]
    events = [(e["address"], e["kind"], e["step"]) for e in header["events"]]
    assert events == [("relu", "never", None), ("relu:0", "woke", 20), ("val_loss", "best", 30)]
    assert header["events"][1]["text"] == "relu:0 was silent until step 20"
    assert [mark["text"] for mark in header["marks"]] == ["best 3"]


def test_a_recording_without_metrics_has_its_steps_all_the_same() -> None:
    run = run_of({"conv": (MAPS, changing_maps(3))}, network=Network("net", "none", ()))
    panel = steps_panel(run)
    assert panel is not None
    assert panel.header["charts"] == []
    assert panel.header["steps"] == [0, 1, 2]


def test_how_far_each_unit_went() -> None:
    levels = activity(waking(), "relu")
    assert levels is not None
    assert levels[:, 0].tolist() == [0, 0, 255, 255, 255]
    assert levels[:, 1].tolist() == [0] * 5
    assert levels[:, 2].tolist() == [51, 102, 153, 204, 255]
    assert levels[:, 3].tolist() == [255] * 5
    assert activity(waking(), "elsewhere") is None


def test_what_is_no_number_is_no_silence() -> None:
    values = np.ones((4, 2, 3), np.float32)
    values[2, 0, 0] = np.nan
    values[3, 1, 1] = np.inf
    values[1:, :, 2] = 0
    with np.errstate(invalid="ignore"):
        run = run_of({"relu": (("sample", "unit"), values)})
    levels = activity(run, "relu")
    assert levels is not None
    assert levels.T.tolist() == [[255, 255, 1, 255], [255] * 4, [255, 0, 0, 0]]


def test_a_zero_of_what_does_not_rectify_is_no_silence() -> None:
    values = changing_maps(3)
    values[..., 0] = 0
    values[..., 1] *= -1
    levels = activity(run_of({"conv": (MAPS, values)}), "conv")
    assert levels is not None
    assert levels.min() == 1


def test_the_range_over_all_steps() -> None:
    run = learner()
    ranges = StepRanges(run)
    values = changing_maps()
    assert ranges("conv") == pytest.approx((float(values.min()), float(values.max())))
    assert ranges("input") is None
    read = run._reader.asked.copy()
    assert ranges("conv") == ranges("conv")
    assert run._reader.asked == read  # once


def test_the_range_over_all_steps_without_statistics() -> None:
    run = learner()
    run.statistic = lambda address, name: None
    values = changing_maps()
    assert StepRanges(run)("conv") == pytest.approx((float(values.min()), float(values.max())))


def test_a_layer_stands_on_its_range_over_the_steps() -> None:
    run = waking()
    moment = Moment(run.at(10), 0, 10, run, ranges=StepRanges(run))
    panel = layer_panel(moment, "relu")
    assert panel.header["layer"] == [0, 2]
    assert panel.header["over_steps"] == (0, 5)
    assert panel.header["activity"] == [5, 4]
    assert np.frombuffer(panel.buffers["activity"], np.uint8).reshape(5, 4)[0, 2] == 51
    assert layer_panel(moment, "input").header["over_steps"] is None


def test_thumbnails_on_the_range_over_the_steps() -> None:
    run = waking()
    moment = Moment(run.at(10), 0, 10, run, ranges=StepRanges(run))
    (_, tile) = passage_panel(moment, scale="steps").header["tiles"]
    assert tile["range"] == (0, 5)
    (_, tile) = passage_panel(moment, scale="layer").header["tiles"]
    assert tile["range"] == (0, 2)
