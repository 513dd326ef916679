"""What a user wants edited, read: addresses and globs, and what becomes of their values."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from layerscope.backends.editing import Change, LayerEdit
from layerscope.core.addresses import each_unit, parse_place
from layerscope.core.errors import AddressError, InputError
from layerscope.core.table import a_kind

#: A later call of a layer, at the beginning of an address.
_LATER_CALL = re.compile(r"(?P<call>(?P<layer>.+)#\d+)(?=$|:)", re.DOTALL)


def read_edits(edits: Any, known: Collection[str]) -> list[LayerEdit]:
    """Read ``{"conv2d:29": 0, "block*": lambda a: a * 0.5}``; ``known`` are the layers' addresses.

    Several edits of one layer are made one after the other, in the order in which they stand.

    Raises AddressError where there is no such layer, InputError where something else is wrong.
    """
    if not isinstance(edits, Mapping) or not edits:
        raise InputError(
            f"edits is {a_kind(edits)}: pass what becomes of which address, such as "
            "{'conv2d:29': 0} or {'conv2d': lambda a: a * 0.5}."
        )
    changes: dict[str, list[Change]] = {}
    for written, new in edits.items():
        if not isinstance(written, str):
            raise InputError(f"edits has the key {written!r:.80}: keys are addresses of layers.")
        value = _value_of(written, new)
        for layer, unit, position in _places(written, known):
            changes.setdefault(layer, []).append(Change(written, value, unit, position))
    return [LayerEdit(layer, tuple(all_of)) for layer, all_of in changes.items()]


def _value_of(written: str, new: Any) -> Any:
    if callable(new):
        return new
    if isinstance(new, bool | str) or new is None:
        raise InputError(
            f"edits={{{written!r}: {new!r:.40}}}: pass a number, an array, or a function of the "
            "values that are there."
        )
    if hasattr(new, "detach"):
        new = new.detach().cpu()
    array = np.asarray(new)
    if array.dtype.kind not in "iuf":
        raise InputError(
            f"edits={{{written!r}: …}} is {a_kind(new)}: pass a number, an array, or a function."
        )
    return array[()] if array.ndim else float(array)


def _places(
    written: str, known: Collection[str]
) -> list[tuple[str, int | None, tuple[int, ...] | None]]:
    """Return the layers, units and positions that an address stands for."""
    if written not in known and any(sign in written for sign in "*?["):
        layers, colon, unit = written.rpartition(":")
        if not colon or not unit.isdecimal():
            layers, unit = written, ""
        matching = [address for address in known if fnmatch.fnmatchcase(address, layers)]
        if matching:
            return [(address, int(unit) if unit else None, None) for address in matching]
        if not any(written.startswith(address) for address in known):
            raise AddressError(
                f"No layer matches {written!r}: the layers are "
                f"{', '.join(map(repr, list(known)[:12]))}."
            )
    later = _LATER_CALL.match(written)
    if later and later["call"] not in known and later["layer"] in known:
        known = {*known, later["call"]}  # of which is known when the model runs
    places = [parse_place(address, known) for address in each_unit(written, known)]
    return [(place.layer, place.unit, place.position) for place in places]
