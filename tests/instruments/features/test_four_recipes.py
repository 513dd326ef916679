"""Each recipe runs on each differentiable backend, on images, sequences and vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import layerscope as ls
from cases.closed_form import draw_weights
from layerscope.core.errors import InputError

pytestmark = pytest.mark.one_backend

layers = keras.layers
RECIPES = ("lucid", "deepdream", "tutorial", "chollet")


def images_of(*shape: int) -> Any:
    return draw_weights(
        keras.Sequential(
            [
                keras.Input(shape),
                layers.Conv2D(6, 3, activation="relu", name="conv"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(4, activation="softmax", name="classes"),
            ]
        )
    )


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("shape", [(24, 24, 1), (20, 30, 3), (16, 18, 5)])
def test_images_of_any_number_of_channels(recipe: str, shape: tuple[int, ...]) -> None:
    # Of images as small as these, steps of length 10 change everything at once.
    less = {"step_size": 1} if recipe == "chollet" else {}
    objective = ls.objectives.units("classes", [0, 3])
    feats = ls.features(images_of(*shape), objective, recipe=recipe, steps=8, **less)
    assert feats["classes"].dims == ("y", "x", "input", "channel")
    assert feats["classes"].shape == (*shape, 2)
    assert feats["classes"].values.min() >= 0
    assert feats["classes"].values.max() <= 1
    for grade in feats.grades:
        assert grade.reached > grade.start
    assert feats.settings["recipe"] == recipe


@pytest.mark.parametrize("recipe", RECIPES)
def test_any_size(recipe: str) -> None:
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 5, name="conv")])
    feats = ls.features(model, "conv:2", recipe=recipe, size=(40, 56), steps=4, octaves=2)
    assert feats.image("conv:2").shape == (40, 56, 3)
    assert len(feats.history) == 9


@pytest.mark.parametrize("recipe", RECIPES)
def test_sequences_and_vectors(recipe: str) -> None:
    sequences = keras.Sequential([keras.Input((20, 4)), layers.Conv1D(3, 5, name="conv")])
    draw_weights(sequences)
    feats = ls.features(sequences, "conv:1", recipe=recipe, steps=8)
    assert feats["conv"].dims == ("position", "input", "channel")
    assert feats.image("conv:1").shape == (20, 4)
    assert feats.grades[0].reached > feats.grades[0].start
    vectors = draw_weights(keras.Sequential([keras.Input((30,)), layers.Dense(5, name="d")]))
    feats = ls.features(vectors, ls.objectives.units("d", range(5)), recipe=recipe, steps=8)
    assert feats["d"].shape == (30, 5)
    assert all(grade.reached > grade.start for grade in feats.grades)


def test_what_an_embedding_looks_for() -> None:
    """A sequence of vectors, within what the table of the embedding holds."""
    model = keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            layers.Embedding(30, 6, name="table"),
            layers.Conv1D(5, 3, name="conv"),
        ]
    )
    draw_weights(model)
    feats = ls.features(model, "conv:2", recipe="tutorial", steps=20)
    assert feats.image("conv:2").shape == (7, 6)
    table = model.get_layer("table").get_weights()[0]
    assert feats["conv"].values.min() >= table.min() - 1e-6
    assert feats["conv"].values.max() <= table.max() + 1e-6
    assert feats.grades[0].reached > feats.grades[0].start


def test_a_vector_that_is_an_image() -> None:
    model = draw_weights(keras.Sequential([keras.Input((48,)), layers.Dense(3, name="d")]))
    feats = ls.features(model, "d:1", size=(4, 6), steps=8, transforms=[])
    assert feats.image("d:1").shape == (4, 6, 2)
    kernel = model.get_layer("d").get_weights()[0][:, 1]
    grade = feats.grades[0]
    assert grade.reached == pytest.approx(feats.image("d:1").ravel() @ kernel + 0.1, abs=1e-4)
    with pytest.raises(InputError, match=r"size=\(5, 5\): the model takes 48 numbers"):
        ls.features(model, "d:1", size=5)


def test_channels_first() -> None:
    """Whatever the layout of the model, an image has its channels last."""
    if keras.config.backend() == "tensorflow":
        pytest.skip("TensorFlow's convolutions on the CPU take channels last alone")
    first = keras.Sequential(
        [keras.Input((3, 16, 20)), layers.Conv2D(4, 3, data_format="channels_first", name="conv")]
    )
    last = keras.Sequential([keras.Input((16, 20, 3)), layers.Conv2D(4, 3, name="conv")])
    last.set_weights(draw_weights(first).get_weights())
    a, b = (ls.features(m, "conv:1@4,7", recipe="tutorial", steps=6) for m in (first, last))
    assert a.image().shape == b.image().shape == (16, 20, 3)
    np.testing.assert_allclose(a.image(), b.image(), atol=1e-4)


def test_a_start_image_dreams() -> None:
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(8, 3, name="conv")])
    draw_weights(model)
    photo = np.random.default_rng(0).random((48, 64, 3)).astype(np.float32)
    feats = ls.features(model, ["conv"], start=photo, octaves=3, steps=5)
    assert feats.settings["recipe"] == "deepdream"
    assert feats.image().shape == (48, 64, 3)
    assert len(feats.history) == 16
    near = np.corrcoef(feats.image().ravel(), photo.ravel())[0, 1]
    assert near > 0.8  # it is still that photo
    assert feats.grades[0].reached > feats.grades[0].start
