"""The edges of a pass are those of the model, whatever the types of inputs, layers and models."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

keras = pytest.importorskip("keras")

import layerscope as ls  # noqa: E402

L = keras.layers
POLICIES = ("float32", "float16", "mixed_float16")
DECLARED = ("float32", "float16", "int32", "uint8", "int64")
GIVEN = ("int64", "int32", "uint8", "float64", "float32", "float16")


class Graph:
    """A random graph of layers, all of whose values have four units."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.shared: list[Any] = []
        self.declared = self.random.choice(DECLARED, self.random.integers(1, 4)).tolist()
        inputs = [
            keras.Input((4,), dtype=dtype, name=f"in{i}") for i, dtype in enumerate(self.declared)
        ]
        values = [self.as_float(x) for x in inputs]
        for _ in range(self.random.integers(3, 9)):
            values.append(self.step(values))
        # Whatever nothing reads yet is an output, and so is the last value.
        self.model = keras.Model(
            {x.name: x for x in inputs} if self.random.random() < 0.5 else inputs, values[-2:]
        )

    def policy(self) -> str:
        return str(self.random.choice(POLICIES))

    def as_float(self, x: Any) -> Any:
        if not x.dtype.startswith("float"):
            x = L.Flatten()(L.Embedding(16, 1, dtype=self.policy())(x))
        return x

    def step(self, values: list[Any]) -> Any:
        one, two = (values[i] for i in self.random.integers(len(values), size=2))
        kind = self.random.integers(8)
        if kind == 0:
            return L.Dense(4, dtype=self.policy())(one)
        if kind == 1:
            return L.Add(dtype=self.policy())([one, two])
        if kind == 2:
            return one + two if one.dtype == two.dtype else L.Dense(4)(one)
        if kind == 3:
            return L.Dense(4, dtype=self.policy())(L.Concatenate(dtype=self.policy())([one, two]))
        if kind == 4:
            return keras.ops.relu(one)
        if kind == 5:
            self.shared.append(L.Dense(4, dtype=self.policy()))
        elif kind == 6:
            self.shared.append(
                keras.Sequential([keras.Input((4,), dtype=self.float_type()), L.Dense(4), L.ReLU()])
            )
        elif not self.shared or kind == 7:
            left, right = (keras.Input((4,), dtype=self.float_type()) for _ in "ab")
            total = L.Add(dtype=self.policy())([left, L.Dense(4, dtype=self.policy())(right)])
            self.shared.append(keras.Model([left, right], [total]))
        layer = self.shared[self.random.integers(len(self.shared))]
        many = isinstance(layer, keras.Model) and len(layer.inputs) == 2
        outcome = layer([one, two] if many else one)
        return outcome[0] if isinstance(outcome, list) else outcome

    def float_type(self) -> str:
        return str(self.random.choice(["float32", "float16"]))

    def x(self) -> Any:
        arrays = [
            self.random.integers(0, 9, (3, 4)).astype(self.random.choice(GIVEN))
            for _ in self.declared
        ]
        by_name = isinstance(self.model._inputs_struct, dict)
        return {f"in{i}": a for i, a in enumerate(arrays)} if by_name else arrays


def edges(network: Any) -> dict[str, set[str]]:
    return {layer.address: set(layer.inputs) for layer in network}


@settings(max_examples=25, derandomize=True, deadline=None)
@given(st.integers(0, 2**31))
def test_the_edges_of_a_pass_are_those_of_the_model(seed: int) -> None:
    keras.utils.clear_session(free_memory=False)
    graph = Graph(seed)
    x = graph.x()
    with warnings.catch_warnings():
        # Keras on JAX can't have int64, and says so of an input that declares it.
        warnings.filterwarnings("ignore", "Explicitly requested dtype int64")
        acts = ls.activations(graph.model, x)
    assert edges(acts.network) == edges(ls.describe(graph.model))
    assert not [note for note in acts.notes if "code between layers" in note]


class Block(keras.layers.Layer):
    """Somebody's own layer of layers, which Keras casts the inputs of."""

    def __init__(self, dtype: str) -> None:
        super().__init__(name="block", dtype=dtype)
        self.left = L.Dense(4, name="left", dtype=dtype)
        self.right = L.Dense(4, name="right")

    def call(self, x: Any, extra: Any = None) -> Any:
        return self.left(x), self.right(extra)


class Casts(keras.Model):
    def __init__(self, dtype: str) -> None:
        super().__init__(name="casts", dtype="float32")
        self.first, self.second = L.Dense(4, name="first"), L.Dense(4, name="second")
        self.block = Block(dtype)
        self.plain = keras.Sequential([L.Dense(4, name="d")], name="plain")

    def call(self, x: Any) -> Any:
        one, two = self.first(x), self.second(x)
        left, right = self.block(two, extra=one)
        return self.plain(left), right


@pytest.mark.parametrize("dtype", ["float32", "float16", "mixed_float16"])
def test_what_a_layer_of_layers_casts_is_followed(dtype: str) -> None:
    network = ls.activations(Casts(dtype), np.ones((2, 5), np.float32)).network
    assert edges(network) == {
        "first": {"input"},
        "second": {"input"},
        "block/left": {"second"},
        "block/right": {"first"},
        "plain/d": {"block/left"},
    }
    assert not [note for note in network.notes if "code between layers" in note]


def test_an_axis_that_a_model_adds_or_drops_is_followed() -> None:
    inner = keras.Input((4,), name="inner")
    flat = keras.Model(inner, L.Dense(4, name="d")(inner), name="flat")
    wide = keras.Input((4, 1), name="wide")
    deep = keras.Model(wide, L.Conv1D(2, 1, name="c")(wide), name="deep")

    class Ranks(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="ranks")
            self.first, self.second = L.Dense(4, name="first"), L.Dense(1, name="second")
            self.flat, self.deep = flat, deep

        def call(self, x: Any) -> Any:
            one, two = self.first(x[:, :, 0]), self.second(x)
            return self.flat(two), self.deep(one)

    network = ls.activations(Ranks(), np.ones((2, 4, 3), np.float32)).network
    assert edges(network) == {
        "first": {"input"},
        "second": {"input"},
        "flat/d": {"second"},
        "deep/c": {"first"},
    }


class Unseen(keras.Model):
    """Code that takes no symbols, and makes something beside what a layer returned."""

    def __init__(self) -> None:
        super().__init__(name="unseen")
        self.first, self.both = L.Dense(4, name="first"), L.Add(name="both")

    def call(self, x: Any) -> Any:
        if isinstance(x, keras.KerasTensor):
            raise TypeError("symbols are not for me")
        first = self.first(x)
        return self.both([first, first * 2])


def test_a_source_that_is_not_known_is_said() -> None:
    network = ls.activations(Unseen(), np.ones((2, 5), np.float32)).network
    assert network["both"].inputs == ("first",)
    assert network.notes == (
        "code between layers is not seen: some of what goes into both is not known",
    )
