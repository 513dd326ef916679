"""Keras models can be differentiated, on each of Keras' backends, and are left as they were."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from cases import keras_cases
from layerscope.backends.base import Tap
from layerscope.core.errors import ModelError
from layerscope.testing.contract import close
from layerscope.testing.gradients import (
    DifferentiableCase,
    DifferentiableContract,
    differentiable,
)

layers = keras.layers


class Midway(layers.Layer):
    def call(self, x: Any) -> Any:
        raise ZeroDivisionError("midway")


class Fails(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.fc = layers.Dense(2, name="fc")
        self.midway = Midway(name="midway")

    def call(self, x: Any) -> Any:
        return self.midway(self.fc(x))


class TestKerasGradients(DifferentiableContract):
    remembers = keras.config.backend() != "torch"

    def case(self) -> DifferentiableCase:
        model = keras_cases.reference_cnn().model
        rng = np.random.default_rng(0)
        # Multiples of a power of two, among which no two of a pool are alike.
        x = (rng.integers(-4000, 4000, (2, 6, 8, 1)) / 2**10).astype(np.float32)
        return DifferentiableCase(
            model, x, x, ("conv", "relu", "pool", "flat", "dense"), step=2.0**-12
        )

    def state(self, model: Any) -> Any:
        inner = list(model._flatten_layers())
        return (
            [keras.ops.convert_to_numpy(v).tolist() for v in model.variables],
            (keras.Operation.__call__, keras.Layer.__call__),
            [id(getattr(layer, "activation", None)) for layer in inner],
            [len(layer._inbound_nodes) for layer in inner],
            [len(layer._losses) for layer in inner],
            np.random.get_state()[1].tolist(),
        )

    def failing(self) -> tuple[Any, Any, str, str, type[Exception]]:
        model = Fails()
        model.fc.build((None, 3))
        return model, np.zeros((1, 3), np.float32), "fc", "midway", ZeroDivisionError


@pytest.mark.parametrize(
    "make",
    [
        keras_cases.subclassed, keras_cases.nested_three_deep, keras_cases.layer_called_twice,
        keras_cases.operator_nodes, keras_cases.any_size, keras_cases.one_dimension,
        keras_cases.three_dimensions, keras_cases.mixed_precision, keras_cases.bfloat16,
        keras_cases.sequential_built_by_a_call,
    ],
)  # fmt: skip
def test_all_values_of_all_kinds_of_models_can_be_tapped(make: Any) -> None:
    case = make()
    backend = differentiable(case.model)
    x = np.asarray(case.x)
    run = backend.run(x, backend.select(None))
    taps = [Tap(address) for address in run.values]
    values = backend.compiled(backend.values(taps), "all", network=True)(
        backend.ops.convert_to_tensor(x)
    )
    for tap in taps:
        # Half precision is not the same compiled in one way and in another.
        tolerance = 2e-2 if "float16" in str(run.values[tap.layer].attrs) + str(x.dtype) else 1e-2
        found = backend.ops.convert_to_numpy(values[tap])
        expected = run.values[tap.layer].presented().values.astype(np.float32)
        assert found.dtype == np.float32
        close(found, expected, tolerance)


@pytest.mark.parametrize("activation", ["softmax", "relu", None])
def test_what_goes_into_a_fused_activation(activation: str | None) -> None:
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, activation=activation, name="d")], name="m"
    )
    backend = differentiable(model)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    before, after = Tap("d", before_activation=True), Tap("d")
    held = vars(model.get_layer("d"))["activation"]
    values = backend.values([before, after])(backend.ops.convert_to_tensor(x))
    kernel, bias = model.get_layer("d").get_weights()
    logits = x @ kernel + bias
    close(backend.ops.convert_to_numpy(values[before]), logits, 1e-5)
    expected = backend.run(x, backend.select(["d"])).values["d"].values
    close(backend.ops.convert_to_numpy(values[after]), expected, 1e-5)
    assert vars(model.get_layer("d"))["activation"] is held


def test_each_call_of_a_shared_layer_has_its_own_value_before_the_activation() -> None:
    shared = layers.Dense(3, activation="tanh", name="shared")
    model = keras.Sequential([keras.Input((3,)), shared, shared], name="m")
    backend = differentiable(model)
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    taps = [Tap("shared", True), Tap("shared#2", True)]
    values = backend.values(taps)(backend.ops.convert_to_tensor(x))
    kernel, bias = shared.get_weights()
    first = x @ kernel + bias
    close(backend.ops.convert_to_numpy(values[taps[0]]), first, 1e-5)
    second = np.tanh(first) @ kernel + bias
    close(backend.ops.convert_to_numpy(values[taps[1]]), second, 1e-5)


def test_vectors_in_place_of_an_embedding() -> None:
    model = keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            layers.Embedding(10, 4, name="table"),
            layers.Conv1D(3, 2, name="conv"),
        ]
    )
    backend = differentiable(model)
    indices = np.array([[1, 4, 2, 9, 0, 3]], np.int32)
    vectors = model.get_layer("table").get_weights()[0][indices]
    tap = Tap("conv")
    values = backend.values([tap], embedding="table")
    slope = backend.compiled(
        backend.gradient(lambda x: backend.ops.sum(values(x)[tap], axis=(1, 2))), "e", network=True
    )
    scores, gradient = slope(backend.ops.convert_to_tensor(vectors))
    expected = backend.run(indices, backend.select(["conv"])).values["conv"].values
    close(backend.ops.convert_to_numpy(scores), expected.sum(axis=(1, 2)), 1e-4)
    assert tuple(gradient.shape) == vectors.shape


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_any_optimizer_of_keras_ascends_and_the_users_own_stays_as_it_is(momentum: float) -> None:
    backend = differentiable(TestKerasGradients().case().model)
    own = keras.optimizers.SGD(0.5, momentum=momentum)
    params = backend.ops.convert_to_tensor(np.array([[1.0, 2.0]], np.float32))
    slope = backend.ops.convert_to_tensor(np.array([[4.0, -2.0]], np.float32))
    update = backend.optimizer(own, params)
    step = backend.compiled(lambda *args: update(*args), ("sgd", momentum), network=False)
    rate = np.array(0.25, np.float32)
    first, state = step(params, update.state, slope, rate)
    second, _ = step(first, state, slope, rate)
    close(backend.ops.convert_to_numpy(first), np.array([[2.0, 1.5]]), 1e-6)
    moved = np.array([[1.0, -0.5]]) * (1 + momentum)
    close(backend.ops.convert_to_numpy(second), np.array([[2.0, 1.5]]) + moved, 1e-6)
    assert not own.built
    # The same function again, from the start: nothing was kept between.
    again, _ = step(params, update.state, slope, rate)
    close(backend.ops.convert_to_numpy(again), np.array([[2.0, 1.5]]), 1e-6)


def test_something_that_is_no_optimizer() -> None:
    backend = differentiable(TestKerasGradients().case().model)
    with pytest.raises(ModelError, match=r"optimizer='adagrad' is none: pass 'ascent', 'adam'"):
        backend.optimizer("adagrad", np.zeros((1, 2), np.float32))


def test_what_is_remembered_keeps_no_model_alive() -> None:
    def differentiated() -> Any:
        model = TestKerasGradients().case().model
        backend = differentiable(model)
        values = backend.values([Tap("conv")])
        slope = backend.gradient(lambda x: values(x)[Tap("conv")])
        backend.compiled(slope, "slope", network=True)(backend.ops.zeros((1, 6, 8, 1)))
        return weakref.ref(model)

    held = differentiated()
    keras.backend.clear_session()
    gc.collect()
    assert held() is None


def test_changed_weights_and_settings_are_noticed() -> None:
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, use_bias=False, name="d")])
    backend = differentiable(model)
    x = np.ones((1, 2), np.float32)

    def value() -> float:
        run = differentiable(model).values([Tap("d")])
        found = differentiable(model).compiled(run, "value", network=True)(
            backend.ops.convert_to_tensor(x)
        )
        return float(backend.ops.convert_to_numpy(found[Tap("d")])[0, 0])

    model.get_layer("d").set_weights([np.full((2, 1), 1.5)])
    assert value() == 3
    model.get_layer("d").set_weights([np.full((2, 1), -2.0)])
    assert value() == -4
    model.get_layer("d").activation = keras.activations.relu
    assert value() == 0
