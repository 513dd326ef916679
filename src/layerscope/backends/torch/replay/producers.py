"""Where the tensors of a pass come from."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import torch

_Tensor = torch.Tensor


def flattened(args: Iterable[Any]) -> tuple[Any, ...]:
    """Return a call's arguments, with the tensors in place of lists that hold some."""
    flat: list[Any] = []
    for arg in args:
        if type(arg) is list or type(arg) is tuple:
            flat += [value for value in arg if isinstance(value, _Tensor)] or (arg,)
        else:
            flat.append(arg)
    return tuple(flat)


def holds_tensors(args: Iterable[Any]) -> bool:
    """Return whether one of these arguments is a list of tensors."""
    lists = (arg for arg in args if type(arg) is list or type(arg) is tuple)
    return any(isinstance(value, _Tensor) for arg in lists for value in arg)


def base_of(value: Any) -> Any:
    """Return the tensor that a value is a view of; None of what is no view."""
    return value._base if isinstance(value, _Tensor) else None


class Producers:
    """Which call has returned a tensor, without holding on to it.

    A view comes from the call that its tensor does, unless a call has returned the view itself.
    """

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}  #: by the identities of tensors
        self._references: dict[int, weakref.ref[torch.Tensor]] = {}

    def receive(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note the network's inputs, which come from no call."""
        for i, tensor in enumerate(tensors):
            self.note(tensor, -2 - i)

    def note(self, tensor: torch.Tensor, call: int) -> None:
        """Note that a call has returned this."""
        self._calls[id(tensor)] = call
        self._references[id(tensor)] = weakref.ref(tensor)
        base = tensor._base
        if base is not None and self._number_of(id(base)) == -1:
            self._calls[id(base)] = call  # a layer's result may be a view of what nobody else has
            self._references[id(base)] = weakref.ref(base)

    def note_new(self, tensors: Iterable[torch.Tensor], call: int) -> bool:
        """Note that a call has returned those that come from none; return whether there are any."""
        new = [tensor for tensor in tensors if self.of((tensor,)) == (-1,)]
        for tensor in new:
            self.note(tensor, call)
        return bool(new)

    def of(self, args: Sequence[Any]) -> tuple[int, ...]:
        """Return the calls that arguments come from, -1 for what comes from none."""
        numbers = self.returned(args)
        if -1 not in numbers:
            return numbers
        rows = zip(numbers, flattened(args), strict=True)
        return tuple(self._number_of(id(base_of(arg))) if n == -1 else n for n, arg in rows)

    def returned(self, args: Sequence[Any]) -> tuple[int, ...]:
        """Return the calls that have returned the arguments themselves, -1 for none."""
        return tuple(map(self._number_of, map(id, flattened(args))))

    def _number_of(self, identity: int) -> int:
        reference = self._references.get(identity)
        return -1 if reference is None or reference() is None else self._calls[identity]
