"""Watches one forward pass and keeps what was asked for.

Every backend reports the same two things, that a layer is being called and what it returned. What
follows from them is decided here, once for all frameworks: addresses of second calls, the parts of
a tuple, containers that only hand on what their last layer returned, the names of axes, the edges,
and when the pass may stop.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from layerscope.backends.axis_names import AxisNames, open_shape
from layerscope.backends.lineage import Lineage, Source
from layerscope.backends.parts import leaves, named_parts, substituted
from layerscope.backends.pass_notes import pass_notes
from layerscope.core.axes import Layout, named_axes
from layerscope.core.layer_kinds import Kind
from layerscope.core.network import Layer, Network, Parameter, Shape
from layerscope.core.reads import NOTHING, Reads, ReceivedValue
from layerscope.core.selection import Selection

#: How many attention weights of a layer are kept unasked; they grow with the square of the length.
MOST_WEIGHTS = 2**26


class PassComplete(BaseException):
    """Raised to end a pass early: everything that was asked for is there.

    Not an Exception, so that no ``except Exception`` of the model's own swallows it.
    """


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of a layer before it is called."""

    address: str
    type: str
    role: Literal["layer", "operation"] = "layer"
    layout: Layout | Literal["default"] = "inherit"
    part_layouts: Mapping[int, Layout] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    #: What it calls runs in a loop, and has no one value to show; ``"steps"``: in one of Python's.
    opaque: bool | Literal["steps"] = False
    #: Whether its value stands under its own name also where it only hands on another's;
    #: ``"operations"``: where that is what a function in it has made.
    listed: bool | Literal["operations"] = False
    library: bool = False  #: the code between the layers in it is the framework's own
    kind: Kind = "other"
    activation: str | None = None  #: the function that it applies, or is
    reads: Reads = NOTHING  #: what its kind leaves open of how its values are computed

    def row(
        self,
        address: str,
        shape: Shape | None = None,
        axes: tuple[str, ...] | None = None,
        *,
        role: Literal["layer", "operation", "container"] | None = None,
        parameters: tuple[Parameter, ...] = (),
        inputs: tuple[str, ...] = (),
        received: tuple[ReceivedValue, ...] = (),
        reads: Reads | None = None,
    ) -> Layer:
        """Return one call of it, or a value that it returned, as a layer of the network."""
        return Layer(
            address, self.type, role or self.role, shape, axes, self.settings, parameters, inputs,
            self.kind, self.activation, reads=self.reads if reads is None else reads,
            received=received if received != tuple(map(ReceivedValue, inputs)) else (),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Returned:
    """What became of one value that a call returned."""

    address: str
    row: int | None = None  #: where its layer stands among the network's; None for an alias
    handed_on: str | None = None  #: the address of the value that a container hands on
    listed: bool = False  #: whether it stands under the container's name from then on


@dataclass(slots=True)
class _Frame:
    subject: Subject
    serial: int  #: how many values there were when it was called
    hidden: bool  #: inside an opaque layer
    received: tuple[str, ...] = ()  #: the addresses of what it was called with
    unread: dict[str, None] = field(default_factory=dict)  #: of what layers in it have returned
    made: set[str] = field(default_factory=set)  #: what functions that it called have made


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the values that a call returned."""

    frame: _Frame
    address: str
    index: int
    value: Any
    stored: Callable[[Any], Any] | None  #: what to store in its place
    several: bool  #: whether it is one of several
    received: tuple[ReceivedValue, ...]  #: the values of layers that it is made of


class Trace:
    """What one forward pass called, and the values that were selected.

    Parameters
    ----------
    selection
        Which values to keep.
    batch
        The number of samples, by which an axis of samples is told from others.
    is_value
        Whether something is a tensor that outlives the pass: not a Python number, and not a
        stand-in that exists only inside a traced loop.
    default_layout
        How the framework lays out maps where the layer does not say.
    values
        Where to put them, by address.
    keep
        Called with each value kept and its address; returns what the pass is to go on with. It may
        store in ``values`` what is to be kept in the value's place.
    may_stop
        Whether to end the pass once all that was selected is there: not where a later layer may
        tell how the axes of earlier ones are to be read.
    parents_of
        Which values one that no layer returned was made of, where the framework knows.
    version_of
        What changes when a value is written to, where the framework writes to values.
    sees_everything
        Whether no code between layers goes unseen: what comes from nowhere known is a constant.
    """

    def __init__(
        self,
        selection: Selection,
        *,
        batch: int | None,
        is_value: Callable[[Any], bool],
        default_layout: Literal["channels_last", "channels_first"],
        values: MutableMapping[str, Any],
        keep: Callable[[str, Any], Any] = lambda _, value: value,
        may_stop: bool = True,
        parents_of: Callable[[Any], Sequence[Any]] = lambda value: (),
        version_of: Callable[[Any], Hashable] = lambda value: 0,
        sees_everything: Callable[[], bool] = lambda: False,
    ) -> None:
        self.layers: list[Layer] = []
        self.values = values
        self.aliases: dict[str, str] = {}
        self.left_out: dict[str, None] = {}
        self.guessed: dict[str, None] = {}
        self.scaled: dict[str, None] = {}  #: functions that did arithmetic with plain numbers
        #: Called by another thread than the pass's own, and whether the pass has started it.
        self.in_threads: dict[str, bool] = {}
        self._threads = frozenset(thread.ident for thread in threading.enumerate())
        self.over_batch: dict[str, None] = {}  #: layers that take statistics of the batch
        #: What runs inside loops and can be had at every step, and its axes where it was.
        self.inside_loops: dict[str, tuple[str, ...]] = {}
        self._steps: dict[str, list[Any]] = {}  #: what layers in a loop of Python's have returned
        self.too_large: dict[str, None] = {}  #: attention weights that nobody has asked for by name
        self.unseen: dict[str, None] = {}  #: some of whose arguments come from nowhere known
        self._selection = selection
        self._is_value = is_value
        self._keep = keep
        self._may_stop = may_stop
        self._version_of = version_of
        self.lineage = Lineage(parents_of, version_of)
        self._axis_names = AxisNames(self.layers, self.lineage, default_layout, batch)
        self.input_axes = self._axis_names.of_inputs
        self._sees_everything = sees_everything
        self.is_over = False  #: whether everything that was asked for was there before the end
        self.returned: tuple[Returned, ...] = ()  #: by the call that has ended last
        self._counts: dict[str, int] = {}
        self._frames: list[_Frame] = []
        self._listed: dict[str, str] = {}  #: the containers that values stand under, by the values
        self._attention: set[str] = set()  #: weights, which keep their addresses

    def receive(self, name: str, value: Any, *, listed: Layer | None) -> None:
        """Note what the network receives; ``listed`` where the model counts it among its layers."""
        axes = self._axis_names.named("default", tuple(value.shape), None)
        self.input_axes[name] = axes
        self.lineage.remember(value, name, axes)
        if listed is not None:
            self.layers.append(replace(listed, shape=open_shape(value.shape, axes), axes=axes))

    def scale(self, function: str, arguments: Sequence[Any]) -> None:
        """Note arithmetic with a plain number, which is no step of its own."""
        if any(self.lineage.sources(value) for value in leaves(arguments)):
            self.scaled.setdefault(function)

    def note_over_batch(self, otherwise: str = "") -> None:
        """Note that the layer that runs now takes statistics of all samples that run together."""
        frame = self._frames[-1] if self._frames else None
        name = frame.subject.address if frame is not None else ""
        self.over_batch.setdefault(name or otherwise)

    def enter(self, subject: Subject, arguments: Sequence[Any] = ()) -> None:
        """Note that a layer is being called."""
        outer = self._frames[-1] if self._frames else None
        hidden = outer is not None and (outer.hidden or bool(outer.subject.opaque))
        received = [a for value in leaves(arguments) for a in self.lineage.sources(value)]
        self._frames.append(_Frame(subject, self.lineage.serial, hidden, tuple(received)))

    def abandon(self) -> None:
        """Forget the call that runs now, which came to nothing."""
        self._frames.pop()

    def attend(
        self,
        shape: Sequence[int | None],
        arguments: Sequence[Any],
        compute: Callable[[], Any],
        *,
        axes: tuple[str, ...] | None = None,
        value: Any = None,
        around: bool = False,
    ) -> str | None:
        """Note the attention weights of the layer that runs now, as ``<its address>/attention``.

        ``shape`` is (sample, head, query, key), unless ``axes`` says otherwise. ``compute`` gives
        the weights, and is called only where they are kept; ``arguments`` are the query and the
        key. Masked places hold -0.0, which equals 0 in every computation and can be told from it.
        The weights are a value beside the others: nothing that follows is taken to come from them,
        but for what comes from ``value``, a tensor of the pass that holds them already; a layer
        that returns it hands them on. ``around`` where the layer that runs now is only the softmax,
        and the one around it is what attends.

        Returns their address; None inside a loop and after the end, where they are not noted.
        """
        frame = self._frames[-1] if self._frames else None
        if self.is_over or (frame is not None and (frame.hidden or frame.subject.opaque)):
            return None
        depth = len(self._frames) - 1 - around
        inside = self._frames[depth].subject.address if depth > 0 else ""
        address = self._numbered(f"{inside}/attention" if inside else "attention")
        axes = axes or named_axes(tuple(shape), layout="attention")
        inputs = dict.fromkeys(
            a for value in leaves(arguments) for a in self.lineage.sources(value)
        )
        layer = Layer(
            address,
            "Attention weights",
            "operation",
            open_shape(shape, axes),
            axes,
            inputs=tuple(inputs),
            kind="attention",
        )
        wanted = self._selection.wants(layer, len(self.layers))
        if (
            wanted
            and self._selection.everything
            and math.prod(n or 1 for n in shape) > MOST_WEIGHTS
        ):
            self.too_large.setdefault(address)
        elif wanted:
            self.values[address] = self._keep(address, compute())
        self.layers.append(layer)
        self._attention.add(address)
        if value is not None:
            self.lineage.remember(value, address, axes)
        return address

    def next_attention(self) -> str:
        """Return the address that weights will have that are noted now."""
        inside = self._frames[-1].subject.address if len(self._frames) > 1 else ""
        address = f"{inside}/attention" if inside else "attention"
        return self.next_address(address)

    def next_address(self, address: str) -> str:
        """Return the address of the next call of what has this one."""
        count = self._counts.get(address, 0)
        return f"{address}#{count + 1}" if count else address

    def offer(
        self,
        address: str,
        compute: Callable[[], Any],
        layout: Layout | Literal["default"] = "default",
    ) -> None:
        """Keep what ran inside a loop, at every step, where it is asked for.

        ``compute`` gives it as (sample, step, …), or as ``layout`` says. Raises PassComplete as
        :meth:`leave` does.
        """
        self.inside_loops.setdefault(address, ())
        if self.is_over or not self._selection.wants_inside(address):
            return
        value = compute()
        self.inside_loops[address] = self._axis_names.named(layout, tuple(value.shape), None)
        self.values[address] = self._keep(address, value)
        if self._may_stop and self._selection.is_complete(self.values, len(self.layers) - 1):
            self.is_over = True
            raise PassComplete

    def take_steps(self) -> dict[str, list[Any]]:
        """Return, and forget, what the layers in a loop of Python's have returned, call by call."""
        steps, self._steps = self._steps, {}
        return steps

    def alias(self, address: str, of: str, value: Any) -> None:
        """Note that an abandoned call at this address only handed on the value of another."""
        address = self._numbered(address)
        self.aliases[address] = of
        if address in self._selection.exact:
            self.values[address] = self._keep(address, value)

    def has_sources(self) -> bool:
        """Return whether the call that runs now was given anything of layers or inputs."""
        return bool(self._frames and self._frames[-1].received)

    def note_in_thread(self, address: str) -> None:
        """Note that another thread than the pass's own has called a layer."""
        started = threading.get_ident() not in self._threads
        self.in_threads[address] = self.in_threads.get(address, False) or started

    def only_in_threads(self) -> set[str]:
        """Return which layers other threads have called as parts of this pass.

        They are threads that have come since it began, or no other thread has called the layer. The
        rest was called by whoever used the model meanwhile.
        """
        called = {layer.address.partition("#")[0] for layer in self.layers}
        called |= {alias.partition("#")[0] for alias in self.aliases}
        return {one for one, started in self.in_threads.items() if started or one not in called}

    def inside(self) -> Subject | None:
        """Return the layer that is running now."""
        return self._frames[-1].subject if self._frames else None

    def leave(
        self,
        arguments: Sequence[Any],
        result: Any,
        *,
        stored: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Note that the layer entered last has returned; return what the pass goes on with.

        ``stored`` gives what to store of a value that is kept, where that is not the value itself.

        Raises
        ------
        PassComplete
            When nothing that was asked for is still to come.
        """
        frame = self._frames.pop()
        self.returned = ()
        if self.is_over:  # the model cleans up after itself
            return result
        parts = list(named_parts(result))
        if frame.hidden or not all(self._is_value(value) for _, value in parts):
            if parts:
                self.left_out.setdefault(frame.subject.address)
                self._note_step(frame.subject.address, parts[0][1])
            return result
        address = self._numbered(frame.subject.address)
        sources = [self.lineage.origin(value) for value in leaves(arguments)]
        replaced = {}
        returned: list[Returned] = []
        for index, (suffix, value) in enumerate(parts):
            inputs = self._inputs(frame, address + suffix, arguments, value)
            made_of = [value] if frame.unread else list(leaves(arguments))
            received = self.lineage.received(made_of)
            part = _Part(frame, address + suffix, index, value, stored, len(parts) > 1, received)
            new = self._part(part, sources, inputs, returned)
            if new is not value:
                replaced[id(value)] = new
        self.returned = tuple(returned)
        if self._may_stop and self._selection.is_complete(self.values, len(self.layers) - 1):
            self.is_over = True
            raise PassComplete
        return substituted(result, replaced) if replaced else result

    def _note_step(self, address: str, value: Any) -> None:
        """Keep what a layer in a loop of Python's has returned, where it is asked for."""
        loops = [frame.subject for frame in self._frames if frame.subject.opaque]
        if len(loops) != 1 or loops[0].opaque != "steps" or not self._is_value(value):
            return
        self.inside_loops.setdefault(address, ())
        if self._selection.wants_inside(address, calls=True):
            self._steps.setdefault(address, []).append(value)

    def _inputs(
        self, frame: _Frame, address: str, arguments: Sequence[Any], result: Any
    ) -> tuple[str, ...]:
        """Return the addresses that a call's value comes from.

        Those of its arguments; of a container that makes something of what its layers returned,
        those of these. Where code between layers has made a value, and was not seen, they are
        guessed.
        """
        if frame.unread:
            return self.lineage.sources(result) or self._guessed(frame, address)
        values = list(leaves(arguments))
        lineages = [self.lineage.sources(value) for value in values]
        known = tuple(dict.fromkeys(a for lineage in lineages for a in lineage))
        if known or not self._frames or not values:
            if not all(lineages):
                self.unseen.setdefault(address)
            return known
        return self._guessed(self._frames[-1], address)

    def _guessed(self, within: _Frame, address: str) -> tuple[str, ...]:
        """Guess where a value comes from that unseen code has made.

        Within a layer of the framework's own, such as attention: from all that was computed in it
        and not read yet. In somebody's own code: from what was computed last.
        """
        if self._sees_everything():
            return ()
        unread = tuple(within.unread)
        if not within.subject.library:
            unread = unread[-1:]
            if unread or within.received:
                self.guessed.setdefault(address)
        return unread or within.received

    def network(self, name: str, framework: str, parameters: tuple[Parameter, ...]) -> Network:
        """Return what was called, in the order in which it was called."""
        notes = pass_notes(
            in_loops=[name for name in self.left_out if name not in self.values],
            in_threads=sorted(self.only_in_threads()),  # threads end in any order
            scaled=self.scaled,
            too_large=self.too_large,
            over_batch=self.over_batch,
            guessed=self.guessed,
        )
        unseen = self.unseen.keys() | self.guessed.keys()
        layers = tuple(
            replace(layer, unseen=True) if layer.address in unseen else layer
            for layer in self.layers
        )
        return Network(name, framework, layers, parameters, notes)

    def _part(
        self,
        part: _Part,
        sources: list[Source | None],
        inputs: tuple[str, ...],
        returned: list[Returned],
    ) -> Any:
        """Record one value that a layer returned; what the pass goes on with in its place."""
        frame, address, index, value = part.frame, part.address, part.index, part.value
        subject = frame.subject
        origin = self.lineage.origin(value)
        if origin is not None and self._hands_on(frame, origin, value):
            return self._handed_on(part, origin, returned)
        layout = subject.part_layouts.get(index, subject.layout)
        # A state says how states are laid out, not how what came in is.
        stated = None if index in subject.part_layouts else sources
        axes = self._axis_names.named(layout, tuple(value.shape), stated)
        parameters = subject.parameters if index == 0 and address == subject.address else ()
        shape = open_shape(value.shape, axes)
        # What code around layers returns is one of their values, put elsewhere at most.
        reads = Reads(moves=()) if frame.unread else None
        layer = subject.row(
            address, shape, axes, parameters=parameters, inputs=inputs, received=part.received,
            reads=reads,
        )  # fmt: skip
        if self._frames:
            outer = self._frames[-1]
            for source in inputs:
                outer.unread.pop(source, None)
            outer.unread[address] = None
            if subject.role == "operation":
                outer.made.add(address)
        returned.append(Returned(address, len(self.layers)))
        if self._selection.wants(layer, len(self.layers)):
            value = self._kept(part)
        self.layers.append(layer)
        self.lineage.remember(value, address, axes)
        return value

    def _hands_on(self, frame: _Frame, origin: Source, value: Any) -> bool:
        """Return whether a call only hands on a value: what a layer in it returned, or the input.

        Not where it was written to since: what it is now is a value of the container's own.
        """
        if origin.version != self._version_of(value):
            return False
        is_input = origin.address in self.input_axes and origin.serial > 0
        return origin.serial > frame.serial or (is_input and not self._frames)

    def _kept(self, part: _Part) -> Any:
        """Keep a value; what the pass goes on with in its place."""
        if part.stored is not None:
            self.values[part.address] = part.stored(part.value)
            return part.value
        value = self._keep(part.address, part.value)
        self.values.setdefault(part.address, value)  # unless it was stored, as something else
        return value

    def _handed_on(self, part: _Part, origin: Source, returned: list[Returned]) -> Any:
        """Record that a container hands on a value; it is an alias, or listed by its own name."""
        frame, address, index, value = part.frame, part.address, part.index, part.value
        subject = frame.subject
        parameters = subject.parameters if index == 0 and address == subject.address else ()
        if self._frames:
            self._frames[-1].unread[origin.address] = None
        shape = open_shape(value.shape, origin.axes)
        layer = subject.row(
            address, shape, origin.axes, role="container", parameters=parameters,
            inputs=(origin.address,),
        )  # fmt: skip
        if subject.listed is True:
            listed = origin.address not in self.input_axes.keys() | self._attention
        elif subject.listed == "operations" or part.several:
            # The model's own answer stands under the name of the layer that it comes from.
            listed = bool(self._frames) and origin.address in frame.made
        else:
            listed = False
        has_row = listed or bool(parameters)
        row = len(self.layers) if has_row else None
        returned.append(Returned(address, row, origin.address, listed))
        stands_under = self._listed.get(origin.address, origin.address)
        if not listed:
            self.aliases[address] = stands_under
        is_kept = stands_under in self.values
        wanted = self._selection.wants_handed_on(layer, row, listed=listed, is_kept=is_kept)
        if has_row:
            self.layers.append(layer)
        if listed:
            self._move(origin.address, address, wanted)
        if not wanted:
            return value
        new = self._kept(part)
        if new is not value:
            self.lineage.identify(new, value)
        return new

    def _move(self, inner: str, outer: str, wanted: bool) -> None:
        """Let a value stand under the name of the container that hands it on, from now on."""
        names = {alias for alias, of in self.aliases.items() if of == inner} | {inner}
        listed = self._listed.get(inner)
        if listed is not None:
            names.add(listed)
        self.aliases |= dict.fromkeys(names, outer)
        self._listed[inner] = outer
        if wanted:
            for name in names & self.values.keys() - self._selection.exact:
                del self.values[name]

    def _numbered(self, address: str) -> str:
        count = self._counts[address] = self._counts.get(address, 0) + 1
        return address if count == 1 else f"{address}#{count}"
