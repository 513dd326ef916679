"""Hooks on the modules of a PyTorch model, by their addresses, for the length of a pass."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from layerscope.backends.parts import named_parts
from layerscope.backends.torch import tree
from layerscope.backends.torch.calls import unpacked
from layerscope.backends.torch.tensors import is_value


@contextmanager
def hooks_on(
    modules: Mapping[str, Sequence[nn.Module]], addresses: set[str]
) -> Iterator[list[Callable[[str, Any], Any]]]:
    """Tell what is put into the list of each call of these modules, by its address."""
    reported: list[Callable[[str, Any], Any]] = []
    counts = dict.fromkeys(addresses, 0)
    owner = threading.get_ident()

    def hook(stem: str) -> Callable[..., Any]:
        def after(module: nn.Module, args: Any, result: Any) -> Any:
            tensors = [value for _, value in named_parts(unpacked(result))]
            if threading.get_ident() != owner or not all(map(is_value, tensors)):
                return None
            counts[stem] += 1
            return reported[0](stem if counts[stem] == 1 else f"{stem}#{counts[stem]}", result)

        return after

    with ExitStack() as stack:
        for stem in addresses:
            for module in modules[stem]:
                stack.callback(module.register_forward_hook(hook(stem)).remove)
        yield reported


def modules_by_address(model: nn.Module) -> dict[str, list[nn.Module]]:
    """Return the modules that can be hooked, by address; exported, several have one address."""
    by_address: dict[str, list[nn.Module]] = {"output": [model]}
    for address, module in tree.addresses(model).values():
        if not isinstance(module, torch.jit.ScriptModule):
            by_address.setdefault(address, []).append(module)
    return by_address


def stem_of(address: str) -> str:
    """Return an address without the number of a call and the name of a part."""
    return re.sub(r"(#\d+)?(\[[^\]]*\])?$", "", address, count=1)
