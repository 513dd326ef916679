"""The weights of ONNX graphs: which constants are weights, whose they are, and their axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from layerscope.backends.onnx.data import array_of, nbytes_of, type_name
from layerscope.backends.onnx.nodes import OnnxNode, Parts, inner_node
from layerscope.backends.onnx.stripped import StrippedModel
from layerscope.core.axes import NamedArray, carried
from layerscope.core.network import Parameter

_SPACE = {1: ("position",), 2: ("y", "x"), 3: ("z", "y", "x")}

#: What an operator does with a constant, by the position at which it takes it.
_ROLES: dict[str, dict[int, str]] = {
    "Conv": {1: "kernel", 2: "bias"},
    "ConvInteger": {1: "kernel"},
    "QLinearConv": {3: "kernel", 8: "bias"},
    "FusedConv": {1: "kernel", 2: "bias"},
    "DeformConv": {1: "kernel", 3: "bias"},
    "ConvTranspose": {1: "transposed kernel", 2: "bias"},
    "Gemm": {0: "left", 1: "right", 2: "unit bias"},
    "MatMul": {0: "left", 1: "right"},
    "MatMulInteger": {0: "left", 1: "right"},
    "QLinearMatMul": {0: "left", 3: "right"},
    "Gather": {0: "table"},
    "BatchNormalization": {1: "scale", 2: "bias", 3: "statistics", 4: "statistics"},
    "InstanceNormalization": {1: "scale", 2: "bias"},
    "GroupNormalization": {1: "scale", 2: "bias"},
    "LayerNormalization": {1: "scale", 2: "bias"},
    "LSTM": {1: "gates", 2: "gates", 3: "gate bias", 7: "gates"},
    "GRU": {1: "gates", 2: "gates", 3: "gate bias"},
    "RNN": {1: "gates", 2: "gates", 3: "gate bias"},
    "Add": {0: "added", 1: "added"},
    "PRelu": {1: "factor"},
    "Sub": {0: "factor", 1: "factor"},
    "Mul": {0: "factor", 1: "factor"},
    "Div": {0: "factor", 1: "factor"},
}
#: Operators whose constants, of whatever type, only say how to do it.
_SILENT = frozenset({"Clip", "Resize", "Upsample", "Pad", "Dropout", "QuantizeLinear", "Where",
                     "DequantizeLinear", "OneHot", "Pow", "Range", "Min", "Max", "Equal", "Less",
                     "Greater", "Expand", "Tile", "Reshape", "Slice",
                     "RandomNormalLike"})  # fmt: skip
_FLOATS = ("float", "bfloat")
#: What keeps the numbers of a constant and their axes, but for their order; and what does not.
_SAME = ("Transpose", "Identity", "Cast", "DequantizeLinear")
_CUT = ("Slice", "Split", "Concat", "Unsqueeze", "Squeeze", "Reshape")
#: Between a weight and the node that takes it; more is no way of a weight.
_MOST_STEPS = 64


@dataclass(frozen=True, slots=True)
class Weight:
    """A constant that was learnt, as the node that owns it takes it."""

    name: str
    owner: int  #: the index of the node
    role: str
    order: (
        tuple[int, ...] | Literal["reversed", "cut"] | None
    )  #: how its axes were permuted on their way to the node; ``cut`` where they were not kept
    flipped: bool  #: Gemm's transA or transB
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    inner: Any = None  #: of a graph inside the owner: its tensor, and the node that takes it

    @property
    def parameter(self) -> Parameter:
        """What it is to the network."""
        trainable = self.role != "statistics" and self.dtype.startswith(_FLOATS)
        bias = "bias" in self.role or self.role == "added"
        return Parameter(self.name, self.shape, self.dtype, trainable, bias, self.nbytes)


def weights_of(stripped: StrippedModel, parts: Parts) -> list[Weight]:
    """Return every weight, once: the first node that uses one owns it.

    What a node runs in a loop or a branch is a part of it, and so are the weights in there.
    """
    weights: dict[str, Weight] = {}
    for index, node in enumerate(parts.nodes):
        for root, position, role, order in _taken(node, parts):
            constant = _Constant.of(stripped, parts, root)
            if constant is None:
                continue
            weight = _weight(constant, root, index, role, order, node, position)
            if weight is not None:
                weights.setdefault(root, weight)
        for weight in _inside(stripped, parts, node.graphs, index, {}):
            weights.setdefault(weight.name, weight)
    return list(weights.values())


def _taken(node: OnnxNode, parts: Parts) -> Iterator[tuple[str, int, str, Any]]:
    """Yield the constants that a node takes: where, as what, and how their axes were permuted."""
    for position, name in enumerate(node.inputs):
        role = _role(node, position)
        if role is not None and name in parts.constants:
            for root, order in _roots(name, parts):
                yield root, position, role, order


def _role(node: OnnxNode, position: int) -> str | None:
    """Return what a node does with a constant at this position; None where it learns none there."""
    if node.op in _SILENT:
        return None
    return _ROLES[node.op].get(position) if node.op in _ROLES else "other"


def _inside(
    stripped: StrippedModel,
    parts: Parts,
    graphs: Iterable[Any],
    owner: int,
    around: Mapping[str, Any],
) -> Iterator[Weight]:
    """Yield the weights that the nodes of these graphs take, from in there or from outside."""
    address = parts.nodes[owner].address
    for graph in graphs:
        held = {**around, **{t.name: ((t.name, t, None),) for t in graph.initializer}}
        for proto in graph.node:
            if proto.op_type == "Constant":
                value = next((a.t for a in proto.attribute if a.name == "value"), None)
                if value is not None and proto.output:
                    held[proto.output[0]] = ((proto.output[0], value, None),)
                continue
            made = [one for name in _followed(proto) for one in held.get(name, ())]
            if made and all(name in held or name in parts.constants for name in proto.input):
                order = None if proto.op_type in ("Identity", "Cast") else "cut"
                origins = tuple((name, t, before or order) for name, t, before in made)
                held |= dict.fromkeys(proto.output, origins[:_MOST_STEPS])
                continue
            node = inner_node(proto)
            for position, name in enumerate(node.inputs):
                role = _role(node, position)
                for key, tensor, order in held.get(name, ()) if role is not None else ():
                    constant, key = _Constant.in_graph(tensor), f"{address}/{key}"
                    weight = _weight(constant, key, owner, role or "", order, node, position)
                    if weight is not None:
                        yield replace(weight, inner=(tensor, node))
            for root, position, role, order in _taken(node, parts):
                outer = _Constant.of(stripped, parts, root) if root not in held else None
                if outer is None:
                    continue
                weight = _weight(outer, root, owner, role, order, node, position)
                if weight is not None:
                    yield replace(weight, inner=(None, node))
            yield from _inside(stripped, parts, node.graphs, owner, held)


@dataclass(frozen=True, slots=True)
class _Constant:
    """What is known of a constant without reading it."""

    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    at_least: int = 1  #: so many values a weight of its kind has

    @staticmethod
    def in_graph(tensor: Any) -> _Constant:
        """Return what a tensor says of itself."""
        return _Constant(tuple(tensor.dims), type_name(tensor.data_type), nbytes_of(tensor))

    @staticmethod
    def of(stripped: StrippedModel, parts: Parts, name: str) -> _Constant | None:
        """Return what is known of a constant of the main graph; None for none that is held."""
        if name in stripped.tensors:
            return _Constant.in_graph(stripped.tensors[name])
        if name in parts.values:
            value = parts.values[name]
            # A number written into the graph is no weight.
            return _Constant(value.shape, str(value.dtype), value.nbytes, 2)
        return None


def _weight(
    constant: _Constant, name: str, owner: int, role: str, order: Any, node: OnnxNode, at: int
) -> Weight | None:
    """Return the constant, if it is one that is learnt."""
    shape, dtype = constant.shape, constant.dtype
    quantized = role in ("kernel", "left", "right", "bias", "table") and "int" in dtype
    learnt = dtype.startswith(_FLOATS) or (quantized and dtype not in ("int64", "uint64"))
    at_least = 2 if role in ("factor", "other") else constant.at_least
    if not learnt or not shape or math.prod(shape) < at_least:
        return None
    flipped = bool(node.attributes.get("transB" if at else "transA")) and node.op == "Gemm"
    return Weight(name, owner, role, order, flipped, shape, dtype, constant.nbytes)


def _roots(name: str, parts: Parts, seen: set[str] | None = None) -> Iterator[tuple[str, Any]]:
    """Yield the constants that a constant is made from, and how their axes were permuted.

    Those of an LSTM come as slices of what PyTorch has, put together in another order.
    """
    seen = set() if seen is None else seen
    maker = parts.constants.get(name)
    if maker is None or maker.op_type == "Constant":
        yield name, None
        return
    if name in seen or len(seen) > _MOST_STEPS:
        return
    seen.add(name)
    for taken in _followed(maker):
        for root, order in _roots(taken, parts, seen):
            if maker.op_type in _CUT:
                yield root, "cut"
            elif maker.op_type == "Transpose" and order != "cut":
                perm = next((tuple(a.ints) for a in maker.attribute if a.name == "perm"), ())
                composed = tuple(order[i] for i in perm) if order and perm else perm or "reversed"
                yield root, composed
            else:
                yield root, order


def _followed(maker: Any) -> list[str]:
    """Return the inputs of a constant node whose numbers are in what it returns."""
    if maker.op_type == "Concat":
        return list(maker.input)
    return list(maker.input[:1]) if maker.op_type in (*_SAME, *_CUT) else []


def named(
    weight: Weight,
    stripped: StrippedModel,
    parts: Parts,
    node: OnnxNode,
    out: tuple[str, ...] | None,
) -> NamedArray:
    """Return the values with their axes named; ``out`` are the axes of the node's output."""
    tensor, inner = weight.inner or (None, None)
    if tensor is not None:
        values = array_of(tensor, stripped.source)
    elif weight.name in stripped.tensors:
        values = stripped.array(weight.name)
    else:
        values = parts.values[weight.name]
    if inner is not None:  # whose output has axes that nobody knows
        node, out = inner, ()
    if weight.order == "cut":
        values, was = carried(np.array(values))
        axes = (*(f"axis{i}" for i in range(values.ndim - 1)), "channel")
        return NamedArray(values, axes, {"dtype": was} if was else {})
    axes = _axes(weight, values, node, out or ())
    if weight.order == "reversed":
        axes = axes[::-1]
    elif weight.order and sorted(weight.order) == list(range(len(axes))):
        axes = tuple(axes[weight.order.index(i)] for i in range(len(axes)))
    if weight.role in ("added", "factor", "unit bias", "bias", "scale") and values.ndim > 1:
        # (1, 10) and (64, 1, 1) are vectors, written so that they broadcast.
        kept = [i for i, length in enumerate(values.shape) if length > 1] or [values.ndim - 1]
        axes = tuple(axes[i] for i in kept)
        values = values.reshape([values.shape[i] for i in kept])
    array, was = carried(np.array(values))
    return NamedArray(array, axes, {"dtype": was} if was else {})


def _axes(
    weight: Weight, values: npt.NDArray[Any], node: OnnxNode, out: tuple[str, ...]
) -> tuple[str, ...]:
    rank = values.ndim
    space = _SPACE.get(rank - 2)
    role = weight.role
    if role == "kernel" and space:
        return ("channel", "input", *space)
    if role == "transposed kernel" and space:
        return ("input", "channel", *space)
    if role in ("left", "right") and rank >= 2:
        kernel = ("input", "unit") if (role == "right") != weight.flipped else ("unit", "input")
        return (*(f"axis{i}" for i in range(rank - 2)), *kernel)
    if role == "gates" and rank == 3:
        return ("direction", "unit", "input")
    if role in ("gate bias", "gates") and rank == 2:
        return ("direction", "unit")
    if role == "table" and rank == 2:
        return ("input", "channel")
    several = role in ("scale", "bias") and rank > 1  # it normalizes along the last axes
    if (role in ("added", "factor", "unit bias") or several) and rank <= len(out):
        return out[len(out) - rank :]
    if rank == 1:
        return ("channel",)
    return (*(f"axis{i}" for i in range(rank - 1)), "channel")
