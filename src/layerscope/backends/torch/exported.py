"""Exported programs: what their modules were before ``torch.export`` made graphs of them.

``torch.export.unflatten`` gives back the tree of modules, each of which runs a piece of the graph.
What they were is written down as the name of a class; their settings are arguments in the graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from layerscope.backends.torch.quantized import quantized_from
from layerscope.backends.torch.sharded import is_sharded_class
from layerscope.core.network import InputSpec

_UNFLATTENED = "torch.export.unflatten"
_MANY = 2**28  #: values that an input is not made up of


def is_exported(module: nn.Module) -> bool:
    """Return whether it is a piece of an unflattened program; does not import ``torch.export``."""
    return type(module).__module__ == _UNFLATTENED and hasattr(module, "type_name")


def type_name(module: nn.Module) -> str:
    """Return ``Conv2d``: the name of its class, or of the class that it was exported from."""
    return _qualified(module).rpartition(".")[2] or type(module).__name__


def kind(module: nn.Module) -> type[nn.Module]:
    """Return its class, or PyTorch's own class that it was exported, sharded or quantized from."""
    if is_exported(module):
        name = _qualified(module)
        library = (
            getattr(nn, name.rpartition(".")[2], None) if name.startswith("torch.nn.") else None
        )
        if isinstance(library, type) and issubclass(library, nn.Module):
            return library
    return quantized_from(module) or _unsharded(module)


def arguments(module: nn.Module) -> dict[str, Any]:
    """Return the arguments of the one operation that an exported module calls, by their names.

    Empty for a module that calls others, or several.
    """
    calls = [node for node in _graph(module) if node.op in ("call_function", "call_module")]
    settings: dict[str, Any] = {}
    if len(calls) != 1 or not isinstance(calls[0].target, torch._ops.OpOverload):
        # Recurrent layers take their results apart: one operation that has settings, and getitems.
        calls = [node for node in calls if isinstance(node.target, torch._ops.OpOverload)]
        if len(calls) != 1:
            return settings
    (call,) = calls
    for i, argument in enumerate(call.target._schema.arguments):
        value = call.args[i] if i < len(call.args) else call.kwargs.get(argument.name)
        if value is None and argument.has_default_value():
            value = argument.default_value
        if isinstance(value, bool | int | float | list | tuple) and not _holds_node(value):
            settings[argument.name] = tuple(value) if isinstance(value, list | tuple) else value
    if issubclass(kind(module), nn.modules.conv._ConvNd) and torch.is_tensor(module.weight):
        settings["kernel_size"] = tuple(module.weight.shape[2:])
    return settings


def input_specs(model: nn.Module) -> tuple[InputSpec, ...]:
    """Return the inputs as the program was exported with them: None where it takes any length.

    One that takes a single number of samples refuses others by itself, and that is said then.
    """
    return tuple(
        InputSpec(
            node.name,
            shape,
            str(value.dtype).removeprefix("torch."),
            "channels_first",
            certain=shape[0] is None,
        )
        for node, value in _placeholders(model)
        for shape in [tuple(n if isinstance(n, int) else None for n in value.shape)]
        if shape
    )


def example(model: nn.Module) -> tuple[torch.Tensor, ...]:
    """Return zeros of the sizes that a program was exported with; empty where not known."""
    zeros = []
    for node in _graph(model):
        if node.op != "placeholder" or not is_exported(model):
            continue
        value = node.meta.get("val")
        sizes = [_size(n) for n in value.shape] if isinstance(value, torch.Tensor) else [None]
        if None in sizes or math.prod(n or 0 for n in sizes) > _MANY:
            return ()
        zeros.append(torch.zeros([n or 0 for n in sizes], dtype=value.dtype))
    return tuple(zeros)


def _size(length: Any) -> int | None:
    """Return a length, or the one that it had where it may be any."""
    hint = length if isinstance(length, int) else length.node.hint
    return hint if isinstance(hint, int) else None


def _qualified(module: nn.Module) -> str:
    if is_exported(module):
        return module.type_name() or ""  # type: ignore[operator]  # no nn.Module has it but these
    return _unsharded(module).__qualname__


def _unsharded(module: nn.Module) -> type[nn.Module]:
    """Return its class, or the one that ``fully_shard`` derived that from."""
    own_class = type(module)
    if is_sharded_class(own_class) and own_class.__name__.startswith("FSDP"):
        return next((base for base in own_class.__mro__ if not is_sharded_class(base)), own_class)
    return own_class


def _graph(module: nn.Module) -> list[Any]:
    # A dispatcher stands for several calls of one module.
    module = getattr(module, "_call_modules", [module])[0]
    graph = getattr(module, "graph", None)
    return [] if graph is None else list(graph.nodes)


def _placeholders(model: nn.Module) -> Iterator[tuple[Any, torch.Tensor]]:
    for node in _graph(model):
        if node.op == "placeholder" and isinstance(node.meta.get("val"), torch.Tensor):
            yield node, node.meta["val"]


def _holds_node(value: Any) -> bool:
    return isinstance(value, list | tuple) and not all(isinstance(v, int | float) for v in value)
