"""The figures of maps that lie in memory: piece by piece, on all processors.

Each value is read from memory once; a piece that fits the cache is looked at in every way before
the next, in buffers that are there already. What NumPy does slowly is done by what it does fast: it
adds bytes several times as fast as it counts, takes wide rows together ten times as fast as narrow
ones, and finds the highest value in a fraction of the time in which it finds where that is.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Values of a piece: 256 kB in float32.
_PIECE = 65_536
#: With fewer values than this, threads cost more than they save.
_SMALL = 1_000_000
#: Products of so many values are added by one thread of BLAS; of more, it would start others.
_STRETCH = 8_192
#: So many ones can be added in a byte.
_BYTE = 255
#: Rows of so many values are taken together quickly.
_WIDE = 512


def array_figures(maps: Array, axis: int, *, masked: bool) -> dict[str, Array]:
    """Return the figures of maps: (sample, place, unit) with axis 1, (sample, unit, place) with 2.

    ``masked`` leaves out what is not finite.
    """
    samples, units, count = maps.shape[0], maps.shape[3 - axis], maps.shape[axis]
    if count == 1 and not masked:
        return _of_one(maps.reshape(samples, units))
    fold = _fold(count, units)
    if axis == 1 and (masked or fold == 1):
        axis, maps = 2, maps.transpose(0, 2, 1)
    maps = np.ascontiguousarray(maps)
    if axis == 1:
        maps = maps.reshape(samples, count // fold, fold, units)
        figures = _in_parts(maps, _units_last)
    else:
        maps = maps.reshape(samples * units, count)
        figures = _in_parts(maps, _masked if masked else _places_last)
    return {name: array.reshape(samples, units) for name, array in figures.items()}


def _in_parts(maps: Array, of_part: Callable[[Array], dict[str, Array]]) -> dict[str, Array]:
    """Return the figures of maps, of which each processor is given some."""
    parts = min(os.cpu_count() or 1, len(maps)) if maps.size > _SMALL else 1
    if parts == 1:
        return of_part(maps)
    with ThreadPoolExecutor(parts) as pool:
        made = list(pool.map(of_part, np.array_split(maps, parts)))
    return {name: np.concatenate([part[name] for part in made]) for name in made[0]}


class _Buffers:
    """Memory for what is made of a piece, used again for the next."""

    def __init__(self) -> None:
        self._arrays: dict[type, Array] = {}

    def zeros_of(self, values: Array) -> Array:
        """Return which values are 0, as bytes."""
        return np.equal(values, 0, out=self._of(np.bool_, values.shape)).view(np.uint8)

    def count_of_zeros(self, values: Array) -> Array:
        """Return how many values of each row are 0: eight bytes are added as one number."""
        units, count = values.shape
        words = -(-count // 8)
        stretches = -(-words // _BYTE)
        length = -(-words // stretches)
        flags = self._of(np.bool_, (units, stretches * length * 8))
        flags[:, count:] = False
        np.equal(values, 0, out=flags[:, :count])
        added = np.einsum("ijk->ij", flags.view(np.uint64).reshape(units, stretches, length))
        return np.asarray(np.add.reduce(added.view(np.uint8), axis=1, dtype=np.int32))

    def squares_of(self, values: Array) -> Array:
        """Return the squares of values."""
        return np.square(values, out=self._of(values.dtype.type, values.shape))

    def _of(self, kind: type, shape: tuple[int, ...]) -> Array:
        size = math.prod(shape)
        array = self._arrays.get(kind)
        if array is None or array.size < size:
            array = self._arrays[kind] = np.empty(size, kind)
        return array[:size].reshape(shape)


def _of_one(values: Array) -> dict[str, Array]:
    """Return the figures of maps of one value, (sample, unit)."""
    with np.errstate(invalid="ignore"):
        squares = values - values  # NaN of what is not finite
    nothing = np.zeros(values.shape, np.int32)
    return {
        "peak": values,
        "place": nothing,
        "low": values,
        "mean": values,
        "squares": squares,
        "zeros": (values == 0).astype(np.int32),
        "count": nothing + 1,
    }


def _places_last(maps: Array) -> dict[str, Array]:
    """Return the figures of finite maps, one after the other, (map, place)."""
    count, buffers = maps.shape[1], _Buffers()
    place, zeros = np.empty(len(maps), np.int64), np.empty(len(maps), np.int32)
    low, totals, raw = (np.zeros(len(maps), maps.dtype) for _ in range(3))
    step = max(1, _PIECE // count)
    with np.errstate(all="ignore"):
        for i in range(0, len(maps), step):
            values, at = maps[i : i + step], slice(i, i + step)
            values.argmax(axis=1, out=place[at])
            values.min(axis=1, out=low[at])
            for stretch in _stretches(values):
                totals[at] += np.einsum("ij->i", stretch)  # a third of what ``sum`` takes
            raw[at] = _squares_in_rows(values)
            zeros[at] = buffers.count_of_zeros(values)
        mean = totals / maps.dtype.type(count)
        squares, unsure = _around(mean, totals, raw)
        for i in range(0, len(unsure), step):
            these = unsure[i : i + step]
            apart = maps[these] - mean[these, None]
            squares[these] = _squares_in_rows(apart)
    return {
        "peak": maps[np.arange(len(maps)), place],
        "place": place.astype(np.int32),
        "low": low,
        "mean": mean,
        "squares": squares,
        "zeros": zeros,
        "count": np.full(len(maps), count, np.int32),
    }


def _masked(maps: Array) -> dict[str, Array]:
    """Return the figures of what is finite, of maps one after the other, (map, place)."""
    figures: dict[str, Array] = {
        name: np.empty(len(maps), maps.dtype) for name in ("peak", "low", "mean", "squares")
    }
    figures |= {name: np.empty(len(maps), np.int32) for name in ("place", "zeros", "count")}
    step = max(1, _PIECE // maps.shape[1])
    with np.errstate(all="ignore"):
        for i in range(0, len(maps), step):
            values, at = maps[i : i + step], slice(i, i + step)
            finite = np.isfinite(values)
            high, low = np.where(finite, values, -np.inf), np.where(finite, values, np.inf)
            figures["count"][at] = count = finite.sum(axis=1)
            kept = np.where(finite, values, 0)
            figures["mean"][at] = mean = kept.sum(axis=1) / np.maximum(count, 1)
            apart = np.where(finite, kept - mean[:, None].astype(maps.dtype), 0)
            figures["squares"][at] = _squares_in_rows(apart)
            figures["peak"][at], figures["place"][at] = high.max(axis=1), high.argmax(axis=1)
            figures["low"][at] = low.min(axis=1)
            figures["zeros"][at] = (values == 0).sum(axis=1)
    return figures


def _stretches(values: Array) -> Iterator[Array]:
    """Yield the columns of rows, so many at a time that sums of them are exact enough."""
    for i in range(0, values.shape[1], _STRETCH):
        yield values[:, i : i + _STRETCH]


def _squares_in_rows(values: Array) -> Array:
    """Return the sum of squares of each row."""
    total = np.zeros(len(values), values.dtype)
    for stretch in _stretches(values):
        total += np.matmul(stretch[:, None, :], stretch[:, :, None])[:, 0, 0]
    return total


def _units_last(maps: Array) -> dict[str, Array]:
    """Return the figures of finite maps whose units lie side by side, (map, row, fold, unit)."""
    samples, rows, fold, units = maps.shape
    count, wide, buffers = rows * fold, fold * units, _Buffers()
    values = maps.reshape(samples, rows, wide)
    some = max(1, _PIECE // (rows * wide))  # small maps at a time, or rows of a large one
    step = min(max(1, _PIECE // wide), _BYTE)
    high, low = np.full((samples, wide), -np.inf), np.full((samples, wide), np.inf)
    high, low = high.astype(maps.dtype), low.astype(maps.dtype)
    totals, raw = (np.zeros((samples, wide), maps.dtype) for _ in range(2))
    zeros = np.zeros((samples, wide), np.int32)
    with np.errstate(all="ignore"):
        for i in range(0, samples, some):
            at = slice(i, i + some)
            for j in range(0, rows, step):
                piece = values[at, j : j + step]
                np.maximum(high[at], piece.max(axis=1), out=high[at])
                np.minimum(low[at], piece.min(axis=1), out=low[at])
                totals[at] += np.add.reduce(piece, axis=1)
                raw[at] += np.add.reduce(buffers.squares_of(piece), axis=1)
                zeros[at] += np.add.reduce(buffers.zeros_of(piece), axis=1, dtype=np.uint8)
        folded = (of.reshape(samples, fold, units) for of in (high, low, totals, raw, zeros))
        high, low, totals, raw, zeros = folded
        lowest, total = low.min(axis=1), np.add.reduce(totals, axis=1)
        mean = total / maps.dtype.type(count)
        squares, unsure = _around(mean, total, np.add.reduce(raw, axis=1))
        _look_again(squares, maps.reshape(samples, count, units), mean, unsure)
    peak, place = _first_peaks(maps, high, lowest)
    return {
        "peak": peak,
        "place": place,
        "low": lowest,
        "mean": mean,
        "squares": squares,
        "zeros": np.add.reduce(zeros, axis=1, dtype=np.int32),
        "count": np.full((samples, units), count, np.int32),
    }


def _fold(count: int, units: int) -> int:
    """Return how many places to take as one row: so many that it is wide, and divide them evenly.

    1 where there is no such number.
    """
    most = max(math.isqrt(count), -(-_WIDE // units))
    least = min(count, max(2, most // 8))
    return next((n for n in range(min(most, count), least - 1, -1) if count % n == 0), 1)


def _around(mean: Array, totals: Array, raw: Array) -> tuple[Array, Array]:
    """Return the sums of squares around the mean, and which have to be added by themselves.

    Where the mean is large beside the spread, a difference of sums leaves little of it.
    """
    squares = raw - totals * mean
    return squares, np.flatnonzero(~(squares >= raw / 4) & (raw != 0))


def _look_again(squares: Array, maps: Array, mean: Array, unsure: Array) -> None:
    """Add squares of distances from the mean, of some units of some maps, (map, place, unit)."""
    samples, units = np.unravel_index(unsure, mean.shape)
    for sample in np.unique(samples):
        these = units[samples == sample]
        every = len(these) == maps.shape[2]
        total = np.zeros(len(these), maps.dtype)
        step = min(max(1, _PIECE // len(these)), 256)
        for i in range(0, maps.shape[1], step):
            piece = maps[sample, i : i + step]
            apart = (piece if every else piece[:, these]) - mean[sample, these]
            total += np.add.reduce(np.square(apart, out=apart), axis=0)
        squares[sample, these] = total


def _first_peaks(maps: Array, high: Array, low: Array) -> tuple[Array, Array]:
    """Return the highest value of each unit, and the first place that has it.

    ``high`` are those of each column of rows, (map, fold, unit): the place is looked for there.
    """
    _, rows, fold, units = maps.shape
    column = high.argmax(axis=1)[:, None]
    peak = np.take_along_axis(high, column, axis=1)
    within = np.take_along_axis(maps, column[:, None], axis=2)[:, :, 0]
    place = (within.argmax(axis=1) * fold + column[:, 0]).astype(np.int32)
    tied = np.add.reduce(high == peak, axis=1, dtype=np.int32) != 1
    place[tied] = 0  # where all is the same; elsewhere the first of several is looked for
    samples, tied_units = np.nonzero(tied & (low < peak[:, 0]))
    step = max(1, _PIECE // (rows * fold))
    for i in range(0, len(samples), step):
        sample, unit = samples[i : i + step], tied_units[i : i + step]
        values = maps.reshape(len(maps), -1, units)[sample, :, unit]
        place[sample, unit] = values.argmax(axis=1)
    return peak[:, 0], place
