"""Noting the calls of a pass as they are made, and holding them against a plan when it has ended.

Where everything is kept, a look costs what is done for each of some hundred calls, between kernels
that take as long. So as little as possible is done there: what was called, with what, what it
returned and its version are noted. All of them are held against the plan at once, afterwards. What
can't wait, as the copy of a value that will be overwritten, is done as the plan says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

import torch

from layerscope.backends.parts import named_parts
from layerscope.backends.reducing import ReducedValue
from layerscope.backends.torch import attention
from layerscope.backends.torch.attention import FusedCall
from layerscope.backends.torch.calls import unpacked
from layerscope.backends.torch.replay.keeping import KeptValues, alone, version_of
from layerscope.backends.torch.replay.plan import Choice, PassPlan, Step
from layerscope.backends.torch.replay.producers import base_of, flattened

#: How many numbers the values of a pass may have for what is made of them between the steps to be
#: held on to for as long as the pass lasts: it is quicker than to note what it was.
_FEW = 2**24


class Noting(KeptValues):
    """A pass of which everything is kept.

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
        super().__init__(choice, held)
        #: Three of each call, one after the other: the function, or a weak reference to the module;
        #: the arguments, or their identities; what it returned, a tensor or a list of those in it.
        self.notes: list[Any] = []
        #: Of the calls that were noted closely, the versions of what they returned, -1 where none
        #: is counted. Those of all others are asked for afterwards.
        self._noted: dict[int, Any] = {}
        self.holds_arguments = choice.size < _FEW
        self._plan = plan
        self._received = received
        self._received_versions = list(map(version_of, received.values()))
        #: Calls whose attention weights can be computed later, with the versions of what they are
        #: computed from; and those whose weights were computed at once, who may wait another time.
        self._attended: dict[str, tuple[FusedCall, list[int]]] = {}
        self._computed: dict[str, FusedCall] = {}
        #: What containers may hand on, and its versions.
        self._handed: dict[str, tuple[torch.Tensor, int]] = {}

    def is_close(self) -> bool:
        """Return whether more is to be noted of the next call than what it is given and returns."""
        return len(self.notes) // 3 in self._plan.close

    def see(self, what: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> None:
        """Note a call of any kind, and do at once what can't wait."""
        if self.is_over:
            return
        number = len(self.notes) // 3
        step = self._choice.steps[number] if number < len(self._choice.steps) else None
        if step is None or not step.is_of(what):
            self.diverge()
        given = flattened((*args, *kwargs.values()) if kwargs else args)
        given = given if self.holds_arguments else identities(given)
        result = alone(result)
        if step.weights is not None or step.call.marks:
            self._attend(step, what, args, kwargs, result)
        is_one = type(result) is torch.Tensor and not result.is_nested
        whole = unpacked(result) if step.is_module else result
        parts = [result] if is_one else [part for _, part in named_parts(whole)]
        # Now, since it may be given another shape later on.
        if step.call.returned and tuple(part.shape for part in parts) != step.call.shapes:
            self.diverge()
        if not is_one:
            self._noted[number] = list(map(_version, parts))
        elif number in self._plan.close:
            self._noted[number] = _version(result)
        self.notes += step.what, given, result if is_one else parts
        for index, address in step.kept if not step.call.marks else ():
            if address in self._plan.copied:
                self.values[address] = parts[index].clone()

    def settle(self) -> bool:
        """Return whether all that was kept is what was returned; if not, the plan says so now.

        Attention weights can wait where they are computed from values of this pass that are kept,
        or from views of such, and nobody else's. Raises Diverged where other calls were made than
        those of the plan.
        """
        try:
            written = self._compare()
        except RuntimeError:  # made in inference mode, which counts none; or a nested tensor
            self.diverge()
        overwritten = self._overwritten()
        if self._attended or self._computed:
            owned = set(map(id, self._kept))
            owned.update(map(id, map(base_of, self._kept)))
            owned -= self._lasting
            for address, (call, versions) in self._attended.items():
                if call.versions() == versions and call.is_of(owned):
                    self.values[address] = call.later()
                else:
                    overwritten.add(address)
            self._plan.waiting.update(a for a, c in self._computed.items() if c.is_of(owned))
        if not overwritten and not written:
            return True
        self._plan.look_closer(overwritten, written)
        return False

    def _compare(self) -> set[int]:
        """Hold all calls against the plan, and keep what they have returned.

        Returns the numbers of those that have returned a value that was written to, before it was
        or since: of which version it was then has not been noted.
        """
        notes = self.notes
        if self._has_diverged or len(notes) != 3 * len(self._choice.steps):
            self.diverge()
        calls: dict[int, int] = {}
        for i, (name, value) in enumerate(self._received.items()):
            _number(value, -2 - i, calls)
            self._handed[name] = value, self._received_versions[i]
        number_of, none, tensor_type = calls.get, repeat(-1), torch.Tensor
        holds = self.holds_arguments
        handed, values, written = self._handed, self.values, set()
        kept, addresses, versions = self._kept, self._addresses, self._versions
        noted = self._noted
        rows = zip(self._choice.rows(), notes[::3], notes[1::3], notes[2::3], strict=True)
        for number, (row, what, given, result) in enumerate(rows):
            step, planned, returned_by, views, shape, handed_on, origin, address = row
            if planned is not what and (step.is_module or planned != what):
                self.diverge()
            if tuple(map(number_of, map(id, given) if holds else given[0], none)) != returned_by:
                self.diverge()
            for place, source in views:
                base = given[place] if holds else given[1][place]
                if holds:
                    base = base._base if isinstance(base, tensor_type) else None
                if (-1 if base is None else number_of(id(base) if holds else base, -1)) != source:
                    self.diverge()
            version = noted.get(number)
            if version is None:
                version = result._version
                if version:
                    written.add(number)
                elif shape is not None and result.shape != shape:
                    self.diverge()
            if shape is None or type(result) is not tensor_type:
                self._keep_parts(step, result, version, calls, bool(written))
                continue
            if version < 0:
                self.diverge()
            if handed_on is not None:
                self._check_handed_on(handed_on, result, version, bool(written))
            elif origin is not None:
                handed[origin] = result, version
            calls[id(result)] = number
            base = result._base
            if base is not None and id(base) not in calls:
                calls[id(base)] = number
            if address is not None and address not in values:
                values[address] = result
                kept.append(result)
                addresses.append(address)
                versions.append(version)
        return written

    def take(self) -> dict[str, torch.Tensor | FusedCall | ReducedValue]:
        """Return the values that were kept, in the order of the plan, and let go of all."""
        self.notes.clear()
        self._noted.clear()
        self._handed.clear()
        self._attended.clear()
        self._computed.clear()
        return super().take()

    def _attend(
        self, step: Step, what: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any
    ) -> None:
        """Keep attention weights, or what they are computed from when they are asked for."""
        if step.call.marks:
            scores = next(iter((*args, *kwargs.values())), None)
            if not isinstance(scores, torch.Tensor) or not isinstance(result, torch.Tensor):
                self.diverge()
            stored = attention.marking(scores)
            for address in step.addresses:
                self.values[address] = stored(result)
            return
        address = str(step.weights)
        if step.is_module:
            weights = attention.weights_of(what, args, kwargs, result)
            if weights is not None:
                self.values[address] = weights
            return
        call = FusedCall(args, kwargs)
        is_computed = torch.is_autocast_enabled("cpu") or self._plan.gives_memory
        if is_computed or address in self._plan.copied:
            self.values[address] = call.weights()
        elif address in self._plan.waiting:
            self._attended[address] = call, call.versions()
        else:
            self.values[address] = call.weights()
            self._computed[address] = call

    def _keep_parts(
        self, step: Step, result: Any, version: Any, calls: dict[int, int], is_uncertain: bool
    ) -> None:
        """Keep what is chosen of a call that marks, or returned something else than a tensor.

        ``is_uncertain``: not of every value it is known of which version it was.
        """
        call = step.call
        parts = result if type(result) is list else [result]
        if not call.returned:
            for part in filter(_is_tensor, parts):
                if id(part) not in calls and id(base_of(part)) not in calls:
                    _number(part, step.number, calls)
            return
        versions = version if type(result) is list else [version]
        if -1 in versions or len(parts) != len(call.shapes):
            self.diverge()
        if step.is_module and call.marks:  # a softmax that makes attention weights
            self._handed[str(call.attention)] = parts[0], versions[0]
        for part, counted, returned in zip(parts, versions, call.returned, strict=True):
            _number(part, step.number, calls)
            if returned.handed_on is not None:
                self._check_handed_on(returned.handed_on, part, counted, is_uncertain)
            elif returned.address in self._plan.handed_on:
                self._handed[returned.address] = part, counted
        for index, address in step.kept:
            if address not in self.values:
                self._keep(address, parts[index], versions[index])

    def _check_handed_on(
        self, address: str, value: torch.Tensor, version: int, is_uncertain: bool
    ) -> None:
        """Raise Diverged where a container hands on another value than planned, or one changed."""
        was, counted = self._handed.get(address, (None, -1))
        if was is not value or not (is_uncertain or counted == version):
            self.diverge()


def identities(given: tuple[Any, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what tells arguments apart, and what tells apart what they are views of."""
    return tuple(map(id, given)), tuple(map(id, map(base_of, given)))


def _number(value: torch.Tensor, call: int, calls: dict[int, int]) -> None:
    """Note that a call has returned a tensor, as ``Producers.note`` does."""
    calls[id(value)] = call
    base = value._base
    if base is not None:
        calls.setdefault(id(base), call)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


def _version(value: Any) -> int:
    """Return a tensor's version; -1 of what counts none, made in inference mode or no tensor."""
    try:
        return int(value._version)
    except (RuntimeError, AttributeError):
        return -1
