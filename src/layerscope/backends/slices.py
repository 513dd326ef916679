"""What an index such as ``x[:, ::2, 3]`` takes of a value, as moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.reads import Move


def slices(key: Any, shape: Sequence[int | None]) -> tuple[Move, ...] | None:
    """Return the moves that an index comes to, given the shape of all axes; None for others.

    The samples, the first axis, must stay as they are.
    """
    keys = list(key) if isinstance(key, tuple | list) else [key]
    if Ellipsis in [k for k in keys if k is Ellipsis]:
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        given = sum(k is not None for k in keys) - 1
        keys[at : at + 1] = [slice(None)] * (len(shape) - given)
    keys += [slice(None)] * (len(shape) - sum(k is not None for k in keys))
    numbers: list[int] = []
    cut: list[int] = []
    after: list[int] = []
    axis = 0
    for one in keys:
        if one is None:
            after.append(1)
            continue
        length = shape[axis]
        axis += 1
        if axis == 1:
            if not isinstance(one, slice) or one != slice(None):
                return None
            continue
        if length is None or isinstance(one, bool):
            return None
        if isinstance(one, int):
            numbers += [one % length, 1]
            cut.append(1)
        elif isinstance(one, slice) and all(
            n is None or isinstance(n, int) for n in (one.start, one.stop, one.step)
        ):
            taken = range(length)[one]
            numbers += [taken.start, taken.step]
            cut.append(len(taken))
            after.append(len(taken))
        else:
            return None
    if any(one is None for one in keys[:1]):
        return None
    moves = [Move("slice", tuple(cut), tuple(numbers))]
    return tuple(moves) if after == cut else (*moves, Move("shape", tuple(after)))
