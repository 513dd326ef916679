"""A step: how gradients are normalized, in any size that they come in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import layerscope as ls
from layerscope.instruments.features.ascent.stage import measured, normalization
from layerscope.instruments.features.ascent.task import task_of
from layerscope.instruments.features.image.recipes import recipe

ops = keras.ops


@pytest.mark.parametrize("size", [1e-20, 1e-6, 1.0, 1e6])
def test_gradients_of_any_size_are_normalized(size: float) -> None:
    values = np.random.default_rng(0).normal(0.3, 1, (3, 5, 6, 2)) * size
    gradient = ops.convert_to_tensor(values.astype(np.float32))
    measures = measured(ops, gradient)
    for how, expected in (
        ("std", values / values.std(axis=(1, 2, 3), keepdims=True)),
        ("l2", values / np.sqrt(np.square(values).sum(axis=(1, 2, 3), keepdims=True))),
        ("none", values),
    ):
        factor = ops.convert_to_numpy(normalization(ops, how, measures, 60)).astype(float)
        np.testing.assert_allclose(values * factor[:, None, None, None], expected, rtol=1e-4)
    rms = ops.convert_to_numpy(measures[0] * ops.sqrt(measures[2]))
    np.testing.assert_allclose(rms, np.sqrt(np.square(values).mean(axis=(1, 2, 3))), rtol=1e-5)


def test_no_gradient_moves_nothing() -> None:
    measures = measured(ops, ops.zeros((2, 4)))
    for how in ("std", "l2"):
        factor = ops.convert_to_numpy(normalization(ops, how, measures, 4))
        assert not factor.any()


def test_steps_without_transforms_are_those_of_a_plain_loop() -> None:
    """The tutorial's ascent, written out with a gradient that is known: a linear layer's."""
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2, name="d")])
    kernel = model.get_layer("d").get_weights()[0][:, 1].astype(float)
    made = recipe("tutorial", steps=4, transforms=[], input_range=(-1, 1), step_size=0.02)
    start = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 6)).astype(np.float32)
    task = task_of(model, "d:1", recipe(made, start=start))
    x = start[0].astype(float)
    progress: Any = None
    for progress in task.ascent.climb(task.arrays([0]), [0], task.start_of([0])):
        x = np.clip(x + 0.02 * kernel / (kernel.std() + 1e-8), -1, 1)
        np.testing.assert_allclose(progress.images()[0], x, atol=1e-5)
    assert len(progress.scores) == 4


def test_adam_without_transforms_is_keras_adam() -> None:
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2, name="d")])
    kernel = model.get_layer("d").get_weights()[0][:, 1]
    start = np.zeros((1, 6), np.float32)
    feats = ls.features(
        model, "d:1", recipe="tutorial", transforms=[], optimizer="adam", steps=5, step_size=0.02,
        start=start, input_range=(-1, 1),
    )  # fmt: skip
    variable = keras.Variable(start[0])
    adam = keras.optimizers.Adam(0.02)
    scale = np.sqrt(np.square(kernel).mean())  # gradients are measured in units of the first
    for _ in range(5):
        adam.apply([ops.convert_to_tensor(-kernel / scale)], [variable])
    np.testing.assert_allclose(feats.image(), ops.convert_to_numpy(variable.value), atol=1e-5)
