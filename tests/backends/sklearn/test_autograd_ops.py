"""The operations on NumPy's arrays are those of NumPy, and can be differentiated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("autograd")
pytest.importorskip("sklearn")

from scipy.special import expit, softmax

from layerscope.backends.sklearn import autograd_ops as ops
from layerscope.backends.sklearn.gradients import differentiated
from layerscope.testing.gradients import differences

X = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
PLACES = np.array([[2, 0, 0], [1, 3, 3]])

#: What is done to X, and what NumPy makes of it.
CASES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "flip": (lambda x: ops.flip(x, 1), np.flip(X, 1)),
    "flip all": (ops.flip, np.flip(X)),
    "roll": (lambda x: ops.roll(x, (1, -2), (1, 2)), np.roll(X, (1, -2), (1, 2))),
    "roll flat": (lambda x: ops.roll(x, 5), np.roll(X, 5)),
    "constant": (
        lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1)), "constant", 0.5),
        np.pad(X, ((0, 0), (1, 2), (0, 1)), "constant", constant_values=0.5),
    ),
    "reflect": (
        lambda x: ops.pad(x, ((0, 0), (3, 1), (2, 0)), "reflect"),
        np.pad(X, ((0, 0), (3, 1), (2, 0)), "reflect"),
    ),
    "take": (lambda x: ops.take(x, [3, 0, 3], 1), np.take(X, [3, 0, 3], 1)),
    "take flat": (lambda x: ops.take(x, PLACES), np.take(X, PLACES)),
    "take along": (
        lambda x: ops.take_along_axis(x, PLACES[:, None, :], 1),
        np.take_along_axis(X, PLACES[:, None, :], 1),
    ),
    "sigmoid": (ops.sigmoid, expit(X)),
    "softmax": (ops.softmax, softmax(X, -1)),
    "softmax along": (lambda x: ops.softmax(x, axis=1), softmax(X, 1)),
    "cast": (lambda x: ops.cast(x, "float64"), X.astype(np.float64)),
    "real": (lambda x: ops.ifft2((x, 2 * x))[0], np.fft.ifft2(X + 2j * X).real),
    "imaginary": (lambda x: ops.ifft2((x * x, x))[1], np.fft.ifft2(X * X + 1j * X).imag),
    "stopped": (lambda x: x * ops.stop_gradient(2 * x) * 0 + x, X),
    "einsum": (lambda x: ops.einsum("nyc,nzc->nyz", x, x), np.einsum("nyc,nzc->nyz", X, X)),
    "moments": (
        lambda x: ops.mean(x, axis=(1, 2), keepdims=True) + ops.max(x, axis=1, keepdims=True),
        X.mean((1, 2), keepdims=True) + X.max(1, keepdims=True),
    ),
    "where": (lambda x: ops.where(x > 0, x, 0.5 * x), np.where(X > 0, X, X / 2)),
    "clip": (lambda x: ops.clip(x, -1, 1), np.clip(X, -1, 1)),
    "stack": (lambda x: ops.stack([x, 2 * x], axis=-1), np.stack([X, 2 * X], -1)),
    "concatenate": (lambda x: ops.concatenate([x, x], axis=1), np.concatenate([X, X], 1)),
    "tensordot": (lambda x: ops.tensordot(x, x[0], [[1], [0]]), np.tensordot(X, X[0], [[1], [0]])),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_slopes(name: str) -> None:
    function, expected = CASES[name]
    np.testing.assert_allclose(function(X), expected, rtol=1e-5, atol=1e-6)
    weights = np.arange(expected.size).reshape(expected.shape) % 5 - 1.5
    x = X.astype(np.float64)
    _, gradient = differentiated(lambda x: function(x) * weights)(x)
    places = list(np.ndindex(x.shape))
    slopes = differences(lambda x: (function(x) * weights).sum(), x, places, 1e-5)
    np.testing.assert_allclose(gradient.ravel(), slopes, rtol=1e-4, atol=1e-4)


def test_no_gradient_goes_through_what_is_stopped() -> None:
    _, gradient = differentiated(lambda x: x * ops.stop_gradient(x))(X)
    np.testing.assert_array_equal(gradient, X)


def test_numbers_become_float32() -> None:
    for given in (0.5, [0.5], np.array([0.5])):
        assert ops.convert_to_tensor(given).dtype == np.float32
    assert ops.convert_to_tensor([1, 2]).dtype.kind == "i"
    assert ops.convert_to_tensor(0.5, "float64").dtype == np.float64
    assert ops.shape(X) == (2, 4, 3)
    assert type(ops.convert_to_numpy(X)) is np.ndarray


def test_every_operation_that_objectives_and_images_may_use() -> None:
    written = """
        abs add arange cast clip concatenate convert_to_numpy convert_to_tensor einsum exp
        expand_dims flip floor ifft2 log matmul max maximum mean min minimum ones_like pad reshape
        roll shape sigmoid softmax sqrt square stack stop_gradient sum take take_along_axis tanh
        tensordot transpose where zeros_like
    """
    assert set(written.split()) <= set(ops.__all__)
    assert all(callable(getattr(ops, name)) for name in ops.__all__)
