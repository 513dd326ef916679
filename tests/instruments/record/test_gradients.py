"""Gradients beside the weights of a recording: of the loss on the probe, in Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.errors import InputError, ModelError

keras = pytest.importorskip("keras")

X = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
Y = np.arange(12) % 3


def network() -> Any:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(5, name="hidden"),
            keras.layers.Dropout(0.5, name="drop"),
            keras.layers.Dense(3, activation="softmax", name="out"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def by_hand(model: Any) -> dict[str, float]:
    """The norms of the gradients of the mean cross entropy, in float64."""
    w1, b1, w2, b2 = (keras.ops.convert_to_numpy(v).astype(float) for v in model.weights)
    hidden = X @ w1 + b1
    logits = hidden @ w2 + b2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    d = (p - np.eye(3)[Y]) / len(X)
    back = d @ w2.T
    of = {"out/kernel": hidden.T @ d, "out/bias": d.sum(0), "hidden/kernel": X.T @ back,
          "hidden/bias": back.sum(0)}  # fmt: skip
    return {key: float(np.linalg.norm(value)) for key, value in of.items()}


def test_the_gradients_of_a_fit_are_those_of_the_loss_on_the_probe(tmp_path: Path) -> None:
    model = network()
    expected = by_hand(model)
    recorder = ls.Recorder(tmp_path / "r.zarr", model, probe=X, gradients=Y, quiet=True)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[recorder])
    weights = ls.open_recording(tmp_path / "r.zarr").weights
    for key, norm in expected.items():
        recorded = weights.statistics(key)["gradient"].values
        assert recorded.shape == (3,)
        assert np.isclose(recorded[0], norm, rtol=1e-4)
    after = by_hand(model)
    assert np.isclose(weights.statistic("out/kernel", "gradient")[-1], after["out/kernel"], 1e-4)


def test_a_training_goes_as_it_would_without(tmp_path: Path) -> None:
    ends = []
    for gradients in (False, Y):
        model = network()
        where = tmp_path / f"{len(ends)}.zarr"
        recorder = ls.Recorder(where, model, probe=X, gradients=gradients, quiet=True)
        model.fit(X, Y, epochs=2, batch_size=4, verbose=0, callbacks=[recorder])
        ends.append([keras.ops.convert_to_numpy(v) for v in model.weights])
    assert all(np.array_equal(a, b) for a, b in zip(*ends, strict=True))


def test_what_can_not_be_recorded_is_said(tmp_path: Path) -> None:
    where = tmp_path / "r.zarr"
    with pytest.raises(InputError, match="gradients=True reads what the training's own backward"):
        ls.Recorder(where, network(), probe=X, gradients=True, quiet=True)
    with pytest.raises(InputError, match="a label for each of the 12 samples, not 5 labels"):
        ls.Recorder(where, network(), probe=X, gradients=Y[:5], quiet=True)
    bare = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(ModelError, match="compile it before the recorder is made"):
        ls.Recorder(where, bare, probe=X, gradients=Y, steps=2, quiet=True)
    assert not where.exists()
