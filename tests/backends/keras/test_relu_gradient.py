"""Redirected gradients of the ReLUs that Keras computes, wherever they stand in a model."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

keras = pytest.importorskip("keras")

from keras.src.backend import nn as backend_nn

from layerscope.backends import backend_for, relu_gradient
from layerscope.backends.base import Tap

Array = npt.NDArray[Any]


class Calling(keras.layers.Layer):  # type: ignore[misc]
    """A layer of a user's own that calls a function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__(name="last")
        self.function = function

    def call(self, x: Any) -> Any:
        return self.function(x)


layers = keras.layers
RELUS = {
    "fused": lambda x: layers.Dense(2, "relu", kernel_initializer="identity", name="last")(x),
    "layer": lambda x: layers.ReLU(name="last")(x),
    "activation": lambda x: layers.Activation("relu", name="last")(x),
    "operation": lambda x: layers.Identity(name="last")(keras.ops.relu(x)),
    "in a layer": lambda x: Calling(keras.ops.relu)(x),
    "a function in a layer": lambda x: Calling(keras.activations.relu)(x),
}
RELUS_UP_TO_6 = {
    "layer": lambda x: layers.ReLU(6.0, name="last")(x),
    "activation": lambda x: layers.Activation("relu6", name="last")(x),
    "in a layer": lambda x: Calling(keras.ops.relu6)(x),
}


def network(relu: Callable[[Any], Any]) -> Any:
    x = keras.Input((2,))
    return keras.Model(x, relu(x))


def slope(model: Any, x: Any, sign: float = 1.0, *, redirected: bool = True) -> Array:
    """The gradient of the sum of what the last layer returns, times ``sign``."""
    backend, tap = backend_for(model), Tap("last")
    values: Any = backend.values([tap], redirected=redirected)  # type: ignore[attr-defined]
    score: Any = backend.gradient(lambda x: sign * values(x)[tap])  # type: ignore[attr-defined]
    key = ("slope", sign, redirected)
    _, gradient = backend.compiled(score, key, network=True)(  # type: ignore[attr-defined]
        keras.ops.convert_to_tensor(np.array(x, np.float32))
    )
    return np.asarray(keras.ops.convert_to_numpy(gradient))


@pytest.mark.parametrize("kind", RELUS)
def test_it_goes_on_where_nothing_gets_through(kind: str) -> None:
    model = network(RELUS[kind])
    off, one_on = [-1.0, 0.0], [-1.0, 2.0]

    assert slope(model, [off, one_on], redirected=False).tolist() == [[0, 0], [0, 1]]
    # Sample by sample: where one unit is on, another that is off has no slope.
    assert slope(model, [off, one_on]).tolist() == [[1, 1], [0, 1]]


@pytest.mark.parametrize("kind", RELUS)
def test_it_does_not_push_down_what_is_off(kind: str) -> None:
    assert slope(network(RELUS[kind]), [[-1.0, 0.0], [-1.0, 2.0]], -1).tolist() == [[0, 0], [0, -1]]


@pytest.mark.parametrize("kind", RELUS_UP_TO_6)
def test_it_comes_back_from_a_ceiling(kind: str) -> None:
    model = network(RELUS_UP_TO_6[kind])
    inputs = [[7.0, -1.0], [7.0, 8.0], [7.0, 3.0]]

    assert slope(model, inputs, redirected=False).tolist() == [[0, 0], [0, 0], [0, 1]]
    assert slope(model, inputs).tolist() == [[0, 1], [0, 0], [0, 1]]
    assert slope(model, inputs, -1).tolist() == [[-1, 0], [-1, -1], [0, -1]]


def test_it_goes_on_through_all_that_are_off() -> None:
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(2, "relu", name="first"),
            layers.Dense(1, "relu", name="last"),
        ]
    )
    model.get_layer("first").set_weights([np.array([[1.0, 0], [0, 1]]), np.array([-5.0, -5])])
    model.get_layer("last").set_weights([np.array([[2.0], [-3]]), np.array([-1.0])])

    # The second unit of the first layer would be pushed down.
    assert slope(model, [[0.0, 0.0]]).tolist() == [[2, 0]]


def test_values_are_the_same() -> None:
    x = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32) * 5
    for relu in (*RELUS.values(), *RELUS_UP_TO_6.values()):
        backend, tap = backend_for(network(relu)), Tap("last")
        plain, redirected = (
            keras.ops.convert_to_numpy(
                backend.values([tap], redirected=way)(keras.ops.convert_to_tensor(x))[tap]  # type: ignore[attr-defined]
            )
            for way in (False, True)
        )
        np.testing.assert_array_equal(plain, redirected)


def test_it_is_the_rule_sample_by_sample() -> None:
    drawn = np.random.default_rng(0)
    x = drawn.integers(-2, 4, (60, 2, 2)).astype(np.float32)
    gradient = drawn.integers(-1, 2, x.shape).astype(np.float32)
    expected = np.zeros_like(x)
    for i in range(len(x)):
        on = (x[i] > 0) & (x[i] < 3)
        expected[i][on] = gradient[i][on]
        if not np.any(expected[i]):
            for place in np.ndindex(2, 2):
                further = gradient[i][place] < 0 if x[i][place] <= 0 else gradient[i][place] > 0
                expected[i][place] = 0 if further else gradient[i][place]

    tensors = (keras.ops.convert_to_tensor(array) for array in (x, gradient))
    found = relu_gradient.redirected(keras.ops, *tensors, 3.0)

    np.testing.assert_array_equal(keras.ops.convert_to_numpy(found), expected)


def test_keras_is_as_before_also_after_an_error() -> None:
    before = backend_nn.relu, backend_nn.relu6

    def failing(x: Any) -> Any:
        raise ValueError("no")

    slope(network(RELUS["fused"]), [[1.0, 1.0]])
    model = keras.Sequential([Calling(keras.ops.relu)])
    model.build((None, 2))
    model.layers[0].function = failing
    with pytest.raises(Exception, match="no"):
        slope(model, [[1.0, 1.0]])

    assert (backend_nn.relu, backend_nn.relu6) == before


def test_other_threads_have_the_ordinary_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    x = keras.ops.convert_to_tensor(np.ones((1, 2), np.float32))
    threads: list[int] = []
    custom = relu_gradient._custom

    def noted(*args: Any) -> Any:
        threads.append(threading.get_ident())
        return custom(*args)

    monkeypatch.setattr(relu_gradient, "_custom", noted)
    with relu_gradient.redirected_relus(True):
        keras.ops.relu(x)
        other = threading.Thread(target=keras.ops.relu, args=(x,))
        other.start()
        other.join()

    assert threads == [threading.get_ident()]
