"""What one map of a sample looks like: over an image, along a signal, on words, as bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.errors import ViewError
from layerscope.views.render import text
from layerscope.views.render.colour_scale import number
from layerscope.views.render.palette import LEVELS, table
from layerscope.views.survey.painting import SIZE, Inks, Pixels, cut, polyline, write

Array = npt.NDArray[Any]

STYLES = ("heat", "map", "contour", "top")
_TOP = 0.1  #: the share of places that ``top`` leaves
_WITHIN = 0.995  #: of a map's strength; the strongest few places are drawn as strong as this
_LEVELS = (0.25, 0.5, 0.75)  #: of a map's strength, at which contours run
_DIMMED = 0.22
_LINES, _BARS = 6, 16
_THROUGH = 0.5  #: how much of a map is seen through the line of a signal


@dataclass(frozen=True)
class MapStyle:
    """How maps are drawn."""

    inks: Inks
    side: int = 224  #: about how long a picture's longer side is
    kind: str = "heat"
    strength: float = 0.75  #: of a map over the input, from 0 to 1
    palette: str | None = None  #: by default diverging for maps of both signs, else viridis
    words: Mapping[int, str] | Sequence[str] | None = None
    names: Sequence[str] = ()  #: of the numbers of a vector
    reshape: tuple[int, int] | None = None


def picture(map_: NamedArray | None, given: NamedArray, limits: tuple[float, float], style: MapStyle
            ) -> Pixels:  # fmt: skip
    """Return the picture of a map of a sample, or of the sample alone.

    ``given`` is the sample without the axis of samples, ``limits`` the range that it is drawn on.
    """
    given = _as_image(given, style.reshape)
    if map_ is not None:
        map_ = _as_image(map_, style.reshape)
    if {"y", "x"} <= set(given.axes):
        return _image(map_, given, limits, style)
    if len(given.axes) == 1 and given.axes[0] == "position":
        return _tokens(map_, given, style)
    if "position" in given.axes:
        return _signal(map_, given, limits, style)
    if len(given.axes) == 1 and given.values.dtype.kind in "iu" and style.words is not None:
        return _tokens(map_, given, style)
    return _bars(map_, given, style)


def strength_of(values: Array) -> float:
    """Return the size of value that is drawn at full strength; 0 of a map that is 0 everywhere."""
    sizes = np.abs(values[np.isfinite(values)])
    if not sizes.size:
        return 0.0
    return float(np.quantile(sizes, _WITHIN)) or float(sizes.max())


def colours_of(values: Array, style: MapStyle) -> tuple[Array, Array]:
    """Return a colour for each value, and how strong it is, from 0 to 1."""
    most = strength_of(values)
    share = np.clip(np.nan_to_num(values) / (most or 1), -1, 1)
    signed = bool((share < 0).any())
    palette = style.palette or ("diverging" if signed else "viridis")
    place = (share + 1) / 2 if signed or palette == "diverging" else share
    indexes = np.rint(np.clip(place, 0, 1) * (LEVELS - 1)).astype(np.uint8)
    return table(palette, "dark")[indexes].astype(np.float64), np.abs(share)


def _as_image(array: NamedArray, reshape: tuple[int, int] | None) -> NamedArray:
    if reshape is None or len(array.axes) != 1:
        return array
    if array.values.size != reshape[0] * reshape[1]:
        raise ViewError(
            f"reshape={reshape!r}: a sample has {array.values.size} values, which make no image of "
            "that height and width."
        )
    return NamedArray(array.values.reshape(reshape), ("y", "x"))


def _image(
    map_: NamedArray | None, given: NamedArray, limits: tuple[float, float], style: MapStyle
) -> Pixels:
    slice_of = _deepest(map_, given)
    below = _enlarged(_pixels(slice_of(given), limits), style.side)
    if map_ is None:
        return np.asarray(np.rint(below), np.uint8)
    values = slice_of(map_).values
    high, wide = below.shape[:2]
    values = values[np.ix_(np.arange(high) * values.shape[0] // high,
                           np.arange(wide) * values.shape[1] // wide)]  # fmt: skip
    colours, share = colours_of(values, style)
    if style.kind == "map":
        return np.asarray(np.rint(colours), np.uint8)
    gray = below.mean(axis=2, keepdims=True)
    if style.kind == "top":
        edge = np.quantile(share, 1 - _TOP)
        seen = ((share >= edge) & (share > 0))[..., None]
        drawn = np.where(seen, below, _DIMMED * below)
    elif style.kind == "contour":
        drawn = below.copy()
        for level in _LEVELS:
            line = _edges(share >= level)
            drawn[line] = colours[line] if level == _LEVELS[0] else (255, 150, 30)
        drawn = np.where(_edges(share >= _LEVELS[-1])[..., None], (255, 255, 255), drawn)
    else:
        alpha = style.strength * share[..., None]
        drawn = alpha * colours + (1 - alpha) * (0.35 * below + 0.65 * gray)
    return np.asarray(np.clip(np.rint(drawn), 0, 255), np.uint8)


def _deepest(map_: NamedArray | None, given: NamedArray) -> Callable[[NamedArray], NamedArray]:
    """Return what takes a volume's slice: the one where the map is strongest, or the middle."""
    if "z" not in given.axes:
        return lambda array: array
    at = given.values.shape[given.axes.index("z")] // 2
    if map_ is not None and "z" in map_.axes:
        where = map_.axes.index("z")
        rest = tuple(i for i in range(map_.values.ndim) if i != where)
        at = int(np.abs(np.nan_to_num(map_.values)).sum(axis=rest).argmax())

    def cut_through(array: NamedArray) -> NamedArray:
        if "z" not in array.axes:
            return array
        values = array.values.take(at, axis=array.axes.index("z"))
        return NamedArray(values, tuple(axis for axis in array.axes if axis != "z"))

    return cut_through


def _pixels(given: NamedArray, limits: tuple[float, float]) -> Array:
    """Return an image as colours from 0 to 255."""
    values = given.presented().values.astype(np.float64)
    if "channel" not in given.axes:
        values = values[..., None]
    values = values[..., :3] if values.shape[-1] in (3, 4) else values.mean(-1, keepdims=True)
    low, high = limits
    levels = np.clip((np.nan_to_num(values) - low) / (high - low or 1), 0, 1) * 255
    return np.broadcast_to(levels, (*levels.shape[:2], 3))


def _enlarged(pixels: Array, side: int) -> Array:
    longest = max(pixels.shape[:2])
    if longest > 2 * side:
        step = longest // side
        return pixels[::step, ::step].copy()
    times = max(1, side // longest)
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _edges(inside: Array) -> Array:
    """Return the places just inside a region's edge, two wide."""
    inner = inside.copy()
    for axis in (0, 1):
        for step in (-2, -1, 1, 2):
            inner &= np.roll(inside, step, axis=axis)
    return np.asarray(inside & ~inner)


def _signal(
    map_: NamedArray | None, given: NamedArray, limits: tuple[float, float], style: MapStyle
) -> Pixels:
    """Return a signal as lines on a ground that has the map's colours."""
    where = given.axes.index("position")
    rows = np.atleast_2d(np.moveaxis(given.values, where, -1))
    rows = rows.reshape(-1, rows.shape[-1]).astype(np.float64)
    width, height = 2 * style.side, round(0.6 * style.side)
    canvas = style.inks.canvas(height, width)
    if map_ is not None:
        values = map_.values
        others = tuple(i for i, axis in enumerate(map_.axes) if axis != "position")
        values = values.sum(axis=others) if others else values
        across = _strongest(values, width)
        colours, share = colours_of(across, style)
        alpha = style.strength * share[:, None]
        ground = alpha * colours + (1 - alpha) * np.array(style.inks.ground)
        canvas[:] = np.rint(ground)
    low, high = limits
    drawn = canvas.copy()
    for row in rows[:_LINES] if len(rows) <= _LINES else rows.mean(axis=0, keepdims=True):
        polyline(drawn, row, low, high, style.inks.ink)
    if map_ is None:
        return drawn
    # A quick oscillation fills what it passes: the map is seen through it.
    return np.asarray(np.rint(_THROUGH * canvas + (1 - _THROUGH) * drawn), np.uint8)


def _strongest(values: Array, width: int) -> Array:
    """Return a value for each column: of the places that share it, the one of the largest size."""
    begins = np.arange(width) * len(values) // width
    ends = np.maximum(np.append(begins[1:], len(values)), begins + 1)
    sizes = np.abs(np.nan_to_num(values))
    return np.array(
        [values[a + int(sizes[a:b].argmax())] for a, b in zip(begins, ends, strict=True)]
    )


def _tokens(map_: NamedArray | None, given: NamedArray, style: MapStyle) -> Pixels:
    """Return words, each on a ground of the map's colour."""
    style = replace(style, palette=style.palette or "diverging")
    numbers = given.values.ravel()
    values = np.zeros(len(numbers)) if map_ is None else map_.values.ravel()
    colours, share = colours_of(values, style)
    width = 2 * style.side
    high = text.line_height(SIZE) + 5
    placed: list[tuple[int, str, int, int, int]] = []
    x, y = 4, 2
    for place, value in enumerate(numbers):
        word = cut(_word(value, style.words), width - 12)
        room = text.width(word, SIZE)
        if x + room > width - 6 and x > 4:
            x, y = 4, y + high
        placed.append((place, word, x, y, room))
        x += room + 8
    canvas = style.inks.canvas(y + high, width)
    for place, word, left, top, room in placed:
        alpha = style.strength * share[place]
        shade = alpha * colours[place] + (1 - alpha) * np.array(style.inks.ground)
        canvas[top : top + high - 2, left - 3 : left + room + 3] = np.rint(shade)
        ink = (255, 255, 255) if shade.mean() < 128 else (10, 10, 14)
        write(canvas, word, left, top + 2, ink)
    return canvas


def _word(value: Any, words: Mapping[int, str] | Sequence[str] | None) -> str:
    at = int(value)
    if isinstance(words, Mapping):
        return str(words.get(at, at))
    return str(words[at]) if words is not None and 0 <= at < len(words) else str(at)


def _bars(map_: NamedArray | None, given: NamedArray, style: MapStyle) -> Pixels:
    """Return the numbers of a vector as rows: its name, its value, and the map's bar."""
    style = replace(style, palette=style.palette or "diverging")
    numbers = given.values.ravel().astype(np.float64)
    values = np.zeros(len(numbers)) if map_ is None else map_.values.ravel().astype(np.float64)
    shown = np.arange(len(numbers))
    if len(numbers) > _BARS:
        by = values if np.any(values) else numbers
        shown = np.sort(np.argsort(-np.abs(np.nan_to_num(by)), kind="stable")[:_BARS])
    high = text.line_height(SIZE) + 3
    width = round(1.6 * style.side)
    canvas = style.inks.canvas(len(shown) * high + 4, width)
    colours, _ = colours_of(values, style)
    most = float(np.abs(np.nan_to_num(values)).max(initial=0)) or 1.0
    middle, reach = round(0.72 * width), round(0.26 * width)
    for i, place in enumerate(shown.tolist()):
        top = 2 + i * high
        name = style.names[place] if place < len(style.names) else str(place)
        end = write(canvas, cut(name, round(0.25 * width)), 4, top, style.inks.ink)
        write(canvas, number(float(numbers[place])), max(end + 8, round(0.28 * width)), top,
              style.inks.soft)  # fmt: skip
        if map_ is None:
            continue
        length = round(float(np.clip(np.nan_to_num(values[place]) / most, -1, 1)) * reach)
        left, right = sorted((middle, middle + length))
        canvas[top + 1 : top + high - 3, left : max(right, left + 1)] = np.rint(colours[place])
    return canvas
