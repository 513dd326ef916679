"""Which of the values that a layer receives a value that it returns is computed from.

What a layer's kind leaves open, in numbers and in one form, whatever its framework writes: its
windows along positions, the axes that it mixes, and where it puts what it only moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from layerscope.core.windows import Window

Moving = Literal["order", "shape", "slice", "take"]


@dataclass(frozen=True, slots=True)
class Move:
    """What puts values elsewhere and changes none; axes are counted without the samples.

    ``order``: ``numbers`` says which axis received is the first, the second, … returned. ``shape``:
    the same values in their order, in another shape. ``slice``: ``numbers`` are the start and the
    step along each axis; what lies outside are zeros. ``take``: along the axis ``numbers[0]`` those
    at the places that follow.
    """

    by: Moving
    shape: tuple[int, ...] | None = None  #: of what is returned; of the last move, it is known
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceivedValue:
    """A value that a layer received, and what code between the layers did with it before."""

    address: str  #: of the layer that has returned it
    moves: tuple[Move, ...] | None = ()  #: None where it is put elsewhere, and nobody knows where


@dataclass(frozen=True, slots=True)
class Reads:
    """Which of the values that it receives a value that a layer returns is computed from.

    It completes what the layer's kind says; what is not known is None. Axes are counted with that
    of the samples: from the first, which is 0, or from the last, which is -1.
    """

    #: Along each axis of positions, in their order; one for all where they are alike.
    windows: tuple[Window, ...] | None = None
    mixes: tuple[int, ...] | None = None  #: the axes along which it takes all
    joins: int | None = None  #: the axis along which it puts side by side what it receives
    moves: tuple[Move, ...] | None = None  #: what it does with what it receives
    of_shapes: bool = False  #: it is computed from lengths alone, and from no value


#: What says no more than the layer's kind.
NOTHING = Reads()


def reads_to_json(reads: Reads) -> dict[str, Any]:
    """Return what is stated, as numbers, words, lists and dicts."""
    return _stated(asdict(reads), NOTHING) | {
        name: [_stated(asdict(each), like) for each in several]
        for name, several, like in (
            ("windows", reads.windows, Window()),
            ("moves", reads.moves, Move("shape", numbers=())),
        )
        if several is not None
    }


def received_to_json(received: ReceivedValue) -> list[Any]:
    """Return what a layer received as names, numbers and lists."""
    moves = received.moves
    return [received.address, None if moves is None else [asdict(move) for move in moves]]


def reads_from_json(described: Mapping[str, Any]) -> Reads:
    """Return what ``reads_to_json`` wrote."""
    known = {name: _tuple(value) for name, value in described.items() if value is not None}
    if "windows" in known:
        known["windows"] = tuple(Window(**_given(window)) for window in described["windows"])
    return Reads(**{**known, "moves": _moves(described.get("moves"))})


def received_from_json(described: Any) -> ReceivedValue:
    """Return what ``received_to_json`` wrote."""
    return ReceivedValue(described[0], _moves(described[1]))


def _moves(described: Any) -> tuple[Move, ...] | None:
    if described is None:
        return None
    moves = ({name: _tuple(value) for name, value in _given(move).items()} for move in described)
    return tuple(Move(**{"by": "shape", **move}) for move in moves)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _stated(values: Mapping[str, Any], default: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value != getattr(default, name)}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
