"""From values to palette indexes, with the scale said.

``unit`` gives each map its own range, ``layer`` one range to all maps of a layer, ``network`` one
to the whole recording; ``zscore`` is the tutorials' recipe, mean 128 and standard deviation 64 on a
scale of 0 to 255. NaN and infinity never take part in a range. A map without variation is drawn in
one flat colour under every scale: noise is never stretched into a pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.errors import ViewError
from layerscope.views.palette import LEVELS, NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY

Array = npt.NDArray[Any]
Scaling = str | tuple[float, float]
MODES = ("unit", "layer", "network", "zscore")

#: A range narrower than this share of the values themselves is rounding, not a pattern.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Scaled:
    """Maps as palette indexes, and how they came to be."""

    indexes: npt.NDArray[np.uint8]  #: (n, height, width)
    low: Array  #: (n,) the value of the first colour, for each map
    high: Array
    flat: npt.NDArray[np.bool_]  #: (n,) drawn in one colour, because nothing varies
    not_finite: int  #: how many values are NaN or infinite
    text: str  #: the scale in words


def check(scale: Any) -> Scaling:
    """The scaling, if it is one; ViewError otherwise."""
    if isinstance(scale, str) and scale in MODES:
        return scale
    if isinstance(scale, tuple | list) and len(scale) == 2:
        low, high = (float(bound) for bound in scale)
        if np.isfinite([low, high]).all() and low < high:
            return low, high
    raise ViewError(
        f"scale={scale!r} is none: pass 'unit', 'layer', 'network', 'zscore', or (low, high) with "
        "low below high."
    )


def scaled(
    maps: Array,
    scale: Scaling,
    *,
    diverging: bool = False,
    extent: tuple[float, float] | None = None,
    half: bool = False,
) -> Scaled:
    """Give each value of ``(n, height, width)`` its palette index.

    ``diverging`` puts zero in the middle of the range; ``extent`` is the range of the network, for
    that scale; ``half`` halves the range about its middle.
    """
    values = np.ascontiguousarray(maps, np.float64 if maps.dtype == np.float64 else np.float32)
    finite, not_finite = _finite(values)
    least, most = _ranges(values, finite)
    flat = most - least <= _ROUNDING * np.maximum(np.abs(least), np.abs(most))
    if values.shape[1] * values.shape[2] == 1:
        flat = np.zeros(len(values), bool)  # a single value has no pattern to stretch
    if scale == "zscore":
        low, high = _zscore_limits(values, finite)
    elif scale == "unit":
        low, high = least, most
    else:
        if isinstance(scale, tuple):
            whole = scale
        elif scale == "network" and extent is not None:
            whole = extent
        else:
            whole = (float(least.min(initial=np.inf)), float(most.max(initial=-np.inf)))
        low, high = (np.full(len(values), bound, values.dtype) for bound in whole)
    if diverging and scale != "zscore" and not isinstance(scale, tuple):
        high = np.maximum(np.abs(low), np.abs(high))
        low = -high
    if half:
        middle, reach = (low + high) / 2, (high - low) / 4
        low, high = middle - reach, middle + reach
    indexes = _indexes(values, finite, low, high)
    if isinstance(scale, str) and scale in ("unit", "zscore"):
        indexes[flat] = 0
    if not_finite:
        indexes[np.isnan(values)] = NAN
        indexes[values == np.inf] = POSITIVE_INFINITY
        indexes[values == -np.inf] = NEGATIVE_INFINITY
    return Scaled(indexes, low, high, flat, not_finite, _text(scale, low, high, half))


def _finite(values: Array) -> tuple[Array | None, int]:
    """Where the values are finite, and how many are not; None where all are."""
    # A sum is finite only if all its terms are (or overflows, and then we look closely).
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):
            return None, 0
    finite = np.isfinite(values)
    return finite, int(values.size - finite.sum())


def _ranges(values: Array, finite: Array | None) -> tuple[Array, Array]:
    flat = values.reshape(len(values), -1)
    if flat.shape[1] == 0:
        return np.zeros(len(values), values.dtype), np.zeros(len(values), values.dtype)
    if finite is None:
        return flat.min(axis=1), flat.max(axis=1)
    where = finite.reshape(flat.shape)
    least = np.min(flat, axis=1, where=where, initial=np.inf)
    most = np.max(flat, axis=1, where=where, initial=-np.inf)
    none = ~where.any(axis=1)
    least[none] = most[none] = 0
    return least, most


def _zscore_limits(values: Array, finite: Array | None) -> tuple[Array, Array]:
    """The values that the recipe maps to 0 and to 255."""
    flat = values.reshape(len(values), -1)
    where: Any = True if finite is None else finite.reshape(flat.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nan_to_num(flat.mean(axis=1, where=where))
        std = np.nan_to_num(flat.std(axis=1, where=where))
    return mean - 2 * std, mean + std * (127 / 64)


def _indexes(values: Array, finite: Array | None, low: Array, high: Array) -> npt.NDArray[np.uint8]:
    width = high - low
    factor = np.divide(LEVELS - 1, width, out=np.zeros_like(width), where=width > 0)
    with np.errstate(invalid="ignore", over="ignore"):
        levels = values - low[:, None, None]
        levels *= factor[:, None, None]
        levels += 0.5
        np.clip(levels, 0, LEVELS - 0.5, out=levels)
        if finite is not None:
            levels[~finite] = 0
        return levels.astype(np.uint8)


def words(scale: Scaling) -> str:
    """A scaling in words, where each layer, or map, has limits of its own."""
    if scale == "unit":
        return "each map on its own range"
    if scale == "zscore":
        return "each map by its z-score: mean 128, std 64 of 0…255"
    if scale == "network":
        return "the network's range"
    return "each on its layer's range" if scale == "layer" else f"{scale[0]} … {scale[1]}"


def _text(scale: Scaling, low: Array, high: Array, half: bool) -> str:
    halved = ", half of it" if half else ""
    if scale in ("unit", "zscore"):
        return words(scale) + halved
    bounds = f"{number(low[0])} … {number(high[0])}" if len(low) else "no values"
    where = {"layer": "one range", "network": "the network's range"}.get(str(scale), "range given")
    return f"{where}: {bounds}{halved}"


def number(value: float) -> str:
    """A number as a scale shows it, to three digits."""
    return f"{float(value):.3g}"
