"""JSON that may come from anyone: what it says is compared with what is expected before use.

What is expected is written as it looks: ``{"shape": [Size], "axes": Nullable([str])}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_DEEPEST = 32  #: lists and mappings within one another
_LARGEST = 2**63  #: a whole number is below
_SHOWN = 40  #: characters of a value that a message shows


class UnexpectedError(ValueError):
    """The JSON is not what was expected; the text says where, in a clause."""


@dataclass(frozen=True)
class Nullable:
    """May be null."""

    of: Any


@dataclass(frozen=True)
class Optional(Nullable):
    """May be null, or not be there."""


@dataclass(frozen=True)
class Exactly:
    """A mapping with these names and no other."""

    of: Mapping[str, Any]


@dataclass(frozen=True)
class Each:
    """A mapping from any text to values of one kind."""

    of: Any


class Anything:
    """Any JSON that is not nested without end."""


class Size:
    """A whole number from 0 on."""


#: How a kind is named in a message.
_NAMES = {str: "text", int: "a whole number", bool: "true or false", float: "a number"}


def parse(data: bytes) -> Any:
    """Read JSON. Raises UnexpectedError where it is none, or nested without end."""
    try:
        return json.loads(data)
    except RecursionError:
        raise UnexpectedError("it is nested without end") from None
    except ValueError as error:  # among them: bytes that are no text, numbers of 5,000 digits
        raise UnexpectedError(f"it is no JSON ({type(error).__name__})") from None


def expect(value: Any, kind: Any, where: str = "it") -> Any:
    """Return the value. Raises UnexpectedError where it is of another kind; ``where`` names it."""
    if isinstance(kind, Nullable):
        return None if value is None else expect(value, kind.of, where)
    if kind is Anything:
        _check_depth(value, where)
    elif isinstance(kind, Exactly):
        expect(value, kind.of, where)
        for name in value.keys() - kind.of.keys():
            raise UnexpectedError(f"{where} has {_shown(name)}, which is not known")
    elif kind is dict:
        _expect_mapping(value, where)
    elif isinstance(kind, dict):
        _expect_mapping(value, where)
        for name, of in kind.items():
            if name not in value and not isinstance(of, Optional):
                raise UnexpectedError(f"{where} lacks {name!r}")
            expect(value.get(name), of, f"{where}.{name}")
    elif isinstance(kind, Each):
        for name, one in _expect_mapping(value, where).items():
            expect(one, kind.of, f"{where}[{_shown(name)}]")
    elif isinstance(kind, list):
        if not isinstance(value, list):
            raise UnexpectedError(f"{where} is {_shown(value)}, and no list")
        for one in value:
            expect(one, kind[0], f"an entry of {where}")
    else:
        _expect_plain(value, kind, where)
    return value


def _expect_plain(value: Any, kind: Any, where: str) -> None:
    wanted = int if kind is Size else kind
    fits = isinstance(value, (int, float) if wanted is float else wanted)
    if not fits or (wanted is not bool and isinstance(value, bool)):
        raise UnexpectedError(f"{where} is {_shown(value)}, and not {_NAMES[wanted]}")
    if wanted is int and not (0 if kind is Size else -_LARGEST) <= value < _LARGEST:
        raise UnexpectedError(f"{where} is {_shown(value)}, which can't be")


def _expect_mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UnexpectedError(f"{where} is {_shown(value)}, and no mapping")
    return value


def _check_depth(value: Any, where: str) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [one for of in level for one in _within(of)]
        if not level:
            return
    raise UnexpectedError(f"{where} is nested too deeply")


def _within(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _shown(value: Any) -> str:
    """Return a short form of a value, in one line."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return "a number without end"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
