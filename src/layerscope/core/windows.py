"""Which positions of what a layer receives one position of what it returns is computed from.

A ``Window`` says so along one axis, in numbers; backends say it of each layer, in this one form
whatever their frameworks write. ``reads`` lists the positions, ``span`` says how far they reach
where nothing is cut off at the border.

==============  =================================================================================
way             position ``o`` of what is returned is computed from
==============  =================================================================================
forward         ``o * stride - before + dilation * k``, for each of ``size`` numbers k: by
                convolutions, pooling; padding (a size of 1), slices (a negative ``before``)
transposed      each ``i`` for which ``i * stride - before + dilation * k`` is ``o``
nearest         the one position that is nearest by ``grid``
linear, cubic   the two, or the four, positions that are nearest by ``grid``
area            all positions that share a part of its own: adaptive pooling
all             all positions
==============  =================================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
Way = Literal["forward", "transposed", "nearest", "linear", "cubic", "area", "all"]
#: What stands beyond the border; the words are those of ``numpy.pad``.
Border = Literal["constant", "edge", "reflect", "symmetric", "wrap"]
#: Where a position lies among those received: ``half_pixel`` (o + ½) · scale - ½, ``asymmetric``
#: o · scale, ``corners`` the first and the last of both on one another.
Grid = Literal["half_pixel", "asymmetric", "corners"]
Rounding = Literal["floor", "ceil", "half_down", "half_up"]
_NOTHING = -1


@dataclass(frozen=True, slots=True)
class Window:
    """What one position along an axis is computed from."""

    size: int = 1
    stride: int = 1
    #: How many positions are put in front. ``same``: half of as many as make the lengths fit, of
    #: an odd number the smaller half; ``same_lower``: the larger one.
    before: int | Literal["same", "same_lower"] = 0
    dilation: int = 1
    border: Border = "constant"
    way: Way = "forward"
    grid: Grid = "asymmetric"
    scale: float | None = None  #: how many are returned for one received; None as the lengths are
    rounding: Rounding = "floor"  #: of ``nearest``

    @property
    def is_plain(self) -> bool:
        """Whether it is one position for each, in its place."""
        one = self.way == "forward" and self.size == self.stride == 1
        return one and not self.before


#: What takes all positions.
ALL = Window(way="all")


def reads(window: Window, received: int, returned: int) -> Positions:
    """Return the positions that each position is computed from, as (returned, several).

    -1 stands for none, as in padding with zeros. ``received`` and ``returned`` are the lengths.
    """
    places = np.arange(returned, dtype=np.int64)[:, None]
    if window.way == "all":
        return np.broadcast_to(np.arange(received, dtype=np.int64), (returned, received))
    if window.way == "area":
        return _area(received, returned)
    if window.way in ("nearest", "linear", "cubic"):
        return _resized(window, received, returned)
    taps = np.arange(window.size, dtype=np.int64) * window.dilation
    before = padding_before(window, received, returned)
    if window.way == "transposed":
        whole, rest = np.divmod(places + before - taps, window.stride)
        inside = (rest == 0) & (whole >= 0) & (whole < received)
        return np.where(inside, whole, _NOTHING)
    return _within(places * window.stride - before + taps, received, window.border)


def span(window: Window, received: int, returned: int, first: int, last: int) -> tuple[int, int]:
    """Return the first and the last position that a stretch is computed from, past the border too.

    Where a transposed convolution leaves gaps between positions, the stretch may be empty.
    """
    if window.way == "all":
        return min(first, 0), max(last, received - 1)
    if window.way == "forward":
        before = padding_before(window, received, returned)
        reach = (window.size - 1) * window.dilation
        ends = (first * window.stride - before, last * window.stride - before)
        return min(ends), max(ends) + reach
    if window.way == "transposed":
        before = padding_before(window, received, returned)
        reach = (window.size - 1) * window.dilation
        return -((reach - first - before) // window.stride), (last + before) // window.stride
    if window.way == "area":
        return first * received // returned, -(-(last + 1) * received // returned) - 1
    low, high = (_coordinate(window, received, returned, place) for place in (first, last))
    return _neighbours(window, low)[0], _neighbours(window, high)[1]


def padding_before(window: Window, received: int, returned: int) -> int:
    """Return how many positions a window puts in front, also where the lengths tell it."""
    if not isinstance(window.before, str):
        return window.before
    longer, shorter = (returned, received) if window.way == "transposed" else (received, returned)
    reach = (window.size - 1) * window.dilation + 1
    missing = max((shorter - 1) * window.stride + reach - longer, 0)
    return missing // 2 if window.before == "same" else missing - missing // 2


def _within(places: Positions, length: int, border: Border) -> Positions:
    """Return which positions these are where some lie beyond the border."""
    outside = (places < 0) | (places >= length)
    if border == "constant" or not outside.any():
        return np.where(outside, _NOTHING, places)
    front = max(-int(places.min()), 0)
    back = max(int(places.max()) - length + 1, 0)
    table = np.pad(np.arange(length, dtype=np.int64), (front, back), mode=border)
    return np.asarray(table[places + front])


def _area(received: int, returned: int) -> Positions:
    starts = [o * received // returned for o in range(returned)]
    stops = [-(-(o + 1) * received // returned) for o in range(returned)]
    widest = max((stop - start for start, stop in zip(starts, stops, strict=True)), default=0)
    table = np.full((returned, widest), _NOTHING, np.int64)
    for row, start, stop in zip(table, starts, stops, strict=True):
        row[: stop - start] = np.arange(start, stop)
    return table


def _resized(window: Window, received: int, returned: int) -> Positions:
    rows = []
    for place in range(returned):
        low, high = _neighbours(window, _coordinate(window, received, returned, place))
        rows.append([min(max(at, 0), received - 1) for at in range(low, high + 1)])
    widest = max(map(len, rows), default=0)
    return np.array([[*row, *[_NOTHING] * (widest - len(row))] for row in rows], np.int64)


def _neighbours(window: Window, at: Fraction) -> tuple[int, int]:
    """Return the first and the last position that one between positions is computed from."""
    if window.way == "nearest":
        return (_rounded(window, at),) * 2
    low, high = math.floor(at), math.ceil(at)
    return (low - 1, high + 1) if window.way == "cubic" and low != high else (low, high)


def _coordinate(window: Window, received: int, returned: int, place: int) -> Fraction:
    if window.grid == "corners":
        return Fraction(place * (received - 1), max(returned - 1, 1))
    scale = Fraction(received, returned)
    if window.scale is not None:
        scale = 1 / Fraction(window.scale).limit_denominator(10**6)
    if window.grid == "half_pixel":
        return (place + Fraction(1, 2)) * scale - Fraction(1, 2)
    return place * scale


def _rounded(window: Window, at: Fraction) -> int:
    if window.rounding == "half_down":
        return math.ceil(at - Fraction(1, 2))
    if window.rounding == "half_up":
        return math.floor(at + Fraction(1, 2))
    return math.ceil(at) if window.rounding == "ceil" else math.floor(at)
