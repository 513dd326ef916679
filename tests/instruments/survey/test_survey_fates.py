"""The fates of units from surveys of several checkpoints: those of a recording on the same data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import layerscope as ls
from layerscope.errors import InputError
from layerscope.recordings.survey.fates import fates_of_surveys

STEPS = (0, 3, 4, 9)
#: Of each channel, at which of the steps its bias keeps it silent.
SILENT = {0: (), 1: (0, 3), 2: (4, 9), 3: (3,), 4: STEPS}


def network() -> Any:
    return keras.Sequential(
        [
            keras.layers.Input((6, 6, 1)),
            keras.layers.Conv2D(5, 3, activation="relu", kernel_initializer="ones", name="conv"),
            keras.layers.MaxPooling2D(name="pool"),
            keras.layers.Flatten(name="flat"),
            keras.layers.Dense(2, name="dense"),
        ]
    )


def set_step(model: Any, step: int) -> None:
    """Give the network the biases that it has at a step."""
    conv = model.get_layer("conv")
    kernel, bias = conv.get_weights()
    bias[:] = [-1e4 if step in SILENT[channel] else 0 for channel in range(len(bias))]
    conv.set_weights([kernel, bias])


def images(count: int = 12) -> Any:
    return np.random.default_rng(1).integers(0, 5, (count, 6, 6, 1)).astype(np.float32)


def test_surveys_and_a_recording_tell_the_same_fates(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    model, x, surveys = network(), images(), {}
    with ls.Recorder(tmp_path / "run", model, probe=x, quiet=True) as recorder:
        for step in STEPS:
            set_step(model, step)
            recorder.snap(step)
            surveys[step] = ls.survey(model, x)
    recorded = ls.open_recording(tmp_path / "run").fate()
    fates = fates_of_surveys(surveys, epochs=dict(zip(STEPS, STEPS, strict=True)), untrained=True)
    assert list(fates) == ["conv"]
    assert fates.to_frame().equals(recorded.to_frame())
    assert fates.unit("conv:1").words == "born silent, woke in epoch 4"
    assert fates.unit("conv:2").words == "fires from the start, died in epoch 4"
    assert fates.unit("conv:3").words == (
        "fires from the start, died between epoch 0 and epoch 3, revived in epoch 4"
    )
    assert fates.others["dense"] == "a zero of it is a value like any other"
    drawn, expected = fates.picture(), recorded.picture()
    assert drawn.buffers["cells"] == expected.buffers["cells"]


def test_parts_of_the_data_that_are_merged_tell_the_same() -> None:
    model, x = network(), images()
    whole, merged = {}, {}
    for step in STEPS:
        set_step(model, step)
        whole[step] = ls.survey(model, x)
        merged[step] = ls.survey(model, x[7:], first=7).merge(ls.survey(model, x[:7]))
    frames = [fates_of_surveys(surveys).to_frame() for surveys in (whole, merged)]
    assert frames[0].equals(frames[1])
    assert frames[0]["n"].tolist() == [12] * 5
    assert fates_of_surveys(whole).unit("conv:3").words.startswith("fires when first seen, died")


def test_the_fewest_samples_are_what_is_claimed() -> None:
    model = network()
    surveys = {step: ls.survey(model, images(4 + step)) for step in (2, 1)}
    assert fates_of_surveys(surveys)["conv"].n == 5
    assert fates_of_surveys(surveys)["conv"].steps.tolist() == [1, 2]


def test_what_is_no_number_is_not_known() -> None:
    model = network()
    set_step(model, 4)
    some = images()
    some[3] = np.nan
    surveys = {0: ls.survey(model, images()), 1: ls.survey(model, some)}
    fates = fates_of_surveys(surveys)["conv"]
    assert fates.states[1].tolist() == [2, 2, 0, 2, 0]  # who fires elsewhere fires
    assert fates.states[0].tolist() == [2, 2, 1, 2, 1]


def test_what_does_not_go_together() -> None:
    model = network()
    with pytest.raises(InputError, match="need a survey of each: there is none"):
        fates_of_surveys({})
    with pytest.raises(InputError, match="need a survey of each: there is an int"):
        fates_of_surveys({0: 1})  # type: ignore[dict-item]
    other = keras.Sequential(
        [keras.layers.Input((6, 6, 1)), keras.layers.Conv2D(2, 3, activation="relu", name="conv")]
    )
    surveys = {0: ls.survey(model, images()), 1: ls.survey(other, images())}
    with pytest.raises(InputError, match="surveys of several networks: 'conv' differs"):
        fates_of_surveys(surveys)
    surveys = {0: ls.survey(model, images()), 1: ls.survey(model, images(), layers="dense")}
    assert fates_of_surveys(surveys).others["conv"] == "not surveyed at each step"
