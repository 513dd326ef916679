"""Names of classes by their numbers, as files and models hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def names_by_number(by_number: Mapping[Any, Any]) -> tuple[str, ...] | None:
    """Return names in order, of numbers from 0 without a gap; None where it holds no such.

    A value may be a list whose last entry is the name.
    """
    names: dict[int, str] = {}
    for key, value in by_number.items():
        number = str(key)
        name = value[-1] if isinstance(value, list | tuple) and value else value
        if not (number.isascii() and number.isdigit()) or not isinstance(name, str):
            return None
        names[int(number)] = name
    if sorted(names) != list(range(len(names))):
        return None
    return tuple(names[i] for i in range(len(names)))
