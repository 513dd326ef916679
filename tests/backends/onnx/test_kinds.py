"""What ONNX operators say they are, and what follows from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

import layerscope as ls
from cases.onnx_cases import model, node, value

#: Operators between a Flatten and a dense layer, which then still sees the maps.
BETWEEN: dict[str, tuple[str, dict[str, Any]]] = {
    **{op: (op, {}) for op in ("Relu", "LeakyRelu", "Elu", "Gelu", "Tanh", "Sigmoid", "Softmax",
                               "HardSwish", "Dropout", "Identity", "Exp")},
    "PRelu": ("PRelu", {"s": np.full(144, 0.25, np.float32)}),
    "BatchNormalization": ("BatchNormalization",
                           dict.fromkeys(("s", "t", "m", "v"), np.ones(144, np.float32))),
}  # fmt: skip


@pytest.mark.parametrize("last", ["Gemm", "MatMul"])
@pytest.mark.parametrize("name", BETWEEN)
def test_a_dense_kernel_shows_the_maps_that_were_flattened(name: str, last: str) -> None:
    op, more = BETWEEN[name]
    weights = {"k": np.ones((4, 1, 3, 3), np.float32), "d": np.ones((144, 5), np.float32)}
    graph = model(
        [
            node("Conv", "x,k", "c"),
            node("Flatten", "c", "f"),
            node(op, ",".join(["f", *more]), "r"),
            node(last, "r,d", "y"),
        ],
        [value("x", ["n", 1, 8, 8])],
        [value("y", ["n", 5])],
        weights | more,
        opset=20,
        ir=9,
    )
    attrs = ls.weights(graph)["d"].attrs
    assert (attrs["input_shape"], attrs["input_axes"]) == ((4, 6, 6), ("channel", "y", "x"))
    assert len(ls.sheet(ls.weights(graph), "d")) == 20


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "expected"),
    [
        ("MatMul", "x,x", {}, ("matmul", None)),
        ("Einsum", "x,x", {"equation": "abcd,abcd->abcd"}, ("matmul", None)),
        ("Erf", "x", {}, ("elementwise", "erf")),
        ("HardSigmoid", "x", {}, ("activation", "hard_sigmoid")),
        ("ThresholdedRelu", "x", {}, ("activation", "thresholded_relu")),
        ("Clip", "x", {}, ("activation", "clip")),
        ("ReduceMean", "x", {}, ("reduce", None)),
        ("Mean", "x,x", {}, ("add", None)),
        ("Cast", "x", {"to": 10}, ("quantize", None)),
        ("LRN", "x", {"size": 3}, ("norm", None)),
        ("DepthToSpace", "x", {"blocksize": 1}, ("rearrange", None)),
    ],
)
def test_what_an_operator_is(
    op: str, inputs: str, attributes: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    graph = model(
        [node(op, inputs, "y", **attributes)],
        [value("x", ["n", 3, 4, 4])],
        [value("y", None)],
        opset=20,
        ir=9,
    )
    last = ls.describe(graph).layers[-1]
    assert (last.kind, last.activation) == expected
