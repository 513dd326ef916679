"""The weights of a layer by what they are for, whatever a framework calls them, in one order."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray, presented
from layerscope.core.network import Layer

Values = npt.NDArray[np.float64]

_NAMES = {
    "mean": ("moving_mean", "running_mean", "mean"),
    "variance": ("moving_variance", "running_var", "variance", "var"),
    "shift": ("beta", "bias", "b"),
    "scale": ("gamma", "weight", "scale", "kernel"),
}
_NORMS = ("batch_norm", "group_norm", "norm")
#: In which order ONNX has what its batch norm is given.
_ORDER = ("scale", "shift", "mean", "variance")


def roles(layer: Layer, parameters: Mapping[str, NamedArray] | None) -> dict[str, NamedArray]:
    """Return the weights of a layer: ``kernel`` and ``bias``; of a norm ``scale``, ``shift`` …"""
    if parameters is None:
        return {}
    keys = [p.key for p in layer.parameters if p.key in parameters]
    owners = {_owner(key) for key in keys if _owner(key)} or {layer.address}
    keys += [key for key in parameters if _owner(key) in owners and key not in keys]
    if layer.kind in _NORMS:
        return _of_norm(keys, parameters)
    by_role: dict[str, NamedArray] = {}
    for key in keys:
        array = parameters[key]
        role = "kernel" if array.values.ndim > 1 else "bias"
        by_role.setdefault(role, _presented(array))
    return by_role


def _of_norm(keys: list[str], parameters: Mapping[str, NamedArray]) -> dict[str, NamedArray]:
    named: dict[str, NamedArray] = {}
    for key in keys:
        short = key.replace("/", ".").rpartition(".")[2].lower()
        role = next((role for role, names in _NAMES.items() if short in names), None)
        if role is not None:
            named.setdefault(role, parameters[key])
    if not named and len(keys) <= len(_ORDER):
        named = {role: parameters[key] for role, key in zip(_ORDER, keys, strict=False)}
    return {role: _presented(array) for role, array in named.items() if array.values.ndim == 1}


def _owner(key: str) -> str:
    return key[: max(key.rfind("/"), key.rfind("."), 0)]


def _presented(array: NamedArray) -> NamedArray:
    shown = array.presented()
    attrs = {**array.attrs, "whole": shown.values.dtype.kind in "iu"}
    values, axes = shown.values.astype(np.float64), shown.axes
    for axis in ("multiplier", "input"):  # of a depthwise kernel: one, which frameworks call so
        if axis in axes and "channel" in axes and values.shape[axes.index(axis)] == 1:
            values = values.squeeze(axes.index(axis))
            axes = tuple(name for name in axes if name != axis)
    return NamedArray(values, axes, attrs)


def unflattened_kernel(kernel: NamedArray) -> Values:
    """Return a dense kernel whose inputs are in everyone's order of what was flattened."""
    shape, axes = kernel.attrs.get("input_shape"), kernel.attrs.get("input_axes")
    if not shape or not axes or math.prod(shape) != kernel.values.shape[0]:
        return kernel.values
    order = [tuple(axes).index(axis) for axis in presented(tuple(axes))]
    units = kernel.values.shape[1]
    apart = kernel.values.reshape(*shape, units).transpose([*order, len(shape)])
    return apart.reshape(-1, units)
