"""An ONNX model without the bulk of its weights: quick to copy, to check and to cut.

What comes out of a file is a stranger's claim. Everything that is cheap to check is checked here,
once, before anything else looks at the graph; nothing is run.

``onnx_ir`` 1.1 was tried in its place: 8.8 s instead of 3.0 s for 30,000 nodes, and 0.7 s and 36 MB
more for the import (of SymPy). It follows functions without bound, and refuses weights that are
links, as Hugging Face keeps them. About 100 lines would go; the rest is checks that it lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, ValueInfoProto

from layerscope.backends.onnx.branches import write_out_branches
from layerscope.backends.onnx.data import (
    all_tensors,
    array_of,
    check_tensor,
    graphs_of,
    inlined,
    is_external,
    nbytes_of,
    node_tensors,
)
from layerscope.backends.onnx.functions import check_functions
from layerscope.backends.onnx.model import OnnxModel
from layerscope.core.errors import ModelError
from layerscope.core.foreign_errors import first_sentence

#: Smaller tensors stay: shapes, axes and the like, which the operators need to know beforehand.
_SMALL = 1024

#: The types of which ONNX Runtime takes NumPy's arrays for weights; others stay where they are.
_BORROWED = frozenset({TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT8,
                   TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64})  # fmt: skip


@dataclass(frozen=True)
class StrippedModel:
    """A checked model whose larger weights are kept beside it."""

    label: str
    name: str
    proto: Any  #: the model; its larger weights are not in it
    tensors: dict[str, Any]  #: all the initializers of the main graph, as the file has them
    borrowed: tuple[str, ...]  #: those of them that are not in ``proto``
    source: OnnxModel
    repairs: tuple[str, ...] = ()
    _arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def array(self, name: str) -> npt.NDArray[Any]:
        """Return the values of one of the initializers; they are read once."""
        if name not in self._arrays:
            self._arrays[name] = array_of(self.tensors[name], self.source)
        return self._arrays[name]

    def checkable(self) -> Any:
        """Return the model with the weights that it lacks as inputs."""
        proto = onnx.ModelProto()
        proto.CopyFrom(self.proto)
        given = {value.name for value in proto.graph.input}
        proto.graph.input.extend(
            _value_info(self.tensors[name]) for name in self.borrowed if name not in given
        )
        return proto


def strip_weights(model: OnnxModel) -> StrippedModel:
    """Check a model, and return it without its larger weights.

    Raises ModelError, in one sentence, for whatever is wrong with it.
    """
    proto = model.proto
    if not proto.HasField("graph") or not proto.ir_version or not proto.graph.node:
        raise ModelError(f"{model.label} holds no ONNX graph.")
    for text in _texts(proto):
        if not isinstance(text, str):  # protobuf hands out bytes in place of what is no UTF-8
            raise ModelError(f"{model.label} is damaged: {text!r:.80} in it is no text.")
    check_functions(proto, model.label)
    for tensor in (*all_tensors(proto.graph), *_function_tensors(proto)):
        check_tensor(tensor, model)
    tensors = {tensor.name: tensor for tensor in proto.graph.initializer}
    if len(tensors) != len(proto.graph.initializer):
        raise ModelError(f"{model.label} is damaged: two of its weights have the same name.")
    borrowed = [
        t.name for t in tensors.values() if nbytes_of(t) > _SMALL and t.data_type in _BORROWED
    ]
    # A separate reference: what is remembered by model must not keep the model alive.
    source = OnnxModel(proto, model.path)
    slim = _copy(model, frozenset(borrowed))
    stripped = _in_order(
        StrippedModel(model.label, model.name, slim, tensors, tuple(borrowed), source)
    )
    _check(stripped)
    return _without_branches(stripped)


def _without_branches(stripped: StrippedModel) -> StrippedModel:
    """Return the model with the branches that are always taken written out."""
    if not any(node.op_type == "If" for node in stripped.proto.graph.node):
        return stripped
    proto = stripped.checkable()
    held = set(stripped.tensors)
    count = write_out_branches(proto)
    if not count:
        return stripped
    del proto.graph.input[:]  # among them those that only the checker needs
    proto.graph.input.extend(stripped.proto.graph.input)
    tensors = {**stripped.tensors, **{t.name: t for t in proto.graph.initializer
                                      if t.name not in held}}  # fmt: skip
    repair = (
        "the branch of a condition that is always the same was written out"
        if count == 1
        else f"the branches of {count} conditions that are always the same were written out"
    )
    return replace(stripped, proto=proto, tensors=tensors, repairs=(*stripped.repairs, repair))


def _texts(message: Any) -> Iterator[Any]:
    """Yield all names and other texts in a message, the bytes of tensors aside."""
    if isinstance(message, TensorProto):
        yield message.name
        message_fields = [(TensorProto.DESCRIPTOR.fields_by_name["external_data"],
                           message.external_data)]  # fmt: skip
    else:
        message_fields = message.ListFields()
    for descriptor, content in message_fields:
        parts = content if _is_many(content) else [content]
        if descriptor.type == descriptor.TYPE_STRING:
            yield from parts
        elif descriptor.type == descriptor.TYPE_MESSAGE:
            for part in parts:
                yield from _texts(part)


def _is_many(content: Any) -> bool:
    return hasattr(content, "append")


def _copy(model: OnnxModel, without: frozenset[str]) -> Any:
    """Return the model without these initializers, in inference mode."""
    source = model.proto
    proto = onnx.ModelProto(ir_version=source.ir_version)
    proto.opset_import.extend(source.opset_import)
    proto.functions.extend(source.functions)
    graph = proto.graph
    graph.name = source.graph.name or "graph"
    graph.node.extend(source.graph.node)
    graph.input.extend(source.graph.input)
    graph.output.extend(source.graph.output)
    graph.value_info.extend(source.graph.value_info)
    graph.sparse_initializer.extend(source.graph.sparse_initializer)
    kept = (tensor for tensor in source.graph.initializer if tensor.name not in without)
    graph.initializer.extend(inlined(tensor, model) for tensor in kept)
    for tensor in (*node_tensors(graph.node), *_function_tensors(proto)):
        if is_external(tensor):
            tensor.CopyFrom(inlined(tensor, model))
    for nodes in (graph.node, *(function.node for function in proto.functions)):
        _set_inference(nodes)
    return proto


def _function_tensors(proto: Any) -> Iterator[Any]:
    for function in proto.functions:
        yield from node_tensors(function.node)


def _set_inference(nodes: Any) -> None:
    """Take from the nodes what would have them run as in training."""
    for node in nodes:
        if node.op_type == "Dropout" and not node.domain:
            del node.input[2:]
        for i, attribute in reversed(list(enumerate(node.attribute))):
            if attribute.name == "training_mode" and node.op_type == "BatchNormalization":
                del node.attribute[i]
                del node.output[1:]
        for graph in graphs_of(node):
            _set_inference(graph.node)


def captured(graph: Any) -> set[str]:
    """Return the names that a graph inside a node takes from the graph around it."""
    inside = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    inside |= {sparse.values.name for sparse in graph.sparse_initializer}
    needed = {value.name for value in graph.output}
    for node in graph.node:
        needed |= inputs_of(node)
        inside |= set(node.output)
    return needed - inside


def inputs_of(node: Any) -> set[str]:
    """Return the names of all values that a node needs, and those that graphs inside it need."""
    return {name for name in node.input if name}.union(*map(captured, graphs_of(node)))


def _in_order(stripped: StrippedModel) -> StrippedModel:
    """Return the model with every node after those whose values it needs, as it has to be."""
    label = stripped.label
    graph = stripped.proto.graph
    known = {value.name for value in graph.input} | stripped.tensors.keys()
    known |= {sparse.values.name for sparse in graph.sparse_initializer}
    makers = {name: i for i, node in enumerate(graph.node) for name in node.output}
    needs: dict[int, set[int]] = {}
    for i, node in enumerate(graph.node):
        made = inputs_of(node) - known
        missing = [name for name in made if name not in makers]
        if missing:
            raise ModelError(
                f"{label} is damaged: its node {_called(node)} takes {min(missing)!r}, which "
                "nothing in the graph makes."
            )
        needs[i] = {makers[name] for name in made}
    if all(before < i for i, others in needs.items() for before in others):
        return stripped
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        node = graph.node[error.args[1][0]]
        raise ModelError(
            f"{label} is damaged: its node {_called(node)} needs a value that is made from "
            "its own, in a circle."
        ) from error
    nodes = [graph.node[i] for i in order]
    proto = onnx.ModelProto()
    proto.CopyFrom(stripped.proto)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    repair = "its nodes were put into an order in which they can be run"
    return replace(stripped, proto=proto, repairs=(repair,))


def _called(node: Any) -> str:
    return f"{node.name!r} ({node.op_type})" if node.name else f"of type {node.op_type!r}"


def _check(stripped: StrippedModel) -> None:
    """Raise ModelError for what ONNX' own checker finds."""
    label = stripped.label
    proto = stripped.proto
    if proto.ir_version > onnx.IR_VERSION:
        raise ModelError(
            f"{label} is written in version {proto.ir_version} of the ONNX format; the onnx "
            f"{onnx.__version__} installed here knows versions up to {onnx.IR_VERSION}: upgrade "
            "onnx and onnxruntime."
        )
    newest = onnx.defs.onnx_opset_version()
    for opset in proto.opset_import:
        if opset.domain in ("", "ai.onnx") and opset.version > newest:
            raise ModelError(
                f"{label} is written in opset {opset.version}; the onnx {onnx.__version__} "
                f"installed here knows opsets up to {newest}: upgrade onnx and onnxruntime."
            )
    checkable = stripped.checkable()
    for value in (*checkable.graph.input, *checkable.graph.output):
        # The checker wants a shape where ONNX Runtime does without one; it compares none.
        if value.type.WhichOneof("value") == "tensor_type":
            value.type.tensor_type.shape.SetInParent()
    try:
        onnx.checker.check_model(checkable)
    # The checker is written in C++ and raises what its parts raise; it changes nothing.
    except Exception as error:
        raise ModelError(
            f"{label} is no valid ONNX model: {first_sentence(str(error))}."
        ) from error


def _value_info(tensor: Any) -> ValueInfoProto:
    return onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))


def constant_of(node: Any) -> npt.NDArray[Any] | None:
    """Return what a Constant node returns; None for what is no tensor."""
    for attribute in node.attribute:
        if attribute.name == "value":
            return np.asarray(onnx.numpy_helper.to_array(attribute.t))
        if attribute.name == "value_float":
            return np.asarray(attribute.f, np.float32)
        if attribute.name == "value_int":
            return np.asarray(attribute.i, np.int64)
        if attribute.name == "value_floats":
            return np.asarray(attribute.floats, np.float32)
        if attribute.name == "value_ints":
            return np.asarray(attribute.ints, np.int64)
    return None
