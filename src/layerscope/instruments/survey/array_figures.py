"""The figures of maps that lie in memory: piece by piece, on all processors.

Each value is read from memory once; a piece that fits the cache is looked at in every way before
the next.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Values of a piece: 256 kB in float32.
_PIECE = 65_536
#: With fewer values than this, threads cost more than they save.
_SMALL = 1_000_000


def array_figures(maps: Array, axis: int, *, masked: bool) -> dict[str, Array]:
    """Return the figures of maps: (sample, place, unit) with axis 1, (sample, unit, place) with 2.

    ``masked`` leaves out what is not finite.
    """
    samples, units = maps.shape[0], maps.shape[3 - axis]
    figures: dict[str, Array] = {
        name: np.zeros((samples, units), maps.dtype) for name in ("peak", "low", "mean", "squares")
    }
    figures |= {name: np.zeros((samples, units), np.int32) for name in ("place", "zeros", "count")}

    def fill(rows: range) -> None:
        with np.errstate(all="ignore"):
            for sample in rows:
                for part in _parts(maps[sample], axis - 1):
                    _fill(figures, sample, part, maps[sample], axis - 1, masked)

    workers = min(os.cpu_count() or 1, samples) if maps.size > _SMALL else 1
    if workers == 1:
        fill(range(samples))
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(fill, (range(i, samples, workers) for i in range(workers))))
    return figures


def _parts(of_sample: Array, axis: int) -> Iterator[slice]:
    """Yield slices of units whose maps fit the cache together."""
    units, places = of_sample.shape[1 - axis], of_sample.shape[axis]
    # Units side by side share each line of memory: they are not taken apart.
    step = units if axis == 0 else max(1, _PIECE // max(places, 1))
    return (slice(i, min(i + step, units)) for i in range(0, units, step))


def _fill(
    figures: dict[str, Array], sample: int, part: slice, of_sample: Array, axis: int, masked: bool
) -> None:
    """Write the figures of some units of a sample."""
    values = of_sample[part] if axis == 1 else of_sample[:, part]
    place = _UnitsLast() if axis == 0 else _PlacesLast()
    for name, numbers in (place.masked(values) if masked else place.plain(values)).items():
        figures[name][sample, part] = numbers


class _PlacesLast:
    """Maps of units one after the other, (unit, place)."""

    def plain(self, values: Array) -> dict[str, Array]:
        """Return the figures of finite values."""
        count = values.shape[1]
        mean = values.mean(axis=1)
        apart = values - mean[:, None]
        place = values.argmax(axis=1)
        ones = np.ones(count, values.dtype)
        return {
            "peak": np.take_along_axis(values, place[:, None], axis=1)[:, 0],
            "place": place,
            "low": values.min(axis=1),
            "mean": mean,
            "squares": np.einsum("ij,ij->i", apart, apart),
            "zeros": (values == 0).astype(values.dtype) @ ones,
            "count": np.full(len(values), count),
        }

    def masked(self, values: Array) -> dict[str, Array]:
        """Return the figures of what is finite."""
        finite = np.isfinite(values)
        high, low = np.where(finite, values, -np.inf), np.where(finite, values, np.inf)
        count = finite.sum(axis=1)
        kept = np.where(finite, values, 0)
        mean = kept.sum(axis=1) / np.maximum(count, 1)
        apart = np.where(finite, kept - mean[:, None], 0)
        return {
            "peak": high.max(axis=1),
            "place": high.argmax(axis=1),
            "low": low.min(axis=1),
            "mean": mean,
            "squares": np.einsum("ij,ij->i", apart, apart),
            "zeros": (finite & (values == 0)).sum(axis=1),
            "count": count,
        }


class _UnitsLast:
    """Maps of units side by side, (place, unit)."""

    def plain(self, values: Array) -> dict[str, Array]:
        """Return the figures of finite values, some rows at a time."""
        count, units = values.shape
        step = max(1, _PIECE // max(units, 1))
        pieces = [values[i : i + step] for i in range(0, count, step)]
        ones = np.ones(step, values.dtype)
        mean = sum(ones[: len(p)] @ p for p in pieces) / values.dtype.type(count)
        peaks = np.stack([piece.max(axis=0) for piece in pieces])
        piece_at = peaks.argmax(axis=0)
        peak = np.take_along_axis(peaks, piece_at[None], axis=0)[0]
        place = np.zeros(units, np.int64)
        for number in np.unique(piece_at):
            of_piece = np.flatnonzero(piece_at == number)
            piece = pieces[number] if len(of_piece) == units else pieces[number][:, of_piece]
            place[of_piece] = number * step + piece.argmax(axis=0)
        squares, zeros = np.zeros(units, values.dtype), np.zeros(units, values.dtype)
        for piece in pieces:
            apart = piece - mean
            squares += np.einsum("ij,ij->j", apart, apart)
            zeros += ones[: len(piece)] @ (piece == 0).astype(values.dtype)
        return {
            "peak": peak,
            "place": place,
            "low": np.stack([piece.min(axis=0) for piece in pieces]).min(axis=0),
            "mean": mean,
            "squares": squares,
            "zeros": zeros,
            "count": np.full(units, count),
        }

    def masked(self, values: Array) -> dict[str, Array]:
        """Return the figures of what is finite."""
        return _PlacesLast().masked(np.ascontiguousarray(values.T))
