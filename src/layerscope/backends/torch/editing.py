"""PyTorch modules that return edited values, for as long as that lasts."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from layerscope.backends.editing import Editing
from layerscope.backends.torch import tree


class TorchArrays:
    """PyTorch's tensors."""

    def ordered(self, value: Any, order: Sequence[int]) -> Any:
        return value.permute(tuple(order))

    def like(self, new: Any, value: Any) -> Any:
        return torch.as_tensor(new, dtype=value.dtype, device=value.device)

    def shaped(self, value: Any, shape: tuple[int, ...]) -> Any:
        return value.reshape(shape)

    def where(self, mask: Any, new: Any, value: Any) -> Any:
        return torch.where(torch.from_numpy(mask).to(value.device), new, value)


@contextmanager
def edited(model: nn.Module, editing: Editing) -> Iterator[None]:
    """Have the model's own modules return edited values: by hooks, which are gone afterwards."""
    modules = dict(tree.addresses(model).values())
    modules["output"] = model
    editing.check(modules)
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    handles = []

    def begin(module: nn.Module, args: Any, kwargs: Any) -> None:
        editing.begin(*args, **kwargs)

    def hook_of(address: str) -> Any:
        return lambda module, args, result: editing.returned(address, result)

    try:
        # The fused attention kernel never calls the layers that it stands for.
        torch.backends.mha.set_fastpath_enabled(False)
        handles.append(model.register_forward_pre_hook(begin, with_kwargs=True, prepend=True))
        handles += [modules[a].register_forward_hook(hook_of(a)) for a in sorted(editing.layers)]
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_attention)
        for handle in handles:
            handle.remove()


def as_input(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the arguments of a call as a look takes them."""
    if kwargs and args:
        return dict(inspect.signature(model.forward).bind(*args, **kwargs).arguments)
    if kwargs:
        return kwargs
    return args[0] if len(args) == 1 else args
