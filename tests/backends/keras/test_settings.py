"""A compiled pass is never used for a model that is another one by now."""

from __future__ import annotations

import functools
import gc
import types
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from cases.amounts import examples

keras = pytest.importorskip("keras")

from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.backends.keras.settings import settings_number

Change = Callable[[], None]
FACTOR = 2.0
CONFIG = {"factor": 2.0, "inner": [1.0]}


class Setting:
    """Somebody's own settings object."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def scaled(self, x: Any) -> Any:
        return x * self.factor


class Slots:
    __slots__ = ("factor",)

    def __init__(self, factor: float) -> None:
        self.factor = factor


@dataclass
class Nested:
    inner: Setting = field(default_factory=lambda: Setting(2.0))
    listed: list[dict[str, float]] = field(default_factory=lambda: [{"factor": 2.0}])


class Held(keras.layers.Layer):
    """A layer that does what the function that it holds makes of its input and its setting."""

    kind = 2.0

    def __init__(self, setting: Any = None, does: Any = None) -> None:
        super().__init__(name="held")
        self.setting = setting
        self.does = [does]  # in a list, for Keras to leave it as it is

    def call(self, x: Any) -> Any:
        return self.does[0](self, x)


class Doubles(keras.layers.Layer):
    scale = 2.0

    def call(self, x: Any) -> Any:
        return self.own(x) * self.scale * FACTOR * CONFIG["factor"]

    def own(self, x: Any) -> Any:
        return x


class Pair(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.first = keras.layers.Dense(3, name="first")
        self.second = keras.layers.Dense(2, name="second")
        self.other = keras.layers.Dense(2, name="other")
        self.other.build((None, 3))

    def call(self, x: Any) -> Any:
        return self.second(self.first(x))


def sequential(*layers: Any) -> Any:
    return keras.Sequential([keras.Input((3,)), *layers])


def held(setting: Any, does: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    layer = Held(setting, does)
    return sequential(layer), layer


def _attributes() -> dict[str, Callable[[], tuple[Any, Change]]]:
    """Models, and a change of something that a layer holds."""

    def of_setting(setting: Any, does: Any, change: Callable[[Any], None]) -> Any:
        def make() -> tuple[Any, Change]:
            value = setting()
            model, layer = held(value, does)
            return model, lambda: change(layer.setting)

        return make

    def replaced(before: Any, after: Any, does: Any) -> Any:
        def make() -> tuple[Any, Change]:
            model, layer = held(before, does)
            return model, lambda: setattr(layer, "setting", after)

        return make

    by = lambda layer, x: x * layer.setting  # noqa: E731
    array = lambda layer, x: x + keras.ops.convert_to_tensor(layer.setting)  # noqa: E731
    return {
        "number": replaced(2.0, 3.0, by),
        "number whose hash is the same": replaced(-1, -2, by),
        "the sign of zero": replaced(0.0, -0.0,
            lambda layer, x: x * np.copysign(np.float32(1), layer.setting)),
        "a boolean": replaced(1, True,
            lambda layer, x: x + (2.0 if layer.setting is True else 0.0)),
        "text": replaced("a", "b", lambda layer, x: x * (2.0 if layer.setting == "a" else 3.0)),
        "array in place": of_setting(lambda: np.ones(3, "float32"), array, lambda a: a.fill(5)),
        "array of another type": replaced(np.zeros(3, "float32"), np.zeros(3, "int32"),
            lambda layer, x: x + (1.0 if layer.setting.dtype.kind == "f" else 2.0)),
        "array of another shape": replaced(np.zeros((3,), "float32"), np.zeros((3, 1), "float32"),
            lambda layer, x: x + float(layer.setting.ndim)),
        "NumPy number": replaced(np.float32(2), np.float32(3), by),
        "list in place": of_setting(lambda: [2.0], lambda layer, x: x * layer.setting[0],
            lambda s: s.__setitem__(0, 3.0)),
        "dict in place": of_setting(lambda: {"a": {"b": [2.0]}},
            lambda layer, x: x * layer.setting["a"]["b"][0],
            lambda s: s["a"]["b"].__setitem__(0, 3.0)),
        "set in place": of_setting(lambda: {1}, lambda layer, x: x * float(len(layer.setting)),
            lambda s: s.add(2)),
        "settings object in place": of_setting(lambda: Setting(2.0),
            lambda layer, x: x * layer.setting.factor, lambda s: setattr(s, "factor", 3.0)),
        "settings object with slots": of_setting(lambda: Slots(2.0),
            lambda layer, x: x * layer.setting.factor, lambda s: setattr(s, "factor", 3.0)),
        "nested settings object": of_setting(Nested,
            lambda layer, x: x * layer.setting.inner.factor,
            lambda s: setattr(s.inner, "factor", 3.0)),
        "dict in a list in an object": of_setting(Nested,
            lambda layer, x: x * layer.setting.listed[0]["factor"],
            lambda s: s.listed[0].update(factor=3.0)),
        "bound method's object": of_setting(lambda: Setting(2.0).scaled,
            lambda layer, x: layer.setting(x), lambda s: setattr(s.__self__, "factor", 3.0)),
        "partial's keywords": of_setting(lambda: functools.partial(lambda x, by: x * by, by=2.0),
            lambda layer, x: layer.setting(x), lambda s: s.keywords.update(by=3.0)),
        "partial's object": of_setting(lambda: functools.partial(Setting.scaled, Setting(2.0)),
            lambda layer, x: layer.setting(x), lambda s: setattr(s.args[0], "factor", 3.0)),
        "seed": replaced(1, 2, lambda layer, x: x + keras.random.normal((3,), seed=layer.setting)),
    }  # fmt: skip


def _code() -> dict[str, Callable[[], tuple[Any, Change]]]:
    """Models, and a change of the code that a layer runs."""

    def activation() -> tuple[Any, Change]:
        layer = keras.layers.Dense(3, "relu")
        return sequential(layer), lambda: setattr(layer, "activation", keras.activations.tanh)

    def closure() -> tuple[Any, Change]:
        factor = 2.0

        def change() -> None:
            nonlocal factor
            factor = 3.0

        return sequential(keras.layers.Lambda(lambda x: x * factor)), change

    def closure_in_place() -> tuple[Any, Change]:
        setting = {"factor": [2.0]}
        layer = keras.layers.Lambda(lambda x: x * setting["factor"][0])
        return sequential(layer), lambda: setting.update(factor=[3.0])

    def a_global() -> tuple[Any, Change]:
        model = sequential(keras.layers.Lambda(lambda x: x * FACTOR))
        return model, lambda: globals().update(FACTOR=3.0)

    def a_global_function_s() -> tuple[Any, Change]:
        def own(x: Any) -> Any:
            return scaled_globally(x)

        return sequential(keras.layers.Lambda(own)), lambda: globals().update(FACTOR=3.0)

    def global_in_place() -> tuple[Any, Change]:
        return sequential(Doubles()), lambda: CONFIG.update(factor=3.0)

    def default() -> tuple[Any, Change]:
        def own(x: Any, factor: float = 2.0) -> Any:
            return x * factor

        model = sequential(keras.layers.Lambda(own))
        return model, lambda: setattr(own, "__defaults__", (3.0,))

    def reloaded() -> tuple[Any, Change]:
        def own(x: Any) -> Any:
            return x * 2.0

        def new(x: Any) -> Any:
            return x * 3.0

        model = sequential(keras.layers.Lambda(own))
        return model, lambda: setattr(own, "__code__", new.__code__)

    def class_attribute() -> tuple[Any, Change]:
        return sequential(Doubles()), lambda: setattr(Doubles, "scale", 3.0)

    def method_of_class() -> tuple[Any, Change]:
        return sequential(Doubles()), lambda: setattr(Doubles, "own", lambda self, x: x + 1)

    def call_of_instance() -> tuple[Any, Change]:
        layer = keras.layers.ReLU()
        return sequential(layer), lambda: setattr(
            layer, "call", types.MethodType(lambda self, x: x * 2.0, layer)
        )

    def call_of_library() -> tuple[Any, Change]:
        layer = keras.layers.ReLU()
        return sequential(layer), lambda: setattr(
            keras.layers.ReLU, "call", lambda self, x: x * 7.0
        )

    found = [activation, closure, closure_in_place, a_global, a_global_function_s, global_in_place,
             default, reloaded, class_attribute, method_of_class, call_of_instance,
             call_of_library]  # fmt: skip
    return {make.__name__: make for make in found}


def scaled_globally(x: Any) -> Any:
    return x * FACTOR


def _structure() -> dict[str, Callable[[], tuple[Any, Change]]]:
    """Models, and a change of what they are made of."""
    dense = keras.layers.Dense

    def weights() -> tuple[Any, Change]:
        model = sequential(dense(2))
        return model, lambda: model.set_weights([w + 1 for w in model.get_weights()])

    def swapped() -> tuple[Any, Change]:
        model = sequential(dense(3), dense(2, name="last"))

        def change() -> None:
            model.pop()
            model.add(dense(2, "tanh", name="last"))

        return model, change

    def attribute() -> tuple[Any, Change]:
        model = Pair()
        model(np.zeros((1, 3), "float32"))
        return model, lambda: setattr(model, "second", model.other)

    def nested() -> tuple[Any, Change]:
        inner = sequential(dense(3, "relu"))
        model = sequential(inner, dense(2))
        return model, lambda: setattr(inner.layers[0], "activation", keras.activations.tanh)

    def unlisted() -> tuple[Any, Change]:
        inner = keras.layers.LeakyReLU()
        setting = Setting(1.0)
        setting.layer = inner  # type: ignore[attr-defined]
        model, _ = held(setting, lambda layer, x: layer.setting.layer.call(x))
        return model, lambda: setattr(inner, "negative_slope", 3.0)

    def in_a_closure() -> tuple[Any, Change]:
        inner = keras.layers.LeakyReLU()
        model = sequential(keras.layers.Lambda(lambda x: inner.call(x)))
        return model, lambda: setattr(inner, "negative_slope", 3.0)

    def operation() -> tuple[Any, Change]:
        x = keras.Input((3, 2))
        model = keras.Model(x, keras.ops.softmax(keras.ops.multiply(x, 2.0), axis=1))
        change = lambda: setattr(model.operations[-1], "axis", 2)  # noqa: E731
        return model, change

    def constant() -> tuple[Any, Change]:
        held = np.ones(3, "float32")
        x = keras.Input((3,))
        return keras.Model(x, x * held), lambda: held.fill(5)

    def autocast() -> tuple[Any, Change]:
        layer = Held(None, lambda layer, x: x + (1.0 if x.dtype == "float16" else 2.0))
        layer.does = [lambda layer, x: x + (1.0 if "16" in str(x.dtype) else 2.0)]
        layer.dtype_policy = "mixed_float16"
        return sequential(layer), lambda: setattr(layer, "autocast", False)

    def policy() -> tuple[Any, Change]:
        layer = Held(None, lambda layer, x: x + (1.0 if "16" in str(x.dtype) else 2.0))
        return sequential(layer), lambda: setattr(layer, "dtype_policy", "float16")

    found = [
        weights,
        swapped,
        attribute,
        nested,
        unlisted,
        in_a_closure,
        operation,
        constant,
        autocast,
        policy,
    ]
    return {make.__name__: make for make in found}


WAYS = {**_attributes(), **_code(), **_structure()}


@pytest.fixture(autouse=True)
def undone() -> Any:
    """Globals and classes as they were."""
    scale, own, call = Doubles.scale, Doubles.own, keras.layers.ReLU.call
    yield
    globals().update(FACTOR=2.0)
    CONFIG.update(factor=2.0)
    Doubles.scale, Doubles.own, keras.layers.ReLU.call = scale, own, call  # type: ignore[method-assign]


def batch(model: Any) -> Any:
    shape = model.inputs[0].shape[1:] if getattr(model, "inputs", None) else (3,)
    return np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")


def last_value(model: Any, x: Any) -> Any:
    recording = ls.activations(model, x)
    return recording[list(recording)[-1]].values


def run_eagerly(model: Any, x: Any) -> Any:
    return keras.ops.convert_to_numpy(model(x, training=False))


@pytest.mark.parametrize("way", WAYS)
def test_a_change_between_two_looks_is_seen(way: str) -> None:
    model, change = WAYS[way]()
    x = batch(model)
    for _ in range(3):
        before = last_value(model, x)
    np.testing.assert_allclose(before, run_eagerly(model, x), rtol=1e-5)
    change()
    expected = run_eagerly(model, x)
    assert not np.array_equal(expected, before)  # the case itself
    for _ in range(3):
        np.testing.assert_allclose(last_value(model, x), expected, rtol=1e-5, atol=1e-7)


@settings(max_examples=examples(6))
@given(st.lists(st.sampled_from(sorted(WAYS)), min_size=2, max_size=4))
def test_changes_in_any_order_are_seen(ways: list[str]) -> None:
    """The changes of several models, by turns, with looks in between."""
    made = [WAYS[way]() for way in dict.fromkeys(ways)]
    for model, _ in made:
        for _ in range(2):
            last_value(model, batch(model))
    for _, change in made:
        change()
        for model, _ in made:
            x = batch(model)
            np.testing.assert_allclose(
                last_value(model, x), run_eagerly(model, x), rtol=1e-5, atol=1e-7
            )
    globals().update(FACTOR=2.0)
    CONFIG.update(factor=2.0)


@pytest.mark.slow
def test_a_function_made_where_another_was_is_another() -> None:
    """Functions that are thrown away leave their ``id`` to the next one."""
    layer = keras.layers.Dense(3, use_bias=False)
    model = sequential(layer)
    model.set_weights([np.eye(3, dtype="float32")])
    x = np.ones((1, 3), "float32")
    for i in range(6):
        layer.activation = None
        gc.collect()
        layer.activation = eval(f"lambda x: x * {i}.0")
        assert last_value(model, x).tolist() == [[i, i, i]]


def test_a_number_made_where_another_was_is_another() -> None:
    model, layer = held(1.0, lambda layer, x: x * layer.setting)
    x = np.ones((1, 3), np.float32)
    for i in range(12):
        layer.setting = None
        layer.setting = np.float32(i) if i % 2 else float(str(i))
        assert last_value(model, x).tolist() == [[i, i, i]]


def test_what_is_frozen_or_renamed_is_told() -> None:
    first, second = keras.layers.Dense(3, name="first"), keras.layers.Dense(2, name="second")
    model = sequential(first, second)
    x = batch(model)

    def trained() -> list[bool | None]:
        return [layer.trainable for layer in ls.activations(model, x).network]

    for _ in range(3):
        assert trained() == [True, True]
    first.trainable = False
    assert trained() == [False, True]
    second.kernel.trainable = False
    second.bias.trainable = False
    assert trained() == [False, False]
    first.trainable = True
    assert trained() == [True, False]
    model.name = "other"
    assert ls.activations(model, x).network.name == "other"


def test_a_change_taken_back_finds_the_compiled_pass_again() -> None:
    layer = keras.layers.Dense(3, "relu")
    model = sequential(layer)
    first = settings_number(model)
    layer.activation = keras.activations.tanh
    second = settings_number(model)
    layer.activation = keras.activations.relu
    assert settings_number(model) == first != second


def test_training_and_looking_change_no_setting() -> None:
    model = sequential(keras.layers.Dense(4, "relu"), keras.layers.BatchNormalization(),
                       keras.layers.Dropout(0.5), keras.layers.Dense(2))  # fmt: skip
    x = batch(model)
    model.compile("sgd", "mse")
    ls.activations(model, x)
    number = settings_number(model)
    model.fit(x, np.zeros((2, 2)), epochs=2, verbose=0)
    model.predict(x, verbose=0)
    model.evaluate(x, np.zeros((2, 2)), verbose=0)
    ls.activations(model, x)
    ls.describe(model)
    assert settings_number(model) == number


def test_what_is_remembered_of_settings_keeps_no_model_alive() -> None:
    def looked_at() -> Any:
        setting = Setting(2.0)
        model, _ = held(setting, lambda layer, x: x * layer.setting.factor)
        setting.model = model  # type: ignore[attr-defined]
        for _ in range(3):
            ls.activations(model, batch(model))
        return weakref.ref(model)

    gone = looked_at()
    keras.backend.clear_session()
    gc.collect()
    assert gone() is None
