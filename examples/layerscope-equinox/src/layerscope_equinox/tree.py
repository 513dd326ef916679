"""Equinox modules as trees: addresses, settings, parameters and the names of their axes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import equinox as eqx

from layerscope.core.axes import Layout, named_axes
from layerscope.core.network import InputSpec, Parameter

_SPACE = {1: ("position",), 2: ("y", "x"), 3: ("z", "y", "x")}
_MAPS = (eqx.nn.Conv, eqx.nn.ConvTranspose, eqx.nn.Pool, eqx.nn.AdaptivePool)


def modules(model: eqx.Module) -> Iterator[tuple[str, Any]]:
    """Yield what can be called in a model with its address, the model itself, ``""``, first."""
    if callable(model):
        yield "", model
    for address, thing in _children(model):
        for inner, module in modules(thing):
            yield f"{address}.{inner}" if inner else address, module


def _children(model: eqx.Module) -> Iterator[tuple[str, eqx.Module]]:
    for field in dataclasses.fields(model):
        yield from _named(field.name, getattr(model, field.name, None))


def _named(name: str, value: Any) -> Iterator[tuple[str, eqx.Module]]:
    if isinstance(value, eqx.Module):
        yield name, value
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _named(f"{name}.{i}", item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _named(f"{name}.{key}", item)


def arrays(model: eqx.Module) -> Iterator[tuple[str, str, Any, tuple[str, ...]]]:
    """Yield each array of weights once: its module's address, its key, itself, its axes."""
    seen = set()
    for address, module in [("", model), *modules(model)]:
        for field in dataclasses.fields(module):
            value = getattr(module, field.name, None)
            if eqx.is_inexact_array(value) and id(value) not in seen:
                seen.add(id(value))
                key = f"{address}.{field.name}" if address else field.name
                yield address, key, value, _axes(module, field.name, value.shape)


def parameters(model: eqx.Module) -> dict[str, tuple[Parameter, ...]]:
    """Return the parameters by the addresses of their modules."""
    found: dict[str, tuple[Parameter, ...]] = {}
    for address, key, value, axes in arrays(model):
        shape = value.squeeze().shape if len(axes) < value.ndim else value.shape
        is_bias = key.rpartition(".")[2] == "bias"
        parameter = Parameter(key, shape, str(value.dtype), True, is_bias, value.nbytes)
        found[address] = (*found.get(address, ()), parameter)
    return found


def _axes(module: eqx.Module, name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Name the axes of a weight; fewer of them than it has leave out those of length 1."""
    if isinstance(module, eqx.nn.Linear) and len(shape) == 2:
        return ("unit", "input")
    if isinstance(module, eqx.nn.Conv | eqx.nn.ConvTranspose):
        space = _SPACE[module.num_spatial_dims]
        return ("channel", "input", *space) if name == "weight" else ("channel",)
    if isinstance(module, eqx.nn.Embedding):
        return ("input", "unit")
    return named_axes(shape, has_samples=False)


def layout_of(module: Any) -> Layout:
    """Return how a module lays out what it returns."""
    if isinstance(module, _MAPS):
        return "channels_first"
    return "channels_last" if isinstance(module, eqx.nn.Linear) else "inherit"


def settings_of(module: Any) -> dict[str, Any]:
    """Return the numbers, texts and truth values that a module was made with."""
    plain = (bool, int, float, str)
    names = [field.name for field in dataclasses.fields(module)]
    values = {name: getattr(module, name, None) for name in names}
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, plain)
        or (isinstance(value, tuple) and value and all(isinstance(v, plain) for v in value))
    }


def spec_of(model: eqx.Module) -> InputSpec | None:
    """Return what the first module with weights suggests; modules do not say what they expect."""
    for _, module in modules(model):
        if isinstance(module, eqx.nn.Linear) and isinstance(module.in_features, int):
            return InputSpec("input", (None, module.in_features), certain=False)
        if isinstance(module, eqx.nn.Conv):
            shape = (None, module.in_channels, *[None] * module.num_spatial_dims)
            return InputSpec("input", shape, layout="channels_first", certain=False)
        if next(arrays(module), None) is not None and not list(_children(module)):
            return None
    return None
