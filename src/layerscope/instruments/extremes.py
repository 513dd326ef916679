"""Range and sum of a layer's values, and which units are flat, read as they lie in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Sums of fewer values are of float64, where those of values that are alike are exact.
_MANY = 1 << 16
#: So many values are added to as many others at a time.
_RUN = 1 << 11
#: So many are read three times before the next: they are in the caches the second time.
_PART = 1 << 19
#: At how many places along each axis a map is looked at, before all of it is.
_GLANCES = (4, 16)


@dataclass(frozen=True, slots=True)
class FiniteFigures:
    """What finite values come to."""

    low: float
    total: float
    high: float
    flat: npt.NDArray[np.bool_]  #: which units have maps of one value, in each sample
    zero: npt.NDArray[np.bool_]  #: of which units that value is 0


def finite_figures(values: Array, axes: tuple[str, ...], unit: str) -> FiniteFigures | None:
    """Return the range and the sum of all values, and the units whose maps are flat.

    The sum is of float64; where there are many float32, partial sums are of float32, at most 256
    numbers each. Returns None where a value is not finite, or there are none, or they are no
    numbers.
    """
    if values.size == 0 or values.dtype.kind not in "biuf":
        return None
    order = sorted(range(values.ndim), key=lambda at: -abs(values.strides[at]))
    dense = np.ascontiguousarray(values.transpose(order)).reshape(-1)
    total, low, high = 0.0, math.inf, -math.inf
    with np.errstate(over="ignore", invalid="ignore"):
        for begin in range(0, dense.size, _PART):
            part = dense[begin : begin + _PART]
            total += _sum(part)
            if not math.isfinite(total):
                return None
            low = min(low, float(np.minimum.reduce(part)))
            high = max(high, float(np.maximum.reduce(part)))
    others = [i for i, name in enumerate(axes) if name not in (unit, "sample")]
    by = [axes.index(unit), *(i for i, name in enumerate(axes) if name == "sample")]
    flat, zero = _flat(values.transpose(*by, *others), len(others))
    return FiniteFigures(low, total, high, flat, zero)


def _sum(part: Array) -> float:
    """Return the sum of values that lie side by side."""
    if part.dtype == np.float32 and part.size >= _MANY:
        whole = part.size // _RUN * _RUN
        of_runs = np.add.reduce(part[:whole].reshape(-1, _RUN), axis=0)
        total = float(of_runs.sum(dtype=np.float64) + part[whole:].sum(dtype=np.float64))
        if math.isfinite(total):
            return total
    # In float16 a sum overflows long before the values do, and a partial sum may in float32.
    return float(part.sum(dtype=np.float64))


def _flat(maps: Array, places: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which units have maps of one value in each sample, and which of 0.

    ``maps`` has units first, and ``places`` axes at its end that are those of a map. Most maps are
    seen at a glance not to be flat; only those that might be are read.
    """
    may_be = np.arange(len(maps))
    lengths = maps.shape[maps.ndim - places :]
    for most in (*_GLANCES, max(lengths, default=1)):
        steps = tuple(slice(None, None, max(1, length // most)) for length in lengths)
        glance = _within(maps, steps)
        if len(may_be) < len(maps):
            glance = glance[may_be]
        if not places:
            break
        first = _within(glance, (slice(0, 1),) * places)
        alike = (glance == first).reshape(len(may_be), -1).all(axis=1)
        may_be = may_be[alike]
        if not len(may_be) or all(step.step == 1 for step in steps):
            break
    flat, zero = np.zeros(len(maps), bool), np.zeros(len(maps), bool)
    flat[may_be] = True
    corner = _within(maps, (0,) * places).reshape(len(maps), -1)
    zero[may_be] = ~corner[may_be].any(axis=1)
    return flat, zero


def _within(maps: Array, places: tuple[Any, ...]) -> Array:
    """Return the part of maps at some of their last axes."""
    part: Array = maps[(..., *places)]
    return part
