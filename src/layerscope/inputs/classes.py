"""The names of classes, from a file: one on each line, or JSON; or written out."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from layerscope.core.class_names import names_by_number
from layerscope.core.errors import InputError

_LARGEST = 10_000_000  #: bytes of a file of names

WOULD_WORK = "write one name on each line, or JSON: a list, or a dict of names by number"


def read_classes(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names that a file holds, by their numbers.

    A dict may have names of ``{"0": "cat"}``, or those of ImageNet's index, ``{"0": ["n01440764",
    "tench"]}``.

    Raises
    ------
    InputError
        When there is no such file, or it holds no names.
    """
    name = os.fspath(path)
    try:
        if Path(path).stat().st_size > _LARGEST:
            raise InputError(f"{name!r} is too large for names of classes: {WOULD_WORK}.")
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{name!r} can't be read ({error.strerror}): {WOULD_WORK}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{name!r} is no text in UTF-8: {WOULD_WORK}.") from error
    if text.lstrip()[:1] in ("[", "{"):
        names = _of_json(text, name)
    else:
        names = tuple(line.strip() for line in text.strip("\n").splitlines())
    if not any(names):
        raise InputError(f"{name!r} holds no names of classes: {WOULD_WORK}.")
    return names


def classes_of(given: str) -> tuple[str, ...]:
    """Return the names in a file, or those written out with commas where there is no such file.

    Raises InputError as :func:`read_classes` does.
    """
    if "," in given and not Path(given).exists():
        return tuple(name.strip() for name in given.split(","))
    return read_classes(given)


def _of_json(text: str, name: str) -> tuple[str, ...]:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name!r} is no JSON that can be read: {WOULD_WORK}.") from error
    names = names_by_number(read) if isinstance(read, Mapping) else _listed(read)
    if names is None:
        raise InputError(f"{name!r} holds JSON, but no names of classes: {WOULD_WORK}.")
    return names


def _listed(values: Any) -> tuple[str, ...] | None:
    if not isinstance(values, list) or not all(isinstance(v, str | int | float) for v in values):
        return None
    return tuple(map(str, values))
