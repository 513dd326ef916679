"""Two ONNX graphs compared: one that is right, and ones broken in one way each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from cases.onnx_cases import model, node, value
from layerscope.backends.opening import load_model
from layerscope.instruments.comparison.compare import compare

Array = np.ndarray[Any, Any]

SIDE, FEATURES = 8, 4


def weights() -> dict[str, Array]:
    rng = np.random.default_rng(1)

    def draw(*shape: int) -> Array:
        return rng.normal(0, 0.4, shape).astype(np.float32)

    return {
        "k0": draw(FEATURES, 3, 3, 3),
        "b0": draw(FEATURES),
        "k1": draw(FEATURES, FEATURES, 3, 3),
        "scale": rng.uniform(0.5, 1.5, FEATURES).astype(np.float32),
        "shift": draw(FEATURES),
        "mean": rng.uniform(0.05, 0.5, FEATURES).astype(np.float32),
        "variance": rng.uniform(0.05, 0.5, FEATURES).astype(np.float32),
        "sizes": np.array([1, 1, 2, 2], np.float32),
        "w2": draw(FEATURES * SIDE * SIDE, 6),
        "b2": draw(6),
        "w3": draw(6, 6),
        "g4": rng.uniform(0.5, 1.5, 6).astype(np.float32),
        "s4": draw(6),
        "factor": np.array(1 / 255, np.float32),
    }


def graph(changed: Mapping[str, Array] | None = None, **settings: Any) -> Any:
    """A convolution, one with a batch norm, a resizing and three dense layers."""
    fast = {"approximate": settings["gelu"]} if "gelu" in settings else {}
    pads = settings.get("pads", [0, 0, 1, 1])
    activation = settings.get("activation", "Relu")
    nodes = [
        node("Mul", "x,factor", "s", "scaled"),
        node("Conv", "s,k0,b0", "c0", "conv", kernel_shape=[3, 3], strides=[2, 2], pads=pads),
        node(activation, "c0", "r0", "act"),
        node("Conv", "r0,k1", "c1", "conv_1", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node(
            "BatchNormalization", "c1,scale,shift,mean,variance", "n", "norm",
            epsilon=settings.get("epsilon", 1e-3),
        ),
        node("Gelu", "n", "g", "gelu", **fast),
        node("Resize", "g,,sizes", "u", "up", mode=settings.get("mode", "linear")),
        node("Flatten", "u", "f", "flatten"),
        node("Gemm", "f,w2,b2", "d", "dense"),
        node("Gemm", "d,w3", "d3", "dense_1"),
        node(
            "LayerNormalization", "d3,g4,s4", "y", "layer_norm",
            epsilon=settings.get("layer_epsilon", 1e-3),
        ),
    ]  # fmt: skip
    if settings.get("unscaled"):
        nodes[0] = node("Identity", "x", "s", "scaled")
    return model(
        nodes,
        [value("x", ["n", 3, SIDE, SIDE])],
        [value("y", ["n", 6])],
        {**weights(), **(changed or {})},
        opset=20,
        ir=9,
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Saves a graph, and returns it opened."""
    folder = tmp_path_factory.mktemp("graphs")

    def save(*args: Any, **settings: Any) -> Any:
        path = Path(folder) / f"{len(list(folder.iterdir()))}.onnx"
        onnx.save(graph(*args, **settings), path)
        return load_model(path)

    return save


@pytest.fixture(scope="module")
def x() -> Array:
    return np.random.default_rng(2).integers(0, 256, (4, 3, SIDE, SIDE)).astype(np.float32)


def test_a_graph_is_the_same_as_itself(saved: Any, x: Array) -> None:
    d = compare(saved(), saved(), x)
    assert d.first is None
    assert {pair.how for pair in d.pairs} == {"address"}


W = weights()
BROKEN: dict[str, tuple[dict[str, Any], str, str]] = {
    "padding": ({"pads": [1, 1, 0, 0]}, "conv", "the padding: 'conv' pads 1, 0 × 1, 0"),
    "activation": ({"activation": "Elu"}, "act", "'act' applies elu"),
    "epsilon": ({"epsilon": 1e-5}, "norm", "the epsilon: 1e-05 in 'norm', 1e-03 in the one"),
    "layer norm": ({"layer_epsilon": 1e-5}, "layer_norm", "the epsilon: 1e-05 in 'layer_norm'"),
    "gelu": (
        {"gelu": "tanh"},
        "gelu",
        "gelu by tanh, the approximate one, the one gelu,",
    ),
    "interpolation": ({"mode": "nearest"}, "up", "the interpolation: nearest in 'up', linear"),
    "kernel": (
        {"changed": {"k0": W["k0"].swapaxes(2, 3).copy()}},
        "conv",
        "the kernel of 'conv' is transposed: y and x are swapped",
    ),
    "dense kernel": (
        {"changed": {"w3": W["w3"].T.copy()}},
        "dense_1",
        "the kernel of 'dense_1' is transposed: inputs and units are swapped",
    ),
    "statistics": (
        {"changed": {"mean": W["variance"], "variance": W["mean"]}},
        "norm",
        "the statistics of 'norm' are swapped",
    ),
    "range": ({"unscaled": True}, "conv", "what 'conv' receives is 255 times as large"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_graph_parts_where_it_is_broken(name: str, saved: Any, x: Array) -> None:
    settings, first, words = BROKEN[name]
    d = compare(saved(), saved(**settings), x)
    assert (d.first, words in " ".join(d.why)) == (first, True), d.why


def few_bits(*, activation: bool) -> Any:
    """A convolution and its function; or the same of 8 bits, its values quantized behind it."""
    k0, b0 = weights()["k0"], weights()["b0"]
    step = np.float32(np.abs(k0).max() / 127)
    if activation:
        nodes = [node("Conv", "x,k0,b0", "c", "conv"), node("Relu", "c", "y", "relu")]
        arrays = {"k0": k0, "b0": b0}
    else:
        nodes = [
            node("DequantizeLinear", "q0,step,none", "k", "kernel"),
            node("Conv", "x,k,b0", "c", "conv"),
            node("QuantizeLinear", "c,out,low", "q", "quantized"),
            node("DequantizeLinear", "q,out,low", "y", "values"),
        ]
        arrays = {
            "q0": np.rint(k0 / step).astype(np.int8),
            "step": np.array(step),
            "none": np.array(0, np.int8),
            "b0": b0,
            "out": np.array(5 / 255, np.float32),
            "low": np.array(0, np.uint8),  # 0 is the least: what a ReLU does
        }
    inside = SIDE - 2
    return model(
        nodes,
        [value("x", ["n", 3, SIDE, SIDE])],
        [value("y", ["n", FEATURES, inside, inside])],
        arrays,
    )


def test_a_layer_of_few_bits_goes_with_the_value_that_leaves_it(tmp_path: Path) -> None:
    opened = []
    for name in (True, False):
        onnx.save(few_bits(activation=name), tmp_path / f"{name}.onnx")
        opened.append(load_model(tmp_path / f"{name}.onnx"))
    x = np.random.default_rng(0).random((4, 3, SIDE, SIDE), np.float32) / 2
    d = compare(*opened, x)
    partners = {pair.address: pair.partner for pair in d.pairs}
    assert partners == {"conv": "conv", "relu": "values"}
    assert d.first == "conv"
    assert "the kernel of 'conv' is quantized in the other" in d.why[0]
    assert all(pair.sqnr > 25 for pair in d.pairs)
    assert compare(*opened, x, tolerance=0.05).is_same
