"""What is in the graphs that nodes run: the weights of loops, and branches that are written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper

import layerscope as ls
from cases.onnx_cases import model, node, value

KERNEL, OUTER = np.arange(4, dtype="f4").reshape(2, 2), np.ones((2, 2), "f4")
BIAS = np.array([1, -1], "f4")


def looped() -> Any:
    """Return a loop whose body has a kernel, a bias as a constant, and one from outside."""
    body = helper.make_graph(
        [
            node("Identity", "go", "go_on"),
            helper.make_node("Constant", [], ["bias"], value=numpy_helper.from_array(BIAS)),
            node("MatMul", "v,kernel", "a", "inner"),
            node("MatMul", "a,outer", "b"),
            node("Add", "b,bias", "v_out"),
        ],
        "body",
        [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("v", None)],
        [value("go_on", [], TensorProto.BOOL), value("v_out", None)],
        [numpy_helper.from_array(KERNEL, "kernel")],
    )
    return model(
        [node("Loop", "times,yes,x", "y", "loop", body=body)],
        [value("x", ["n", 2])],
        [value("y", None)],
        {"times": np.array(2, np.int64), "yes": np.array(True), "outer": OUTER},
    )


def test_the_weights_of_a_loop_are_those_of_its_row() -> None:
    network = ls.describe(looped())
    assert network["loop"].weights == 8
    assert network["loop"].biases == 2
    assert network.total == 10
    weights = ls.weights(looped())
    assert {name: (a.dims, a.shape) for name, a in weights.items()} == {
        "loop/kernel": (("input", "unit"), (2, 2)),
        "outer": (("input", "unit"), (2, 2)),
        "loop/bias": (("channel",), (2,)),
    }
    np.testing.assert_array_equal(weights["loop/kernel"].values, KERNEL)
    np.testing.assert_array_equal(weights["loop/bias"].values, BIAS)


def test_it_computes_what_it_says() -> None:
    x = np.array([[1, 2]], "f4")
    expected = x
    for _ in range(2):
        expected = expected @ KERNEL @ OUTER + BIAS
    values = ls.activations(looped(), x)
    np.testing.assert_allclose(values["loop"].values, expected)


def test_weights_that_are_put_together_anew_are_counted_too() -> None:
    """As PyTorch writes the gates of an LSTM: slices of its kernel, in another order."""
    pieces = [
        node("Slice", "kernel,zero,one", "first"), node("Slice", "kernel,one,two", "second"),
        node("Concat", "second,first", "turned", axis=0),
    ]  # fmt: skip
    weights = {"zero": np.array([0]), "one": np.array([1]), "two": np.array([2])}
    body = branch("then", [*pieces, node("MatMul", "x,turned", "r")], "r", {"kernel": KERNEL})
    nodes = [node("ReduceMax", "x", "top", keepdims=0), node("Greater", "top,least", "positive")]
    weights["least"] = np.array(0, "f4")
    inside = with_condition(nodes, "positive", body, KEPT, weights=weights)
    outside = model(
        [*pieces, node("MatMul", "x,turned", "y", "product")], [value("x", ["n", 2])],
        [value("y", None)], {**weights, "kernel": KERNEL},
    )  # fmt: skip
    for proto, row, name in ((inside, "choice", "choice/kernel"), (outside, "product", "kernel")):
        assert ls.describe(proto)[row].weights == 4
        held = ls.weights(proto)[name]
        assert held.dims == ("axis0", "channel")
        np.testing.assert_array_equal(held.values, KERNEL)


def branch(name: str, nodes: Any, output: str, weights: Any = None) -> Any:
    tensors = [numpy_helper.from_array(a, n) for n, a in (weights or {}).items()]
    return helper.make_graph(list(nodes), name, [], [value(output, None)], tensors)


def with_condition(nodes: Any, condition: str, then: Any, other: Any, **more: Any) -> Any:
    choice = node("If", condition, "y", "choice", then_branch=then, else_branch=other)
    last = node("Relu", "y", "out", "last")
    inputs = [value("x", more.pop("shape", ["n", 2]))]
    return model([*nodes, choice, last], inputs, [value("out", None)], **more)


def rows(proto: Any) -> list[str]:
    return [layer.address for layer in ls.describe(proto)]


DOUBLED = branch("then", [node("MatMul", "x,k", "h", "product"), node("Neg", "h", "r", "turned")],
                 "r", {"k": KERNEL})  # fmt: skip
KEPT = branch("else", [node("Identity", "x", "r")], "r")
X = np.array([[1, -2]], "f4")


@pytest.mark.parametrize("taken", [True, False])
def test_a_branch_that_is_always_taken_is_written_out(taken: bool) -> None:
    proto = with_condition([], "yes", DOUBLED, KEPT, weights={"yes": np.array(taken)})
    values = ls.activations(proto, X, layers="*")
    if taken:
        assert list(values) == ["choice/product", "choice/turned", "last"]
        np.testing.assert_allclose(values["choice/product"].values, X @ KERNEL)
        assert ls.describe(proto)["choice/product"].weights == 4
        np.testing.assert_array_equal(ls.weights(proto)["k"].values, KERNEL)
    else:
        assert list(values) == ["choice/Identity", "last"]
    expected = -(X @ KERNEL) if taken else X
    np.testing.assert_allclose(values["last"].values, np.maximum(expected, 0))
    assert not values.network.notes


def test_a_length_that_the_graph_knows_is_known() -> None:
    """As PyTorch writes ``x.squeeze(1)``: an If about a length."""
    nodes = [
        node("Shape", "x", "s"), node("Gather", "s,at", "n"), node("Equal", "n,one", "is_one"),
    ]  # fmt: skip
    weights = {"at": np.array([1]), "one": np.array([1])}
    then = branch("then", [node("Squeeze", "x,at", "r", "squeezed")], "r")
    for length, expected in ((1, "choice/squeezed"), (2, "choice/Identity")):
        proto = with_condition(nodes, "is_one", then, KEPT, weights=weights, shape=["n", length])
        assert expected in rows(proto)
    unknown = with_condition(nodes, "is_one", then, KEPT, weights=weights, shape=["n", "m"])
    assert "choice" in rows(unknown)
    assert ls.describe(unknown).notes[0].endswith("choice/Identity_0, choice/squeezed")


def test_a_condition_on_the_data_stays_one_row() -> None:
    nodes = [node("ReduceMax", "x", "top", keepdims=0), node("Greater", "top,zero", "positive")]
    proto = with_condition(nodes, "positive", DOUBLED, KEPT, weights={"zero": np.array(0, "f4")})
    values = ls.activations(proto, X)
    np.testing.assert_allclose(values["choice"].values, -(X @ KERNEL))
    assert ls.describe(proto)["choice"].weights == 4


def test_branches_with_the_same_names_do_not_get_mixed_up() -> None:
    first = node("If", "yes", "a", "one", then_branch=DOUBLED, else_branch=KEPT)
    again = branch("then", [node("MatMul", "a,k", "h", "product"), node("Neg", "h", "r", "turned")],
                   "r", {"k": KERNEL + 1})  # fmt: skip
    second = node("If", "yes", "y", "two", then_branch=again, else_branch=again)
    proto = model([first, second], [value("x", ["n", 2])], [value("y", None)],
                  {"yes": np.array(True)})  # fmt: skip
    assert rows(proto) == ["one/product", "one/turned", "two/product", "two/turned"]
    values = ls.activations(proto, X)
    expected = X @ KERNEL @ (KERNEL + 1)
    np.testing.assert_allclose(values["two/turned"].values, expected)
    assert ls.describe(proto).total == 8


def test_a_branch_in_a_branch_and_a_value_from_outside() -> None:
    then = branch("t", [node("Identity", "x", "i")], "i")
    inner = node("If", "yes", "r", "inner", then_branch=then, else_branch=KEPT)
    proto = with_condition([], "yes", branch("then", [inner], "r"), KEPT,
                           weights={"yes": np.array(True)})  # fmt: skip
    values = ls.activations(proto, X, layers="*")
    np.testing.assert_array_equal(values["last"].values, np.maximum(X, 0))
    assert all(name.startswith(("choice/inner", "last")) for name in values)


def test_an_initializer_that_is_an_input_too_is_not_known() -> None:
    proto = with_condition([], "yes", DOUBLED, KEPT, weights={"yes": np.array(True)})
    proto.graph.input.append(value("yes", [], TensorProto.BOOL))
    assert "choice" in rows(proto)


def test_it_is_told(tmp_path: Any) -> None:
    proto = with_condition([], "yes", DOUBLED, KEPT, weights={"yes": np.array(True)})
    onnx.save(proto, tmp_path / "m.onnx")
    origin = ls.describe(ls.load_model(tmp_path / "m.onnx")).origin
    assert origin is not None
    assert origin.repairs == ("the branch of a condition that is always the same was written out",)
