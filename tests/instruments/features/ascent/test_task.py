"""What is settled before the first step: canvas, range, start, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.core.errors import InputError
from layerscope.instruments.features.ascent.task import Task, task_of
from layerscope.instruments.features.image.recipes import recipe

keras = pytest.importorskip("keras")
layers = keras.layers


def network(*before: Any, shape: Any = (9, 12, 3)) -> Any:
    """A convolution of three filters, after these."""
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input(shape), *before, layers.Conv2D(3, 3, name="conv")])


def settled(model: Any, objective: Any = "conv:1", **options: Any) -> Task:
    own = {name: options.pop(name) for name in ("start", "size") if name in options}
    return task_of(model, objective, recipe("lucid", steps=1, **own), **options)


def test_a_start_image_for_each_image_to_make() -> None:
    starts = np.random.default_rng(0).random((4, 9, 12, 3)).astype(np.float32)
    units = ls.objectives.units("conv", [0, 2])
    for objective, variants, given in (("conv:1", 4, 4), (units, 2, 4), (units, 1, 2)):
        task = settled(network(), objective, start=starts[:given], variants=variants)
        np.testing.assert_allclose(task.start, starts[:given] * 2 - 1, atol=1e-6)
    assert len(settled(network(), units, start=starts[:1], variants=2).start) == 4
    for given in (2, 3):
        with pytest.raises(InputError, match=f"start= holds {given} images for 4 to make: pass"):
            settled(network(), units, start=starts[:given], variants=2)


def test_a_recipe_is_suited_to_the_size_of_the_start_image() -> None:
    start = np.full((1, 20, 24, 3), 0.3, np.float32)
    start[:, 10:] = 0.6
    by_start = settled(network(shape=(None, None, 3)), start=start, size=None).ascent
    by_size = settled(network(shape=(None, None, 3)), size=(20, 24)).ascent
    assert by_start.canvas.shape == by_size.canvas.shape == (20, 24, 3)
    assert by_start.recipe.jitter == by_size.recipe.jitter
    assert by_start.recipe.pad == by_size.recipe.pad


def augmentation() -> Any:
    return keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1), layers.AugMix()])


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([lambda: layers.Rescaling(1 / 255)], (0, 255)),
        ([lambda: layers.Rescaling(1 / 127.5, -1.0)], (0, 255)),
        ([lambda: layers.Rescaling(2.0, -1.0)], (0, 1)),
        ([augmentation, lambda: layers.Rescaling(1 / 255)], (0, 255)),
        ([lambda: layers.Resizing(8, 8), lambda: layers.Rescaling(1 / 255)], (0, 255)),
        ([lambda: layers.RandomContrast(0.2), lambda: layers.BatchNormalization()], (0, 1)),
        ([lambda: layers.Normalization(mean=127.0, variance=3600.0)], (0, 255)),
        ([augmentation, lambda: layers.Normalization(mean=127.0, variance=3600.0)], (0, 255)),
        ([lambda: layers.Normalization(mean=0.45, variance=0.05)], (0, 1)),
        ([lambda: layers.Lambda(lambda x: x / 127.5 - 1)], (0, 255)),
        ([lambda: layers.Lambda(lambda x: x - 0.5), lambda: layers.Rescaling(2.0)], (0, 1)),
        ([lambda: layers.Lambda(keras.ops.sigmoid)], (0, 1)),
        ([lambda: layers.Lambda(keras.ops.zeros_like)], (0, 1)),
        ([], (0, 1)),
    ],
)
@pytest.mark.parametrize("shape", [(9, 12, 3), (None, None, 3)])
def test_the_range_that_a_network_takes(before: Any, expected: Any, shape: Any) -> None:
    model = network(*(make() for make in before), shape=shape)
    assert settled(model, size=(9, 12)).ascent.canvas.input_range == expected


@pytest.mark.parametrize(
    ("scaled", "expected"),
    [
        (lambda x: x / 127.5 - 1, (0, 255)),
        (lambda x: (x - 127.5) / 127.5, (0, 255)),
        (lambda x: x * (1 / 255), (0, 255)),
        (lambda x: (x - 0.5) / 0.5, (0, 1)),
    ],
)
def test_the_range_of_a_network_that_scales_by_operations(scaled: Any, expected: Any) -> None:
    x = keras.Input((9, 12, 3))
    model = keras.Model(x, layers.Conv2D(2, 3, name="conv")(scaled(x)))
    assert settled(model, size=(9, 12)).ascent.canvas.input_range == expected


def test_the_first_layer_of_a_table_is_not_taken_for_pixels() -> None:
    columns = layers.Normalization(mean=[40.0, 90.0], variance=[400.0, 900.0])
    model = keras.Sequential([keras.Input((2,)), columns, layers.Dense(2, name="conv")])
    assert settled(model).ascent.canvas.input_range == (0, 1)


def test_whole_numbers_of_one_byte_are_pixels() -> None:
    dark = np.random.default_rng(0).integers(0, 60, (2, 9, 12, 3), dtype=np.uint8)
    assert settled(network(), samples=dark).ascent.canvas.input_range == (0, 255)
    assert settled(network(), start=dark[:1]).ascent.canvas.input_range == (0, 255)


def test_what_was_scaled_already_is_said() -> None:
    samples = np.random.default_rng(0).random((2, 9, 12, 3)).astype(np.float32)
    model = network(layers.Rescaling(1 / 255, name="scale"))
    task = settled(model, samples=samples)
    assert task.ascent.canvas.input_range == (0, 255)
    (note,) = task.notes
    assert note.startswith("The model scales its input itself (scale: Rescaling), and the samples")
    assert settled(model, samples=samples * 255).notes == ()
    assert settled(network(), samples=samples).notes == ()


def test_an_embedding_behind_an_input_of_floats() -> None:
    table = layers.Embedding(7, 4, name="table")
    model = keras.Sequential([keras.Input((5,)), table, layers.Conv1D(3, 2, name="conv")])
    canvas = settled(model).ascent.canvas
    assert (canvas.embedding, canvas.shape) == ("table", (5, 4))
    vectors = np.asarray(keras.ops.convert_to_numpy(table.embeddings))
    assert canvas.input_range == (vectors.min(), vectors.max())


def test_an_image_that_the_network_gets_without_channels() -> None:
    model = keras.Sequential(
        [keras.Input((8, 10)), layers.Reshape((8, 10, 1)), layers.Conv2D(3, 3, name="conv")]
    )
    samples = np.random.default_rng(0).random((3, 8, 10)).astype(np.float32)
    assert settled(model).ascent.canvas.shape == (8, 10)
    for objective in ("conv:1", "conv:1@2,3", lambda found: found["conv"][:, 0, 0, 0]):
        made = ls.features(
            model, objective, size=(8, 10), samples=samples, steps=2, octaves=1, progress=False
        )
        assert made.image().shape == (8, 10, 1)
        (grade,) = made.grades
        assert grade.reached > grade.start


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed=-1: pass a whole number, 0 or more"),
        ({"seed": True}, "seed=True: pass a whole number"),
        ({"variants": 0}, "batch=0: pass a whole number, 1 or more"),
        ({"variants": 1.5}, "batch=1.5: pass a whole number, 1 or more"),
        ({"at_once": 0}, "at_once=0: pass a whole number, 1 or more"),
        ({"at_once": "2"}, "at_once='2': pass a whole number, 1 or more"),
    ],
)
def test_numbers_that_make_no_sense(options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        settled(network(), **options)


def test_volumes() -> None:
    model = keras.Sequential([keras.Input((6, 6, 6, 1)), layers.Conv3D(2, 3, name="conv")])
    with pytest.raises(InputError, match=r"takes volumes, \(None, 6, 6, 6, 1\): features are made"):
        settled(model)


def test_a_model_that_does_not_say_what_it_takes() -> None:
    model = keras.Sequential([layers.Conv2D(3, 3, name="conv")])
    with pytest.raises(InputError, match="does not say what it takes: pass samples= or start= an"):
        settled(model)
    start = np.random.default_rng(0).random((9, 12, 3)).astype(np.float32)
    with pytest.raises(InputError, match=r"shape \(9, 12, 3\): pass .* with the batch axis"):
        settled(model, start=start)
    assert settled(model, start=start[None]).ascent.canvas.shape == (9, 12, 3)


@pytest.mark.parametrize("before", [[("Conv2D", 3, 9)], [("MaxPooling2D", 4)] * 2])
def test_an_image_that_is_too_small_is_told_in_one_sentence(before: Any) -> None:
    """In the framework's own words; JAX says nothing of pooling, and goes on without an image."""
    kinds = [getattr(layers, kind)(*numbers) for kind, *numbers in before]
    model = network(*kinds, shape=(None, None, 3))
    expected = (
        r"The model can't be run on an image of 6×6: (\w+Error: \w|'\w+' |nothing is left of it at)"
    )
    with pytest.raises(InputError, match=expected) as raised:
        settled(model, lambda found: found["conv"][:, 0, 0, 0], size=(6, 6))
    assert "\n" not in str(raised.value)
