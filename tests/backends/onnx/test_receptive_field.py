"""Receptive fields of ONNX models are those that trying finds, whatever the nodes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnxruntime.capi import onnxruntime_pybind11_state as states

import layerscope as ls
from cases.amounts import examples
from cases.fields import assert_box_holds, assert_exact, changed_inputs
from cases.onnx_cases import model, node, value
from layerscope.instruments.receptive_field import receptive_field

SPACE = (10, 9)
QUIET = ort.SessionOptions()
QUIET.log_severity_level = 4
TOO_LARGE = (states.Fail, states.InvalidGraph, states.InvalidArgument, states.RuntimeException)


class _Graph:
    """Nodes chosen by chance, as far as they are, and what is constant in them."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}
        self.values = ["x"]
        self.shapes: dict[str, tuple[int, ...]] = {"x": (1, 2, *SPACE)}

    def constant(self, array: Any) -> str:
        name = f"c{len(self.weights)}"
        self.weights[name] = np.asarray(array)
        return name

    def kernel(self, *shape: int) -> str:
        return self.constant(self.numbers.uniform(0.5, 1, shape).astype(np.float32))

    def model(self) -> Any:
        last = self.values[-1]
        return model(
            self.nodes, [value("x", ["n", 2, *SPACE])], [value(last, None)], self.weights, opset=18
        )

    def add(self, op: str, taken: str, **attributes: Any) -> None:
        """Add a node where its value is not too large or too small."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(node(op, taken, name, **attributes))
        self.values.append(name)
        try:
            session = ort.InferenceSession(self.model().SerializeToString(), QUIET)
            (made,) = session.run(None, {"x": np.zeros((1, 2, *SPACE), np.float32)})
            fits = 0 < made.size < 1500
        except TOO_LARGE:
            fits = False
        if fits:
            self.shapes[name] = made.shape
        else:
            self.nodes.pop()
            self.values.pop()


def _add(graph: _Graph) -> None:
    """Add a node that may follow."""
    draw, x = graph.draw, graph.values[-1]
    shape = graph.shapes[x]
    channels, ints = shape[1], graph.constant
    rows = [x, ints([1]), ints([100]), ints([2]), ints([draw.randint(1, 3)])]
    size, stride, dilation = draw.randint(1, 4), draw.randint(1, 3), draw.randint(1, 2)
    pads = [draw.randint(0, min(size - 1, 2)) for _ in range(4)]
    strides = {"strides": [stride, 1]}
    auto = draw.choice([{"pads": pads}, {"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}])
    alike = draw.choice([v for v in graph.values if graph.shapes[v] == shape])
    beside = draw.choice([v for v in graph.values if graph.shapes[v][2:] == shape[2:]])
    window = {"kernel_shape": [size, size]}
    kernel = graph.kernel
    steps: list[Callable[[], None]] = [
        lambda: graph.add("Conv", f"{x},{kernel(3, channels, size, size)}", **strides, **auto),
        lambda: graph.add("Conv", f"{x},{kernel(2 * channels, 1, size, 2)}", group=channels,
                          dilations=[dilation, 1], pads=pads),
        lambda: graph.add("ConvTranspose", f"{x},{kernel(channels, 2, size, size)}",
                          strides=[stride, 2], pads=pads),
        lambda: graph.add("MaxPool", x, **window, **strides, **auto),
        lambda: graph.add("MaxPool", x, **window, **strides, ceil_mode=1, pads=pads),
        lambda: graph.add("AveragePool", x, **window, **strides, **auto, count_include_pad=1),
        lambda: graph.add("Resize", f"{x},,{ints(np.float32([1, 1, 2, 3]))}",
                          coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        lambda: graph.add("Resize", f"{x},,{ints(np.float32([1, 1, 2, 2]))}", mode="linear"),
        lambda: graph.add("Resize", f"{x},,{ints(np.float32([1, 1, 2, 1]))}"),
        lambda: graph.add("Slice", ",".join(rows)),
        lambda: graph.add("Slice", ",".join([x, ints([-1]), ints([-100]), ints([3]), ints([-1])])),
        lambda: graph.add("Pad", f"{x},{ints([0, 1, *pads[:2], 0, 0, *pads[2:]])}"),
        lambda: graph.add("Pad", f"{x},{ints([0, 0, 1, 1, 0, 0, 1, 1])}", mode="reflect"),
        lambda: graph.add("Pad", f"{x},{ints([0, 0, 1, 0, 0, 0, 0, 2])}", mode="edge"),
        lambda: graph.add("Transpose", x, perm=[0, 1, 3, 2]),
        lambda: graph.add("Gather", f"{x},{ints([0, channels - 1])}", axis=1),
        lambda: graph.add("SpaceToDepth", x, blocksize=2),
        lambda: graph.add("DepthToSpace", x, blocksize=2, mode=draw.choice(["DCR", "CRD"])),
        lambda: graph.add("Concat", f"{beside},{x}", axis=1),
        lambda: graph.add("Concat", f"{x},{x}", axis=3),
        lambda: graph.add("Add", f"{alike},{x}"),
        lambda: graph.add("Relu", x),
        lambda: graph.add("ReduceMean", f"{x},{ints([2])}", keepdims=1),
    ]  # fmt: skip
    draw.choice(steps)()


@given(seed=st.integers(0, 10**6), count=st.integers(1, 6))
@settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))
def test_the_box_is_the_one_that_trying_finds(seed: int, count: int) -> None:
    graph = _Graph(seed)
    for _ in range(40):
        if len(graph.nodes) < count:
            _add(graph)
    acts = ls.activations(graph.model(), changed_inputs(SPACE, 2, channels_last=False))
    assert_exact(acts)


def test_a_real_network(real: Path) -> None:
    net = ls.load_model(real / "onnx" / "mnist.onnx")
    acts = ls.activations(net, np.zeros((1, 1, 28, 28), np.float32))
    assert receptive_field(acts, "Pooling160:3@0,1").ranges == {"y": range(12), "x": range(18)}
    for layer in ("Convolution28", "Pooling66", "ReLU114"):
        assert_box_holds(net, acts, layer, channels_last=False)
    digit = receptive_field(acts, "Gemm_0:3")
    assert (digit.whole, digit.because) == (True, "Gemm_0")


def test_a_shape_computed_of_the_input_is_no_part_of_the_field() -> None:
    nodes = [
        node("Conv", "x,k", "c", "conv", pads=[1, 1, 1, 1]),
        node("Shape", "c", "s", "shape"),
        node("Reshape", "c,s", "r", "reshape"),
    ]
    kernel = np.ones((2, 1, 3, 3), np.float32)
    net = model(nodes, [value("x", ["n", 1, 8, 8])], [value("r", None)], {"k": kernel})
    acts = ls.activations(net, np.zeros((1, 1, 8, 8), np.float32))
    box = receptive_field(acts, "reshape:1@4,4")
    assert (box.y, box.x) == (range(3, 6), range(3, 6))


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("GlobalAveragePool", {}),
        ("InstanceNormalization", {}),
        ("LpNormalization", {"axis": 2}),
        ("Softmax", {"axis": 2}),
    ],
)
def test_what_mixes_positions_reaches_all_of_them(op: str, attributes: dict[str, Any]) -> None:
    more = ",one,one" if op == "InstanceNormalization" else ""
    nodes = [node("Conv", "x,k", "c", "conv"), node(op, f"c{more}", "y", "it", **attributes)]
    weights = {"k": np.ones((1, 1, 3, 3), np.float32), "one": np.ones(1, np.float32)}
    net = model(nodes, [value("x", ["n", 1, 8, 8])], [value("y", None)], weights)
    acts = ls.activations(net, np.zeros((1, 1, 8, 8), np.float32))
    box = receptive_field(acts, "it:0@0,0")
    both = op in ("GlobalAveragePool", "InstanceNormalization")
    assert box.y == range(8)
    assert (box.because == "it") == box.whole == both
