"""The weights of Keras models, with their axes named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from layerscope.axes import NamedArray, carried
from layerscope.backends import keras_tree as tree
from layerscope.backends.keras_engines import Engine

_SPACE = {1: ("position",), 2: ("y", "x"), 3: ("z", "y", "x")}
_UNIT_LAYERS = (keras.layers.Dense, keras.layers.RNN)


def weights_of(model: Any, engine: Engine) -> Mapping[str, NamedArray]:
    """Every parameter as a copy of its own, by key, in the order of the layers."""
    flattened = _flattened_inputs(model)
    arrays = {}
    for owned in tree.owned_parameters(model, tree.addresses(model)):
        values, was = carried(np.array(engine.to_numpy(owned.variable.value), copy=True))
        attrs = {"dtype": was} if was else {}
        if values.ndim == 2 and id(owned.layer) in flattened:
            shape, axes = flattened[id(owned.layer)]
            attrs |= {"input_shape": shape, "input_axes": axes}
        axes_of = _axes(owned.layer, owned.variable.name, values.ndim)
        arrays[owned.parameter.key] = NamedArray(values, axes_of, attrs)
    return arrays


def _axes(layer: Any, name: str, rank: int) -> tuple[str, ...]:
    kind = type(layer).__name__
    if rank == 1:
        is_unit = isinstance(layer, _UNIT_LAYERS) or "Cell" in kind
        return ("unit",) if is_unit else ("channel",)
    convolves = "Conv" in kind and hasattr(layer, "kernel_size") and rank == layer.rank + 2
    if convolves:
        if kind.startswith("Depthwise") or name == "depthwise_kernel":
            return (*_SPACE[layer.rank], "channel", "multiplier")
        if kind.endswith("Transpose"):
            return (*_SPACE[layer.rank], "channel", "input")
        return (*_SPACE[layer.rank], "input", "channel")
    if rank == 2:
        return ("input", "unit")
    if "EinsumDense" in kind and rank == 3:
        return ("head", "position", "channel") if name == "bias" else ("input", "position", "channel")
    return (*(f"axis{i}" for i in range(rank - 1)), "channel")


def _flattened_inputs(model: Any) -> dict[int, tuple[tuple[int, ...], tuple[str, ...]]]:
    """For each Dense layer right after a Flatten, the shape and axes of what was flattened."""
    found = {}
    for layer in (model, *(layer for _, layer in tree.addresses(model).values())):
        graph = tree.graph_of(layer)
        if graph is None:
            continue
        for operation in graph.operations:
            if isinstance(operation, keras.layers.Dense):
                shape = _before_flatten(operation)
                if shape is not None:
                    found[id(operation)] = shape
    return found


def _before_flatten(dense: Any) -> tuple[tuple[int, ...], tuple[str, ...]] | None:
    """Follow a Dense layer's input back through what changes no position to a Flatten."""
    tensor = dense.input
    while True:
        operation = tensor._keras_history.operation
        if isinstance(operation, keras.layers.Flatten):
            shape = tuple(operation.input.shape)[1:]
            first = operation.data_format == "channels_first" and len(shape) > 2
            space = _SPACE.get(len(shape) - 1)
            if space is None or None in shape:
                return None
            return shape, ("channel", *space) if first else (*space, "channel")
        keeps = (keras.layers.Dropout, keras.layers.Activation, keras.layers.BatchNormalization)
        if not isinstance(operation, keeps):
            return None
        tensor = operation.input


