"""The edges of a pass are those of the model, whatever the types of inputs, layers and models."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

keras = pytest.importorskip("keras")

import layerscope as ls
from cases.amounts import examples
from layerscope.backends import backend_for
from layerscope.backends.base import Tap

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
    return {layer.address: set(layer.inputs) for layer in network if layer.role != "container"}


@settings(max_examples=examples(25), derandomize=True, deadline=None)
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


def test_calls_are_numbered_as_they_were_written() -> None:
    shared = L.Dense(2, name="shared", activation="relu")
    inputs = [keras.Input((4,), name=name) for name in "abc"]
    late = L.Dense(4, name="late")(inputs[0])
    outputs = [shared(late), shared(inputs[1]), shared(inputs[2])]
    # What is executed first is the call that is farthest from the output.
    model = keras.Model(inputs, [outputs[0], outputs[1], L.Dense(1, name="head")(outputs[2])])
    x = [np.full((2, 4), i, np.float32) for i in (1.0, 2.0, 3.0)]
    acts = ls.activations(model, x)
    expected = {"shared": {"late"}, "shared#2": {"b"}, "shared#3": {"c"}}
    for network in (ls.describe(model), acts.network):
        assert {a: set(network[a].inputs) for a in expected} == expected
        assert [bool(network[a].parameters) for a in expected] == [True, False, False]
    for address, value in zip(expected, keras.tree.flatten(model(x)), strict=True):
        if address != "shared#3":
            np.testing.assert_allclose(
                acts[address].values, keras.ops.convert_to_numpy(value), rtol=1e-5
            )
    np.testing.assert_allclose(
        acts["shared#3"].values, keras.ops.convert_to_numpy(shared(x[2])), rtol=1e-5
    )
    # What goes into the activation of the third call, which is executed before the second.
    tap = Tap("shared#3", before_activation=True)
    before = backend_for(model).values([tap])([keras.ops.convert_to_tensor(v) for v in x])[tap]
    kernel = keras.ops.convert_to_numpy(shared.kernel)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(before), x[2] @ kernel, rtol=1e-5, atol=1e-6
    )


def test_calls_in_a_model_that_is_called_again_are_numbered_as_they_were_written() -> None:
    left, right = keras.Input((4,)), keras.Input((4,))
    dense = L.Dense(4, name="dense")
    first, second = dense(left), dense(right)
    inner = keras.Model([left, right], [first, L.ReLU(name="relu")(second)], name="inner")
    inputs = [keras.Input((4,), name=name) for name in "abcd"]
    one = inner(inputs[:2])
    two = inner(inputs[2:])
    model = keras.Model(inputs, [*one, L.Dense(1, name="head")(two[0]), two[1]])
    x = [np.full((2, 4), i + 1, np.float32) for i in range(4)]
    acts = ls.activations(model, x)
    names = ["inner/dense", "inner/dense#2", "inner/dense#3", "inner/dense#4"]
    for network in (ls.describe(model), acts.network):
        assert [network[name].inputs for name in names] == [("a",), ("b",), ("c",), ("d",)]
    for name, value in zip(names, x, strict=True):
        np.testing.assert_allclose(
            acts[name].values, keras.ops.convert_to_numpy(dense(value)), rtol=1e-5
        )


class Branching(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.o = (L.Dense(3, name=name) for name in "abo")
        self.a.build((None, 6))
        self.b.build((None, 6))

    def call(self, x: Any) -> Any:
        taken = keras.ops.cond(keras.ops.sum(x) > 0, lambda: self.a(x), lambda: self.b(x))
        return self.o(taken)


@pytest.mark.parametrize("batch", [4, 16])
def test_what_a_branch_calls_is_seen_at_each_look_or_at_none(batch: int) -> None:
    model = Branching()
    x = np.ones((batch, 6), np.float32)
    looks = [ls.activations(model, x * sign) for sign in (1, 1, -1, -1)]
    if keras.config.backend() == "jax":  # both branches are traced there
        assert [list(acts) for acts in looks] == [["o"]] * 4
        assert all("a, b" in acts.notes[0] for acts in looks)
    else:
        assert [list(acts) for acts in looks] == [["a", "o"]] * 2 + [["b", "o"]] * 2
