"""From values to palette indexes, with the scale said.

``unit`` gives each map its own range, ``layer`` one range to all maps of a layer, ``network`` one
to the whole recording, ``input`` the range that the network accepts; ``zscore`` is the tutorials'
recipe, mean 128 and standard deviation 64 on a scale of 0 to 255. NaN and infinity never take part
in a range. A map without variation is drawn in one flat colour under every scale: noise is never
stretched into a pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import ViewError
from layerscope.views.render.palette import LEVELS, NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY

Array = npt.NDArray[Any]
Scaling = str | tuple[float, float]
SHARED = ("layer", "network", "input")  #: one range for all maps; the last of images only
MODES = ("unit", "layer", "network", "zscore")

#: A range narrower than this share of the values themselves is rounding, not a pattern.
_ROUNDING = 1e-6
_GRID = 1024  #: so many parts of a map's range are told apart in the ends of one that is sent
_TINY, _HUGE = 1e-300, 1e150  #: beyond these, quotients and squares leave float64


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
    """Return the scaling, if it is one; raise ViewError otherwise."""
    if isinstance(scale, str) and scale in MODES:
        return scale
    bounds = bounds_of(scale)
    if bounds is None:
        raise ViewError(
            f"scale={scale!r} is none: pass 'unit', 'layer', 'network', 'zscore', or (low, high) "
            "with low below high."
        )
    return bounds


def bounds_of(pair: Any) -> tuple[float, float] | None:
    """Return ``(low, high)``, if it is two finite numbers, the lower first; None otherwise."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        return None
    if not all(isinstance(bound, int | float | np.number) for bound in pair):
        return None
    low, high = float(pair[0]), float(pair[1])
    return (low, high) if high - low > _TINY and max(-low, high) <= _HUGE else None


def scaled(
    maps: Array,
    scale: Scaling,
    *,
    diverging: bool = False,
    extent: tuple[float, float] | None = None,
    half: bool = False,
    short: bool = False,
) -> Scaled:
    """Give each value of ``(n, height, width)`` its palette index.

    ``diverging`` puts zero in the middle of the range, unless the limits are given; ``extent`` is
    the range of the network, or of its input, for those scales; ``half`` halves the range about its
    middle. ``short`` rounds the ends of each map's own range to numbers of few digits, which take
    less room: by no more than 1/2048 of it, an eighth of the step between two colours.
    """
    exact = maps.dtype == np.float64 or scale == "zscore"  # squares leave float32 early
    values = np.ascontiguousarray(maps, np.float64 if exact else np.float32)
    least, most, finite = _ranges(values)
    some = least <= most  # a map without a finite value has no part in the layer's range
    whole = (float(least[some].min()), float(most[some].max())) if some.any() else (0.0, 0.0)
    least, most = np.where(some, least, 0), np.where(some, most, 0)
    given = scale if isinstance(scale, tuple) else None
    if scale in ("network", "input") and extent is not None:
        given = max(extent[0], -_HUGE), min(extent[1], _HUGE)
    if _needs_wider(values.dtype, whole, given) or _is_tiny(values.dtype, most - least):
        wider = _wider(values)
        return scaled(wider, scale, diverging=diverging, extent=extent, half=half, short=short)
    # A single value has no pattern to stretch.
    flat = _is_rounding(least, most) & (values.shape[1] * values.shape[2] != 1)
    if scale == "zscore":
        low, high = _zscore_limits(values, finite, flat)
    elif scale == "unit":
        low, high = _short(least, most) if short else (least, most)
    else:
        whole = given or whole
        if not isinstance(scale, tuple) and _is_rounding(*whole):
            whole = (whole[0], whole[0])
        low, high = (np.full(len(values), bound, values.dtype) for bound in whole)
    if diverging and scale != "zscore" and not isinstance(scale, tuple):
        high = np.maximum(np.abs(low), np.abs(high))
        low = -high
    if half:
        middle, reach = low / 2 + high / 2, high / 4 - low / 4
        low, high = middle - reach, middle + reach
    covered = given is None and scale != "zscore" and not half and not short
    indexes = _indexes(values, low, high, diverging, clip=not covered)
    if flat.any():
        one = least[flat, None, None]
        indexes[flat] = _indexes(one, low[flat], high[flat], diverging, clip=True)
    not_finite = 0
    if finite is not None:
        not_finite = int(finite.size - finite.sum())
        indexes[np.isnan(values)] = NAN
        indexes[values == np.inf] = POSITIVE_INFINITY
        indexes[values == -np.inf] = NEGATIVE_INFINITY
    return Scaled(indexes, low, high, flat, not_finite, _text(scale, low, high, half))


def _ranges(values: Array) -> tuple[Array, Array, npt.NDArray[np.bool_] | None]:
    """Return each map's smallest and largest finite value, and where values are finite.

    A map that has none gets ``inf`` and ``-inf``.
    """
    flat = values.reshape(len(values), values.shape[1] * values.shape[2])
    if flat.size == 0:
        nothing = np.zeros(len(values), values.dtype)
        return nothing, nothing, None
    with np.errstate(invalid="ignore"):
        least, most = flat.min(axis=1), flat.max(axis=1)
    if np.isfinite(least).all() and np.isfinite(most).all():
        return least, most, None
    finite = np.isfinite(flat)
    least = flat.min(axis=1, where=finite, initial=np.inf)
    most = flat.max(axis=1, where=finite, initial=-np.inf)
    return least, most, finite.reshape(values.shape)


def _short(least: Array, most: Array) -> tuple[Array, Array]:
    """Return ranges whose ends are multiples of a power of two; a single value stays as it is."""
    low, high = least.astype(np.float64), most.astype(np.float64)
    width = high - low
    varies = width > _TINY * _GRID
    step = np.exp2(np.floor(np.log2(np.where(varies, width, 1) / _GRID)))
    ends = (np.where(varies, np.rint(end / step) * step, end) for end in (low, high))
    low, high = (end.astype(least.dtype) for end in ends)
    return low, high


def _is_rounding(low: Array | float, high: Array | float) -> npt.NDArray[np.bool_]:
    """Return whether ranges are so narrow that only rounding can have made them."""
    return np.asarray(high - low <= _ROUNDING * np.maximum(np.abs(low), np.abs(high)))


def _needs_wider(
    dtype: np.dtype[Any], whole: tuple[float, float], given: tuple[float, float] | None
) -> bool:
    """Return whether values, or limits, come near what the type can hold, or tell apart."""
    if dtype == np.float64:
        return max(-whole[0], whole[1]) > _HUGE
    reach = max(map(abs, (*whole, *(given or ()))))
    narrow = given is not None and given[1] - given[0] < max(1e-30, 1e-4 * max(map(abs, given)))
    return reach > 1e15 or narrow


def _is_tiny(dtype: np.dtype[Any], spans: Array) -> bool:
    """Return whether a map's range is so narrow that float32 can't divide by it."""
    return dtype != np.float64 and bool(((spans > 0) & (spans < 1e-30)).any())


def _wider(values: Array) -> Array:
    """Return float64 values; what even there would overflow becomes the largest that does not."""
    values = values.astype(np.float64)
    large = np.isfinite(values) & (np.abs(values) > _HUGE)
    values[large] = np.copysign(_HUGE, values[large])
    return values


def _zscore_limits(values: Array, finite: Array | None, flat: Array) -> tuple[Array, Array]:
    """Return the values that the recipe maps to 0 and to 255; a flat map's own value twice."""
    each = values.reshape(len(values), values.shape[1] * values.shape[2])
    where: Any = True if finite is None else finite.reshape(each.shape)
    count = np.maximum(1, each.shape[1] if finite is None else where.sum(axis=1))
    mean = (each.sum(axis=1, where=where) / count).astype(values.dtype)
    squares = np.square(each - mean[:, None]).sum(axis=1, where=where)
    std = np.sqrt(squares / count).astype(values.dtype)
    std[flat] = 0
    return mean - 2 * std, mean + std * (127 / 64)


def _indexes(
    values: Array, low: Array, high: Array, diverging: bool, *, clip: bool
) -> npt.NDArray[np.uint8]:
    """Return the index of each value between its map's limits; any, where it is not finite."""
    width = high - low
    varies = width > (_TINY if width.dtype == np.float64 else 1e-35)
    factor = np.divide(LEVELS - 1, width, out=np.zeros_like(width), where=varies)
    # Where nothing varies: the first colour, or the middle, which stands for zero.
    rest = (LEVELS - 1) // 2 if diverging else 0
    start = np.where(varies, 0.5, rest + 0.5).astype(width.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        levels = values - low[:, None, None]
        levels *= factor[:, None, None]
        levels += start[:, None, None]
        if clip:
            np.clip(levels, 0, LEVELS - 0.5, out=levels)
        return levels.astype(np.uint8)


def words(scale: Scaling) -> str:
    """Return a scaling in words, where each layer, or map, has limits of its own."""
    if scale == "unit":
        return "each map on its own range"
    if scale == "zscore":
        return "each map by its z-score: mean 128, std 64 of 0…255"
    if scale in ("network", "input"):
        return f"the {scale}'s range"
    return "each on its layer's range" if scale == "layer" else f"{scale[0]} … {scale[1]}"


def _text(scale: Scaling, low: Array, high: Array, half: bool) -> str:
    halved = ", half of it" if half else ""
    if scale in ("unit", "zscore"):
        return words(scale) + halved
    bounds = f"{number(low[0])} … {number(high[0])}" if len(low) else "no values"
    shared = {"layer": "one range", "network": words("network"), "input": words("input")}
    where = shared.get(str(scale), "range given")
    return f"{where}: {bounds}{halved}"


def number(value: float) -> str:
    """Return a number as a scale shows it, to three digits."""
    return f"{float(value):.3g}"
