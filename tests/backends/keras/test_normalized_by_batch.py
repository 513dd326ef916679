"""A pass with batch normalization by the batch, on each of Keras' backends; the loss of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerscope.backends import backend_for
from layerscope.backends.base import Normalizing
from layerscope.backends.opening import load_model
from layerscope.backends.training import training_of
from layerscope.core.selection import Selection
from layerscope.core.training_loss import TrainingLoss

keras = pytest.importorskip("keras")
layers = keras.layers


def network(*, functional: bool = False) -> Any:
    parts = [
        layers.Conv2D(4, 3, name="conv"),
        layers.BatchNormalization(name="norm"),
        layers.Dropout(0.5, name="drop"),
        layers.Flatten(name="flat"),
        layers.Dense(3, name="out"),
    ]
    if not functional:
        return keras.Sequential([keras.Input((5, 5, 1)), *parts])
    inputs = keras.Input((5, 5, 1))
    y = inputs
    for part in parts:
        y = part(y)
    y = layers.BatchNormalization(name="asleep")(y, training=False)
    return keras.Model(inputs, y)


X = np.random.default_rng(0).normal(3, 2, (16, 5, 5, 1)).astype("float32")


@pytest.mark.parametrize("functional", [False, True])
def test_only_normalization_is_as_in_training(functional: bool) -> None:
    model = network(functional=functional)
    before = [keras.ops.convert_to_numpy(v) for v in model.variables]
    backend = backend_for(model)
    assert isinstance(backend, Normalizing)
    run = backend.normalized_by_batch(X, Selection(everything=True))
    values = {name: array.presented().values for name, array in run.values.items()}
    came, went = values["conv"], values["norm"]
    apart = came - came.mean(axis=(0, 1, 2))
    by_hand = apart / np.sqrt(came.var(axis=(0, 1, 2)) + 1e-3)
    assert np.allclose(went, by_hand, atol=1e-3)
    assert np.allclose(values["drop"], went)  # dropout drops nothing
    if functional:  # what the model's own code keeps in inference stays so
        assert np.allclose(values["asleep"], values["out"] / np.sqrt(1.001), atol=1e-5)
    after = [keras.ops.convert_to_numpy(v) for v in model.variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_loss_is_that_of_the_compiled_model_and_of_its_file(tmp_path: Path) -> None:
    model = network()
    assert training_of(model).loss() is None
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    expected = TrainingLoss("SparseCategoricalCrossentropy", "categorical", "logits")
    assert training_of(model).loss() == expected
    model.save(tmp_path / "model.keras")
    assert training_of(load_model(tmp_path / "model.keras")).loss() == expected
    model.compile("sgd", "categorical_crossentropy")
    assert training_of(model).loss() == TrainingLoss(
        "categorical_crossentropy", "categorical", "probabilities"
    )
    model.compile("sgd", "mse")
    family = training_of(model).loss()
    assert family is not None
    assert family.family == "other"
