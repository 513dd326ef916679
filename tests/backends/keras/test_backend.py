"""Keras keeps the contract, on whichever backend it runs here."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import layerscope as ls
from cases import keras_cases, standard_keras
from layerscope.core.errors import ModelError
from layerscope.testing import reference
from layerscope.testing.contract import BackendContract, Case


class Fails(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="fails")
        self.dense = keras.layers.Dense(2, name="dense")

    def call(self, x: Any) -> Any:
        self.dense(x)
        raise ZeroDivisionError("midway")


@pytest.fixture(autouse=True)
def own_names() -> None:
    """Layers named as in a new process, whatever tests before this one have built."""
    keras.utils.clear_session(free_memory=False)


class TestKeras(BackendContract):
    def standard(self) -> Any:
        return standard_keras.standard()

    def mlp(self) -> Any:
        model = keras.Sequential([
            keras.Input((3,)), keras.layers.Dense(2, activation="relu"), keras.layers.Dense(1),
        ])  # fmt: skip
        pairs = zip(reference.MLP_KERNELS, reference.MLP_BIASES, strict=True)
        model.set_weights([array for pair in pairs for array in pair])
        return model

    def predict(self, model: Any, x: Any) -> Any:
        # Outside a scope even a plain call would advance the states of a stateful layer.
        if not model.built:
            model(x)
        with keras.StatelessScope():
            output = model(x, training=False)
        return keras.tree.map_structure(
            lambda v: keras.ops.convert_to_numpy(keras.ops.cast(v, "float32")), output
        )

    def state(self, model: Any) -> Any:
        return (
            [
                keras.ops.convert_to_numpy(keras.ops.cast(v, "float32")).tolist()
                for v in model.variables
            ],
            [v.path for v in model.variables],
            (keras.Operation.__call__, keras.Layer.__call__),
            getattr(model, "predict_function", None),
            [len(layer._inbound_nodes) for layer in model._flatten_layers()],
            [len(layer._losses) for layer in model._flatten_layers()],
        )

    def failing(self) -> tuple[Any, Any, type[Exception]]:
        model = Fails()
        model.dense.build((None, 3))
        return model, np.zeros((1, 3), np.float32), ZeroDivisionError

    @pytest.mark.parametrize("make", keras_cases.CASES, ids=lambda make: make.__name__)
    def test_case(self, make: Callable[[], Case]) -> None:
        self.check_case(make())


@pytest.mark.parametrize("make", keras_cases.KNOWN_BEFORE, ids=lambda make: make.__name__)
def test_describe_knows_before_a_run_what_a_run_shows(make: Callable[[], Case]) -> None:
    case = make()
    known = ls.describe(case.model)
    shown = ls.activations(case.model, case.x).network
    assert [layer.address for layer in known] == [layer.address for layer in shown]
    for before, after in zip(known, shown, strict=True):
        assert before.axes == after.axes
        assert (before.inputs, before.weights) == (after.inputs, after.weights)
        if before.shape is not None and None not in before.shape[1:]:
            assert before.shape == after.shape
    assert known.total == case.model.count_params()


@pytest.mark.parametrize(
    "make",
    [keras_cases.reference_cnn, keras_cases.functional, keras_cases.matrices],
    ids=lambda make: make.__name__,
)
def test_each_layer_returns_what_a_model_cut_there_returns(make: Callable[[], Case]) -> None:
    """The tutorials' way, a model per layer, is the slow obvious version."""
    case = make()
    acts = ls.activations(case.model, case.x)
    for layer in case.model.layers:
        if layer.name in acts:
            cut = keras.Model(case.model.inputs[0], layer.output)
            expected = keras.ops.convert_to_numpy(cut(case.x))
            np.testing.assert_allclose(acts[layer.name].values, expected, atol=1e-5)


def test_a_compiled_pass_notices_a_changed_setting_and_changed_weights() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="d", use_bias=False)])
    x = np.ones((1, 3), np.float32)
    for _ in range(3):
        before = ls.activations(model, x)["d"].values
    model.layers[0].activation = keras.activations.relu
    model.set_weights([-np.ones((3, 2), np.float32)])
    assert np.array_equal(ls.activations(model, x)["d"].values, [[0, 0]])
    model.layers[0].activation = keras.activations.linear
    assert np.array_equal(ls.activations(model, x)["d"].values, [[-3, -3]])
    assert before.shape == (1, 2)


class Scales(keras.layers.Layer):
    """Settings that a hash, or an identity, would not tell apart."""

    def __init__(self) -> None:
        super().__init__(name="scales")
        self.factor = -1
        self.shift = np.zeros(3, np.float32)

    def call(self, x: Any) -> Any:
        return x * self.factor + keras.ops.convert_to_tensor(self.shift)


def test_a_compiled_pass_notices_settings_that_look_alike() -> None:
    layer = Scales()
    model = keras.Sequential([keras.Input((3,)), layer])
    x = np.ones((1, 3), np.float32)
    for _ in range(2):
        assert np.array_equal(ls.activations(model, x)["scales"].values, [[-1, -1, -1]])
    layer.factor = -2  # hash(-2) == hash(-1)
    assert np.array_equal(ls.activations(model, x)["scales"].values, [[-2, -2, -2]])
    layer.shift[:] = 5
    assert np.array_equal(ls.activations(model, x)["scales"].values, [[3, 3, 3]])


def test_numbers_of_no_axis_are_weights_too() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Normalization(name="norm")])
    weights = ls.weights(model)
    assert weights["norm/count"].dims == ()
    assert weights["norm/mean"].shape == (3,)


def test_the_input_layer_of_a_model_that_hides_some_calls() -> None:
    case = keras_cases.attention_with_scores()
    acts = ls.activations(case.model, case.x, layers=case.model.layers)
    assert set(acts) <= {*case.addresses, "mha", "mha[1]"}
    assert list(ls.activations(case.model, case.x, layers=case.model.layers[:1])) == []


@pytest.mark.slow
def test_nothing_keeps_a_model_alive() -> None:
    model = TestKeras().mlp()
    for _ in range(3):
        acts = ls.activations(model, reference.MLP_INPUT)
    gone = weakref.ref(model)
    del model, acts
    for _ in range(3):
        gc.collect()
    assert gone() is None


def test_other_threads_call_their_models_meanwhile() -> None:
    model, other = TestKeras().mlp(), TestKeras().mlp()
    stop, wrong = threading.Event(), []

    def work() -> None:
        while not stop.is_set():
            found = keras.ops.convert_to_numpy(other(reference.MLP_INPUT))
            if not np.array_equal(found, reference.MLP_ACTIVATIONS[-1]):
                wrong.append(found)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        names = [list(ls.activations(model, reference.MLP_INPUT)) for _ in range(10)]
    finally:
        stop.set()
        thread.join()
    assert not wrong
    assert all(n == names[0] and len(n) == 2 for n in names)


def test_layers_by_keras_own_objects() -> None:
    case = keras_cases.functional()
    acts = ls.activations(case.model, case.x, layers=case.model.layers[:3])
    assert list(acts) == ["conv", "skip"]  # the first is the input
    assert np.array_equal(acts["img"].values, case.x)
    stranger = keras.layers.Dense(2, name="stranger")
    with pytest.raises(ModelError, match="'stranger' is not one of"):
        ls.activations(case.model, case.x, layers=stranger)


def test_a_containers_own_name_gives_what_it_returns() -> None:
    case = keras_cases.nested_three_deep()
    acts = ls.activations(case.model, case.x)
    assert np.array_equal(acts["outer"].values, acts["outer/inner/innermost/leaf"].values)
    alone = ls.activations(case.model, case.x, layers="outer")
    assert list(alone) == ["outer"]
    assert np.array_equal(alone["outer"].values, acts["outer"].values)


def test_a_pass_stops_early() -> None:
    calls = []

    class Counts(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            calls.append(1)
            return x

    first = keras.layers.Dense(2, name="first")
    model = keras.Sequential([keras.Input((3,)), first, Counts()])
    calls.clear()
    for layers in ("first", 0, slice(0, 1), [first], "fir*", lambda layer: layer.type == "Dense"):
        ls.activations(model, np.zeros((1, 3), np.float32), layers=layers)
    assert not calls


def test_the_pinned_totals() -> None:
    layers = keras.layers
    matrices = keras_cases.matrices().model
    assert ls.describe(matrices).total == 11_665
    c1 = [keras.Input((150, 150, 3))]
    for filters in (32, 64, 128, 128):
        c1 += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D()]
    c1 += [layers.Flatten(), layers.Dense(512, activation="relu"), layers.Dense(1)]
    network = ls.describe(keras.Sequential(c1))
    assert (network.total, len(network)) == (3_453_121, 11)
    assert network.nbytes == 4 * network.total


def test_a_dense_kernel_after_a_flatten_knows_what_was_flattened() -> None:
    case = keras_cases.reference_cnn()
    attrs = ls.weights(case.model)["dense/kernel"].attrs
    assert attrs["input_shape"] == (2, 3, 2)
    assert attrs["input_axes"] == ("y", "x", "channel")


def test_low_precision_is_shown_as_float32_and_said() -> None:
    case = keras_cases.bfloat16()
    acts = ls.activations(case.model, case.x)
    assert acts["a"].dtype == np.float32
    assert "bfloat16" in " ".join(acts.notes)


def test_what_is_no_model() -> None:
    with pytest.raises(ModelError, match="is a class: pass a model"):
        ls.describe(keras.Model)
    with pytest.raises(ModelError, match="can't look into a dict"):
        ls.describe({})


def test_inside_attention_every_value_has_a_source() -> None:
    x = inputs = keras.Input((6, 8), name="x")
    x = keras.layers.Add(name="add")([x, keras.layers.MultiHeadAttention(2, 4, name="mha")(x, x)])
    model = keras.Model(inputs, keras.layers.Dense(3, name="out")(x))
    network = ls.activations(model, np.ones((1, 6, 8), np.float32)).network
    for part in ("query", "key", "value"):
        assert network[f"mha/{part}"].inputs == ("x",)
    read = {source for layer in network for source in layer.inputs}
    unread = {layer.address for layer in network} - read
    assert unread == {"out", "mha", "mha/attention"}
    assert set(network["add"].inputs) == {"x", "mha/attention_output"}
    assert not any("is not seen" in note for note in network.notes)


class Branches(keras.Model):
    """Two branches, a skip and a sum, of which no layer is called for the sum and the skip."""

    def __init__(self) -> None:
        super().__init__()
        self.left = keras.layers.Dense(4, name="left")
        self.right = keras.layers.Dense(4, name="right")
        self.after = keras.layers.Dense(4, name="after")
        self.both = keras.layers.Concatenate(name="both")

    def call(self, x: Any) -> Any:
        left, right = self.left(x), self.right(x)
        after = self.after(left * 2)
        return self.both([after + x[:, :4], keras.ops.relu(right)])


def test_the_sources_are_those_of_the_model_s_own_code() -> None:
    model = Branches()
    x = np.ones((2, 5), np.float32)
    model(x)
    nodes = [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    for _ in range(2):  # the second time from memory
        network = ls.activations(model, x).network
        assert {layer.address: set(layer.inputs) for layer in network} == {
            "left": {"input"},
            "right": {"input"},
            "after": {"left"},
            "both": {"after", "input", "right"},
        }
        assert network.notes == ()
    assert [len(layer._inbound_nodes) for layer in model._flatten_layers()] == nodes


class Foreign(keras.Model):
    """Code that takes no symbols."""

    def __init__(self) -> None:
        super().__init__()
        self.first = keras.layers.Dense(4, name="first")
        self.second = keras.layers.Dense(4, name="second")

    def call(self, x: Any) -> Any:
        x = self.first(x)
        if isinstance(x, keras.KerasTensor):
            raise TypeError("symbols are not for me")
        return self.second(x * 2)


def test_a_source_that_is_guessed_is_said() -> None:
    network = ls.activations(Foreign(), np.ones((1, 3), np.float32)).network
    assert network["second"].inputs == ("first",)
    assert network.notes == (
        "code between layers is not seen, so the value computed last is taken for the source of "
        "second",
    )


def test_sources_of_inputs_given_by_name() -> None:
    class Named(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.out = keras.layers.Dense(2, name="out")

        def call(self, x: Any) -> Any:
            return self.out(x["left"] + x["right"])

    x = {name: np.ones((1, 3), np.float32) for name in ("left", "right")}
    network = ls.activations(Named(), x).network
    assert network["out"].inputs == ("left", "right")
    assert network.notes == ()


@keras.saving.register_keras_serializable("layerscope tests")
class LooksAtItself(keras.Model):
    """A model whose own code looks at a part of it, where values can be looked at."""

    def __init__(self, layers: Any) -> None:
        super().__init__()
        self.part = keras.Sequential([keras.layers.Dense(4, activation="relu", name="a")])
        self.end = keras.layers.Dense(2, name="end")
        self.layers_of_part = layers
        self.seen: list[Any] = []

    def call(self, x: Any) -> Any:
        if not isinstance(x, keras.KerasTensor):
            acts = ls.activations(self.part, keras.ops.convert_to_numpy(x), self.layers_of_part)
            self.seen.append(acts["a"].values)
        return self.end(self.part(x))


@pytest.mark.parametrize("inner", [None, "a"])
def test_a_model_may_look_at_a_part_of_itself(inner: Any) -> None:
    model = LooksAtItself(inner)
    x = reference.MLP_INPUT
    model(x)
    hidden = keras.ops.convert_to_numpy(model.part(x))
    everything = ls.activations(model, x)
    part, end = everything
    assert (part.rstrip("_0123456789"), end) == ("sequential", "end")
    for outer in (None, part, "end", None):
        acts = ls.activations(model, x, layers=outer)
        assert list(acts) == ([part, end] if outer is None else [outer])
        for address in acts:
            np.testing.assert_allclose(acts[address], everything[address], rtol=1e-5)
        np.testing.assert_allclose(model.seen[-1], hidden, rtol=1e-5)
    np.testing.assert_allclose(everything[part], hidden, rtol=1e-5)
