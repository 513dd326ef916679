"""Keras models as trees: addresses, settings, layouts and parameters of their layers.

Addresses are built by walking the model, since Keras' own ``layer.path`` repeats itself for models
nested twice, and are unique among siblings even where a subclassed model gave two layers one name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import keras

from layerscope.backends.keras.attention import MULTI_HEADED, insides
from layerscope.backends.keras.call_order import CallOrder
from layerscope.backends.keras.einsum import Equation
from layerscope.backends.keras.graph import (
    LOOPS,
    children,
    executed_nodes,
    graph_of,
    has_steps,
    is_exact,
    is_graph,
)
from layerscope.backends.keras.inputs import input_layers, input_names
from layerscope.backends.keras.kinds import kind_of
from layerscope.backends.keras.reads import reads_of
from layerscope.backends.trace import Subject, Trace
from layerscope.core.network import Network, Parameter
from layerscope.core.selection import Selection

_RESHAPING = {"Reshape", "Permute", "RepeatVector", "Transpose", "Moveaxis", "Swapaxes", "Squeeze",
              "ExpandDims", "Einsum", "Matmul", "GetItem", "Split", "Stack"}  # fmt: skip
_LAST = (
    keras.layers.Dense, keras.layers.LayerNormalization,
    keras.layers.Embedding, keras.layers.RNN, keras.layers.Bidirectional,
)  # fmt: skip


def addresses(model: Any) -> dict[int, tuple[str, Any]]:
    """Return address and layer by ``id(layer)``, of everything inside the model, parents first."""
    known: dict[int, tuple[str, Any]] = {id(model): ("", model)}

    def walk(parent: Any, prefix: str) -> None:
        taken: set[str] = set()
        new = []
        for child in children(parent):
            if id(child) in known:
                continue
            name = _unique(child.name, taken)
            known[id(child)] = (prefix + name, child)
            new.append((child, prefix + name + "/"))
        for child, inner in new:
            walk(child, inner)

    walk(model, "")
    del known[id(model)]
    return known


def is_library(layer: Any) -> bool:
    """Return whether Keras' own code calls the layers in a layer, and no graph of them."""
    by_keras = type(layer).__module__.partition(".")[0] == "keras"
    return by_keras and not isinstance(layer, keras.Model)


@dataclass(frozen=True, slots=True)
class Owned:
    """A parameter, Keras' variable behind it, and the layer that made it."""

    parameter: Parameter
    variable: Any
    layer: Any
    holder: int  #: id of the layer in whose row it is counted: the loop's, for what runs in one


def owned_parameters(model: Any, tree: dict[int, tuple[str, Any]]) -> list[Owned]:
    """Return every parameter of the model, once, in the order of the layers."""
    owner: dict[int, tuple[str, Any, Any]] = {}
    for address, layer in [("", model), *tree.values()]:
        for variable in getattr(layer, "weights", ()):
            # Parents come first: the innermost layer that lists a variable owns it.
            owner[id(variable)] = (address, layer, variable)
    loops = {a + "/": id(layer) for a, layer in tree.values() if isinstance(layer, LOOPS)}
    taken: set[str] = set()
    result = []
    for address, layer, variable in owner.values():
        key = _unique(f"{address}/{variable.name}" if address else str(variable.name), taken)
        holder = next((i for a, i in loops.items() if address.startswith(a)), id(layer))
        result.append(Owned(_parameter(key, variable), variable, layer, holder))
    return result


def subjects(model: Any) -> dict[int, Subject]:
    """Return what is known of each layer, and the model, before it is called, by ``id(layer)``."""
    tree = addresses(model)
    by_holder: dict[int, list[Parameter]] = {}
    for owned in owned_parameters(model, tree):
        by_holder.setdefault(owned.holder, []).append(owned.parameter)
    known = {
        key: _subject(address, layer, tuple(by_holder.get(key, ())))
        for key, (address, layer) in tree.items()
    }
    for _, layer in tree.values():
        for child in insides(layer):
            known[id(child)] = replace(known[id(child)], layout="attention")
    # Whoever built the model knows these by name, also where they hand on what a part returned.
    for layer in getattr(model, "layers", ()):
        if id(layer) in known:
            known[id(layer)] = replace(known[id(layer)], listed=True)
    known[id(model)] = _subject("output", model, ())
    return known


def attention_insides(model: Any) -> set[str]:
    """Return the addresses of the layers by which attention makes its weights; they are no rows."""
    known = addresses(model)
    return {known[id(child)][0] for _, layer in known.values() for child in insides(layer)}


def describe(model: Any, framework: str) -> Network:
    """Return the layers as far as they are known without a run.

    Functional and built sequential models know their calls in order, with shapes; of any other
    model only the layers are known, in the order in which they were defined.
    """
    known = subjects(model)
    tree = addresses(model)
    parameters = tuple(o.parameter for o in owned_parameters(model, tree))
    if is_graph(model):
        trace = _trace_graph(model, _whole(known, model))
        network = trace.network(model.name, framework, parameters)
        if is_exact(model):
            return network
        note = "some layers call others in a way of their own: pass an input to see those too"
        return replace(network, notes=(*network.notes, note))
    inside = attention_insides(model)
    rows = [
        s.row(s.address, parameters=s.parameters)
        for key, s in known.items()
        if key != id(model) and s.address not in inside and not _is_inner(s, known)
    ]
    note = "layers in the order of their definition: pass an input to see the order of execution"
    return Network(model.name, framework, tuple(rows), parameters, (note,))


def _trace_graph(model: Any, known: dict[int, Subject]) -> Trace:
    """Return the pass that the graph describes, made on its symbols instead of tensors."""
    trace = Trace(
        Selection(everything=True),
        batch=None,
        is_value=lambda value: isinstance(value, keras.KerasTensor),
        default_layout="channels_last",
        values={},
    )
    listed = {layer.address: layer for layer in input_layers(model)}
    for tensor, name in zip(graph_of(model).inputs, input_names(model), strict=True):
        trace.receive(name, tensor, listed=listed.get(name))
    _walk(model, trace, known, CallOrder(model))
    return trace


def _walk(model: Any, trace: Trace, known: dict[int, Subject], order: CallOrder) -> None:
    for node in executed_nodes(model):
        operation, received = node.operation, node.input_tensors
        trace.enter(order.subject(operation, known[id(operation)]))
        if not is_graph(operation):
            trace.leave(received, _structured(node))
            continue
        inner = graph_of(operation)
        for theirs, ours in zip(inner.inputs, received, strict=True):
            trace.lineage.identify(theirs, ours)
        _walk(operation, trace, known, order)
        trace.leave(received, list(inner.outputs))
        for ours, theirs in zip(node.outputs, inner.outputs, strict=True):
            trace.lineage.identify(ours, theirs)


def _structured(node: Any) -> Any:
    """Return a node's outputs in the structure that its operation returns."""
    outputs = list(node.outputs)
    if len(outputs) == 1:
        return outputs[0]
    spec = node.operation.compute_output_spec(*node.arguments.args, **node.arguments.kwargs)
    return keras.tree.pack_sequence_as(spec, outputs)


def _whole(known: dict[int, Subject], model: Any) -> dict[int, Subject]:
    """Return the subjects; a layer that hides its calls answers for all parameters in it."""
    whole = dict(known)
    for layer_id, (address, layer) in addresses(model).items():
        if not is_graph(layer) and not isinstance(layer, LOOPS) and children(layer):
            inside = address + "/"
            parameters = [
                p for s in known.values() if s.address.startswith(inside) for p in s.parameters
            ]
            whole[layer_id] = replace(
                known[layer_id], parameters=(*known[layer_id].parameters, *parameters)
            )
    return whole


def _is_inner(subject: Subject, known: dict[int, Subject]) -> bool:
    """Return whether it runs in a loop, or only contains others and holds no parameters."""
    inside = subject.address + "/"
    loops = (s.address + "/" for s in known.values() if s.opaque)
    in_loop = subject.address.startswith(tuple(loops))
    is_container = any(s.address.startswith(inside) for s in known.values())
    return in_loop or (is_container and not subject.opaque and not subject.parameters)


def _subject(address: str, layer: Any, parameters: tuple[Parameter, ...]) -> Subject:
    is_layer = isinstance(layer, keras.Layer)
    kind, activation = kind_of(layer)
    return Subject(
        address,
        type(layer).__name__,
        "layer" if is_layer else "operation",
        layout=layout_of(layer),
        part_layouts={1: "attention"} if isinstance(layer, MULTI_HEADED) else {},
        settings=_settings(layer),
        parameters=parameters,
        opaque="steps" if has_steps(layer) else isinstance(layer, LOOPS),
        library=is_library(layer),
        kind=kind,
        activation=activation,
        reads=reads_of(layer, kind),
    )


def layout_of(layer: Any) -> Any:
    """Return how a layer places the channels of what it returns."""
    stated = getattr(layer, "data_format", None)
    if stated in ("channels_first", "channels_last"):
        return stated
    if isinstance(layer, keras.layers.EinsumDense):
        equation = Equation.read(layer.equation)
        return equation.output if equation.heads else "channels_last"
    if isinstance(layer, _LAST):
        return "channels_last"
    return "default" if type(layer).__name__ in _RESHAPING else "inherit"


_SETTINGS = {
    "kernel_size": "kernel", "pool_size": "pool", "strides": "stride", "padding": "padding",
    "dilation_rate": "dilation", "groups": "groups", "activation": "activation", "rate": "rate",
    "num_heads": "heads", "axis": "axis", "size": "size", "target_shape": "to",
}  # fmt: skip


def _settings(layer: Any) -> dict[str, Any]:
    """Return the settings that matter to what a layer computes, less defaults that say nothing."""
    settings: dict[str, Any] = {}
    for attribute, name in _SETTINGS.items():
        value = getattr(layer, attribute, None)
        if value is None or (callable(value) and not hasattr(value, "__name__")):
            continue
        if callable(value):
            value = value.__name__
        if (name, value) in (("activation", "linear"), ("groups", 1)) or (
            name == "dilation" and all(v == 1 for v in keras.tree.flatten(value))
        ):
            continue
        settings[name] = tuple(value) if isinstance(value, list) else value
    return settings


def _parameter(key: str, variable: Any) -> Parameter:
    shape = tuple(variable.shape)
    dtype = str(variable.dtype)
    bits = int("".join(filter(str.isdigit, dtype.partition("_")[0].partition("e")[0])) or 8)
    nbytes = math.prod(shape) * bits // 8
    is_bias = variable.name in ("bias", "beta") or variable.name.endswith("_bias")
    return Parameter(key, shape, dtype, bool(variable.trainable), is_bias, nbytes)


def _unique(name: str, taken: set[str]) -> str:
    """Return the name, with a number behind it where it is taken already."""
    candidate, number = name, 0
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate)
    return candidate
