"""The weights of Keras models, with their axes named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from layerscope.axes import NamedArray
from layerscope.backends import keras_tree as tree
from layerscope.backends.keras_engines import Engine

_SPACE = {1: ("position",), 2: ("y", "x"), 3: ("z", "y", "x")}
_UNIT_LAYERS = (keras.layers.Dense, keras.layers.RNN)


def weights_of(model: Any, engine: Engine) -> Mapping[str, NamedArray]:
    """Every parameter as a copy of its own, by key, in the order of the layers."""
    arrays = {}
    for owned in tree.owned_parameters(model, tree.addresses(model)):
        read, was = engine.read(owned.variable.value)
        values = read.copy()
        axes = _axes(owned.layer, owned.variable.name, values.ndim)
        arrays[owned.parameter.key] = NamedArray(values, axes, {"dtype": was} if was else {})
    return arrays


def _axes(layer: Any, name: str, rank: int) -> tuple[str, ...]:
    kind = type(layer).__name__
    if rank == 0:
        return ()
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
        return ("input", "head", "channel")
    return (*(f"axis{i}" for i in range(rank - 1)), "channel")
