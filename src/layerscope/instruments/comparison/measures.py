"""How far two arrays of values are apart: cosine, relative error, correlation, all in one go."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_BLOCK = 1 << 18  #: values that are looked at at once: as many as stay in a processor's cache


@dataclass(frozen=True, slots=True)
class Apart:
    """How far two arrays are apart, the one the reference."""

    cosine: float
    relative_error: float
    correlation: float
    largest: float


#: Of two arrays of different shapes.
INCOMPARABLE = Apart(math.nan, math.nan, math.nan, math.nan)


def apart(one: Array, other: Array) -> Apart:
    """Return how far two arrays of one shape are apart.

    Where both are NaN, or infinite alike, they are equal there; where only one is, the error is
    infinite.
    """
    # In the order in which the one lies in memory: nothing need be copied where both lie alike.
    order = sorted(range(one.ndim), key=lambda axis: -abs(one.strides[axis]))
    one, other = one.transpose(order), other.transpose(order)
    sums = np.zeros(6)
    largest, count = 0.0, one.size
    for a, b in _blocks(one, other):
        part, reach = _sums(a, b)
        sums += part
        largest = max(largest, reach)
    a_sum, b_sum, a_square, b_square, product, error = sums
    cosine = _quotient(product, math.sqrt(a_square * b_square), error)
    a_spread = max(a_square - a_sum * a_sum / max(count, 1), 0.0)
    b_spread = max(b_square - b_sum * b_sum / max(count, 1), 0.0)
    together = product - a_sum * b_sum / max(count, 1)
    correlation = _quotient(together, math.sqrt(a_spread * b_spread), error)
    relative = math.sqrt(error / a_square) if a_square else math.inf
    return Apart(cosine, relative if error else 0.0, correlation, largest)


def relative_error(one: Array, other: Array) -> float:
    """Return the norm of the difference by the norm of the one."""
    return apart(one, other).relative_error


def _quotient(above: float, below: float, error: float) -> float:
    """Return a cosine; 1 where both are equal, NaN where one of them is nothing but zeros."""
    if error == 0:
        return 1.0
    if not below or not math.isfinite(below):
        return math.nan
    return max(-1.0, min(1.0, above / below))


def _blocks(one: Array, other: Array) -> Any:
    """Yield both arrays in parts that are contiguous and small, the first axis cut."""
    if not one.size:
        return
    rows = max(1, _BLOCK * len(one) // one.size) if one.ndim else 1
    if one.ndim < 2:
        yield one.reshape(-1), other.reshape(-1)
        return
    for start in range(0, len(one), rows):
        a, b = one[start : start + rows], other[start : start + rows]
        if a.size > 2 * _BLOCK and len(a) == 1:  # one large sample
            yield from _blocks(a[0], b[0])
        else:
            yield a.reshape(-1), b.reshape(-1)


def _sums(a: Array, b: Array) -> tuple[Array, float]:
    """Return the sums of both, of their squares, of their product and of the squared difference."""
    if a.dtype != np.float64 or b.dtype != np.float64:
        a, b = a.astype(np.float32, copy=False), b.astype(np.float32, copy=False)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = a - b
        dots = np.dot(a, a), np.dot(b, b), np.dot(a, b), np.dot(difference, difference)
        sums = np.array([a.sum(), b.sum(), *dots], np.float64)
    if np.isfinite(sums).all() and (a.dtype == np.float64 or sums[2:4].min() > 1e-30):
        return sums, float(max(difference.max(initial=0), -difference.min(initial=0)))
    finite = np.isfinite(a) & np.isfinite(b)
    if not finite.all():
        if not ((a == b) | (np.isnan(a) & np.isnan(b)) | finite).all():
            return np.array([0, 0, 0, 0, 0, math.inf]), math.inf
        return _sums(np.where(finite, a, 0), np.where(finite, b, 0))
    if a.dtype == np.float64:  # too large to be squared
        return np.array([0, 0, 0, 0, 0, 0.0 if (a == b).all() else math.inf]), math.inf
    return _sums(a.astype(np.float64), b.astype(np.float64))
