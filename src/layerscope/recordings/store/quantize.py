"""8 bits per value: each map between its own lowest and highest value.

Codes 0 to 252 lie evenly from low to high. The lowest value comes back exactly, and so do the
zeros of a rectified map and every value of a constant one; others within 1/504 of the range. 253,
254 and 255 are minus infinity, infinity and NaN; low and high are of what is finite, and 0 where
nothing is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import UNIT_AXES

TOP = 252
MINUS_INFINITY, INFINITY, NAN = 253, 254, 255


def map_axes(dims: tuple[str, ...]) -> tuple[int, ...]:
    """Return the axes that a map is made of: all but the sample's and the unit's.

    Where nothing else is there (``sample, unit``), the units of one sample are the map.
    """
    inside = tuple(i for i, dim in enumerate(dims) if dim != "sample" and dim not in UNIT_AXES)
    return inside or tuple(i for i, dim in enumerate(dims) if dim != "sample")


def quantize(
    values: npt.NDArray[Any], dims: tuple[str, ...]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return codes of the values' shape, and low and high of each map, without the map's axes."""
    axes = map_axes(dims)
    with np.errstate(over="ignore"):  # what float32 can't hold is infinite to us
        values = np.asarray(values, np.float32)
    low = values.min(axis=axes, keepdims=True, initial=np.inf)
    high = values.max(axis=axes, keepdims=True, initial=-np.inf)
    odd = None
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        odd = ~np.isfinite(values)
        low = np.where(odd, np.inf, values).min(axis=axes, keepdims=True, initial=np.inf)
        high = np.where(odd, -np.inf, values).max(axis=axes, keepdims=True, initial=-np.inf)
        empty = low > high
        low, high = np.where(empty, 0, low), np.where(empty, 0, high)
        finite = np.where(odd, low, values)
    else:
        finite = values
    # Float64: the range of two float32 numbers may be more than a float32 holds, or less.
    span = high.astype(np.float64) - low
    per = np.where(span > 0, TOP / np.where(span > 0, span, 1), 0)
    small = np.float32 if per.max(initial=0) < 1e30 and span.max(initial=0) < 1e30 else np.float64
    scaled = np.subtract(finite, low, dtype=small)
    scaled *= per.astype(small)
    np.rint(scaled, out=scaled)
    codes = np.minimum(scaled, TOP, out=scaled).astype(np.uint8)
    if odd is not None:
        codes[np.isneginf(values)] = MINUS_INFINITY
        codes[np.isposinf(values)] = INFINITY
        codes[np.isnan(values)] = NAN
    return codes, low.squeeze(axes).astype(np.float32), high.squeeze(axes).astype(np.float32)


def dequantize(
    codes: npt.NDArray[np.uint8], low: npt.NDArray[Any], high: npt.NDArray[Any]
) -> npt.NDArray[np.float32]:
    """Return the values that codes stand for, along the first axis one by one: as caches hold.

    low and high have the codes' axes, of length 1 where a map extends.
    """
    values = np.empty(codes.shape, np.float32)
    span = high.astype(np.float64) - low
    per = span / TOP
    # Float64 where the range is more than float32 can span, or a step less than it can hold.
    is_plain = span.max(initial=0) < 1e38 and per[per > 0].min(initial=np.inf) > 1e-37
    per = per.astype(np.float32) if is_plain else per
    for i in range(len(codes)):
        if is_plain:
            np.multiply(codes[i], per[i], out=values[i])
            values[i] += low[i]
        else:
            with np.errstate(over="ignore"):  # codes of what is not finite are replaced below
                values[i] = codes[i] * per[i] + low[i]
        np.minimum(values[i], high[i], out=values[i])  # rounding
    if codes.max(initial=0) > TOP:
        values[codes == MINUS_INFINITY] = -np.inf
        values[codes == INFINITY] = np.inf
        values[codes == NAN] = np.nan
    return values
