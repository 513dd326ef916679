"""The nodes of an ONNX graph: which of them depend on the input, and what they are called."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from layerscope.backends.onnx.data import graphs_of
from layerscope.backends.onnx.stripped import StrippedModel, constant_of, inputs_of

#: What it takes of its input is the shape alone.
_COUNTING = frozenset({"Shape", "Size"})
#: What it makes of lengths is a value like others.
_FILLING = frozenset({"ConstantOfShape", "Expand", "Reshape"})
#: Nodes that return something else each time, though all their inputs are constant.
_RANDOM = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
                     "Multinomial", "Bernoulli"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One node that computes something from the model's inputs."""

    address: str
    op: str
    inputs: tuple[str, ...]  #: the names of all values that it takes; empty for those left out
    outputs: tuple[str, ...]
    sources: tuple[str, ...]  #: those that depend on the model's inputs
    attributes: Mapping[str, Any]
    constants: Mapping[int, npt.NDArray[Any]]  #: whole numbers that it is given, by position
    counts: bool = False  #: it computes with lengths, not with what the network says
    inside: tuple[str, ...] = ()  #: the nodes that it runs in a loop or a branch
    of_shapes: bool = False  #: what it returns follows from shapes alone
    graphs: tuple[Any, ...] = ()  #: that it runs in a loop or a branch, as the file has them

    @property
    def main(self) -> str:
        """The first of the values that depend on the model's inputs."""
        return self.sources[0] if self.sources else ""


@dataclass(frozen=True, slots=True)
class Parts:
    """A graph, divided into what is constant and what is computed."""

    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, Any]  #: by name: None, or the constant node that makes it
    values: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)  #: of Constant nodes


def divide(stripped: StrippedModel, inputs: Iterable[str]) -> Parts:
    """Return the nodes in execution order, and the constants apart from them."""
    names = _addresses(stripped.proto.graph.node, inputs)
    sparse = {s.values.name for s in stripped.proto.graph.sparse_initializer}
    constants: dict[str, Any] = dict.fromkeys([*stripped.tensors, *sparse])
    values: dict[str, npt.NDArray[Any]] = {}
    counted: set[str] = set()
    from_shapes: set[str] = set()
    nodes = []
    for address, proto in zip(names, stripped.proto.graph.node, strict=True):
        needs = inputs_of(proto)
        if _is_constant(proto, needs, constants):
            constants |= dict.fromkeys(proto.output, proto)
            value = constant_of(proto) if proto.op_type == "Constant" else None
            if value is not None:
                values[proto.output[0]] = value
            continue
        taken = [name for name in proto.input if name and name not in constants]
        sources = tuple(dict.fromkeys([*taken, *sorted(needs - set(taken) - constants.keys())]))
        counts = proto.op_type in _COUNTING or (
            proto.op_type not in _FILLING and bool(sources) and counted.issuperset(sources)
        )
        if counts:
            counted.update(proto.output)
        of_shapes = proto.op_type in _COUNTING or (
            bool(sources) and from_shapes.issuperset(sources) and proto.op_type not in _RANDOM
        )
        if of_shapes:
            from_shapes.update(proto.output)
        if any(proto.output):
            small = _whole_numbers(proto.input, stripped, values)
            nodes.append(
                OnnxNode(
                    address, proto.op_type, tuple(proto.input), tuple(proto.output), sources,
                    _attributes(proto), small, counts, tuple(_inside(proto, address)),
                    of_shapes, tuple(graphs_of(proto)),
                )
            )  # fmt: skip
    return Parts(tuple(nodes), constants, values)


def _is_constant(proto: Any, needs: set[str], constants: Mapping[str, Any]) -> bool:
    if proto.op_type == "Constant" and not proto.domain:
        return True
    return bool(needs) and needs <= constants.keys() and proto.op_type not in _RANDOM


def _addresses(nodes: Any, inputs: Iterable[str]) -> list[str]:
    """Return the nodes' names; for one without, or with another's, its type and a number."""
    names = [node.name.strip().strip("/") for node in nodes]
    taken = {*inputs}
    addresses = []
    reserved = set(names)
    numbers: dict[str, itertools.count[int]] = {}
    for node, name in zip(nodes, names, strict=True):
        number = next(numbers.setdefault(node.op_type, itertools.count()))
        if not name or name in taken:
            name = f"{name or node.op_type}_{number}"
            more = itertools.count(1)
            base = name
            while name in taken or name in reserved:
                name = f"{base}_{next(more)}"
        taken.add(name)
        addresses.append(name)
    return addresses


def _whole_numbers(
    names: Iterable[str], stripped: StrippedModel, values: Mapping[str, npt.NDArray[Any]]
) -> dict[int, npt.NDArray[Any]]:
    """Return the constant shapes and axes among what a node takes, by position."""
    numbers = {}
    for position, name in enumerate(names):
        value = values.get(name)
        if value is None and name in stripped.tensors and name not in stripped.borrowed:
            value = stripped.array(name)
        if value is not None and value.dtype == np.int64 and value.ndim <= 1:
            numbers[position] = np.atleast_1d(value)
    return numbers


def inner_node(proto: Any) -> OnnxNode:
    """Return a node of a graph inside another node, as far as its weights have to know it."""
    outputs = tuple(proto.output)
    return OnnxNode(
        proto.name or proto.op_type, proto.op_type, tuple(proto.input), outputs, (),
        _attributes(proto), {}, graphs=tuple(graphs_of(proto)),
    )  # fmt: skip


def _attributes(node: Any) -> dict[str, Any]:
    """Return those attributes that are numbers, strings or lists of them."""
    kinds = onnx.AttributeProto
    plain = (kinds.INT, kinds.FLOAT, kinds.STRING, kinds.INTS, kinds.FLOATS, kinds.STRINGS)
    attributes = {}
    for attribute in node.attribute:
        if attribute.type in plain:
            value = onnx.helper.get_attribute_value(attribute)
            attributes[attribute.name] = _text(value) if isinstance(value, bytes) else value
    return attributes


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _inside(node: Any, address: str) -> Iterator[str]:
    """Yield the addresses that nodes in the graphs inside this one would have."""
    for graph in graphs_of(node):
        for name, inner in zip(_addresses(graph.node, ()), graph.node, strict=True):
            if inner.op_type != "Constant":
                yield f"{address}/{name}"
                yield from _inside(inner, f"{address}/{name}")
