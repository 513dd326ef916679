"""Addresses: how one writes a layer, one of its units, or a neuron at a position of its map."""

from __future__ import annotations

import operator
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from layerscope.core.errors import AddressError
from layerscope.core.suggestions import did_you_mean


@dataclass(frozen=True, slots=True)
class Place:
    """An address, read: a layer, perhaps one of its units, perhaps one position in its map."""

    layer: str
    unit: int | None = None
    position: tuple[int, ...] | None = None

    def __str__(self) -> str:
        unit = "" if self.unit is None else f":{self.unit}"
        position = "" if self.position is None else "@" + ",".join(map(str, self.position))
        return self.layer + unit + position


_SEVERAL = re.compile(r"(?P<layer>.+):(?P<units>\d+(?:,\d+)+)", re.DOTALL)
_PLACE = re.compile(r"(?P<layer>.+):(?P<unit>\d+)(?:@(?P<position>\d+(?:,\d+)*))?", re.DOTALL)


def parse_place(text: str, known: Collection[str]) -> Place:
    """Read ``conv2d``, ``conv2d:29`` or ``conv2d:29@7,3`` (row 7, column 3), counted from 0.

    A layer whose own name is exactly what was written wins over the unit syntax.

    Raises
    ------
    AddressError
        When no layer is so named, and the message suggests the nearest addresses; or when what
        comes after the layer is no unit, and the message says how one is written.
    """
    if text in known:
        return Place(text)
    match = _PLACE.fullmatch(text)
    if match is None:
        raise _no_unit(text, known) or unknown_address(text, known)
    layer, unit, position = match["layer"], int(match["unit"]), match["position"]
    if layer not in known:
        raise unknown_address(layer, known)
    where = tuple(int(p) for p in position.split(",")) if position else None
    return Place(layer, unit, where)


def each_unit(text: str, known: Collection[str]) -> list[str]:
    """Return the addresses that ``conv2d:3,30`` stands for; of any other address itself.

    A layer whose own name is exactly what was written wins over the syntax for units.
    """
    match = None if text in known else _SEVERAL.fullmatch(text)
    if match is None or match["layer"] not in known:
        return [text]
    return [f"{match['layer']}:{int(unit)}" for unit in match["units"].split(",")]


def with_units(address: str, units: Any) -> str:
    """Return the address of units of a layer: ``conv2d:3,30``; of the layer where None.

    Raises
    ------
    AddressError
        When these are not whole numbers from 0.
    """
    if units is None:
        return address
    numbers = list(units) if isinstance(units, Iterable) else [units]
    try:
        indexes = [operator.index(number) for number in numbers]
    except TypeError:
        indexes = []
    if not indexes or min(indexes) < 0 or any(isinstance(number, bool) for number in numbers):
        raise AddressError(
            f"units={units!r}: pass whole numbers, counted from 0, such as units=[3, 30]."
        )
    return f"{address}:{','.join(map(str, indexes))}"


def _no_unit(text: str, known: Collection[str]) -> AddressError | None:
    """Return the error for a known layer and a unit that can't be read; None for another layer."""
    layers = [layer for layer in known if text.startswith((f"{layer}:", f"{layer}@"))]
    if not layers:
        return None
    layer = max(layers, key=len)
    return AddressError(
        f"{text[len(layer) :]!r} is no unit of {layer!r}: write {layer + ':3'!r}, a whole number "
        f"from 0, or {layer + ':3@7,2'!r} for the one in row 7 and column 2."
    )


def inside_loop(address: str, *, asked: bool = False) -> AddressError:
    """Return the error for a layer that was called in a loop, where no value is seen.

    ``asked`` where ``layers=`` has named it, and it could not be had.
    """
    steps = "" if asked else ", or name it in layers=, which records it at every step where it can"
    return AddressError(
        f"{address!r} runs inside a loop, and has no one value to show: ask for the layer that "
        f"loops{steps}."
    )


def unknown_address(address: str, known: Collection[str]) -> AddressError:
    """Return the error for an address that is not known; it suggests the nearest ones."""
    several = address.split(",")
    if len(several) > 1 and all(name.strip() in known for name in several):
        return AddressError(
            f"There is no layer {address!r}: name several one by one, as a list of addresses, in "
            "the shell by giving the option again."
        )
    hint = did_you_mean(address, known, cutoff=0.4)
    if not hint and known:
        some = list(known)[:5]
        more = f" and {len(known) - len(some)} more" if len(known) > len(some) else ""
        hint = "there are " + ", ".join(repr(name) for name in some) + more + "."
    return AddressError(f"There is no layer {address!r}: {hint or 'there are no layers here.'}")
