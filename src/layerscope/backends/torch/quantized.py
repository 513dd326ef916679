"""Quantized modules: what they were quantized from, and the weights that they keep packed.

``torch.ao.quantization`` puts modules in the place of others that compute with small whole numbers.
Their weights are no parameters: they are packed for the processor, and handed out by methods.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

_QUANTIZED = ("torch.ao.nn.", "torch.nn.quantized", "torch.nn.intrinsic")
#: What quantized modules keep their weights in, as modules.
_BOOKKEEPING = frozenset({"LinearPackedParams", "EmbeddingPackedParams", "PackedParameter"})


def is_quantized(module: nn.Module) -> bool:
    """Return whether it is one of PyTorch's own quantized modules."""
    return type(module).__module__.startswith(_QUANTIZED)


def quantized_from(module: nn.Module) -> type[nn.Module] | None:
    """Return PyTorch's class of the module that it was quantized from; None for anything else.

    A ``ConvReLU2d`` is derived from a quantized ``Conv2d``, and that has the name of the float one.
    """
    if not is_quantized(module):
        return None
    for base in type(module).__mro__:
        original = getattr(nn, base.__name__, None)
        if base.__module__.startswith(_QUANTIZED) and isinstance(original, type):
            return original
    return None


def is_bookkeeping(module: nn.Module) -> bool:
    """Return whether it only keeps what another computes with, and is never called."""
    if is_quantized(module):
        return type(module).__name__ in _BOOKKEEPING
    # A recurrent layer's list of them.
    parts = list(module.children())
    return type(module) is nn.ModuleList and bool(parts) and all(map(is_bookkeeping, parts))


def packed_weights(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the weights that a quantized module keeps packed, by the names that they had before."""
    if not is_quantized(module) or is_bookkeeping(module):
        return
    held = {**module._parameters, **module._buffers}
    unpack: Any = module
    if hasattr(unpack, "get_weight") and hasattr(unpack, "get_bias"):  # recurrent
        named = {**unpack.get_weight(), **unpack.get_bias()}
    else:
        methods = {name: getattr(unpack, name, None) for name in ("weight", "bias")}
        named = {name: method() for name, method in methods.items() if callable(method)}
    for name, tensor in named.items():
        if isinstance(tensor, torch.Tensor) and name not in held:
            yield name, tensor.detach()
