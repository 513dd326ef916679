"""What the page draws for a value: a plain model of its colouring, of NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerscope.views.render.palette import LEVELS, NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY, table

DIVERGING = ("diverging", "coolwarm")
Range = tuple[float, float]


def sent(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What travels for ``(n, height, width)``: indexes, and each map's low and high."""
    finite = np.isfinite(maps)
    low = np.array([m[f].min() if f.any() else 0 for m, f in zip(maps, finite, strict=True)])
    high = np.array([m[f].max() if f.any() else 0 for m, f in zip(maps, finite, strict=True)])
    width = np.where(high > low, high - low, 1).astype(float)
    scaled = (maps - low[:, None, None]) / width[:, None, None] * (LEVELS - 1)
    indexes = np.rint(np.where(finite, scaled, 0)).astype(int)
    indexes[np.isnan(maps)] = NAN
    indexes[maps == np.inf] = POSITIVE_INFINITY
    indexes[maps == -np.inf] = NEGATIVE_INFINITY
    return indexes, low, high


def levels(
    maps: np.ndarray, scale: str, network: Range = (0, 1), diverging: bool = False
) -> np.ndarray:
    """The palette's index for each value of ``(n, height, width)``, as the page finds it.

    A value comes as an index on its map's own range, is put on the range that it is looked at on,
    and rounded: by as much it may differ from what the value alone would give.
    """
    indexes, lows, highs = sent(maps)
    finite = maps[np.isfinite(maps)]
    layer = (float(finite.min()), float(finite.max()))
    result = indexes.copy()
    for i, (low, high) in enumerate(zip(lows, highs, strict=True)):
        counted = indexes[i] < LEVELS
        values = low + indexes[i] / (LEVELS - 1) * (high - low)
        start, end = _range(scale, (low, high), layer, network, values[counted], diverging)
        if end > start:
            level = np.floor((values - start) / (end - start) * (LEVELS - 1) + 0.5)
        else:
            level = np.full(values.shape, (LEVELS - 1) // 2 if diverging else 0)
        result[i] = np.where(counted, np.clip(level, 0, LEVELS - 1), indexes[i])
    return result


def _range(
    scale: str, unit: Range, layer: Range, network: Range, values: np.ndarray, diverging: bool
) -> Range:
    if scale == "zscore":  # the tutorials' recipe: mean 128, standard deviation 64, 0 to 255
        mean, std = float(values.mean()), float(values.std())
        return mean - 2 * std, mean + std * 127 / 64
    start, end = {"unit": unit, "layer": layer, "network": network}[scale]
    reach = max(abs(start), abs(end))
    return (-reach, reach) if diverging else (start, end)


def shows(colour: Sequence[int], level: int, palette: str, ground: str = "dark") -> bool:
    """Whether a colour is the palette's at a level, or at one beside it."""
    colours = table(palette, ground)
    near = {level} if level >= LEVELS else {max(0, level - 1), level, min(LEVELS - 1, level + 1)}
    return any((colours[i] == np.array(colour[:3])).all() for i in near)
