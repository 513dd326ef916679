"""What a Keras model takes: its input layers, their names and shapes."""

from __future__ import annotations

from typing import Any

import keras

from layerscope.backends.keras.graph import graph_of
from layerscope.core.axes import Layout, named_axes
from layerscope.core.network import InputSpec, Layer


def input_layers(model: Any) -> list[Layer]:
    """Return the model's input layers as Keras lists them; a Sequential's own is not listed."""
    if isinstance(model, keras.Sequential):
        return []
    shapes = (tuple(operation.output.shape) for operation in input_operations(model))
    return [
        Layer(name, "InputLayer", "input", shape, named_axes(shape), kind="input")
        for name, shape in zip(input_names(model), shapes, strict=True)
    ]


def input_operations(model: Any) -> list[Any]:
    """Return the InputLayers of a model that knows its inputs."""
    graph = graph_of(model)
    return [] if graph is None else [t._keras_history.operation for t in graph.inputs]


def input_names(model: Any) -> list[str]:
    """Return the names of the inputs: those of the dict that a model takes, or their layers'."""
    structure = getattr(graph_of(model), "_inputs_struct", None)
    if isinstance(structure, dict) and len(structure) == len(input_operations(model)):
        return [str(name) for name in keras.tree.flatten({name: name for name in structure})]
    return [str(operation.name) for operation in input_operations(model)]


def input_specs(model: Any) -> tuple[InputSpec, ...]:
    """Return what the model expects; empty where it was never told."""
    graph = graph_of(model)
    if graph is None:
        return ()
    layout = _input_layout(graph)
    # A Sequential that built itself keeps the size of its first batch, which only states depend on.
    stateful = any(getattr(op, "stateful", False) for op in graph.operations)
    return tuple(
        InputSpec(name, (t.shape[0] if stateful else None, *t.shape[1:]), str(t.dtype), layout)
        for name, t in zip(input_names(model), graph.inputs, strict=True)
    )


def _input_layout(graph: Any) -> Layout:
    for op in graph.operations:
        if getattr(op, "data_format", None) in ("channels_first", "channels_last"):
            return op.data_format  # type: ignore[no-any-return]
    return "channels_last"


def inputs_by_name(model: Any, x: Any) -> dict[str, Any]:
    """Return the tensors of an input by name: the user's own, or the model's, or numbered ones."""
    leaves = list(keras.tree.flatten(x))
    if isinstance(x, dict):
        names = [str(name) for name in keras.tree.flatten({name: name for name in x})]
    else:
        names = input_names(model)
    if len(names) != len(leaves):
        names = ["input", *(f"input_{i}" for i in range(1, len(leaves)))]
    return dict(zip(names, leaves, strict=True))
