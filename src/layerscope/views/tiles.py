"""From chosen maps to tiles: palette indexes, or colours."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from layerscope.maps import blank
from layerscope.views import scaling
from layerscope.views.choose import Chosen
from layerscope.views.layout import Tile, magnification
from layerscope.views.palette import GROUND, NAN, SPECIAL

_CELLS = 128  #: up to so many units each get a cell and a label of their own
_ROW = 64  #: longer vectors are drawn in rows of so many
_ALONE, _AMONG = 320, 64  #: how long a tile's longer side is to be


def index_tiles(chosen: Chosen, result: scaling.Scaled, side: int | None = None) -> list[Tile]:
    """A tile for each map; the cells, or rows, of a vector."""
    if chosen.vector:
        silent = (chosen.maps[0, 0] == 0).tolist()
        return _vector(result.indexes[0, 0], float(result.low[0]), float(result.high[0]), silent)
    if chosen.maps.size == 0:
        return []
    times = magnification(
        chosen.maps.shape[1:], side or (_AMONG if len(chosen.maps) > 1 else _ALONE)
    )
    each = zip(
        result.indexes,
        chosen.labels,
        result.low.tolist(),
        result.high.tolist(),
        blank(chosen.maps).tolist(),
        strict=True,
    )
    return [
        Tile(pixels, label, low, high, is_blank, times)
        for pixels, label, low, high, is_blank in each
    ]


def joined_tiles(chosen: Chosen, result: scaling.Scaled) -> list[Tile]:
    """A tile for each unit, with the kernels of all its inputs side by side."""
    units = [label.partition("·")[0] for label in chosen.labels]
    count = len(set(units))
    stacks = result.indexes.reshape(count, -1, *result.indexes.shape[1:])
    low, high = float(result.low[0]), float(result.high[0])
    silent = [bool(own.all()) for own in blank(chosen.maps).reshape(count, -1)]
    whole = [joined(stack) for stack in stacks]
    times = magnification(whole[0].shape, _AMONG)
    return [
        Tile(pixels, label, low, high, bool(is_blank), times)
        for pixels, label, is_blank in zip(whole, dict.fromkeys(units), silent, strict=True)
    ]


def joined(stack: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Maps ``(n, height, width)`` in a square, a line of the ground between them."""
    count, height, width = stack.shape
    columns = math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    whole = np.full((rows * columns, height + 1, width + 1), GROUND, np.uint8)
    whole[:count, :height, :width] = stack
    whole = whole.reshape(rows, columns, height + 1, width + 1).transpose(0, 2, 1, 3)
    return whole.reshape(rows * (height + 1), -1)[:-1, :-1]


def colour_tiles(
    chosen: Chosen,
    side: int | None = None,
    limits: tuple[float, float] | None = None,
    half: bool = False,
) -> tuple[list[Tile], str, int]:
    """Three channels as red, green and blue, kernels about a grey zero.

    ``half`` halves the range about zero. The tiles, the scale in words, and how many values are NaN
    or infinite; their pixels have the colour of NaN.
    """
    maps = chosen.maps.astype(np.float64)
    finite = np.isfinite(maps)
    found = maps[finite] if finite.any() else np.zeros(1)
    low, high = limits or (float(found.min()), float(found.max()))
    if limits is None and (chosen.kernel or half):
        high = max(abs(low), abs(high)) / (2 if half else 1)
        low = -high
    # One value throughout: grey in a kernel, where it can only be zero; else black.
    width = high - low if high > low else math.inf
    with np.errstate(invalid="ignore", over="ignore"):
        levels = (maps - low) / width * 255 + (127.5 if chosen.kernel and not low < high else 0)
        pixels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    pixels[~finite.all(axis=-1)] = SPECIAL[NAN]
    times = magnification(maps.shape[1:3], side or (_AMONG if len(maps) > 1 else _ALONE))
    tiles = [
        Tile(p, label, low, high, False, times)
        for p, label in zip(pixels, chosen.labels, strict=True)
    ]
    words = f"red, green and blue: {scaling.number(low)} … {scaling.number(high)}"
    if chosen.kernel and low == -high:
        words += ", zero is grey"
    return tiles, words, int(finite.size - finite.sum())


def _vector(
    indexes: npt.NDArray[np.uint8], low: float, high: float, silent: list[bool]
) -> list[Tile]:
    count = len(indexes)
    if count <= _CELLS:
        return [
            Tile(indexes[i : i + 1, None], str(i), low, high, is_blank, 32)
            for i, is_blank in enumerate(silent)
        ]
    return [
        Tile(indexes[None, i : i + _ROW], f"{i}–{min(i + _ROW, count) - 1}", low, high, False, 12)
        for i in range(0, count, _ROW)
    ]
