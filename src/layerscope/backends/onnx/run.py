"""Passes through ONNX Runtime: sessions that compute what was asked for and no more.

What an operator returns is seen by making it an output of the graph. A session is made for the part
of the graph that leads to the values asked for, without the rewriting of graphs by which ONNX
Runtime would make several operators one. All sessions of a model borrow the same weights.
"""

from __future__ import annotations

import re
import weakref
from collections import OrderedDict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto

from layerscope.backends.onnx.stripped import StrippedModel, inputs_of
from layerscope.backends.onnx.tree import OnnxGraph
from layerscope.core.errors import InputError, ModelError

Array = npt.NDArray[Any]

_SESSIONS_REMEMBERED = 4
_QUIET = 4  #: only what is fatal: errors are raised anyway
_READ_AS = "__read_as"
_UNUSED = "__unused"

#: The types that NumPy lacks, and what they are read as.
_READABLE = {
    getattr(TensorProto, name): (as_type, name.lower())
    for name, as_type in (
        ("BFLOAT16", TensorProto.FLOAT), ("FLOAT8E4M3FN", TensorProto.FLOAT),
        ("FLOAT8E4M3FNUZ", TensorProto.FLOAT), ("FLOAT8E5M2", TensorProto.FLOAT),
        ("FLOAT8E5M2FNUZ", TensorProto.FLOAT), ("INT4", TensorProto.INT8),
        ("UINT4", TensorProto.UINT8),
    )
}  # fmt: skip


@dataclass(frozen=True)
class _GraphSession:
    session: Any
    needs: frozenset[str]
    weights: tuple[Any, ...]  #: they are borrowed, and must outlive the session


@dataclass(frozen=True)
class _Sessions:
    recent: OrderedDict[Hashable, _GraphSession] = field(default_factory=OrderedDict)


_SESSIONS: weakref.WeakKeyDictionary[OnnxGraph, _Sessions] = weakref.WeakKeyDictionary()


def upcast(graph: OnnxGraph, name: str) -> str | None:
    """Return the type of a value that is read as another; None for what is read as it is."""
    value = graph.values.get(name)
    readable = _READABLE.get(value.data_type) if value is not None else None
    return readable[1] if readable is not None else None


def run(
    graph: OnnxGraph,
    names: Sequence[str],
    feeds: Mapping[str, Array],
    replaced: Mapping[str, Array] | None = None,
) -> dict[str, Any]:
    """Compute the named values, by one pass over the part of the graph that leads to them.

    ``replaced`` are values to go on with in place of those that the graph computes.

    Raises
    ------
    ModelError
        When ONNX Runtime can't run a model like this.
    InputError
        When it can't run it on these inputs.
    """
    replaced = replaced or {}
    feeds = {**feeds, **replaced}
    given = {name: feeds[name] for name in names if name in feeds}
    wanted = [name for name in names if name not in given]
    if not wanted:
        return given
    session = _session(graph, wanted, tuple(replaced))
    ordered = [output.name for output in session.session.get_outputs()]
    options = ort.RunOptions()
    options.log_severity_level = _QUIET
    fed = {
        f"{name}{_READ_AS}" if upcast(graph, name) else name: value
        for name, value in feeds.items()
        if name in session.needs
    }
    try:
        results = session.session.run(ordered, fed, options)
    # ONNX Runtime raises a class of its own for each status that its C++ returns.
    except Exception as error:
        raise InputError(
            f"ONNX Runtime can't run {graph.stripped.label} on this input: {_reason(error)}."
        ) from error
    read = {n.removesuffix(_READ_AS): r for n, r in zip(ordered, results, strict=True)}
    return {name: given[name] if name in given else read[name] for name in names}


def _session(
    graph: OnnxGraph, names: Sequence[str], replaced: tuple[str, ...] = ()
) -> _GraphSession:
    """Return a session for these values, made where none is remembered."""
    recent = _SESSIONS.setdefault(graph, _Sessions()).recent
    key = frozenset(names), frozenset(replaced)
    if key not in recent:
        recent[key] = _made(graph, names, replaced)
    recent.move_to_end(key)
    while len(recent) > _SESSIONS_REMEMBERED:
        recent.popitem(last=False)
    return recent[key]


def _made(graph: OnnxGraph, names: Sequence[str], replaced: tuple[str, ...] = ()) -> _GraphSession:
    proto, borrowed = part_of(graph, names, replaced)
    arrays = [np.ascontiguousarray(graph.stripped.array(name)) for name in borrowed]
    weights = [ort.OrtValue.ortvalue_from_numpy(array) for array in arrays]
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = _QUIET
    if borrowed:
        options.add_external_initializers(borrowed, weights)
    try:
        session = ort.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # as above
        raise ModelError(
            f"ONNX Runtime {ort.__version__} can't run {graph.stripped.label}: {_reason(error)}."
        ) from error
    needs = {value.name.removesuffix(_READ_AS) for value in proto.graph.input}
    return _GraphSession(session, frozenset(needs), (*arrays, *weights))


def part_of(
    graph: OnnxGraph, names: Iterable[str], replaced: Collection[str] = ()
) -> tuple[Any, list[str]]:
    """Cut the model down to what leads to these values; return also which weights it lacks.

    Those that are ``replaced`` are inputs of it.
    """
    source = graph.stripped.proto
    needed = set(names)
    nodes = []
    for node in reversed(source.graph.node):
        if not (needed - set(replaced)).isdisjoint(node.output):
            nodes.append(_without(node, replaced))
            needed |= inputs_of(node)
    proto = onnx.ModelProto(ir_version=source.ir_version)
    proto.opset_import.extend(source.opset_import)
    proto.functions.extend(source.functions)
    part = proto.graph
    part.name = source.graph.name
    part.node.extend(reversed(nodes))
    for node in part.node:  # by addresses: ONNX Runtime refuses two of the same name
        node.name = next((graph.addresses[n] for n in node.output if n in graph.addresses), "")
    part.input.extend(v for v in source.graph.input if v.name in needed)
    part.input.extend(_input(graph, name) for name in replaced if name in needed)
    part.initializer.extend(t for t in source.graph.initializer if t.name in needed)
    part.sparse_initializer.extend(
        s for s in source.graph.sparse_initializer if s.values.name in needed
    )
    borrowed = [name for name in graph.stripped.borrowed if name in needed]
    part.initializer.extend(_stub(graph.stripped, name) for name in borrowed)
    part.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    _make_readable(graph, part)
    return proto, borrowed


def _without(node: Any, replaced: Collection[str]) -> Any:
    """Return a node that does not return these values, which come from elsewhere."""
    if set(replaced).isdisjoint(node.output):
        return node
    kept = onnx.NodeProto()
    kept.CopyFrom(node)
    kept.output[:] = [f"{n}{_UNUSED}" if n in replaced else n for n in node.output]
    return kept


def _input(graph: OnnxGraph, name: str) -> Any:
    """Return a value of the graph as one of its inputs.

    Raises ModelError where its type is not known, or none that NumPy has.
    """
    known = graph.values.get(name)
    if known is None or not known.data_type or known.data_type in _READABLE:
        raise ModelError(
            f"The value {graph.addresses.get(name, name)!r} of {graph.stripped.label} can't be "
            "edited: its type is none that NumPy has, or not known."
        )
    return onnx.helper.make_tensor_value_info(name, known.data_type, None)


def _stub(stripped: StrippedModel, name: str) -> Any:
    """Return a tensor without values, in place of which ONNX Runtime takes a borrowed one."""
    tensor = stripped.tensors[name]
    stub = TensorProto(name=name, data_type=tensor.data_type, dims=tensor.dims)
    stub.data_location = TensorProto.EXTERNAL
    length = stripped.array(name).nbytes
    for key, value in (("location", "borrowed"), ("offset", "0"), ("length", str(length))):
        stub.external_data.add(key=key, value=value)
    return stub


def _make_readable(graph: OnnxGraph, part: Any) -> None:
    """Convert at the borders what NumPy has no type for."""
    before = []
    for value in part.input:
        known = graph.values.get(value.name)
        if known is not None and known.data_type in _READABLE:
            name, data_type = value.name, value.type.tensor_type.elem_type
            value.name = name + _READ_AS
            value.type.tensor_type.elem_type = _READABLE[data_type][0]
            before.append(onnx.helper.make_node("Cast", [value.name], [name], to=data_type))
    after = []
    for value in part.output:
        known = graph.values.get(value.name)
        if known is not None and known.data_type in _READABLE:
            to = _READABLE[known.data_type][0]
            after.append(
                onnx.helper.make_node("Cast", [value.name], [value.name + _READ_AS], to=to)
            )
            value.name += _READ_AS
    nodes = [*before, *part.node, *after]
    del part.node[:]
    part.node.extend(nodes)


def _reason(error: Exception) -> str:
    """Return what ONNX Runtime says, without the names of its source files."""
    text = " ".join(str(error).split())
    unknown = re.search(r"(\S+:\S+?)\(-?\d+\) is not a registered function/op", text)
    if unknown:
        return (
            f"it has no operator {unknown[1]}, which a library of custom operators would bring; "
            "describe and weights work without it"
        )
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", text)
    where = re.search(r"while running (\S+) node\. Name:'([^']*)'", text)
    text = text.rpartition("Status Message: ")[2]
    text = re.sub(r"\S*/\S+\.(cc|h|cpp):\d+ .*?\) ?", "", text)
    text = text.replace("Load model from failed:", "").strip()
    if where:
        called = f"the node {where[2]!r} ({where[1]})" if where[2] else f"a constant {where[1]}"
        text = f"in {called}: {text}"
    return (text or type(error).__name__)[:300].rstrip(" .")
