"""ONNX graphs as networks: layers, edges, shapes, and what is left out.

A graph is analysed once for each model, and remembered with it. A pass adds the shapes that the
graph does not know beforehand.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import onnx
import onnxruntime as ort
from onnx import TensorProto

from layerscope.backends.onnx.axes import Axes, sample_axes, value_axes
from layerscope.backends.onnx.data import type_name
from layerscope.backends.onnx.kinds import kind_of
from layerscope.backends.onnx.model import OnnxModel
from layerscope.backends.onnx.nodes import OnnxNode, Parts, divide
from layerscope.backends.onnx.reads import NodeCall, reads_of
from layerscope.backends.onnx.settings import settings_of
from layerscope.backends.onnx.shapes import inferred
from layerscope.backends.onnx.stripped import StrippedModel, strip_weights
from layerscope.backends.onnx.weights import Weight, weights_of
from layerscope.core.errors import ModelError
from layerscope.core.network import InputSpec, Layer, Network, Shape
from layerscope.core.reads import ReceivedValue

FRAMEWORK = f"ONNX Runtime {ort.__version__}"

_SHAPES_REMEMBERED = 4
#: What returns the numbers that it is given, in another shape at most.
_SAME_NUMBERS = frozenset({"Identity", "Squeeze", "Unsqueeze"})
_FLOATS = frozenset({TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16,
                     TensorProto.BFLOAT16})  # fmt: skip
_GRAPHS: weakref.WeakKeyDictionary[Any, OnnxGraph] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Value:
    """What a graph says of one of its values."""

    kind: str  #: ``tensor``; ``sequence`` and the like; empty where it is not known
    data_type: int = 0
    shape: Shape | None = None
    symbols: tuple[str, ...] = ()  #: what its open lengths are called, by axis; empty for others


@dataclass(frozen=True, eq=False)
class OnnxGraph:
    """One model, analysed."""

    stripped: StrippedModel
    parts: Parts
    inputs: Mapping[str, Value]
    outputs: tuple[str, ...]
    values: Mapping[str, Value]  #: what is known of all values before a pass
    addresses: Mapping[str, str]  #: of the values of layers, by the values' own names
    weights: tuple[Weight, ...]
    _recent: OrderedDict[Hashable, tuple[Network, Mapping[str, Axes]]] = field(
        default_factory=OrderedDict
    )

    def network(self, shapes: Mapping[str, Shape]) -> tuple[Network, Mapping[str, Axes]]:
        """Return the layers, and the axes of all values, given the shapes that a pass has shown."""
        key = tuple(shapes.items())
        if key not in self._recent:
            known = {n: v.shape for n, v in self.values.items() if v.shape is not None}
            known |= shapes
            inputs = {name: known.get(name) for name in self.inputs}
            samples = sample_axes(
                {name: (value.shape, value.symbols) for name, value in self.inputs.items()}
            )
            axes = value_axes(self.parts.nodes, inputs, known, samples)
            layers = tuple(self._layers(known, axes))
            parameters = tuple(weight.parameter for weight in self.weights)
            network = Network(self.stripped.name, FRAMEWORK, layers, parameters, self._notes())
            self._recent[key] = network, axes
        self._recent.move_to_end(key)
        while len(self._recent) > _SHAPES_REMEMBERED:
            self._recent.popitem(last=False)
        return self._recent[key]

    @cached_property
    def described(self) -> tuple[Network, Mapping[str, Axes]]:
        """The layers and axes as far as they are known without a pass."""
        return self.network({})

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Addresses by the values' own names, where such a name is no address itself."""
        taken = {*self.addresses.values(), *self.inputs}
        return {n: a for n, a in self.addresses.items() if n not in taken}

    def specs(self) -> tuple[InputSpec, ...]:
        """Return what the model expects."""
        axes = self.described[1]
        return tuple(_spec(name, value, axes.get(name, ())) for name, value in self.inputs.items())

    def _layers(self, shapes: Mapping[str, Shape], axes: Mapping[str, Axes]) -> Iterator[Layer]:
        owned: dict[int, list[Any]] = {}
        for weight in self.weights:
            owned.setdefault(weight.owner, []).append(weight.parameter)
        edges: dict[str, tuple[str, ...]] = {name: (name,) for name in self.inputs}
        opsets = {each.domain: each.version for each in self.stripped.proto.opset_import}
        opset = opsets.get("", opsets.get("ai.onnx", 1))
        for index, node in enumerate(self.parts.nodes):
            sources = dict.fromkeys(a for s in node.sources for a in edges.get(s, ()))
            received = tuple(ReceivedValue(a) for name in node.inputs for a in edges.get(name, ()))
            if len(received) == len(sources) or {r.address for r in received} != {*sources}:
                received = ()
            settings = settings_of(node)
            parameters = tuple(owned.get(index, ()))
            kind, activation = kind_of(node, has_weights=bool(parameters))
            returned = [shapes.get(name) for name in node.outputs]
            for number, name in enumerate(node.outputs):
                if name not in self.addresses:
                    edges[name] = tuple(sources)  # no tensor: whoever takes it has its sources
                    continue
                address = self.addresses[name]
                edges[name] = (address,)
                shape, named = shapes.get(name), axes.get(name)
                taken = shapes.get(node.main)
                call = NodeCall(node, parameters, taken, shape, number, returned, opset)
                reads = reads_of(call, kind)
                if shape is not None and named is not None:
                    pairs = zip(shape, named, strict=True)
                    shape = tuple(None if axis == "sample" else n for n, axis in pairs)
                role: Any = "operation" if node.counts or node.of_shapes else "layer"
                yield Layer(
                    address, node.op, role, shape, named, settings, parameters, tuple(sources),
                    kind, activation, not parameters and self._is_plumbing(node), reads, received,
                )  # fmt: skip
                parameters = ()

    def _is_plumbing(self, node: OnnxNode) -> bool:
        """Return whether a node only works out shapes, or hands on the numbers that it takes."""
        if not set(self.outputs).isdisjoint(node.outputs):
            return False
        if node.of_shapes or node.op in _SAME_NUMBERS:
            return True
        taken, given = (self.values.get(name, Value("")) for name in (node.main, node.outputs[0]))
        if node.op == "Cast":
            return taken.data_type not in _FLOATS or given.data_type in _FLOATS
        if node.op != "Reshape" or taken.shape is None or given.shape is None:
            return False
        # An axis of length 1 that comes or goes leaves the picture as it is.
        before, after = ([n for n in value.shape or () if n != 1] for value in (taken, given))
        return before == after and before.count(None) < 2

    def _notes(self) -> tuple[str, ...]:
        """Say what is left out, in the words of the other backends."""
        loops = [i for n in self.parts.nodes if n.op != "If" for i in n.inside]
        branches = [i for n in self.parts.nodes if n.op == "If" for i in n.inside]
        others = [
            node.address
            for node in self.parts.nodes
            if any(name and name not in self.addresses for name in node.outputs)
        ]
        reasons = (
            ("they run inside a loop", loops),
            ("they run inside a branch", branches),
            ("they return lists or maps, no arrays", others),
        )
        return tuple(
            f"left out, because {why}: " + ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
            for why, names in reasons
            if names
        )


def graph_of(model: OnnxModel, key: Any = None) -> OnnxGraph:
    """Return the model's graph, remembered for as long as the model lives.

    ``key`` is what it is remembered with: the model, or what the user passed in its place.
    """
    key = model if key is None else key
    graph = _GRAPHS.get(key)
    if graph is None:
        graph = _GRAPHS[key] = analyse(model)
    return graph


def analyse(model: OnnxModel) -> OnnxGraph:
    """Check and analyse a model's graph. Raises ModelError for whatever is wrong with it."""
    stripped = strip_weights(model)
    held = stripped.tensors.keys()
    inputs = {v.name: _value(v.type) for v in stripped.proto.graph.input if v.name not in held}
    for name, value in inputs.items():
        if value.data_type not in (0, *onnx.helper.get_all_tensor_dtypes()):
            raise ModelError(
                f"{stripped.label} is damaged: its input {name!r} has no type that ONNX knows "
                f"({value.data_type})."
            )
    parts = divide(stripped, inputs)
    values = {**_inferred(stripped), **inputs}
    outputs = tuple(value.name for value in stripped.proto.graph.output)
    weights = tuple(weights_of(stripped, parts))
    return OnnxGraph(stripped, parts, inputs, outputs, values, _addressed(parts, values), weights)


def _inferred(stripped: StrippedModel) -> dict[str, Value]:
    graph = inferred(stripped.checkable())
    return {v.name: _value(v.type) for v in (*graph.value_info, *graph.output)}


def _addressed(parts: Parts, values: Mapping[str, Value]) -> dict[str, str]:
    """Return addresses by the names of values: a node's first bears its name, others a number."""
    addresses = {}
    for node in parts.nodes:
        first = True
        for i, name in enumerate(node.outputs):
            if not name or values.get(name, Value("")).kind not in ("", "tensor"):
                continue
            addresses[name] = node.address if first else f"{node.address}[{i}]"
            first = False
    return addresses


def _value(type_proto: Any) -> Value:
    kind = type_proto.WhichOneof("value") or ""
    if kind != "tensor_type":
        return Value(kind.removesuffix("_type"))
    tensor = type_proto.tensor_type
    if not tensor.HasField("shape"):
        return Value("tensor", tensor.elem_type)
    lengths = (d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim)
    shape = tuple(n if n >= 0 else None for n in lengths)
    return Value("tensor", tensor.elem_type, shape, tuple(d.dim_param for d in tensor.shape.dim))


def takes_one(value: Value, axes: Axes) -> bool:
    """Return whether an input was written for one sample at a time."""
    return value.shape is not None and axes[:1] == ("sample",) and value.shape[:1] == (1,)


def _spec(name: str, value: Value, axes: Axes) -> InputSpec:
    shape = value.shape
    if shape is not None and takes_one(value, axes):
        shape = (None, *shape[1:])  # several samples are run one after the other
    layout = "channels_first" if axes[1:2] == ("channel",) else "channels_last"
    if not axes[2:]:
        layout = "channels_last"
    dtype = type_name(value.data_type) if value.data_type else "float32"
    samples = axes.index("sample") if "sample" in axes else None if axes else 0
    return InputSpec(name, shape, dtype, layout, samples)  # type: ignore[arg-type]
