"""In which form a PyTorch model takes an input: the order of its axes, and that in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from layerscope.core.axes import named_axes, presented

Axes = tuple[str, ...]


@dataclass(frozen=True)
class Form:
    """How a model is given what is presented to it."""

    axes: Axes
    copied: bool = False  #: in memory as the axes say, rather than with the channels last
    viewed: bool = False  #: with ``view`` made to copy where it would refuse what is not

    @property
    def order(self) -> tuple[int, ...]:
        """Of the presented axes, as the model takes them."""
        return tuple(presented(self.axes).index(name) for name in self.axes)


def forms(rank: int, *, embedded: bool) -> Iterator[Form]:
    """Yield the forms in which a model may take an input of this rank, the likeliest first."""
    shape = (None,) * rank
    last, first = named_axes(shape), named_axes(shape, layout="channels_first")
    yield Form(last if rank < 4 or embedded else first)
    if rank > 3 and not embedded:
        yield Form(first, viewed=True)
        yield Form(first, copied=True)
        yield Form(last)
    elif rank == 3:
        if not embedded:
            yield Form(first)
        yield Form(("position", "sample", "channel"))


class _Views(TorchFunctionMode):
    """``x.view(n, -1)`` of maps with the channels last in memory: a copy in place of an error."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.Tensor.view and not isinstance(args[1], torch.dtype):
            return torch.Tensor.reshape(*args, **kwargs)
        return func(*args, **kwargs)


def views(form: Form) -> AbstractContextManager[Any]:
    """Let views copy where they must, in a pass on what is in this form."""
    return _Views() if form.viewed else nullcontext()
