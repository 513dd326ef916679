"""Where float16 does not hold an array's values any more, it goes on as float32.

The array of float32 lies beside the other, under a name of its own, and comes with the commit of
the first step that needs it, as a metric does that comes late. From that step on all of the
array's values are in it; before, it holds nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.recordings.store.array_layout import GrowingArray

SUFFIX = "_wide"
SINCE = "from_position"  #: the attribute: at which step, counted from 0, it begins

#: From here on a number is infinite in float16.
TOO_LARGE = 65_520
#: Where all values are smaller, float16 has fewer digits: its steps stay 2**-24.
TOO_SMALL = 2.0**-14


def half_holds(low: float, high: float, share: float = 1) -> bool:
    """Return whether float16 holds values from low to high within a share of its range.

    What it holds is off by at most 2**-11 of itself, or 2**-25 where that is more.
    """
    largest = max(-low, high)
    return largest == 0 or TOO_SMALL <= largest < TOO_LARGE * share


def fits_half(values: npt.NDArray[Any], share: float = 1) -> bool:
    """Return whether float16 holds the finite ones among the values."""
    low, high = _ends(values)
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = _ends(values[np.isfinite(values)])
    return half_holds(low, high, share)


def _ends(values: npt.NDArray[Any]) -> tuple[float, float]:
    return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


def wide(stored: GrowingArray, since: int) -> GrowingArray:
    """Return the array that goes on with this one, from a step on."""
    attrs = {**stored.attrs, SINCE: since}
    dtype = np.dtype(np.float32)
    return replace(
        stored, path=stored.path + SUFFIX, dtype=dtype, fill=math.nan, attrs=attrs, late=True
    )
