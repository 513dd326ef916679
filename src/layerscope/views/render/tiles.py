"""From chosen maps to tiles: palette indexes, or colours."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.maps import blank, constant
from layerscope.views.render import colour_scale, signals
from layerscope.views.render.grid import Tile, for_values, magnification
from layerscope.views.render.palette import GROUND, MARK, MASKED, NAN, SPECIAL
from layerscope.views.render.select_maps import Chosen

_CELLS = 128  #: up to so many units each get a cell and a label of their own
_ROW = 64  #: longer vectors are drawn in rows of so many
_ROWS = 64  #: and those of more rows in square blocks, of as many rows as columns
_BLOCK = 128
_CUT = 16_384  #: a map longer or wider than this is cut into pieces
_PIECE = 2048
_HEADS, _OF_HEADS = 32, 160  #: up to so many heads are drawn so large
_WRITTEN = 1024  #: up to so many maps of a single value have it written in them
_ALONE, _AMONG, _IMAGE = 320, 64, 96  #: how long a tile's longer side is to be
_WIDE = 4  #: a matrix so many times wider than high is drawn as wide as a signal


def index_tiles(chosen: Chosen, result: colour_scale.Scaled, side: int | None = None) -> list[Tile]:
    """Return a tile for each map; the cells, or rows, of a vector."""
    if chosen.vector:
        units = chosen.maps[0, 0][:, None]
        ends = float(result.low[0]), float(result.high[0])
        tiles = _vector(result.indexes[0, 0], *ends, blank(units, chosen.rectified).tolist())
        if len(units) == 1 and not chosen.colour and ends[0] == ends[1]:
            # On a range of itself a value has no colour that would say anything.
            tiles = [tiles[0]._replace(pixels=np.full((1, 1), MARK, np.uint8))]
        if len(units) == 1 or (chosen.is_input and len(units) <= _ROW):
            return with_values(tiles, list(units), ".3g")
        return tiles
    if chosen.maps.size == 0:
        return []
    if chosen.form in ("lines", "taps"):
        return _plots(chosen, result)
    times = magnification(chosen.maps.shape[1:], side or _side(chosen))
    if max(chosen.maps.shape[1:]) > _CUT:
        return _pieces(chosen, result)
    masked = chosen.masked
    indexes = result.indexes
    if masked is not None:
        indexes = np.where(masked, np.uint8(MASKED), indexes)
    if chosen.apart is not None:
        indexes = np.where(chosen.apart, np.uint8(GROUND), indexes)
    silent = blank(chosen.maps, chosen.rectified)
    each = zip(
        indexes,
        chosen.labels,
        result.low.tolist(),
        result.high.tolist(),
        silent.tolist(),
        (constant(chosen.maps) & ~silent).tolist(),
        strict=True,
    )
    rows, columns = chosen.maps.shape[1:3]
    tall = signals.stretch(rows, columns, times) if _is_wide(chosen) else 1
    tiles = [
        Tile(pixels, label, low, high, is_blank, times, (), is_constant, 0, tall)
        for pixels, label, low, high, is_blank, is_constant in each
    ]
    if chosen.maps.shape[1:] == (1, 1) and len(tiles) <= _WRITTEN:
        # A single value has no pattern: its colour alone says nothing.
        return with_values(tiles, list(chosen.maps), ".3g")
    return tiles


def _is_wide(chosen: Chosen) -> bool:
    """Return whether it is one matrix of so few rows that square cells would be a thin strip."""
    rows, columns = chosen.maps.shape[1:3]
    return chosen.form in ("sequence", "strip", "matrix") and columns > _WIDE * rows


def _plots(chosen: Chosen, result: colour_scale.Scaled) -> list[Tile]:
    """Return a plot for each line, or kernel, of one dimension."""
    silent = blank(chosen.maps, chosen.rectified)
    each = zip(
        signals.drawn(chosen, result),
        chosen.labels,
        result.low.tolist(),
        result.high.tolist(),
        silent.tolist(),
        (constant(chosen.maps) & ~silent).tolist(),
        strict=True,
    )
    return [
        Tile(pixels, label, low, high, is_blank, 1, (), is_constant)
        for pixels, label, low, high, is_blank, is_constant in each
    ]


def _pieces(chosen: Chosen, result: colour_scale.Scaled) -> list[Tile]:
    """Cut maps too long for a picture, such as of a long sequence, and lay them side by side."""
    height, width = chosen.maps.shape[1:]
    tiles = []
    silent = blank(chosen.maps, chosen.rectified)
    alike = constant(chosen.maps) & ~silent
    for i, (label, pixels) in enumerate(zip(chosen.labels, result.indexes, strict=True)):
        low, high = float(result.low[i]), float(result.high[i])
        if chosen.masked is not None:
            pixels = np.where(chosen.masked[i], np.uint8(MASKED), pixels)
        cuts = itertools.product(_cuts(height), _cuts(width))
        for number, ((a, b), (c, d)) in enumerate(cuts):
            spans = [
                _span(start, stop)
                for start, stop, size in ((a, b, height), (c, d, width))
                if size > _CUT
            ]
            name = " ".join(filter(None, [label, " × ".join(spans)]))
            state: dict[str, Any] = {"blank": bool(silent[i]), "constant": bool(alike[i])}
            tiles.append(Tile(pixels[a:b, c:d], name, low, high, piece=number, **state))
    return tiles


def _cuts(length: int) -> list[tuple[int, int]]:
    """Return where the pieces of so many rows, or columns, begin and end."""
    if length <= _CUT:
        return [(0, length)]
    return list(itertools.pairwise([*range(0, length, _PIECE), length]))


def with_values(
    tiles: list[Tile], maps: Sequence[npt.NDArray[Any]], form: str = "z.1f"
) -> list[Tile]:
    """Return tiles with the values of their maps written in, all cells of one size."""
    written = [for_values(tile, values, form) for tile, values in zip(tiles, maps, strict=True)]
    cell = max(tile.magnify for tile in written)
    return [tile._replace(magnify=cell) for tile in written]


def _side(chosen: Chosen) -> int:
    """Return how long a tile's longer side is to be: images are to be seen, maps surveyed."""
    if len(chosen.maps) == 1 and _is_wide(chosen):
        return signals.WIDTH
    if len(chosen.maps) == 1 or (chosen.feature and chosen.maps.shape[1] == 1):
        return _ALONE
    if chosen.attention and len(chosen.maps) <= _HEADS:
        return _OF_HEADS
    return _IMAGE if chosen.feature else _AMONG


def joined_tiles(chosen: Chosen, result: colour_scale.Scaled) -> list[Tile]:
    """Return a tile for each unit, with the kernels of all its inputs side by side."""
    units = [label.partition("·")[0] for label in chosen.labels]
    count = len(set(units))
    stacks = result.indexes.reshape(count, -1, *result.indexes.shape[1:])
    low, high = float(result.low[0]), float(result.high[0])
    plain = [bool(flags.all()) for flags in constant(chosen.maps).reshape(count, -1)]
    whole = [joined(stack) for stack in stacks]
    times = magnification(whole[0].shape, _AMONG)
    return [
        Tile(pixels, label, low, high, False, times, (), is_constant)
        for pixels, label, is_constant in zip(whole, dict.fromkeys(units), plain, strict=True)
    ]


def joined(stack: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Join maps ``(n, height, width)`` in a square, a line of the ground between them."""
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
    limits: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    half: bool = False,
) -> tuple[list[Tile], str, int]:
    """Return tiles of three channels as red, green and blue, kernels about a grey zero.

    ``limits`` are one range, or one for each map; ``half`` halves the range about zero. The tiles,
    the scale in words, and how many values are NaN or infinite; their pixels have the colour of
    NaN.
    """
    maps = chosen.maps.astype(np.float64)
    finite = np.isfinite(maps)
    bounds = limits or _colour_range(maps[finite], half, symmetric=chosen.kernel or half)
    low, high = (np.broadcast_to(np.asarray(bound, float), len(maps)) for bound in bounds)
    # One value throughout: grey in a kernel, where it can only be zero; else black.
    width, base = np.where(high > low, high - low, np.inf), 127.5 if chosen.kernel else 0
    with np.errstate(invalid="ignore", over="ignore"):
        levels = (maps - _of_map(low)) / _of_map(width) * 255 + _of_map((high <= low) * base)
        pixels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    pixels[~finite.all(axis=-1)] = SPECIAL[NAN]
    times = magnification(maps.shape[1:3], side or _side(chosen))
    plain = constant(maps) if chosen.feature else np.zeros(len(maps), bool)
    each = zip(pixels, chosen.labels, low.tolist(), high.tolist(), plain.tolist(), strict=True)
    tiles = [
        Tile(shown, label, least, most, False, times, (), is_constant)
        for shown, label, least, most, is_constant in each
    ]
    words = f"red, green and blue: {colour_scale.number(low[0])} … {colour_scale.number(high[0])}"
    if chosen.kernel and low[0] == -high[0]:
        words += ", zero is grey"
    return tiles, words, int(finite.size - finite.sum())


def colour_limits(
    chosen: Chosen,
    scale: colour_scale.Scaling,
    extent: tuple[float, float] | None,
    half: bool = False,
) -> tuple[tuple[npt.NDArray[Any], npt.NDArray[Any]], str]:
    """Return the range of each map in colour, all its channels together, and the scale in words."""
    count, height, width, depth = chosen.maps.shape
    flat = chosen.maps.reshape(count, height, width * depth)
    result = colour_scale.scaled(flat, scale, extent=extent, half=half)
    high = np.where(result.flat, result.low, result.high) if scale == "unit" else result.high
    return (result.low, high), f"in colour, {result.text}"


def _colour_range(
    finite: npt.NDArray[np.float64], half: bool, symmetric: bool
) -> tuple[float, float]:
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if not symmetric:
        return low, high
    reach = max(abs(low), abs(high)) / (2 if half else 1)
    return -reach, reach


def _of_map(bounds: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return one number for each map, as an array that goes with ``(n, height, width, 3)``."""
    return bounds[:, None, None, None]


def _vector(
    indexes: npt.NDArray[np.uint8], low: float, high: float, silent: list[bool]
) -> list[Tile]:
    count = len(indexes)
    if count <= _CELLS:
        return [
            Tile(indexes[i : i + 1, None], str(i), low, high, is_blank, 32)
            for i, is_blank in enumerate(silent)
        ]
    if count <= _ROW * _ROWS:
        return [
            Tile(indexes[None, i : i + _ROW], _span(i, min(i + _ROW, count)), low, high, False, 12)
            for i in range(0, count, _ROW)
        ]
    # So many rows would be as many labels, and a tower: rows of a block lie close to each other.
    whole = count // _BLOCK * _BLOCK
    ends = [*range(0, whole, _BLOCK**2), whole]
    blocks = [indexes[a:b].reshape(-1, _BLOCK) for a, b in itertools.pairwise(ends)]
    tiles = [
        Tile(block, _span(a, b), low, high, False, 2)
        for block, (a, b) in zip(blocks, itertools.pairwise(ends), strict=True)
    ]
    if whole < count:
        tiles.append(Tile(indexes[None, whole:], _span(whole, count), low, high, False, 2))
    return tiles


def _span(start: int, stop: int) -> str:
    return f"{start}–{stop - 1}"
