"""Watches one forward pass and keeps what was asked for.

Every backend reports the same two things, that a layer is being called and what it returned. What
follows from them is decided here, once for all frameworks: addresses of second calls, the parts of
a tuple, containers that only hand on what their last layer returned, the names of axes, the edges,
and when the pass may stop.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from layerscope.axes import Layout, named_axes
from layerscope.network import Layer, Network, Parameter
from layerscope.selection import Selection


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
    opaque: bool = False  #: what it calls runs in a loop, and has no one value to show
    library: bool = False  #: the code between the layers in it is the framework's own


@dataclass(frozen=True, slots=True)
class _Origin:
    value: Callable[[], Any]
    address: str
    axes: tuple[str, ...]
    serial: int


@dataclass(slots=True)
class _Frame:
    subject: Subject
    serial: int  #: how many values there were when it was called
    hidden: bool  #: inside an opaque layer
    received: tuple[str, ...] = ()  #: the addresses of what it was called with
    unread: dict[str, None] = field(default_factory=dict)  #: of what layers in it have returned


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
        Called with each value kept and its address; returns what the pass is to go on with.
    may_stop
        Whether to end the pass once all that was selected is there: not where a later layer may
        tell how the axes of earlier ones are to be read.
    parents_of
        Which values one that no layer returned was made of, where the framework knows.
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
    ) -> None:
        self.layers: list[Layer] = []
        self.values = values
        self.aliases: dict[str, str] = {}
        self.left_out: dict[str, None] = {}
        self.guessed: dict[str, None] = {}
        self.unseen: dict[str, None] = {}  #: some of whose arguments come from nowhere known
        self.input_axes: dict[str, tuple[str, ...]] = {}
        self._selection = selection
        self._batch = batch
        self._is_value = is_value
        self._default = default_layout
        self._keep = keep
        self._may_stop = may_stop
        self._parents_of = parents_of
        self._counts: dict[str, int] = {}
        self._frames: list[_Frame] = []
        self._origins: dict[int, _Origin] = {}
        self._lineage: dict[int, tuple[Callable[[], Any], tuple[str, ...]]] = {}
        self._serial = 0

    def receive(self, name: str, value: Any, *, listed: Layer | None) -> None:
        """Note what the network receives; ``listed`` where the model counts it among its layers."""
        axes = self._axes("default", tuple(value.shape), None)
        self.input_axes[name] = axes
        self._remember(value, name, axes)
        if listed is not None:
            self.layers.append(replace(listed, shape=_open(value.shape, axes), axes=axes))

    def identify(self, value: Any, other: Any) -> None:
        """From now on, take ``value`` for ``other``."""
        origin = self._origin(other)
        if origin is not None:
            self._origins[id(value)] = replace(origin, value=_constant(value))

    def carry(self, arguments: Sequence[Any], result: Any, order: list[int] | None) -> None:
        """A function that is no step of its own returned this.

        It comes from all that went in, and has the axes of one of them: as they are, or in the
        ``order`` given, where the function moves them.
        """
        if self._origin(result) is not None:
            return
        values = list(_leaves(arguments))
        lineage = tuple(dict.fromkeys(a for value in values for a in self._lineage_of(value)))
        if lineage:
            self._lineage[id(result)] = (_reference(result), lineage)
        if len(result.shape) < 3:
            return
        for value in values:
            source = self._origin(value)
            if source is None or len(source.axes) != len(result.shape):
                continue
            if order is None and value.shape != result.shape:
                continue
            axes = source.axes if order is None else tuple(source.axes[i] for i in order)
            self._remember(result, source.address, axes, derived=True)
            return

    def write(self, arguments: Sequence[Any], target: Any) -> None:
        """Something was written into a value: it comes from that, too, from now on."""
        new = [a for value in _leaves(arguments) for a in self._lineage_of(value)]
        if new:
            lineage = tuple(dict.fromkeys((*self._lineage_of(target), *new)))
            self._lineage[id(target)] = (_reference(target), lineage)

    def enter(self, subject: Subject, arguments: Sequence[Any] = ()) -> None:
        """A layer is being called."""
        outer = self._frames[-1] if self._frames else None
        hidden = outer is not None and (outer.hidden or outer.subject.opaque)
        received = [a for value in _leaves(arguments) for a in self._lineage_of(value)]
        self._frames.append(_Frame(subject, self._serial, hidden, tuple(received)))

    def abandon(self) -> None:
        """The call came to nothing: forget it."""
        self._frames.pop()

    def attend(
        self, shape: Sequence[int], arguments: Sequence[Any], compute: Callable[[], Any]
    ) -> None:
        """Note the attention weights of the layer that runs now, as ``<its address>/attention``.

        ``shape`` is (sample, head, query, key). ``compute`` gives the weights, and is called only
        where they are kept; ``arguments`` are the query and the key. Masked places hold -0.0, which
        equals 0 in every computation and can be told from it. The weights are a value beside the
        others: nothing that follows is taken to come from them.
        """
        frame = self._frames[-1] if self._frames else None
        if frame is not None and (frame.hidden or frame.subject.opaque):
            return
        inside = frame.subject.address if frame is not None else ""
        address = self._numbered(f"{inside}/attention" if inside else "attention")
        axes = named_axes(tuple(shape), layout="attention")
        inputs = dict.fromkeys(a for value in _leaves(arguments) for a in self._lineage_of(value))
        layer = Layer(
            address,
            "Attention weights",
            "operation",
            _open(shape, axes),
            axes,
            inputs=tuple(inputs),
        )
        if self._selection.wants(layer, len(self.layers)):
            self.values[address] = self._keep(address, compute())
        self.layers.append(layer)

    def inside(self) -> Subject | None:
        """The layer that is running now."""
        return self._frames[-1].subject if self._frames else None

    def leave(self, arguments: Sequence[Any], result: Any) -> Any:
        """The layer that was entered last has returned ``result``; what the pass goes on with.

        Raises
        ------
        PassComplete
            When nothing that was asked for is still to come.
        """
        frame = self._frames.pop()
        parts = list(named_parts(result))
        if frame.hidden or not all(self._is_value(value) for _, value in parts):
            if parts:
                self.left_out.setdefault(frame.subject.address)
            return result
        address = self._numbered(frame.subject.address)
        sources = [self._origin(value) for value in _leaves(arguments)]
        replaced = {}
        for index, (suffix, value) in enumerate(parts):
            inputs = self._inputs(frame, address + suffix, arguments, value)
            new = self._part(frame, address + suffix, index, value, sources, inputs)
            if new is not value:
                replaced[id(value)] = new
        if self._may_stop and self._selection.is_complete(self.values, len(self.layers) - 1):
            raise PassComplete
        return _substitute(result, replaced) if replaced else result

    def _inputs(
        self, frame: _Frame, address: str, arguments: Sequence[Any], result: Any
    ) -> tuple[str, ...]:
        """The addresses that a call's value comes from.

        Those of its arguments; of a container that makes something of what its layers returned,
        those of these. Where code between layers has made a value, and was not seen, they are
        guessed.
        """
        if frame.unread:
            return self._lineage_of(result) or self._guessed(frame, address)
        values = list(_leaves(arguments))
        lineages = [self._lineage_of(value) for value in values]
        known = tuple(dict.fromkeys(a for lineage in lineages for a in lineage))
        if known or not self._frames or not values:
            if not all(lineages):
                self.unseen.setdefault(address)
            return known
        return self._guessed(self._frames[-1], address)

    def _guessed(self, within: _Frame, address: str) -> tuple[str, ...]:
        """Where a value probably comes from that unseen code has made.

        Within a layer of the framework's own, such as attention: from all that was computed in it
        and not read yet. In somebody's own code: from what was computed last.
        """
        found = tuple(within.unread)
        if not within.subject.library:
            found = found[-1:]
            if found or within.received:
                self.guessed.setdefault(address)
        return found or within.received

    def _lineage_of(self, value: Any) -> tuple[str, ...]:
        """The addresses of the layers that a value comes from."""
        reference, lineage = self._lineage.get(id(value), (None, ()))
        if reference is not None and reference() is value:
            return lineage
        origin = self._origin(value)
        if origin is not None:
            return (origin.address,)
        parents = self._parents_of(value)
        found = tuple(dict.fromkeys(a for one in parents for a in self._lineage_of(one)))
        if found:
            self._lineage[id(value)] = (_reference(value), found)
        return found

    def network(self, name: str, framework: str, parameters: tuple[Parameter, ...]) -> Network:
        """What was called, in the order in which it was called."""
        notes: tuple[str, ...] = ()
        if self.left_out:
            names = list(self.left_out)
            shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
            notes = (f"left out, because they run inside a loop: {shown}",)
        if self.guessed:
            notes += (guessed_note(list(self.guessed)),)
        return Network(name, framework, tuple(self.layers), parameters, notes)

    def _part(
        self,
        frame: _Frame,
        address: str,
        index: int,
        value: Any,
        sources: list[_Origin | None],
        inputs: tuple[str, ...],
    ) -> Any:
        """Record one value that a layer returned; what the pass goes on with in its place."""
        subject = frame.subject
        origin = self._origin(value)
        is_input = origin is not None and origin.address in self.input_axes and origin.serial > 0
        untouched = is_input and not self._frames
        if origin is not None and (origin.serial > frame.serial or untouched):
            # A container that hands on what one of its layers returned is no value of its own,
            # nor is a model that hands on its input.
            self.aliases[address] = origin.address
            if self._frames:
                self._frames[-1].unread[origin.address] = None
            if address in self._selection.exact:
                self.values[address] = self._keep(address, value)
            return value
        layout = subject.part_layouts.get(index, subject.layout)
        # A state says how states are laid out, not how what came in is.
        told = None if index in subject.part_layouts else sources
        axes = self._axes(layout, tuple(value.shape), told)
        layer = Layer(
            address,
            subject.type,
            subject.role,
            _open(value.shape, axes),
            axes,
            subject.settings,
            subject.parameters if index == 0 and address == subject.address else (),
            inputs,
        )
        if self._frames:
            outer = self._frames[-1]
            for source in inputs:
                outer.unread.pop(source, None)
            outer.unread[address] = None
        if self._selection.wants(layer, len(self.layers)):
            value = self._keep(address, value)
            self.values[address] = value
        self.layers.append(layer)
        self._remember(value, address, axes)
        return value

    def _numbered(self, address: str) -> str:
        count = self._counts[address] = self._counts.get(address, 0) + 1
        return address if count == 1 else f"{address}#{count}"

    def _remember(
        self, value: Any, address: str, axes: tuple[str, ...], *, derived: bool = False
    ) -> None:
        self._serial += not derived
        # What was derived from a value shares its axes, but is not what the layer returned.
        serial = 0 if derived else self._serial
        if not derived:
            self._lineage.pop(id(value), None)  # it is a layer's own from now on
        self._origins[id(value)] = _Origin(_reference(value), address, axes, serial)

    def _origin(self, value: Any) -> _Origin | None:
        origin = self._origins.get(id(value))
        return origin if origin is not None and origin.value() is value else None

    def _axes(
        self,
        layout: Layout | Literal["default"],
        shape: tuple[int | None, ...],
        sources: list[_Origin | None] | None,
    ) -> tuple[str, ...]:
        source = next((s for s in sources or () if s and len(s.axes) == len(shape)), None)
        if layout == "inherit" and source is not None:
            return source.axes
        if layout == "channels_last" and source is not None and "sample" in source.axes[1:-1]:
            return source.axes  # (position, sample, channel): what PyTorch calls batch_first=False
        if layout in ("channels_first", "channels_last") and source is not None:
            self._correct_input(source, named_axes(shape, layout=layout))
        if isinstance(layout, tuple) and len(layout) == len(shape):
            if "sample" in layout:
                self._batch = shape[layout.index("sample")]
            if source is not None:
                self._correct_guesses(source, layout)
        stated = layout not in ("inherit", "default")
        if not stated:
            layout = self._default if len(shape) >= 4 else "channels_last"
        samples = stated or len(shape) >= 4 or (bool(shape) and shape[0] in (None, self._batch))
        return named_axes(shape, layout=layout, has_samples=samples)  # type: ignore[arg-type]

    def _correct_input(self, source: _Origin, axes: tuple[str, ...]) -> None:
        """The first layer with a layout of its own tells how the network's input is laid out."""
        if source.address in self.input_axes and source.axes != axes:
            self._relabel({source.address}, source.axes, axes)

    def _correct_guesses(self, source: _Origin, axes: tuple[str, ...]) -> None:
        """A layer that says where its samples are tells it of all that led to it, too."""
        if source.axes == axes:
            return
        rows = {layer.address: layer for layer in self.layers}
        found: set[str] = set()
        pending = [source.address]
        while pending:
            address = pending.pop()
            layer = rows.get(address)
            if address in found or (layer is not None and layer.axes != source.axes):
                continue
            found.add(address)
            pending += layer.inputs if layer is not None else ()
        self._relabel(found, source.axes, axes)

    def _relabel(self, addresses: set[str], was: tuple[str, ...], axes: tuple[str, ...]) -> None:
        for address in addresses & self.input_axes.keys():
            if self.input_axes[address] == was:
                self.input_axes[address] = axes
        for i, layer in enumerate(self.layers):
            if layer.address in addresses and layer.axes == was:
                shape = layer.shape and _open(layer.shape, axes)
                self.layers[i] = replace(layer, axes=axes, shape=shape)
        for key, origin in self._origins.items():
            if origin.address in addresses and origin.axes == was:
                self._origins[key] = replace(origin, axes=axes)


def guessed_note(addresses: Sequence[str]) -> str:
    """What to say of layers whose source is not known."""
    shown = ", ".join(addresses[:8]) + (", …" if len(addresses) > 8 else "")
    return (
        "code between layers is not seen, so the value computed last is taken for the source of "
        f"{shown}"
    )


def named_parts(result: Any) -> Iterator[tuple[str, Any]]:
    """The tensors of a result with the suffixes of their addresses; the first bears none."""
    first = True
    for key, value in _items(result):
        yield ("" if first or not key else f"[{key}]"), value
        first = False


def _items(result: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if hasattr(result, "shape"):
        yield prefix, result
        return
    names: Sequence[Any]
    if isinstance(result, Mapping):
        names, values = list(result), list(result.values())
    elif isinstance(result, tuple | list):
        names, values = getattr(result, "_fields", range(len(result))), list(result)
    else:
        return  # None, a number, a string: no tensor
    for name, value in zip(names, values, strict=True):
        yield from _items(value, f"{prefix}.{name}" if prefix else str(name))


def _leaves(arguments: Any) -> Iterator[Any]:
    return (value for _, value in _items(list(arguments)))


def _substitute(result: Any, replaced: Mapping[int, Any]) -> Any:
    """The same structure with some of its tensors replaced, by identity."""
    if id(result) in replaced:
        return replaced[id(result)]
    if isinstance(result, Mapping):
        return type(result)((k, _substitute(v, replaced)) for k, v in result.items())  # type: ignore[call-arg]
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*(_substitute(v, replaced) for v in result))
    if isinstance(result, tuple | list):
        return type(result)(_substitute(v, replaced) for v in result)
    return result


def _open(shape: Sequence[int | None], axes: tuple[str, ...]) -> tuple[int | None, ...]:
    """The shape with the number of samples left open, as frameworks write it."""
    return tuple(
        None if axis == "sample" else (None if length is None else int(length))
        for axis, length in zip(axes, shape, strict=True)
    )


def _reference(value: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(value)
    except TypeError:  # a stand-in of a tracing framework; it is small
        return _constant(value)


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value
