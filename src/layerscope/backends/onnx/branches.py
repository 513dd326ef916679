"""Conditions whose outcome is known: the branch that is always taken stands in the place of the If.

PyTorch writes an If for each ``squeeze`` of an axis whose length it did not know, though the graph
often does. What stands in a branch is hidden in one row; written out, its nodes are layers like
others. Nothing is run for this: a handful of operators is worked out on a few numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from layerscope.backends.onnx.data import graphs_of
from layerscope.backends.onnx.shapes import inferred

#: Numbers, and None for a length that any number may be.
_Numbers = npt.NDArray[Any]

#: More numbers are no condition.
_MOST = 64
#: Branches within branches: each is written out after the one around it.
_MOST_ROUNDS = 16

_COMPARED: Mapping[str, Callable[[Any, Any], Any]] = {
    "Equal": np.equal, "Less": np.less, "Greater": np.greater, "LessOrEqual": np.less_equal,
    "GreaterOrEqual": np.greater_equal, "And": np.logical_and, "Or": np.logical_or,
    "Xor": np.logical_xor, "Add": np.add, "Sub": np.subtract, "Mul": np.multiply,
}  # fmt: skip


def write_out_branches(proto: Any) -> int:
    """Write the branches that are always taken into the main graph; return how many there were.

    ``proto`` is a copy of our own, checked, its nodes in an order in which they can be run.
    """
    count = 0
    for _ in range(_MOST_ROUNDS):
        if not any(node.op_type == "If" and not node.domain for node in proto.graph.node):
            break
        taken = _known_conditions(proto)
        if not taken:
            break
        count += len(taken)
        _replace(proto.graph, taken)
    return count


def _known_conditions(proto: Any) -> dict[int, bool]:
    """Return which conditions are always the same, by the index of the If."""
    shapes = _shapes(proto)
    known: dict[str, _Numbers] = {}
    for tensor in proto.graph.initializer:
        if np.prod(tensor.dims, dtype=float) <= _MOST and not tensor.external_data:
            known[tensor.name] = onnx.numpy_helper.to_array(tensor).astype(object)
    given = {value.name for value in proto.graph.input}
    # An initializer that is an input, too, is a default, which whoever runs the graph may replace.
    known = {name: value for name, value in known.items() if name not in given}
    taken = {}
    for index, node in enumerate(proto.graph.node):
        if node.domain not in ("", "ai.onnx"):
            continue
        if node.op_type == "If":
            condition = known.get(node.input[0])
            if condition is not None and condition.size == 1 and condition.item() is not None:
                taken[index] = bool(condition.item())
            continue
        value = _worked_out(node, known, shapes)
        if value is not None and value.size <= _MOST and len(node.output) == 1:
            known[node.output[0]] = value
    return taken


def _shapes(proto: Any) -> dict[str, list[int | None]]:
    graph = inferred(proto)
    shapes = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.type.WhichOneof("value") == "tensor_type" and value.type.tensor_type.HasField(
            "shape"
        ):
            dims = value.type.tensor_type.shape.dim
            shapes[value.name] = [d.dim_value if d.HasField("dim_value") else None for d in dims]
    return shapes


def _worked_out(
    node: Any, known: Mapping[str, _Numbers], shapes: Mapping[str, list[int | None]]
) -> _Numbers | None:
    """Return what a node returns; None where that is not known, or takes more than a few steps."""
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    op = node.op_type
    if op == "Constant":
        tensor = attributes.get("value")
        if tensor is None or np.prod(tensor.dims, dtype=float) > _MOST:
            return None
        return _objects(onnx.numpy_helper.to_array(tensor))
    if op == "Shape":
        shape = shapes.get(node.input[0])
        end = attributes.get("end", len(shape or ()))
        return None if shape is None else _objects(shape[attributes.get("start", 0) : end])
    values = [known[name] for name in node.input if name in known]
    if not values or len(values) < len([name for name in node.input if name]):
        return None
    first = values[0]
    try:
        if op in ("Identity", "Squeeze", "Unsqueeze"):
            return first if op == "Identity" else first.reshape(-1)
        if op == "Gather" and attributes.get("axis", 0) == 0 and first.ndim == 1:
            index = np.asarray(values[1], np.int64)
            return _objects(first[index])
        if any(number is None for value in values for number in np.ravel(value)):
            return None
        if op == "Cast":
            to = onnx.helper.tensor_dtype_to_np_dtype(attributes["to"])
            return first.astype(to).astype(object)
        if op == "Not":
            return _objects(np.logical_not(first.astype(bool)))
        if op in _COMPARED:
            return _objects(_COMPARED[op](*values))
    # A graph that contradicts itself: its condition is not known.
    except (TypeError, ValueError, IndexError, KeyError, OverflowError):
        return None
    return None


def _objects(values: Any) -> _Numbers:
    return np.array(values, dtype=object)


def _replace(graph: Any, taken: Mapping[int, bool]) -> None:
    """Write each of these branches in the place of its If."""
    names = {name for node in graph.node for name in node.output}
    names |= {value.name for value in (*graph.input, *graph.initializer)}
    names |= {sparse.values.name for sparse in graph.sparse_initializer}
    nodes: list[Any] = []
    for index, node in enumerate(graph.node):
        if index not in taken:
            nodes.append(node)
            continue
        which = "then_branch" if taken[index] else "else_branch"
        branch = next(a.g for a in node.attribute if a.name == which)
        nodes += _written_out(graph, node, branch, names)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _written_out(graph: Any, node: Any, branch: Any, names: set[str]) -> list[Any]:
    """Return the branch's nodes, as they are called in the main graph, which gets its tensors."""
    address = node.name or f"{node.op_type}_{node.output[0]}"
    made = [name for inner in branch.node for name in inner.output if name]
    renamed: dict[str, str] = {}
    for given, wanted in zip(branch.output, node.output, strict=False):
        if wanted and given.name in made and given.name not in renamed:
            renamed[given.name] = wanted
    held = [t.name for t in branch.initializer]
    held += [s.values.name for s in branch.sparse_initializer]
    for name in (*made, *held):
        if name not in renamed:
            renamed[name] = _free(name, address, names)
        names.add(renamed[name])
    for tensor in branch.initializer:
        graph.initializer.add().CopyFrom(tensor)
        graph.initializer[-1].name = renamed[tensor.name]
    for sparse in branch.sparse_initializer:
        graph.sparse_initializer.add().CopyFrom(sparse)
        graph.sparse_initializer[-1].values.name = renamed[sparse.values.name]
    nodes = [onnx.NodeProto.FromString(inner.SerializeToString()) for inner in branch.node]
    for inner in nodes:
        inner.name = f"{address}/{inner.name or inner.op_type}"
    _rename(nodes, renamed)
    for given, wanted in zip(branch.output, node.output, strict=False):
        if wanted and renamed.get(given.name) != wanted:  # a value from outside, or one twice
            value = renamed.get(given.name, given.name)
            name = f"{address}/{wanted}"
            nodes.append(onnx.helper.make_node("Identity", [value], [wanted], name=name))
    return nodes


def _free(name: str, address: str, names: set[str]) -> str:
    while name in names:
        name = f"{address}/{name}"
    return name


def _rename(nodes: Iterable[Any], renamed: Mapping[str, str]) -> None:
    """Give values other names where these nodes, and graphs inside them, take or make them."""
    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]
        for graph in graphs_of(node):
            inside = {value.name for value in graph.input} | {t.name for t in graph.initializer}
            inside |= {name for inner in graph.node for name in inner.output}
            outer = {name: to for name, to in renamed.items() if name not in inside}
            _rename(graph.node, outer)
            for value in graph.output:
                value.name = outer.get(value.name, value.name)
