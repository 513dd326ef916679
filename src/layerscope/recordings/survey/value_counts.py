"""Counts of values on one grid for all layers: a bin for zero, 16 bins an octave on either side.

The grid is read off the bits of float32, so a value falls into the same bin on every machine and in
every framework, and counts of parts add up to the counts of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

#: Bins of an octave: the middle of a bin is at most 2.2 % from each value in it.
OCTAVE = 16
#: The first and the last octave, as powers of two; what is beyond falls into the outermost bin.
_LOWEST, _HIGHEST = -32, 32
_SIDE = (_HIGHEST - _LOWEST) * OCTAVE
#: All bins, from the most negative values over zero to the largest.
BINS = 2 * _SIDE + 1
_MANTISSA = 11  #: bits of a mantissa that tell the bin
_CUTS = np.floor(OCTAVE * np.log2(1 + np.arange(2**_MANTISSA) / 2**_MANTISSA)).astype(np.int32)


def bin_of(values: Array) -> npt.NDArray[np.int32]:
    """Return the bin of each value, 0 to BINS - 1; values are finite."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    size = (bits & np.uint32(0x7FFFFFFF)).view(np.int32)
    octave = (size >> 23) - (127 + _LOWEST)
    along = octave * OCTAVE + _CUTS[(size >> (23 - _MANTISSA)) & (2**_MANTISSA - 1)]
    at: npt.NDArray[np.int32] = np.clip(along, 0, _SIDE - 1) + 1
    at[size == 0] = 0
    negative = bits.view(np.int32) < 0
    np.negative(at, out=at, where=negative)
    at += _SIDE
    return at


def limits(first: int = 0, bins: int = BINS) -> tuple[Array, Array]:
    """Return the lower and the upper limit of some bins; both 0 for the bin of zero."""
    at = np.arange(first, first + bins) - _SIDE
    k = np.abs(at) - 1
    inner = _edge(np.maximum(k, 0))
    outer = _edge(k + 1)
    inner = np.where(k <= 0, 0.0, inner)
    outer = np.where(k == _SIDE - 1, np.inf, outer)
    low = np.where(at > 0, inner, np.where(at < 0, -outer, 0.0))
    high = np.where(at > 0, outer, np.where(at < 0, -inner, 0.0))
    return low, high


def middles(first: int = 0, bins: int = BINS) -> Array:
    """Return a value in the middle of each bin, in ratio: none in it is more than 2.2 % away."""
    low, high = limits(first, bins)
    near, far = np.minimum(np.abs(low), np.abs(high)), np.maximum(np.abs(low), np.abs(high))
    with np.errstate(invalid="ignore"):
        middle = np.sqrt(near * far)
    middle = np.where(near == 0, far, middle)
    middle = np.where(np.isinf(far), near, middle)
    return np.asarray(np.where(high <= 0, -middle, middle) + 0.0)  # no -0.0


def _edge(k: Array) -> Array:
    """Return the lower edge of the k-th bin above zero."""
    starts = 1 + np.searchsorted(_CUTS, np.arange(OCTAVE)) / 2**_MANTISSA
    return np.asarray(np.ldexp(starts[k % OCTAVE], _LOWEST + k // OCTAVE))


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """How many values of each unit fell into each bin, for the bins from ``first`` on."""

    first: int
    counts: Counts  #: (unit, bin)

    @classmethod
    def of(cls, values: Array) -> ValueCounts:
        """Count values, (row, unit); those that are not finite are left out."""
        units = values.shape[1]
        if values.size == 0:
            return cls(_SIDE, np.zeros((units, 1), np.int64))
        finite = np.isfinite(values)
        whole = bool(finite.all())
        at = bin_of(values if whole else np.where(finite, values, 0))
        low, high = int(at.min()), int(at.max())
        width = high - low + 1
        at -= low
        at += np.arange(units, dtype=np.int32) * width if units * width < 2**31 else 0
        flat = at.ravel() if units * width < 2**31 else _flat(at, width)
        if not whole:
            flat = flat[finite.ravel()]
        counted = np.bincount(flat, minlength=units * width)
        return cls(low, counted.reshape(units, width).astype(np.int64, copy=False))

    @property
    def bins(self) -> int:
        """How many bins it has."""
        return int(self.counts.shape[1])

    def __add__(self, other: ValueCounts) -> ValueCounts:
        """Return the counts of both."""
        first = min(self.first, other.first)
        last = max(self.first + self.bins, other.first + other.bins)
        counts = np.zeros((len(self.counts), last - first), np.int64)
        for one in (self, other):
            counts[:, one.first - first : one.first - first + one.bins] += one.counts
        return ValueCounts(first, counts)

    def quantile(self, q: Array) -> Array:
        """Return the quantiles of each unit, (unit, q): the middle of the bin that each falls in.

        NaN for a unit without any value.
        """
        below = np.cumsum(self.counts, axis=1)
        total = below[:, -1:]
        rank = np.clip(np.ceil(np.asarray(q) * total), 1, None)  # of the value asked for, from 1
        at = (below[:, None, :] < rank[:, :, None]).sum(axis=2)
        values = middles(self.first, self.bins)[np.minimum(at, self.bins - 1)]
        return np.where(total > 0, values, np.nan)


def _flat(at: npt.NDArray[np.int32], width: int) -> npt.NDArray[np.int64]:
    """Return one number for each unit and bin, where 32 bits do not hold them."""
    offsets: npt.NDArray[np.int64] = np.arange(at.shape[1], dtype=np.int64) * width
    return (at + offsets).ravel()
