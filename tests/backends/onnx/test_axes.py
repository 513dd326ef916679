"""The axes of inputs: what counts the samples, also where a state goes in beside the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import layerscope as ls
from cases.onnx_cases import model, node, value
from layerscope.backends.onnx.axes import sample_axes
from layerscope.backends.onnx.backend import OnnxBackend
from layerscope.instruments.summary import scope


def with_state(batch: Any) -> Any:
    """Return a network that reads a state of 2 layers, a mean of which is added to the data."""
    nodes = [
        node("ReduceMean", "state", "m", axes=[0], keepdims=0),
        node("MatMul", "input,w", "z"),
        node("Add", "z,m", "y"),
        node("Tanh", "state", "next"),
    ]
    inputs = [value("input", [batch, 8]), value("state", [2, batch, 4])]
    outputs = [value("y", [batch, 4]), value("next", [2, batch, 4])]
    return model(nodes, inputs, outputs, {"w": np.eye(8, 4, dtype="f4")}, opset=15)


@pytest.mark.parametrize("batch", ["batch", 1, None])
def test_a_state_has_its_layers_first(batch: Any) -> None:
    proto = with_state(batch)
    x = {"input": np.ones((1, 8), "f4"), "state": np.arange(8, dtype="f4").reshape(2, 1, 4)}
    values = ls.activations(proto, x)
    assert {a: v.dims for a, v in values.items()} == {
        "ReduceMean_0": ("sample", "unit"), "MatMul_0": ("sample", "unit"),
        "Add_0": ("sample", "unit"), "Tanh_0": ("sample", "position", "channel"),
    }  # fmt: skip
    np.testing.assert_allclose(
        values["Tanh_0"].values, np.tanh(x["state"].swapaxes(0, 1)), rtol=1e-5
    )
    assert scope(values) == "for this sample"
    assert [spec.samples for spec in OnnxBackend(proto).inputs()] == [0, 1]


@pytest.mark.parametrize("batch", ["batch", 1, 3])
@pytest.mark.parametrize("name", ["noise", "zeros"])
def test_named_inputs_fill_the_lengths_that_are_fixed(batch: Any, name: str) -> None:
    values = ls.activations(with_state(batch), name)
    samples = batch if isinstance(batch, int) else 1
    assert values["Tanh_0"].shape == (samples, 2, 4)
    assert values["Add_0"].shape == (samples, 4)
    assert len(values["Add_0"].coords["sample"]) == samples


N = ("batch", "")


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"x": ((None, 8), N), "h": ((2, None, 4), ("", "batch", ""))}, {"x": 0, "h": 1}),
        ({"h": ((2, None, 4), ("", "batch", "")), "x": ((None, 8), N)}, {"h": 1, "x": 0}),
        ({"x": ((None, 8), N), "h": ((1, None, 4), ("", "n", ""))}, {"x": 0, "h": 1}),
        ({"x": ((None, 8), N), "h": ((1, 4), ("", ""))}, {"x": 0, "h": 0}),
        ({"x": ((None, 8), N), "scales": ((4,), ("",))}, {"x": 0, "scales": None}),
        ({"x": ((1, 8), ("", "")), "rate": ((), ())}, {"x": 0, "rate": 0}),
        ({"x": ((1, 8), ("", "")), "rate": ((2, 3), ("", ""))}, {"x": 0, "rate": None}),
        ({"a": ((4, 8), ("", "")), "b": ((4, 3), ("", ""))}, {"a": 0, "b": 0}),
        ({"a": (None, ()), "b": ((None, 3), N)}, {"a": 0, "b": 0}),
    ],
)
def test_which_axis_counts_the_samples(inputs: Any, expected: Any) -> None:
    assert sample_axes(inputs) == expected


def test_a_real_state_that_stands_first(real: Path) -> None:
    network = ls.load_model(real / "others" / "state_first.onnx")
    assert ls.activations(network, "noise")["Tanh_0"].shape == (1, 2, 4)
