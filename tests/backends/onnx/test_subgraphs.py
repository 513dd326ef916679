"""What is in the graphs that nodes run: the weights of loops, scans and branches."""

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
