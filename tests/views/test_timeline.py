from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cases.recordings import maps, recording
from cases.runs import MAPS, changing_maps, learner, run_of
from layerscope import timeline
from layerscope.core.errors import AddressError, ViewError
from layerscope.views.render.palette import LEVELS


def labels(panel: Any) -> list[str]:
    return [tile["label"] for tile in panel.header["tiles"]]


def test_one_channel_at_every_step_on_one_scale() -> None:
    panel = timeline(learner(), "conv:2", sample=1)
    assert labels(panel) == [f"epoch {i}" for i in range(5)]
    assert panel.header["title"] == "conv:2 (6, 8) over 5 epochs"
    assert panel.header["note"] == "sample 1 (b.png)"
    assert panel.provenance() == {"model": "abc"}
    values = changing_maps()[:, 1, :, :, 2]
    assert (panel.header["scale"]["low"], panel.header["scale"]["high"]) == (0, values.max())
    expected = np.floor(values / values.max() * (LEVELS - 1) + 0.5)
    seen = np.stack([panel.pixels(i) for i in range(5)])
    assert np.abs(seen - expected).max() <= 1


def test_a_scale_of_its_own_for_each_hides_the_change() -> None:
    values = np.arange(12.0, dtype=np.float32).reshape(1, 1, 3, 4, 1) * np.array([1, 2, 3]).reshape(
        3, 1, 1, 1, 1
    ).astype(np.float32)
    run = run_of({"conv": (MAPS, values)})
    own = timeline(run, "conv:0", scale="unit")
    assert own.pixels(0).tolist() == own.pixels(2).tolist()
    shared = timeline(run, "conv:0")
    assert shared.pixels(0).max() < shared.pixels(2).max()
    given = timeline(run, "conv:0", scale=(0.0, 100.0))
    assert given.header["scale"]["high"] == 100
    network = timeline(learner(), "conv:0", scale="network")
    assert network.header["scale"]["high"] == pytest.approx(changing_maps()[:, 0].max())


def test_only_the_channel_and_the_sample_are_read() -> None:
    run = learner()
    timeline(run, "conv:2", sample=1)
    asked = [a for a in run._reader.asked if a[0] == "activations"]
    assert [(a[1], a[4]) for a in asked] == [
        ("conv", {"sample": slice(1, 2), "channel": slice(2, 3)})
    ]


def test_steps_by_their_numbers() -> None:
    run = run_of(
        {"conv": (MAPS, changing_maps())}, steps=[0, 10, 20, 30, 40], epochs=[0, 1, 2, 3, 4]
    )
    panel = timeline(run, "conv:0", steps=[40, 10])
    assert labels(panel) == ["step 40, epoch 4", "step 10, epoch 1"]
    assert (panel.pixels(0) == timeline(run, "conv:0", steps=[40], scale=(
        panel.header["scale"]["low"], panel.header["scale"]["high"])).pixels(0)).all()  # fmt: skip
    nameless = run_of({"conv": (MAPS, changing_maps(2))}, steps=[3, 7], epochs=[np.nan, np.nan])
    assert labels(timeline(nameless, "conv:0")) == ["step 3", "step 7"]


def test_a_layer_of_units_is_a_matrix() -> None:
    run = learner()
    panel = timeline(run, "dense", sample=2)
    assert len(panel) == 1
    assert panel.pixels(0).shape == (5, 10)
    (tile,) = panel.header["tiles"]
    assert tile["rows"] == [f"epoch {i}" for i in range(5)]
    values = run["dense"].values[:, 2]
    assert (panel.pixels(0).argmax(axis=None)) == values.argmax()
    written = [line["text"] for line in panel.header["lines"]]
    assert {"epoch 0", "epoch 4", "0", "9"} <= set(written)
    left = tile["box"][0]
    assert all(line["at"][0] < left for line in panel.header["lines"] if "epoch " in line["text"]
               and "over" not in line["text"])  # fmt: skip
    axes = panel.figure().axes[0]
    assert axes.get_yticklabels()[0].get_text() == "epoch 0"
    own = timeline(run, "dense", scale="unit").pixels(0)
    assert (own.max(axis=0) == LEVELS - 1).all()


def test_one_unit_and_one_neuron_are_a_cell_for_each_step() -> None:
    run = learner()
    assert labels(timeline(run, "dense:3")) == [f"epoch {i}" for i in range(5)]
    panel = timeline(run, "conv:1@2,3")
    assert panel.header["title"] == "conv:1@2,3 over 5 epochs"
    values = run["conv:1@2,3"].values[:, 0]
    assert [panel.pixels(i).item() for i in np.argsort(values)] == sorted(
        panel.pixels(i).item() for i in range(5)
    )


def test_a_whole_layer_is_a_row_for_each_channel() -> None:
    panel = timeline(learner(), "conv", steps=[0, 4])
    assert panel.header["columns"] == 2
    assert labels(panel) == [f"{channel} · {step}" for channel in range(4) for step in (0, 4)]
    one = timeline(learner(), "conv:3", steps=[0, 4], scale=(0.0, 9.0))
    whole = timeline(learner(), "conv", steps=[0, 4], scale=(0.0, 9.0))
    assert (whole.pixels(7) == one.pixels(1)).all()


def test_weights() -> None:
    weights = learner().weights
    panel = timeline(weights, "conv/kernel:3")
    assert labels(panel) == [f"epoch {i}" for i in range(5)]
    assert panel.header["note"] == ""
    strokes = timeline(weights, "dense/kernel:7", reshape=(3, 4), palette="diverging")
    assert [strokes.pixels(i).shape for i in range(5)] == [(3, 4)] * 5
    assert labels(timeline(weights, "dense/kernel", reshape=(3, 4)))[-1] == "9 · 4"


def test_kernels_of_colours() -> None:
    kernels = np.random.default_rng(0).normal(size=(4, 3, 3, 3, 5)).astype(np.float32)
    run = run_of({}, weights={"k": (("y", "x", "input", "channel"), kernels)})
    panel = timeline(run.weights, "k:2")
    assert [tile["format"] for tile in panel.header["tiles"]] == ["rgb"] * 4
    assert len(timeline(run.weights, "k")) == 20


def test_blank_maps_are_counted() -> None:
    values = changing_maps()
    values[3:, ..., 1] = 0
    panel = timeline(run_of({"conv": (MAPS, values)}), "conv:1")
    assert panel.header["note"] == "sample 0, 2 of 5 blank"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"address": "conw"}, AddressError, "did you mean 'conv'"),
        ({"address": "conv:9"}, AddressError, "'conv' has 4 along channel"),
        ({"address": 5}, ViewError, "address=5: pass the name of a layer"),
        ({"sample": 3}, ViewError, "There is no sample 3: there are 3"),
        ({"steps": [7]}, AddressError, "There is no step 7"),
        ({"steps": 7}, ViewError, "steps=7: pass the numbers of steps"),
        ({"steps": []}, ViewError, "steps= names no step"),
        ({"scale": "own"}, ViewError, "scale='own' is none"),
        ({"palette": "virids"}, ViewError, "did you mean 'viridis'"),
        ({"columns": 0}, ViewError, "columns=0"),
        ({"reshape": (2, 2), "address": "dense"}, ViewError, r"try \(2, 5\)"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        timeline(learner(), **{"address": "conv", **arguments})


def test_what_has_no_steps() -> None:
    with pytest.raises(ViewError, match="This recording is of a single moment"):
        timeline(recording({"a": maps(2)}), "a:1")
    with pytest.raises(ViewError, match="A view takes a recording, and this is an int"):
        timeline(3, "a")  # type: ignore[arg-type]


def test_too_many_maps() -> None:
    values = np.zeros((9, 1, 1, 1, 500), np.float32)
    with pytest.raises(ViewError, match=r"'conv' at 9 steps would be 4,500 maps.*'conv:0'"):
        timeline(run_of({"conv": (MAPS, values)}), "conv")


def test_weights_of_both_signs_have_a_plain_zero() -> None:
    weights = learner().weights
    panel = timeline(weights, "conv/kernel:3")
    assert panel.header["palette"] == "diverging"
    assert panel.header["scale"]["low"] == -panel.header["scale"]["high"]
    assert timeline(weights, "conv/kernel:3", palette="gray").header["palette"] == "gray"
    assert timeline(learner(), "conv:3").header["palette"] == "viridis"


def test_what_the_labels_are_is_said() -> None:
    assert "labels: channel · epoch" in timeline(learner(), "conv").header["note"]
    kernels = timeline(learner().weights, "conv/kernel")
    assert kernels.header["note"].startswith("labels: channel")
    assert "labels" not in timeline(learner(), "conv:1").header["note"]


def test_the_input_and_the_same_step_twice() -> None:
    with pytest.raises(ViewError, match="'input' is the same at every step"):
        timeline(learner(), "input")
    with pytest.raises(ViewError, match="names step 2 more than once"):
        timeline(learner(), "conv:1", steps=[2, 2])
