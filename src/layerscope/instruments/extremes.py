"""Sum and extremes of a layer's values, read in the order in which they lie in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Sums of fewer values are of float64, where those of values that are alike are exact.
_MANY = 1 << 16
#: So many values are compared with as many others at a time.
_RUN = 4096
#: So much is read at a time. Less would stay in nearer caches, and more time go into the calls.
_PART_BYTES = 1 << 22


def sum_and_extremes(
    values: Array, axes: tuple[str, ...], unit: str
) -> tuple[float, Array, Array] | None:
    """Return the sum of all values, and the least and the largest by ``(unit, sample)``.

    The sum is of float64; where many float32 lie side by side, partial sums are of float32, some
    256 numbers each. Returns None where a value is not finite, or there are none, or they are no
    numbers.
    """
    if values.size == 0 or values.dtype.kind not in "biuf":
        return None
    order = sorted(range(values.ndim), key=lambda at: -abs(values.strides[at]))
    dense = values.transpose(order)
    names = [axes[at] for at in order]
    with np.errstate(over="ignore", invalid="ignore"):
        figures = _of_maps(dense, names, unit) or _of_any(dense, names, unit)
    if figures is None:
        return None
    total, lowest, highest = figures
    return total, lowest.reshape(len(lowest), -1), highest.reshape(len(highest), -1)


def _of_maps(dense: Array, names: list[str], unit: str) -> tuple[float, Array, Array] | None:
    """Return the figures of maps of floats, sample by sample; None of what is no such thing."""
    usual = dense.flags.c_contiguous and names[0] == "sample" and unit in (names[1], names[-1])
    if not usual or dense.dtype not in (np.float32, np.float64) or dense.size < _MANY:
        return None
    samples = len(dense)
    last = names[-1] == unit
    units = dense.shape[-1] if last else dense.shape[1]
    maps = dense.reshape((samples, -1, units) if last else (samples, units, -1))
    least = np.full((samples, units), np.inf, dense.dtype)
    largest = np.full((samples, units), -np.inf, dense.dtype)
    total = 0.0
    for some, rows in _pieces(*maps.shape[:2], maps.shape[2] * maps.itemsize):
        of_part, low, high = (_units_last if last else _units_first)(maps[some, rows])
        total += of_part
        if not math.isfinite(total):  # a partial sum may be too large for float32
            return None
        place = (some, slice(None) if last else rows)
        np.minimum(least[place], low, out=least[place])
        np.maximum(largest[place], high, out=largest[place])
    return total, least.T, largest.T


def _pieces(samples: int, rows: int, row_bytes: int) -> Iterator[tuple[slice, slice]]:
    """Yield which samples to read at a time, and which rows of them."""
    some = max(1, _PART_BYTES // (rows * row_bytes))
    step = rows if some > 1 else max(1, min(rows, _PART_BYTES // row_bytes))
    for begin in range(0, samples, some):
        for row in range(0, rows, step):
            yield slice(begin, begin + some), slice(row, row + step)


def _units_last(maps: Array) -> tuple[float, Array, Array]:
    """Return the figures of maps with units side by side, (sample, place, unit).

    Short rows are compared several at a time: a comparison of two rows has a cost of its own.
    """
    samples, places, units = maps.shape
    several = max(1, min(places, _RUN // units))
    whole = places // several * several
    beside = maps[:, :whole].reshape(samples, -1, several * units)
    rest = maps[:, whole:]
    total = float(np.add.reduce(beside, axis=1).sum(dtype=np.float64))
    total += float(rest.sum(dtype=np.float64))

    def by_unit(of: np.ufunc) -> Array:
        parts = of.reduce(beside, axis=1).reshape(samples, several, units)
        least = of.reduce(parts, axis=1)
        return np.asarray(of(least, of.reduce(rest, axis=1)) if rest.size else least)

    return total, by_unit(np.minimum), by_unit(np.maximum)


def _units_first(maps: Array) -> tuple[float, Array, Array]:
    """Return the figures of maps one after the other, (sample, unit, place)."""
    return _total(maps), np.minimum.reduce(maps, axis=2), np.maximum.reduce(maps, axis=2)


def _of_any(dense: Array, names: list[str], unit: str) -> tuple[float, Array, Array] | None:
    """Return the figures of values of any axes; None where one is not finite."""
    kept = [name for name in names if name in ("sample", unit)]
    total = 0.0
    least: list[Array] = []
    largest: list[Array] = []
    for part in _parts(dense, names[0]):
        total += _total(part)
        if not math.isfinite(total):
            return None
        least.append(_by_unit(np.minimum, part, names, kept))
        largest.append(_by_unit(np.maximum, part, names, kept))
    lowest, highest = np.concatenate(least), np.concatenate(largest)
    return (total, lowest.T, highest.T) if kept == ["sample", unit] else (total, lowest, highest)


def _parts(dense: Array, outermost: str) -> Iterator[Array]:
    """Yield some samples at a time, few enough to be in the caches when they are read again."""
    count = len(dense)
    some = max(1, min(count, _PART_BYTES * count // dense.nbytes))
    if outermost != "sample":
        some = count
    for begin in range(0, count, some):
        yield dense[begin : begin + some]


def _total(dense: Array) -> float:
    if dense.dtype == np.float32 and dense.size >= _MANY and dense.flags.c_contiguous:
        whole = dense.size // _RUN * _RUN
        flat = dense.reshape(-1)
        runs = flat[:whole].reshape(-1, _RUN)
        step = _PART_BYTES // (_RUN * 4)
        of_runs = [np.add.reduce(runs[i : i + step], axis=0) for i in range(0, len(runs), step)]
        total = float(np.sum(of_runs, dtype=np.float64) + flat[whole:].sum(dtype=np.float64))
        if math.isfinite(total):
            return total
    # In float16 a sum overflows long before the values do.
    return float(dense.sum(dtype=np.float64))


def _by_unit(of: np.ufunc, dense: Array, names: Sequence[str], kept: Sequence[str]) -> Array:
    """Return the least or largest along all axes but those kept, which stay in their order."""
    left = list(names)
    if dense.flags.c_contiguous:
        dense, left = _merged(dense, left, kept)
    while len(left) > len(kept):  # those that lie furthest apart first
        at = next(i for i, name in enumerate(left) if name not in kept)
        inner = math.prod(dense.shape[at + 1 :])
        if at + 1 < len(left) and inner < _RUN and dense.flags.c_contiguous:
            shape = dense.shape
            parts = dense.reshape(-1, shape[at], inner)
            rows = np.stack([_over_rows(of, part) for part in parts])
            dense = rows.reshape(*shape[:at], *shape[at + 1 :])
        else:
            dense = of.reduce(dense, axis=at)
        del left[at]
    return dense


def _merged(dense: Array, names: list[str], kept: Sequence[str]) -> tuple[Array, list[str]]:
    """Return the array with neighbouring axes that are not kept as one."""
    shape: list[int] = []
    left: list[str] = []
    for name, length in zip(names, dense.shape, strict=True):
        if left and name not in kept and left[-1] not in kept:
            shape[-1] *= length
        else:
            shape.append(length)
            left.append(name)
    return dense.reshape(shape), left


def _over_rows(of: np.ufunc, rows: Array) -> Array:
    """Return the least or largest of each column.

    Short rows are compared several at a time: a comparison of two rows has a cost of its own.
    """
    count, width = rows.shape
    several = max(1, min(count, _RUN // width))
    whole = count // several * several
    part = of.reduce(rows[:whole].reshape(-1, several * width), axis=0).reshape(several, width)
    return np.asarray(of.reduce(np.concatenate([part, rows[whole:]]), axis=0))
