"""Where the tensors of a pass come from."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch


class Producers:
    """Which call has returned a tensor.

    ``holding``: hold on to every tensor, so that no other can take its identity. That costs no
    memory where all are kept anyway, and is quicker.
    """

    def __init__(self, *, holding: bool = False) -> None:
        self.calls: dict[int, int] = {}  #: by the identities of tensors
        self.held: list[torch.Tensor] | None = [] if holding else None
        self._references: dict[int, weakref.ref[torch.Tensor]] = {}
        #: Returns the call that has returned the tensor of an identity, or the default.
        self.number_of: Callable[[int, int], int] = self.calls.get if holding else self._living

    def receive(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note the network's inputs, which come from no call."""
        for i, tensor in enumerate(tensors):
            self.note(tensor, -2 - i)

    def note(self, tensor: torch.Tensor, call: int) -> None:
        """Note that a call has returned this."""
        self.calls[id(tensor)] = call
        if self.held is not None:
            self.held.append(tensor)
        else:
            self._references[id(tensor)] = weakref.ref(tensor)

    def let_go(self) -> None:
        """Hold on to nothing any more."""
        if self.held is not None:
            self.held.clear()

    def of(self, args: Sequence[Any]) -> tuple[int, ...]:
        """Return the calls that arguments come from, also those in lists, one deep."""
        number_of, tensor_type = self.number_of, torch.Tensor
        if len(args) == 2 and type(args[0]) is type(args[1]) is tensor_type:
            return number_of(id(args[0]), -1), number_of(id(args[1]), -1)
        sources = []
        for arg in args:
            if isinstance(arg, tensor_type):
                sources.append(number_of(id(arg), -1))
            elif type(arg) is list or type(arg) is tuple:
                sources += [number_of(id(v), -1) for v in arg if isinstance(v, tensor_type)]
        return tuple(sources)

    def reference(self, tensor: torch.Tensor) -> Any:
        """Return what tells whether another tensor is this one, without holding on to more."""
        return tensor if self.held is not None else weakref.ref(tensor)

    def is_same(self, reference: Any, tensor: torch.Tensor) -> bool:
        """Return whether this is the tensor that a reference was made of; None is of none."""
        if self.held is None and reference is not None:
            reference = reference()
        return reference is tensor

    def _living(self, identity: int, default: int) -> int:
        reference = self._references.get(identity)
        return default if reference is None or reference() is None else self.calls[identity]
