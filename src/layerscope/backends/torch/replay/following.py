"""Holding the calls of a pass against a plan as they are made, and keeping some of their values."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from layerscope.backends.parts import named_parts
from layerscope.backends.reducing import ReducedValue
from layerscope.backends.torch import attention
from layerscope.backends.torch.calls import unpacked
from layerscope.backends.torch.functions import tensors_in
from layerscope.backends.torch.replay.keeping import KeptValues, alone
from layerscope.backends.torch.replay.plan import Choice, PassPlan, Step
from layerscope.backends.torch.replay.producers import Producers
from layerscope.backends.trace import PassComplete


class Following(KeptValues):
    """A pass of which some values are kept: of the others it takes no memory, and it may stop.

    Parameters
    ----------
    plan, choice
        What the pass is, and what to keep of it.
    held
        The tensors that the model holds: what shares their memory is copied.
    received
        The network's inputs, by name.
    reduce
        Given an address and a value, makes of it what is kept in its place, at once.
    """

    def __init__(
        self,
        plan: PassPlan,
        choice: Choice,
        held: Sequence[torch.Tensor],
        received: Mapping[str, torch.Tensor],
        reduce: Callable[[str, torch.Tensor], ReducedValue] | None = None,
    ) -> None:
        super().__init__(choice, held, reduce)
        self._pending = choice.steps[::-1]  #: the calls that are still to come, the next one last
        self._plan = plan
        self._producers = Producers()
        self._producers.receive(received.values())
        self._handed: dict[str, tuple[weakref.ref[torch.Tensor], int]] = {}
        for name, value in received.items():
            self._hand(name, value)

    def take(self) -> dict[str, torch.Tensor | attention.FusedCall | ReducedValue]:
        """Return the values that were kept, in the order of the plan, and let go of all."""
        self._handed.clear()
        return super().take()

    def settle(self) -> bool:
        """Return whether all that was kept is what was returned; if not, the plan says so now.

        Raises Diverged where not every call of the plan was made.
        """
        if self._has_diverged or (self._pending and not self.stopped):
            self.diverge()
        overwritten = self._overwritten()
        self._plan.look_closer(overwritten, ())
        return not overwritten

    def is_close(self) -> bool:
        """Return that every call is held against the plan as it is made."""
        return True

    def see(self, what: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> None:
        """Hold a call against the plan, and keep what is chosen of it."""
        if self.is_over:
            return
        step = self._pending.pop() if self._pending else None
        if step is None or not step.is_of(what):
            self.diverge()
        if step.weights is not None and not step.call.marks:
            weights = attention.weights_of(what, args, kwargs, result)
            if weights is not None:
                self.values[step.weights] = weights
        given = [*args, *kwargs.values()] if kwargs else args
        if self._producers.of(given) != step.sources:
            self.diverge()
        result = alone(result)
        if step.is_module and step.call.marks:  # a softmax that makes attention weights
            self._hand(str(step.call.attention), result)
            if step.weights is not None:
                self.values[step.weights] = attention.marking(args[0])(result)
        if step.call.returned:
            self._see_parts(step, given, unpacked(result) if step.is_module else result)
        else:
            self._producers.note_new(tensors_in(result), step.number)
        if step.number == self._choice.last:
            self.stopped = True
            raise PassComplete

    def _see_parts(self, step: Step, args: Sequence[Any], result: Any) -> None:
        call = step.call
        parts = [value for _, value in named_parts(result)]
        if len(parts) != len(call.shapes):
            self.diverge()
        for part, shape, returned in zip(parts, call.shapes, call.returned, strict=True):
            if part.shape != shape or part.is_inference():
                self.diverge()
            self._producers.note(part, step.number)
            if returned.handed_on is not None:
                was = self._handed.get(returned.handed_on)
                is_same = was is not None and was[0]() is part
                if was is None or not is_same or was[1] != part._version:
                    self.diverge()
            elif returned.address in self._plan.handed_on:
                self._hand(returned.address, part)
        for index, address in step.kept:
            part = parts[index]
            if call.marks:
                self.values[address] = attention.marking(args[0])(part)
            elif self._reduce is not None:
                self.values[address] = self._reduce(address, part)
            elif address in self._plan.copied:
                self.values[address] = part.clone()
            else:
                self._keep(address, part, part._version)

    def _hand(self, address: str, value: torch.Tensor) -> None:
        """Note what a container may hand on, without holding on to it."""
        self._handed[address] = weakref.ref(value), value._version
