"""What is hidden of a graph: what follows from shapes alone, and what hands on the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto

import layerscope as ls
from cases.onnx_cases import model, node, value
from layerscope.core.network import revealed, shown
from layerscope.views.diagram import diagram


def graph() -> Any:
    """Return a graph that reads its own shape, looks words up in a table, and counts from lengths.

    Its layers are the table, a product, a slice and a mask that is made of the data.
    """
    nodes = [
        node("Gather", "table,words", "e", "embedding"),
        node("Shape", "words", "s", "shape"),
        node("Gather", "s,one", "n", "length", axis=0),
        node("Unsqueeze", "n,axis", "n1", "as_list"),
        node("Concat", "n1,four", "to", "target", axis=0),
        node("Cast", "words", "f", "as_float", to=TensorProto.FLOAT),
        node("Unsqueeze", "f,last", "f3", "widened"),
        node("Mul", "e,f3", "p", "product"),
        node("Cast", "p", "i", "cut_off", to=TensorProto.INT32),
        node("Cast", "i", "back", "as_float_again", to=TensorProto.FLOAT),
        node("ConstantOfShape", "to", "zeros", "zeros"),
        node("Slice", "back,zero,end,last", "y", "first"),
        node("Squeeze", "y,last", "out", "result"),
        node("Add", "zeros,half", "other", "beside"),
    ]
    weights = {
        "table": np.arange(12, dtype="f4").reshape(3, 4) / 7, "one": np.array(1),
        "axis": np.array([0]), "four": np.array([4]), "last": np.array([2]),
        "zero": np.array([0]), "end": np.array([1]), "half": np.array(0.5, "f4"),
    }  # fmt: skip
    return model(
        nodes,
        [value("words", ["batch", "length"], TensorProto.INT64)],
        [value("out", ["batch", "length"])],
        weights,
    )


HIDDEN = ["shape", "length", "as_list", "target", "as_float", "widened", "as_float_again", "zeros",
          "beside"]  # fmt: skip
SHOWN = ["embedding", "product", "cut_off", "first", "result"]
X = np.array([[0, 1, 2]])


def test_what_is_hidden() -> None:
    network = ls.describe(graph())
    assert [layer.address for layer in network if layer.plumbing] == HIDDEN
    assert [layer.address for layer in shown(network)] == SHOWN
    edges = {layer.address: layer.inputs for layer in shown(network)}
    assert edges["product"] == ("embedding", "words")
    assert edges["first"] == ("cut_off",)
    table = str(network)
    assert "widened" not in table
    assert "Note: 9 rows of plumbing are hidden, such as shapes and changes of type: --all" in table
    assert "widened" in str(revealed(network))


def test_values_are_there_where_they_are_asked_for() -> None:
    values = ls.activations(graph(), X)
    assert list(values) == SHOWN
    assert "9 rows of plumbing are hidden" in values.network.notes[-1]
    everything = ls.activations(graph(), X, layers="*")
    assert sorted(everything) == sorted(SHOWN + HIDDEN)
    assert not any(layer.plumbing for layer in everything.network)
    assert list(ls.activations(graph(), X, layers="widened")) == ["widened"]
    for address in SHOWN:
        np.testing.assert_array_equal(values[address].values, everything[address].values)


def test_what_is_drawn() -> None:
    names = str(diagram(ls.describe(graph())).header)
    assert "widened" not in names
    assert "product" in names
    assert "widened" in str(diagram(revealed(ls.describe(graph()))).header)


def test_what_a_network_returns_is_shown_whatever_it_is() -> None:
    proto = model(
        [node("Shape", "x", "s", "shape"), node("Identity", "s", "y", "last")],
        [value("x", ["n", 3])], [value("y", [2], TensorProto.INT64)],
    )  # fmt: skip
    assert [layer.address for layer in shown(ls.describe(proto))] == ["last"]
