"""Examples and cards with the model at hand, and surveys of files that are opened again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import layerscope as ls
from layerscope.core.errors import InputError
from layerscope.inputs.survey_samples import SampleReader
from layerscope.instruments.survey.example_maps import example_maps

keras = pytest.importorskip("keras")


def negative(batch: Any) -> Any:
    """What images go through before the model."""
    return 255 - batch


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(3)
    layers = [
        keras.layers.Conv2D(4, 3, activation="relu", name="conv"),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dense(2, name="out"),
    ]
    return keras.Sequential([keras.Input((6, 6, 1)), *layers])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(7):
        pixels = rng.integers(0, 256, (6, 6), np.uint8)
        Image.fromarray(pixels).save(made / f"{number}.png")
    np.save(made / "more.npy", rng.random((3, 6, 6, 1), np.float32))
    return made


def test_files_are_read_as_the_survey_read_them(model: Any, folder: Path, tmp_path: Path) -> None:
    made = ls.survey(model, folder, input_range=(-1, 1), to=tmp_path / "s.zarr", progress=False)
    again = ls.open_recording(tmp_path / "s.zarr")
    assert again.reading.to_json() == made.reading.to_json()
    acts = ls.activations(model, folder, input_range=(-1, 1))
    reader = SampleReader(again.reading)
    assert again.count == 10
    for number, sample in again.samples.items():
        (array,) = reader.inputs(sample).values()
        assert sample.name == acts.samples[number]
        assert np.array_equal(array.values[0], acts.input.values[number])


def test_maps_are_those_of_the_model(model: Any, folder: Path) -> None:
    survey = ls.survey(model, folder, progress=False)
    examples = survey.examples("conv:2", n=4)
    maps = example_maps(model, survey, "conv:2", examples)
    acts = ls.activations(model, folder)
    for example in examples:
        found = maps[example.sample.number]
        expected = acts["conv:2"].isel(sample=example.sample.number).values
        assert np.allclose(found, expected, atol=1e-6)
        assert found[example.place] == pytest.approx(example.value, abs=1e-6)
    assert example_maps(model, survey, "out:0", survey.examples("out:0")) == {}
    assert len(ls.examples(survey, "conv:2", model=model)) >= 1


def test_a_function_that_was_not_kept_is_asked_for(
    model: Any, folder: Path, tmp_path: Path
) -> None:
    made = ls.survey(model, folder, preprocess=negative, to=tmp_path / "s.zarr", progress=False)
    again = ls.open_recording(tmp_path / "s.zarr")
    example = made.examples("conv:2", n=1)
    with pytest.raises(InputError, match="not kept with it: pass preprocess=, too"):
        example_maps(model, again, "conv:2", example)
    for survey, how in ((made, {}), (again, {"preprocess": negative})):
        (found,) = example_maps(model, survey, "conv:2", example, **how).values()
        assert found[example[0].place] == pytest.approx(example[0].value, abs=1e-4)


def test_another_model_is_refused(model: Any, folder: Path) -> None:
    survey = ls.survey(model, folder, progress=False)
    other = keras.models.clone_model(model)
    other.build((None, 6, 6, 1))
    other.set_weights([weight + 1 for weight in model.get_weights()])
    with pytest.raises(InputError, match="other weights than the one that was surveyed"):
        ls.examples(survey, "conv:2", model=other)
    with pytest.raises(InputError, match="other weights"):
        ls.card(survey, "conv:2", model=other)


def test_a_card_with_the_model_has_kernel_and_neighbours(model: Any, folder: Path) -> None:
    survey = ls.survey(model, folder, progress=False)
    panel = ls.card(survey, "conv:2", model=model, features=False)
    titles = [part["panel"]["title"] for part in panel.header["parts"]]
    assert titles[0] == "its kernel"
    assert titles[-2:] == ["what drives it", "who listens to it"]
