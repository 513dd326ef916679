"""Where the values of a pass come from: which layer returned them, or what they were made of."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from layerscope.backends.parts import leaves
from layerscope.core.reads import Move, ReceivedValue

#: What was done with the values of layers, by their addresses; None where nobody knows.
Moved = dict[str, tuple[Move, ...] | None]


@dataclass(frozen=True, slots=True)
class Source:
    """A value that a layer returned, or one with its axes."""

    value: Callable[[], Any]
    address: str
    axes: tuple[str, ...]
    serial: int
    version: Hashable  #: of the value: another one tells that it was written to since


class Lineage:
    """The origin of each value of a pass, by the value's identity.

    Parameters
    ----------
    parents_of
        Which values one that no layer returned was made of, where the framework knows.
    version_of
        What changes when a value is written to, where the framework writes to values.
    """

    def __init__(
        self,
        parents_of: Callable[[Any], Sequence[Any]],
        version_of: Callable[[Any], Hashable],
    ) -> None:
        self.serial = 0  #: how many values there were
        self._parents_of = parents_of
        self._version_of = version_of
        self._origins: dict[int, Source] = {}
        self._lineage: dict[int, tuple[Callable[[], Any], tuple[str, ...]]] = {}
        self._moved: dict[int, tuple[Callable[[], Any], Moved]] = {}

    def identify(self, value: Any, other: Any) -> None:
        """Take ``value`` for ``other`` from now on."""
        origin = self.origin(other)
        if origin is not None:
            self._origins[id(value)] = replace(origin, value=_constant(value))
            self._move(value, self._moved_to(other))

    def carry(
        self,
        arguments: Sequence[Any],
        result: Any,
        order: list[int] | None,
        moves: tuple[Move, ...] | None = None,
    ) -> None:
        """Note what a function returned that is no step of its own.

        It comes from all that went in, and has the axes of one of them: as they are, or in the
        ``order`` given, where the function moves them. ``moves`` are what it does with the values
        of its first argument; None where nobody knows.
        """
        if self.origin(result) is not None:
            return
        values = list(leaves(arguments))
        lineage = tuple(dict.fromkeys(a for value in values for a in self.sources(value)))
        if lineage:
            self._lineage[id(result)] = (_reference(result), lineage)
            self._move(result, self._moved_on(values, moves))
        if len(result.shape) < 3:
            return
        for value in values:
            source = self.origin(value)
            if source is None or len(source.axes) != len(result.shape):
                continue
            if order is None and value.shape != result.shape:
                continue
            axes = source.axes if order is None else tuple(source.axes[i] for i in order)
            self.remember(result, source.address, axes, derived=True)
            return

    def write(self, arguments: Sequence[Any], target: Any) -> None:
        """Note that something was written into a value, which comes from that, too, from now on."""
        new = [a for value in leaves(arguments) for a in self.sources(value)]
        if new:
            lineage = tuple(dict.fromkeys((*self.sources(target), *new)))
            self._lineage[id(target)] = (_reference(target), lineage)
            self._move(target, self._moved_to(target) | dict.fromkeys(new))

    def received(self, values: Iterable[Any]) -> tuple[ReceivedValue, ...]:
        """Return which layers' values these are, and what was done with them before."""
        return tuple(
            ReceivedValue(address, self._moved_to(value).get(address, ()))
            for value in values
            for address in self.sources(value)
        )

    def _moved_to(self, value: Any) -> Moved:
        reference, moved = self._moved.get(id(value), (None, {}))
        return moved if reference is not None and reference() is value else {}

    def _moved_on(self, values: Sequence[Any], moves: tuple[Move, ...] | None) -> Moved:
        """Return what was done in all, after a function has moved the first of these values."""
        moved: Moved = {}
        for i, value in enumerate(values):
            before = self._moved_to(value)
            for address in self.sources(value):
                known = before.get(address, ())
                is_known = not i and moves is not None and known is not None
                moved[address] = (*(known or ()), *(moves or ())) if is_known else None
        return moved

    def _move(self, value: Any, moved: Moved) -> None:
        if moved:
            self._moved[id(value)] = (_reference(value), moved)
        else:
            self._moved.pop(id(value), None)

    def sources(self, value: Any) -> tuple[str, ...]:
        """Return the addresses of the layers that a value comes from."""
        reference, lineage = self._lineage.get(id(value), (None, ()))
        if reference is not None and reference() is value:
            return lineage
        origin = self.origin(value)
        if origin is not None:
            return (origin.address,)
        parents = self._parents_of(value)
        addresses = tuple(dict.fromkeys(a for one in parents for a in self.sources(one)))
        if addresses:
            self._lineage[id(value)] = (_reference(value), addresses)
            self._move(value, dict.fromkeys(addresses))
        return addresses

    def remember(
        self, value: Any, address: str, axes: tuple[str, ...], *, derived: bool = False
    ) -> None:
        self.serial += not derived
        # What was derived from a value shares its axes, but is not what the layer returned.
        serial = 0 if derived else self.serial
        if not derived:
            self._lineage.pop(id(value), None)  # it is a layer's own from now on
            self._moved.pop(id(value), None)
        self._origins[id(value)] = Source(
            _reference(value), address, axes, serial, self._version_of(value)
        )

    def origin(self, value: Any) -> Source | None:
        origin = self._origins.get(id(value))
        return origin if origin is not None and origin.value() is value else None

    def relabel(self, addresses: set[str], was: tuple[str, ...], axes: tuple[str, ...]) -> None:
        """Give the values of these layers other axes, where they had those."""
        for key, origin in self._origins.items():
            if origin.address in addresses and origin.axes == was:
                self._origins[key] = replace(origin, axes=axes)


def _reference(value: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(value)
    except TypeError:  # a stand-in of a tracing framework; it is small
        return _constant(value)


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value
