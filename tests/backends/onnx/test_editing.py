"""Edited values of ONNX graphs are what the graph computes from them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from onnx import TensorProto

import layerscope as ls
from cases.onnx_cases import model, node, value
from layerscope.backends.onnx.model import OnnxModel
from layerscope.errors import AddressError, ModelError


def _network() -> OnnxModel:
    rng = np.random.default_rng(0)
    return OnnxModel(
        model(
            [
                node("Conv", "x,kernel", "c"),
                node("Relu", "c", "r"),
                node("GlobalAveragePool", "r", "p"),
                node("Flatten", "p", "f"),
                node("MatMul", "f,matrix", "y"),
            ],
            [value("x", ["n", 1, 6, 6])],
            [value("y", None)],
            {
                "kernel": rng.normal(size=(4, 1, 3, 3)).astype(np.float32),
                "matrix": rng.normal(size=(4, 3)).astype(np.float32),
            },
        )
    )


def test_edits_are_what_the_rest_of_the_graph_computes() -> None:
    network, x = _network(), np.random.default_rng(1).normal(size=(2, 1, 6, 6)).astype(np.float32)
    whole = ls.activations(network, x)
    conv, relu, *_, last = whole
    maps = np.array(whole[conv])
    maps[..., 2] = 0
    maps = np.maximum(maps, 0)
    maps[..., 1] += 1
    (matrix,) = (w for w in ls.weights(network).values() if w.ndim == 2)
    expected = maps.mean(axis=(1, 2)) @ np.asarray(matrix)
    edits = {f"{conv}:2": 0, f"{relu}:1": lambda v: v + 1}
    np.testing.assert_allclose(ls.activations(network, x, edits=edits)[last], expected, atol=1e-5)
    with ls.edited(network, edits):
        edited = ls.activations(network, x)
    np.testing.assert_allclose(edited[last], expected, atol=1e-5)
    np.testing.assert_allclose(edited[relu], maps, atol=1e-6)
    first, second = ({address: new} for address, new in edits.items())
    with ls.edited(network, first):
        outer = np.asarray(ls.activations(network, x)[last])
        nested = ls.activations(network, x, edits=second)
        np.testing.assert_allclose(nested[last], expected, atol=1e-5)
        np.testing.assert_array_equal(ls.activations(network, x)[last], outer)
    with pytest.raises(ZeroDivisionError), ls.edited(network, edits):
        raise ZeroDivisionError
    np.testing.assert_array_equal(ls.activations(network, x)[last], whole[last])
    with pytest.raises(AddressError, match="the layer has 4 units"):
        ls.activations(network, x, edits={f"{conv}:4": 0})


def test_a_value_of_a_type_that_numpy_lacks_can_not_be_edited() -> None:
    network = OnnxModel(
        model(
            [
                node("Cast", "x", "b", to=TensorProto.BFLOAT16),
                node("Cast", "b", "y", to=TensorProto.FLOAT),
            ],
            [value("x", ["n", 3])],
            [value("y", None)],
            {},
        )
    )
    address = next(iter(ls.activations(network, np.ones((2, 3), np.float32), layers="*")))
    with pytest.raises(ModelError, match="can't be edited: its type is none that NumPy has"):
        ls.activations(network, np.ones((2, 3), np.float32), layers="*", edits={address: 0})
