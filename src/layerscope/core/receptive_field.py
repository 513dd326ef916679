"""The receptive field: the box on the input that a unit at one position is computed from.

One goes from the unit back through the layers, in the reverse order of execution, and keeps for
each value the positions that are reached; branches are joined. ``ways_back`` knows how a layer is
gone through. A layer that mixes all, or of which too little is known, reaches everything, and is
named.

>>> field(network, "conv2d_1:3@7,7").ranges
{'y': range(5, 14), 'x': range(5, 14)}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from functools import cached_property

import numpy as np

from layerscope.core.addresses import Place, parse_place
from layerscope.core.axes import UNIT_AXES
from layerscope.core.errors import AddressError, ModelError
from layerscope.core.layer_kinds import CONVOLUTIONS, IN_PLACE, WITHIN_CHANNELS, Kind
from layerscope.core.network import Layer, Network
from layerscope.core.reach import Reach, Sizes
from layerscope.core.text import message
from layerscope.core.ways_back import way_back
from layerscope.core.wiring import Wiring

Inputs = Mapping[str, Mapping[str, int]]
#: What makes each of its channels of all that it receives.
_MIXING_CHANNELS: frozenset[Kind] = frozenset({"conv", "conv_transpose", "separable_conv", "dense"})
#: What keeps each channel a channel.
_KEEPING: frozenset[Kind] = WITHIN_CHANNELS | IN_PLACE | {"add", "merge"}


@dataclass(frozen=True)
class FieldGrid:
    """How the fields of neighbours along one axis lie on the input, borders aside."""

    size: int  #: how many positions one is computed from, also past the border
    stride: float  #: how far apart neighbours' fields begin
    offset: int  #: where the first begins; below 0 in the padding


@dataclass(frozen=True)
class ReceptiveField:
    """The box on the input that a unit at one position, or a layer, is computed from.

    Ranges are half open, in positions of the input: ``.y``, ``.x``, ``.z`` for volumes,
    ``.position`` for sequences; ``.ranges`` has them by the names of their axes. A field that is
    empty is computed from nothing of the input.
    """

    address: str  #: the layer, ``mixed4``, or the unit with its position, ``mixed4:42@7,7``
    at: Mapping[str, int]  #: where in the layer's map that is
    input: str  #: the input of the network that it lies on
    ranges: Mapping[str, range]
    lengths: Mapping[str, int]  #: of the input along these axes
    because: str | None = None  #: the layer that mixes all positions; None where none does
    #: Where nothing is cut off, by axis; without the axes along which it is all, or irregular.
    grid: Mapping[str, FieldGrid] = attribute(default_factory=dict)
    others: Mapping[str, ReceptiveField] = attribute(default_factory=dict)  #: on further inputs
    without: ReceptiveField | None = None

    @property
    def whole(self) -> bool:
        """Whether it is all of the input, as far as the network looks at it.

        Strides without padding may leave out the last rows and columns.
        """
        covers = all(len(self.ranges[axis]) == n for axis, n in self.lengths.items())
        return covers or self.because is not None

    @property
    def local(self) -> ReceptiveField:
        """The field without what only weighs whole channels, as squeeze-and-excite does.

        The field itself where there is nothing of the kind.
        """
        return self.without or self

    @property
    def z(self) -> range:
        """The slices of a volume."""
        return self._along("z")

    @property
    def y(self) -> range:
        """The rows."""
        return self._along("y")

    @property
    def x(self) -> range:
        """The columns."""
        return self._along("x")

    @property
    def position(self) -> range:
        """The stretch of a sequence."""
        return self._along("position" if "position" in self.ranges else "unit")

    def _along(self, axis: str) -> range:
        if axis not in self.ranges:
            raise AddressError(
                f"The input {self.input!r} has no axis {axis}: it has {', '.join(self.ranges)}."
            )
        return self.ranges[axis]

    def __str__(self) -> str:
        box = ", ".join(
            f"{axis} {r.start}:{r.stop} of {self.lengths[axis]}" for axis, r in self.ranges.items()
        )
        if not all(map(len, self.ranges.values())):
            box = "nothing"
        at = ", ".join(f"{axis} {place}" for axis, place in self.at.items())
        where = f"{self.address}, at {at}," if at and "@" not in self.address else self.address
        lines = [f"{where} is computed from {box or 'everything'} ({self.input})"]
        if self.because is not None:
            lines.append(f"everything, because {self.because} takes all positions")
        elif self.grid:
            lines.append("; ".join(_grid_text(axis, grid) for axis, grid in self.grid.items()))
        if self.without is not None:
            lines.append(f"but for what weighs whole channels: {self.without}")
        lines += [str(other) for other in self.others.values()]
        return "\n".join(map(message, "\n".join(lines).split("\n")))

    __repr__ = __str__


def _grid_text(axis: str, grid: FieldGrid) -> str:
    return f"{axis}: size {grid.size}, stride {grid.stride:g}, offset {grid.offset}"


def field(
    network: Network,
    address: str,
    position: Sequence[int] | None = None,
    *,
    inputs: Inputs | None = None,
) -> ReceptiveField:
    """Return the receptive field of a unit, or of a layer's units together.

    Parameters
    ----------
    network
        One that was run, so that its shapes and edges are known.
    address
        ``mixed4``, ``mixed4:42`` or ``mixed4:42@7,7``.
    position
        Where in the map, instead of ``@7,7``; the middle by default.
    inputs
        The axes of what the network received and their lengths, by name; where they are not among
        the layers.

    Raises
    ------
    AddressError
        When there is no such layer, unit or position.
    ModelError
        When the network does not say what shapes its layers return.
    """
    paths = Paths(network, inputs or {})
    place = paths.place(address)
    if position is not None:
        place = replace(place, position=tuple(position))
    return paths.field(place)


@dataclass(frozen=True)
class Paths:
    """The ways from the layers of a network back to its inputs."""

    network: Network
    inputs: Inputs = attribute(default_factory=dict)

    @cached_property
    def _wiring(self) -> Wiring:
        return Wiring(self.network, self.inputs)

    def place(self, address: str) -> Place:
        """Read an address."""
        return parse_place(address, [*self._wiring.layers, *self.inputs])

    def sizes(self, address: str) -> Sizes:
        """Return the axes of a layer's values, or an input's; without any where not known."""
        known = self.inputs.get(address) or self._wiring.sizes(address)
        known = {axis: length for axis, length in known.items() if axis != "sample"}
        return Sizes(tuple(known), tuple(known.values()))

    def reached(
        self, address: str, places: Sequence[Sequence[int | None]], *, local: bool = False
    ) -> dict[str, Reach]:
        """Return what places in a layer's value are computed from, by the inputs' names.

        ``places`` are along all axes of the value; None for all along one. ``local`` leaves out
        branches that bring one value of each channel to all positions.
        """
        pending = {address: Reach.at(self.sizes(address), places)}
        at_inputs: dict[str, Reach] = {}
        for layer in reversed(self.network.layers):
            reach = pending.pop(layer.address, None)
            if reach is None:
                continue
            if layer.role == "input":
                _join(at_inputs, layer.address, reach)
                continue
            for name, part in way_back(layer, reach, self.sizes, local=local):
                _join(pending, name, part)
            if layer.unseen:
                for name in self._names():
                    sizes = self.sizes(name)
                    _join(at_inputs, name, reach.everything(sizes, layer.address))
        for name, reach in pending.items():
            _join(at_inputs, name, reach)
        return at_inputs

    def groups(self, address: str) -> list[range]:
        """Return the units of a layer, those together that certainly have the same fields.

        What keeps channels has the groups of its sources, a concatenation those of its parts.
        """
        count = self._channels(address)
        starts = self._starts.get(address, (0,))
        starts = tuple(range(count)) if starts is None else starts
        return [range(a, b) for a, b in zip(starts, [*starts[1:], count], strict=True)]

    @cached_property
    def _starts(self) -> dict[str, tuple[int, ...] | None]:
        """Where the groups of each layer's units begin; None where each may be one of its own."""
        starts: dict[str, tuple[int, ...] | None] = {}
        for layer in self.network:  # in execution order
            starts[layer.address] = self._starts_of(layer, starts)
        return starts

    def _starts_of(
        self, layer: Layer, known: Mapping[str, tuple[int, ...] | None]
    ) -> tuple[int, ...] | None:
        if layer.role == "input":
            return (0,)
        if layer.received or layer.reads.moves is not None:
            return None
        if layer.kind in _MIXING_CHANNELS and layer.settings.get("groups", 1) == 1:
            return (0,)
        count = self._channels(layer.address)
        lengths = {name: self._channels(name) for name in layer.inputs}
        sources = {n: known.get(n, (0,)) for n in layer.inputs if lengths[n] > 1}
        if layer.kind == "concat" and sum(lengths.values()) == count:
            before = [sum(list(lengths.values())[:i]) for i in range(len(lengths))]
            parts = [known.get(name, (0,)) for name in lengths]
            if None in parts:
                return None
            pairs = zip(before, parts, strict=True)
            return tuple(start + inner for start, part in pairs for inner in part or ())
        if layer.kind in CONVOLUTIONS and all(one == (0,) for one in sources.values()):
            return (0,)
        keeps = layer.kind in _KEEPING or layer.role == "container"
        if not keeps or any(lengths[n] != count or s is None for n, s in sources.items()):
            return None
        return tuple(sorted({0, *(start for one in sources.values() for start in one or ())}))

    def _channels(self, address: str) -> int:
        sizes = self.sizes(address)
        return 0 if sizes.channels is None else sizes.lengths[sizes.channels]

    def _names(self) -> list[str]:
        listed = [layer.address for layer in self.network if layer.role == "input"]
        return [*dict.fromkeys((*listed, *self.inputs))] if listed or self.inputs else []

    def field(self, place: Place) -> ReceptiveField:
        """Return the field of a place; of the one in the middle where no position is given."""
        sizes = self.sizes(place.layer)
        if not sizes.names:
            raise ModelError(
                f"What {place.layer!r} returns has no axes that are known: run the network on an "
                "input, as layerscope.receptive_field does."
            )
        where, place = _located(place, sizes)
        positions = sizes.positions
        rows = [where] + [
            [
                end if i in positions else at
                for i, (at, end) in enumerate(zip(where, ends, strict=True))
            ]
            for ends in ([0] * len(where), [n - 1 for n in sizes.lengths])
        ]
        both = [self._fields(place, rows, local=local) for local in (False, True)]
        whole, local = both
        if whole is None:
            raise ModelError(f"{str(place)!r} is computed from no input of the network.")
        if local is None or (local.ranges, local.because) == (whole.ranges, whole.because):
            return whole
        return replace(whole, without=local)

    def _fields(
        self, place: Place, rows: Sequence[Sequence[int | None]], *, local: bool
    ) -> ReceptiveField | None:
        reached = self.reached(place.layer, rows, local=local)
        steps = self.sizes(place.layer)
        fields = {
            name: _box(place, name, reach, steps)
            for name in sorted(reached, key=[*self._names(), *reached].index)
            for reach in [reached[name]]
        }
        if not fields:
            return None
        first, *others = sorted(fields.values(), key=lambda f: not set(f.ranges) - set(UNIT_AXES))
        return replace(first, others={other.input: other for other in others})


def _join(reaches: dict[str, Reach], name: str, reach: Reach) -> None:
    known = reaches.get(name)
    reaches[name] = reach if known is None else known.joined(reach)


def _located(place: Place, sizes: Sizes) -> tuple[list[int | None], Place]:
    """Return where a place is along each axis, and the place with its position."""
    where: list[int | None] = [None] * len(sizes.lengths)
    channel = sizes.channels
    if place.unit is not None:
        if channel is None:
            raise AddressError(
                f"{place.layer!r} has axes {sizes.names}: none of them numbers units."
            )
        _check(place.layer, sizes, channel, place.unit)
        where[channel] = place.unit
    positions = sizes.positions
    if place.position is not None and len(place.position) != len(positions):
        names = ", ".join(sizes.names[i] for i in positions) or "none"
        raise AddressError(
            f"{str(place)!r} gives {len(place.position)} coordinates; {place.layer!r} has "
            f"{len(positions)}: {names}."
        )
    middle = tuple(sizes.lengths[i] // 2 for i in positions)
    for axis, index in zip(positions, place.position or middle, strict=True):
        _check(place.layer, sizes, axis, index)
        where[axis] = index
    return where, replace(place, position=place.position or middle or None)


def _check(layer: str, sizes: Sizes, axis: int, index: int) -> None:
    length = sizes.lengths[axis]
    if not 0 <= index < length:
        raise AddressError(
            f"{layer!r} has {length} along {sizes.names[axis]}, counted from 0: {index} is not "
            f"among them, the last is {length - 1}."
        )


def _box(place: Place, name: str, reach: Reach, layer: Sizes) -> ReceptiveField:
    """Return the box of the first question; the two others are of the first and last positions."""
    axes = reach.sizes.positions or tuple(range(len(reach.sizes.names)))
    ranges, grid = {}, {}
    for axis in axes:
        axis_name = reach.sizes.names[axis]
        places = np.flatnonzero(reach.masks[axis][0])
        ranges[axis_name] = range(int(places[0]), int(places[-1]) + 1) if len(places) else range(0)
        ends, steps = reach.ends[axis], _steps(layer, axis_name)
        if ends is not None and reach.causes[axis] is None:
            (low, high), (first, _), (last, _) = ends.tolist()
            stride = (last - first) / steps if steps else 1.0
            grid[axis_name] = FieldGrid(high - low + 1, stride, first)
    lengths = {reach.sizes.names[axis]: reach.sizes.lengths[axis] for axis in axes}
    at = dict(zip((layer.names[i] for i in layer.positions), place.position or (), strict=True))
    address = place.layer if place.unit is None else str(place)
    return ReceptiveField(address, at, name, ranges, lengths, reach.cause(axes), grid)


def _steps(layer: Sizes, axis: str) -> int:
    """Return how many steps there are from a layer's first position to its last along an axis."""
    return layer.lengths[layer.names.index(axis)] - 1 if axis in layer.names else 0
