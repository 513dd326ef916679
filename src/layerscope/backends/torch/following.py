"""Holding the calls of a pass against a plan, and keeping their values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import torch

from layerscope.backends.parts import named_parts
from layerscope.backends.torch import attention
from layerscope.backends.torch.calls import unpacked
from layerscope.backends.torch.plan import Choice, PassPlan, Step
from layerscope.backends.torch.producers import Producers
from layerscope.backends.trace import PassComplete


class Diverged(BaseException):
    """The pass is not the one that was planned.

    Not an Exception, so that no ``except Exception`` of the model's own swallows it.
    """


class Following:
    """What a pass has kept so far, and which calls are still to come.

    Parameters
    ----------
    plan, choice
        What the pass is, and what to keep of it.
    held
        The tensors that the model holds: what shares their memory is copied.
    received
        The network's inputs, by name.
    """

    def __init__(
        self,
        plan: PassPlan,
        choice: Choice,
        held: Sequence[torch.Tensor],
        received: Mapping[str, torch.Tensor],
    ) -> None:
        #: The values kept; of attention weights, what they can be computed from.
        self.values: dict[str, torch.Tensor | attention.FusedCall] = {}
        self.pending = choice.steps[::-1]  #: the calls that are still to come, the next one last
        self.stopped = False  #: whether everything that was asked for was there before the end
        self._plan = plan
        self._choice = choice
        self._copied = plan.copied
        self._lasting = frozenset(map(id, held))
        #: What is kept as it is, under which addresses, and the versions that it had.
        self._kept: list[torch.Tensor] = []
        self._addresses: list[str] = []
        self._versions: list[int] = []
        self._producers = Producers(holding=choice.everything)
        self._producers.receive(received.values())
        self._handed: dict[str, tuple[Any, int]] = {}
        for name, value in received.items():
            self._handed[name] = (self._producers.reference(value), value._version)
        self._own_memory: set[int] = set()
        self._searched = 0  #: how many values were looked at for these
        self._has_diverged = False

    def overwritten(self) -> set[str]:
        """Return the addresses whose values were written to since they were kept.

        Called when the pass has ended, and the model's tensors are as it has left them: values in
        their memory are copied now.
        """
        kept, lasting = self._kept, self._lasting
        # Without code of Python's own that runs for each, as long as all is as it mostly is.
        if not (
            lasting.isdisjoint(map(id, kept)) and lasting.isdisjoint(map(id, map(_base_of, kept)))
        ):
            for address, value in zip(self._addresses, kept, strict=True):
                if self.values[address] is value and self._is_lasting(value):
                    self.values[address] = value.clone()
        versions = list(map(_version_of, kept))
        if versions == self._versions:
            return set()
        rows = zip(self._addresses, versions, self._versions, strict=True)
        return {address for address, version, was in rows if version != was}

    def take(self) -> dict[str, torch.Tensor | attention.FusedCall]:
        """Return the values that were kept, in the order of the plan, and let go of all."""
        values = {a: self.values[a] for a in self._choice.addresses if a in self.values}
        self.values.clear()
        self._kept.clear()
        self._handed.clear()
        self._producers.let_go()
        return values

    def finish(self) -> None:
        """Raise Diverged where not every call of the plan was made."""
        if self.pending or self._has_diverged:
            self.diverge()

    def diverge(self) -> NoReturn:
        """Raise Diverged, now and at every further call."""
        self._has_diverged = True  # for good: the model's own code may catch what is raised here
        self.pending.clear()
        raise Diverged

    def follower(self) -> Callable[[Step, Sequence[Any], Any], None]:
        """Return what holds a call's arguments and result against the plan, and keeps the latter.

        A pass has hundreds of calls, most of which return one tensor: what has to be done for these
        is done here, without a further call for any of it.
        """
        producers, copied, handed, values = self._producers, self._copied, self._handed, self.values
        number_of, note, last = producers.number_of, producers.note, self._choice.last
        sources_of, calls, held = producers.of, producers.calls, producers.held
        kept, addresses, versions = self._kept, self._addresses, self._versions
        tensor_type = torch.Tensor

        def follow(step: Step, args: Sequence[Any], result: Any) -> None:
            source = step.source
            if source is not None and len(args) == 1 and type(args[0]) is tensor_type:
                if number_of(id(args[0]), -1) != source:
                    self.diverge()
            elif sources_of(args) != step.sources:
                self.diverge()
            if not step.is_simple:
                self._follow_any(step, args, result)
                return
            if type(result) is not tensor_type:
                # As attention returns it, without its weights.
                if type(result) is tuple and len(result) == 2 and result[1] is None:
                    result = result[0]
                if type(result) is not tensor_type:
                    self._follow_any(step, args, result)
                    return
            try:
                version = result._version
            except RuntimeError:  # made in inference mode, where none are counted
                self.diverge()
            if result.shape != step.shape:
                self.diverge()
            if step.handed_on is not None:
                was = handed.get(step.handed_on)
                if was is None or was[1] != version:
                    self.diverge()
                if was[0] is not result and not producers.is_same(was[0], result):
                    self.diverge()
            elif step.is_origin:
                reference = producers.reference(result) if held is None else result
                handed[step.address] = (reference, version)
            if held is None:
                note(result, step.number)
            else:
                calls[id(result)] = step.number
                held.append(result)
            address = step.keeps
            if address is not None:
                if address in copied:
                    result = result.clone()
                else:
                    kept.append(result)
                    addresses.append(address)
                    versions.append(version)
                values[address] = result
            if step.number == last:
                self._stop()

        return follow

    def attend(self, address: str, call: attention.FusedCall) -> None:
        """Keep the weights of a call, or what they are computed from when they are asked for."""
        tensors = call.tensors()
        is_later = (
            address not in self._copied and self._are_of_this_pass(tensors) and call.can_wait()
        )
        if not is_later:
            self.values[address] = call.weights()
            return
        self.values[address] = call.later()
        self._kept += tensors
        self._addresses += [address] * len(tensors)
        self._versions += map(_version_of, tensors)

    def _follow_any(self, step: Step, args: Sequence[Any], result: Any) -> None:
        """Keep what is chosen of a call that attends, hands on, or returns something else."""
        number = step.number
        if type(result) is tuple and len(result) == 2 and result[1] is None:
            result = result[0]  # as attention returns it without its weights
        if step.is_module and step.call.marks:  # a softmax that makes attention weights
            reference = self._producers.reference(result)
            self._handed[str(step.call.attention)] = (reference, result._version)
            if step.weights is not None:
                self.values[step.weights] = attention.marking(args[0])(result)
        if step.call.returned:
            self._follow_parts(number, step, args, unpacked(result) if step.is_module else result)
        if number == self._choice.last:
            self._stop()

    def _stop(self) -> NoReturn:
        self.stopped = True
        raise PassComplete

    def _follow_parts(self, number: int, step: Step, args: Sequence[Any], result: Any) -> None:
        call = step.call
        parts = [value for _, value in named_parts(result)]
        if len(parts) != len(call.shapes):
            self.diverge()
        for part, shape, returned in zip(parts, call.shapes, call.returned, strict=True):
            if part.shape != shape or part.is_inference():
                self.diverge()
            self._producers.note(part, number)
            if returned.handed_on is not None:
                self._check_handed_on(part, returned.handed_on)
            elif returned.address in self._plan.handed_on:
                reference = self._producers.reference(part)
                self._handed[returned.address] = (reference, part._version)
        for index, address in step.kept:
            self._keep(address, parts[index], args[0] if call.marks else None)

    def _check_handed_on(self, value: torch.Tensor, address: str) -> None:
        reference, version = self._handed.get(address, (None, -1))
        if version != value._version or not self._producers.is_same(reference, value):
            self.diverge()

    def _are_of_this_pass(self, tensors: Sequence[torch.Tensor]) -> bool:
        """Return whether these are values of this pass, or views of such, and nobody else's."""
        if self._producers.held is None or self._plan.gives_memory:
            return False
        # A base is no view itself; of a view of the model's own tensors it is one of these.
        kept = self._kept[self._searched :]
        self._searched = len(self._kept)
        self._own_memory.update(map(id, kept), map(id, map(_base_of, kept)))
        bases = {id(tensor if tensor._base is None else tensor._base) for tensor in tensors}
        return bases <= self._own_memory and bases.isdisjoint(self._lasting)

    def _is_lasting(self, value: torch.Tensor) -> bool:
        """Return whether a tensor is one that the model holds, or a view of one."""
        base = value._base
        return id(value) in self._lasting or (base is not None and id(base) in self._lasting)

    def _keep(self, address: str, value: torch.Tensor, scores: torch.Tensor | None) -> None:
        if scores is not None:
            value = attention.marking(scores)(value)
        elif address in self._copied:
            value = value.clone()
        else:
            self._note_version(address, value)
        self.values[address] = value

    def _note_version(self, address: str, value: torch.Tensor) -> None:
        self._kept.append(value)
        self._addresses.append(address)
        self._versions.append(value._version)


_base_of, _version_of = operator.attrgetter("_base"), operator.attrgetter("_version")
