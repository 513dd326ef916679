"""What a pass through a PyTorch model was, call by call, and what to keep of it the next time."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from layerscope.backends.parts import named_parts
from layerscope.backends.torch import functions
from layerscope.backends.torch.calls import CallOutcome, unpacked
from layerscope.backends.torch.replay.producers import Producers, holds_tensors
from layerscope.backends.trace import MOST_WEIGHTS, Returned
from layerscope.core.network import Layer, Network
from layerscope.core.selection import Selection


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a pass, in the order in which calls end."""

    what: Any  #: a weak reference to a module, or the function
    is_module: bool
    returned: tuple[Returned, ...]
    shapes: tuple[tuple[int, ...], ...]  #: of what it returned
    attention: str | None  #: the address of the weights that it computes within
    marks: bool  #: whether what it returns are attention weights, masked places to be marked
    sources: tuple[int, ...]  #: the calls that its arguments come from, -1 for no call
    returned_by: tuple[int, ...]  #: those that have returned the very arguments, not views of them
    is_nested: bool  #: whether a list of tensors is among its arguments
    is_written: bool  #: whether what it returned had been written to

    @property
    def addresses(self) -> set[str]:
        """The addresses of what it returned."""
        return {returned.address for returned in self.returned}


@dataclass(frozen=True, slots=True)
class PassPlan:
    """What a pass through this model was, and will be again."""

    calls: tuple[Call, ...]
    functions: frozenset[Any]  #: those that are calls of the plan
    met: frozenset[Any]  #: all that were called
    sealed: frozenset[int]  #: ids of the modules whose functions are their own affair
    network: Network
    aliases: Mapping[str, str]
    axes: Mapping[str, tuple[str, ...] | None]
    input_axes: Mapping[str, tuple[str, ...]]
    may_stop: bool
    gives_memory: bool  #: whether a tensor's memory is given to others, who may write to it unseen
    complete: bool  #: whether it runs to the pass's end; else, to where one stopped
    written: tuple[int, ...]  #: which of the model's tensors the pass writes to
    handed_on: frozenset[str]  #: addresses of what containers hand on
    copied: set[str]  #: addresses whose values are copied at once, since they are written to later
    inside_loops: tuple[str, ...] = ()  #: what is computed where it is asked for, of watched passes
    hooked: set[int] = field(default_factory=set)  #: ids of modules that get hooks during a pass
    choices: dict[str, Choice] = field(default_factory=dict)  #: what is asked for most
    kinds: dict[Any, str] = field(default_factory=dict)  #: what is to be done about a function
    waiting: set[str] = field(default_factory=set)  #: attention weights that can be computed later
    counted: set[int] = field(default_factory=set)  #: calls that may return what was written to
    #: Calls of which more is to be noted than what they are given and return.
    close: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.look_closer((), ())

    def look_closer(self, addresses: Iterable[str], counted: Iterable[int]) -> None:
        """Have more be noted the next time.

        These values are to be copied as they are returned, since they are written to later; of what
        the calls of these numbers return, the versions are to be noted.
        """
        self.copied.update(addresses)
        self.counted.update(counted)
        self.close.update(n for n, call in enumerate(self.calls) if self._is_close(n, call))
        self.kinds.clear()

    @property
    def closeness(self) -> int:
        """What is another number once there is more to be noted."""
        return len(self.hooked) + len(self.copied) + len(self.counted)

    def _is_close(self, number: int, call: Call) -> bool:
        return (
            call.marks
            or call.attention is not None
            or call.is_written
            or number in self.counted
            or not self.copied.isdisjoint(call.addresses)
        )

    def kind(self, func: Any) -> str:
        """Return what is to be done about a function, as ``functions.kind`` says; remember it.

        ``"close step"`` is a step of whose calls one is to be noted closely; ``"nested step"``: one
        is given a list of tensors.
        """
        kind = functions.kind(func, self.functions, self.met)
        if kind == "step":
            calls = {n: call for n, call in enumerate(self.calls) if call.what == func}
            if not self.close.isdisjoint(calls):
                kind = "close step"
            elif any(call.is_nested for call in calls.values()):
                kind = "nested step"
        self.kinds[func] = kind
        return kind


class Log:
    """Notes the calls of a watched pass, to make a plan of them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._producers = Producers()
        self._storages: dict[str, int] = {}  #: of every value, whether it is kept or not
        self._shared: set[int] = set()  #: storages that others may write to uncounted
        self._moving: set[Any] = set()  #: functions that carry values on, and are no steps
        self._moved: set[int] = set()  #: identities of tensors that were given other memory

    def written_uncounted(self) -> set[str]:
        """Return the addresses of values whose memory may be written to without being counted."""
        return {address for address, held in self._storages.items() if held in self._shared}

    def in_memory_of(self, tensors: Iterable[torch.Tensor]) -> set[str]:
        """Return the addresses of values that share the memory of one of these."""
        storages = set(map(functions.storage_of, tensors))
        return {address for address, held in self._storages.items() if held in storages}

    def moves_one_of(self, tensors: Iterable[torch.Tensor]) -> bool:
        """Return whether one of these was given other memory, for however long."""
        return not self._moved.isdisjoint(map(id, tensors))

    def received(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note what the network receives."""
        self._producers.receive(tensors)

    def memory_given(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note that the memory of these may be written to uncounted from now on."""
        self._shared.update(map(functions.storage_of, tensors))

    def module_ended(
        self, module: nn.Module, args: Any, kwargs: Any, result: Any, seen: CallOutcome
    ) -> None:
        """Note that a module has returned."""
        self._note(weakref.ref(module), True, [*args, *kwargs.values()], unpacked(result), seen)

    def function_ended(
        self, func: Any, args: Any, kwargs: Any, result: Any, seen: CallOutcome
    ) -> None:
        """Note that a function has returned."""
        if functions.sets_memory(func):
            self._moved.update(map(id, args[:1]))
        self._note(func, False, [*args, *kwargs.values()], result, seen)

    def _note(self, what: Any, is_module: bool, args: Any, result: Any, seen: CallOutcome) -> None:
        parts = [value for _, value in named_parts(result)] if seen.returned else []
        call = Call(
            what,
            is_module,
            seen.returned,
            tuple(tuple(part.shape) for part in parts),
            seen.attention,
            seen.marks,
            self._producers.of(args),
            self._producers.returned(args),
            holds_tensors(args),
            any(map(_is_written, parts)),
        )
        if not seen.returned:
            is_new = self._producers.note_new(functions.tensors_in(result), len(self.calls))
            is_joined = len(call.sources) - call.sources.count(-1) > 1
            if not is_module and (is_new or (is_joined and functions.writes_by_name(what))):
                self._moving.add(what)
        for part, became in zip(parts, seen.returned, strict=True):
            self._producers.note(part, len(self.calls))
            self._storages[became.address] = functions.storage_of(part)
        self.calls.append(call)

    def steps(self) -> tuple[tuple[Call, ...], frozenset[Any]]:
        """Return the calls that a replay has to see, and the functions among them."""
        wanted = frozenset(
            call.what
            for call in self.calls
            if not call.is_module
            and (
                call.returned
                or call.attention
                or functions.gives_memory(call.what)
                or call.what in self._moving
            )
        )
        numbers = {}
        kept: list[Call] = []
        for number, call in enumerate(self.calls):
            if call.is_module or call.what in wanted:
                numbers[number] = len(kept)
                kept.append(call)

        def renumbered(sources: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(numbers.get(source, min(source, -1)) for source in sources)

        calls = [
            replace(
                call,
                sources=renumbered(call.sources),
                returned_by=renumbered(call.returned_by),
            )
            for call in kept
        ]
        return tuple(calls), wanted


def _is_written(tensor: torch.Tensor) -> bool:
    return tensor.is_inference() or tensor._version > 0


class Step:
    """One call of a plan, and what to keep of it: laid out to be read quickly."""

    __slots__ = (
        "address", "addresses", "call", "handed_on", "is_module", "is_origin", "is_simple", "keeps",
        "kept", "number", "shape", "sources", "views", "weights", "what",
    )  # fmt: skip

    def __init__(self, plan: PassPlan, call: Call, number: int) -> None:
        self.call = call
        self.number = number
        self.what = call.what
        self.is_module = call.is_module
        self.sources = call.sources
        returned_by = enumerate(call.returned_by)
        #: The arguments that no call has returned, and the calls that what they are views of is of.
        self.views = tuple((i, call.sources[i]) for i, number in returned_by if number == -1)
        self.kept: list[tuple[int, str]] = []  #: which of the values, and their addresses
        self.weights: str | None = None  #: the address of attention weights to compute
        # Most calls return one tensor; for others there is no shape here.
        single = len(call.returned) == 1
        self.shape = call.shapes[0] if single else None
        self.handed_on = call.returned[0].handed_on if single else None
        self.is_origin = single and call.returned[0].address in plan.handed_on
        self.address = call.returned[0].address if single else ""
        self.is_simple = False
        self.keeps: str | None = None  #: the address of a simple step's value, where it is kept
        self.addresses: tuple[str, ...] = ()  #: of all that is kept of it

    def is_of(self, what: Any) -> bool:
        """Return whether a call of this module or function is what was planned."""
        if self.is_module:
            return self.what() is what
        return bool(self.what is what or self.what == what)

    def settle(self) -> None:
        """Note, now that it is known what is kept, whether it is one value, as it is."""
        has_one = self.shape is not None and len(self.kept) <= 1
        self.is_simple = has_one and not self.call.marks
        self.keeps = self.kept[0][1] if self.is_simple and self.kept else None
        weights = () if self.weights is None else (self.weights,)
        self.addresses = (*(address for _, address in self.kept), *weights)


@dataclass(slots=True)
class Choice:
    """What to keep of a plan's calls, for one selection."""

    steps: list[Step]
    addresses: tuple[str, ...]  #: all that is kept, in the order of the plan
    everything: bool
    size: int  #: of all that the plan's calls return, in numbers
    last: int | None = None  #: the call after which everything is there; None to run to the end
    _rows: list[tuple[Any, ...]] = field(default_factory=list)

    def rows(self) -> list[tuple[Any, ...]]:
        """Return of each step what a call is held against, laid out to be read quickly.

        The step, what is called (of modules a weak reference), which calls have returned its
        arguments, what the others are views of, the shape of a simple step's value, which one that
        hands on, as which one it may be handed on, and its address where it is kept.
        """
        if not self._rows:
            self._rows = [
                (
                    step, step.what, step.call.returned_by,
                    step.views,
                    step.shape if step.is_simple else None, step.handed_on,
                    step.address if step.is_origin else None, step.keeps,
                )
                for step in self.steps
            ]  # fmt: skip
        return self._rows


def choose(plan: PassPlan, selection: Selection) -> Choice | None:
    """Decide what to keep, as ``Trace`` decides it while a pass is watched.

    None where what is selected may come after the plan's end.
    """
    if selection.everything and "everything" in plan.choices:
        return plan.choices["everything"]
    rows = {layer.address: i for i, layer in enumerate(plan.network.layers)}
    kept: dict[str, tuple[int, int]] = {}
    listed: dict[str, set[str]] = {}
    for number, call in enumerate(plan.calls):
        places = [(part, (number, index)) for index, part in enumerate(call.returned)]
        if call.is_module:  # whose attention comes before what it returns, a function's after
            _choose_weights(plan, selection, call, number, kept, rows)
        for part, place in places:
            _choose_part(plan, selection, part, place, kept, listed)
        if not call.is_module:
            _choose_weights(plan, selection, call, number, kept, rows)
    steps = [Step(plan, call, number) for number, call in enumerate(plan.calls)]
    size = sum(math.prod(shape) for call in plan.calls for shape in call.shapes)
    choice = Choice(steps, tuple(kept), selection.everything, size)
    for address, (number, index) in kept.items():
        if index < 0:
            choice.steps[number].weights = address
        else:
            choice.steps[number].kept.append((index, address))
    for step in steps:
        step.settle()
    if not plan.complete and not selection.is_complete(kept, len(plan.network.layers) - 1):
        return None
    if plan.may_stop and not selection.everything:
        choice.last = max((number for number, _ in kept.values()), default=None)
    if selection.everything:
        plan.choices["everything"] = choice
    return choice


def _choose_weights(
    plan: PassPlan,
    selection: Selection,
    call: Call,
    number: int,
    kept: dict[str, tuple[int, int]],
    rows: Mapping[str, int],
) -> None:
    if call.attention is None:
        return
    row = rows[call.attention]
    layer = plan.network.layers[row]
    unasked = selection.everything and _size(layer) > MOST_WEIGHTS
    if selection.wants(layer, row) and not unasked:
        kept[call.attention] = (number, -1)


def _choose_part(
    plan: PassPlan,
    selection: Selection,
    part: Returned,
    place: tuple[int, int],
    kept: dict[str, tuple[int, int]],
    listed: dict[str, set[str]],
) -> None:
    layers = plan.network.layers
    if part.handed_on is None:
        if part.row is not None and selection.wants(layers[part.row], part.row):
            kept[part.address] = place
        return
    if part.row is not None:
        layer = layers[part.row]
    else:
        layer = Layer(part.address, "", "container", inputs=(part.handed_on,))
    names = listed.setdefault(part.handed_on, {part.handed_on})
    is_kept = not names.isdisjoint(kept)
    wanted = selection.wants_handed_on(layer, part.row, listed=part.listed, is_kept=is_kept)
    if part.listed:
        if wanted:
            for name in names - selection.exact:
                kept.pop(name, None)
        names.add(part.address)
    if wanted:
        kept[part.address] = place


def _size(layer: Layer) -> int:
    size = 1
    for length in layer.shape or ():
        size *= length or 1
    return size
