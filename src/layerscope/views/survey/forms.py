"""What one sample looks like: an image, a signal, words, a row of a table; its field marked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.views.render import text
from layerscope.views.render.colour_scale import number
from layerscope.views.render.palette import LEVELS, table
from layerscope.views.survey.painting import (
    ACCENT,
    SIZE,
    Box,
    Inks,
    Pixels,
    cut,
    framed,
    paragraph,
    polyline,
    write,
)
from layerscope.views.survey.regions import Region

Array = npt.NDArray[Any]
Limits = tuple[float, float]

_LINES = 6  #: up to so many channels of a signal are lines; more are rows of a picture
_COLOURS = ((82, 132, 220), (200, 110, 60), (90, 160, 90), (150, 100, 180), (120, 120, 130))
_FEATURES = 16  #: of a row are bars, the most unusual of more
_PLAIN = 32  #: numbers without names: of more, a line
_AROUND = 5  #: words that are written before and after a field


@dataclass(frozen=True)
class Style:
    """How examples are drawn."""

    inks: Inks
    side: int = 128  #: about how long a picture's longer side is to be
    crop: bool = True  #: whether to cut samples to the field and a little around it
    outlines: bool = True
    words: Mapping[int, str] | Sequence[str] | None = None  #: what tokens stand for
    reshape: tuple[int, int] | None = None  #: of vectors that are images
    compact: bool = False  #: whether words are a line, and rows of tables cells


@dataclass(frozen=True)
class KnownInput:
    """What is known of an input over the samples of a survey."""

    limits: Limits = (0.0, 1.0)  #: the range that all samples are drawn on
    low: Array = field(default_factory=lambda: np.zeros(0))  #: of each number of a vector
    high: Array = field(default_factory=lambda: np.zeros(0))
    middle: Array = field(default_factory=lambda: np.zeros(0))
    names: Sequence[str] = ()  #: of these numbers
    tokens: bool = False


def form_of(array: NamedArray, known: KnownInput, style: Style) -> str:
    """Return ``image``, ``signal``, ``tokens``, ``row`` or ``text``."""
    axes = set(array.axes) - {"sample"}
    if array.values.dtype.kind in "USO":
        return "text"
    if {"y", "x"} <= axes:
        return "image"
    if known.tokens and len(axes) == 1:
        return "tokens"
    if "position" in axes:
        return "signal"
    if style.reshape is not None and array.values.size == math.prod(style.reshape):
        return "image"
    many = array.values.size > _PLAIN and not known.names
    return "signal" if many else "row"


def drawn(
    array: NamedArray,
    region: Region,
    known: KnownInput,
    style: Style,
    *,
    window: tuple[int, int] | None = None,
    heat: Array | None = None,
) -> Pixels:
    """Return the picture of one sample; ``window`` is how high and wide a cut image is."""
    form = form_of(array, known, style)
    if form == "text":
        return paragraph(" ".join(map(str, array.values.ravel())), 3 * style.side, style.inks)
    if form == "image":
        return _image(array, region, known, style, window, heat)
    if form == "tokens":
        return _tokens(array, region, style, heat)
    if form == "signal":
        return _signal(array, region, known, style, heat)
    return _row(array, known, style)


def window_of(array: NamedArray, region: Region) -> tuple[int, int] | None:
    """Return how much of an image is to be seen: its field, and a little around it.

    None where that is the whole image.
    """
    sizes = dict(zip(array.axes, array.values.shape, strict=True))
    if not region.ranges or not {"y", "x"} <= set(sizes):
        return None
    lengths = [
        min(sizes[axis], _with_margin(len(region.ranges.get(axis, range(sizes[axis])))))
        for axis in ("y", "x")
    ]
    return lengths[0], lengths[1]


def _with_margin(length: int) -> int:
    return length + 2 * max(2, round(length / 8))


def pixels_of(array: NamedArray, region: Region, known: KnownInput, style: Style) -> Pixels:
    """Return an image as colours, drawn on the range of the input."""
    values, axes = _without_samples(array)
    if "y" not in axes and style.reshape is not None:
        values, axes = values.reshape(style.reshape), ["y", "x"]
    if "z" in axes:
        at = region.box.get("z") or range(values.shape[axes.index("z")])
        values = values.take(at[len(at) // 2], axis=axes.index("z"))
        axes.remove("z")
    others = [axis for axis in axes if axis not in ("y", "x", "channel")]
    for axis in others:
        values = values.take(0, axis=axes.index(axis))
        axes.remove(axis)
    if "channel" not in axes:
        values, axes = values[..., None], [*axes, "channel"]
    image = values.transpose([axes.index(axis) for axis in ("y", "x", "channel")])
    image = image[..., :3] if image.shape[2] in (3, 4) else image.mean(axis=2, keepdims=True)
    low, high = known.limits
    levels = (np.nan_to_num(image.astype(np.float64)) - low) / (high - low or 1) * 255
    colours = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return colours if colours.shape[2] == 3 else colours.repeat(3, axis=2)


def _without_samples(array: NamedArray) -> tuple[Array, list[str]]:
    axes = list(array.axes)
    values = array.values
    if "sample" in axes:
        values = values.take(0, axis=axes.index("sample"))
        axes.remove("sample")
    return values, axes


def _image(
    array: NamedArray,
    region: Region,
    known: KnownInput,
    style: Style,
    window: tuple[int, int] | None,
    heat: Array | None,
) -> Pixels:
    picture = pixels_of(array, region, known, style)
    height, width = picture.shape[:2]
    box: Box | None = None
    if region.box:
        rows, columns = (region.box.get(a, range(n)) for a, n in (("y", height), ("x", width)))
        box = rows.start, rows.stop, columns.start, columns.stop
    seen: Box = (0, height, 0, width)
    if window is not None and box is not None and region.ranges and style.crop:
        seen = (*_around(box[:2], window[0], height), *_around(box[2:], window[1], width))
    return framed(
        picture,
        seen,
        box,
        style.side,
        style.inks,
        dims=bool(region.ranges),
        heat=heat,
        outlines=style.outlines,
    )


def _around(ends: Sequence[int], length: int, whole: int) -> tuple[int, int]:
    """Return a stretch of this length with these ends in its middle, within the whole."""
    length = min(length, whole)
    begin = min(max(round((ends[0] + ends[1] - length) / 2), 0), whole - length)
    return begin, begin + length


def _along(values: Array, axes: list[str]) -> tuple[Array, str]:
    """Return values as ``(channel, position)``, and the axis that positions stand on."""
    across = "position" if "position" in axes else axes[-1]
    return np.atleast_2d(np.moveaxis(values, axes.index(across), -1)), across


def _signal(
    array: NamedArray, region: Region, known: KnownInput, style: Style, heat: Array | None
) -> Pixels:
    values, axes = _without_samples(array)
    rows, across = _along(values, axes)
    rows = rows.reshape(-1, rows.shape[-1])
    length = rows.shape[1]
    at = region.box.get(across)
    begin, stop = 0, length
    if style.crop and at is not None and region.ranges and len(at) < length / 4:
        begin, stop = _around((at.start, at.stop), min(length, 4 * len(at) + 8), length)
    width, height = round(1.9 * style.side), round(0.62 * style.side)
    canvas = style.inks.canvas(height, width)
    shown = rows[:, begin:stop]
    if len(rows) > _LINES:
        canvas = _strip(shown, known, height, width)
    if at is not None:
        left, right = ((edge - begin) * width / (stop - begin) for edge in (at.start, at.stop))
        first, last = max(0, round(left)), min(width, max(round(right), round(left) + 2))
        if len(rows) > _LINES:
            inside = canvas[:, first:last].copy()
            canvas[:] = (canvas * 0.35 + np.array(style.inks.veil) * 0.65).astype(np.uint8)
            canvas[:, first:last] = inside
        else:
            shade = 0.75 * np.array(style.inks.ground) + 0.25 * np.array(ACCENT)
            canvas[:, first:last] = np.rint(shade)
    if len(rows) <= _LINES:
        low, high = known.limits
        colours = _COLOURS if len(rows) > 1 else [style.inks.ink]
        for row, colour in zip(shown, colours * 2, strict=False):
            polyline(canvas, row.astype(np.float64), low, high, colour)
    if heat is not None and heat.ndim == 1:
        at_cell = np.arange(begin, stop) * len(heat) // length
        polyline(canvas, heat[at_cell].astype(np.float64), 0, 1, ACCENT)
    return canvas


def _strip(rows: Array, known: KnownInput, height: int, width: int) -> Pixels:
    low, high = known.limits
    share = np.clip((np.nan_to_num(rows) - low) / (high - low or 1), 0, 1)
    indexes = np.rint(share * (LEVELS - 1)).astype(np.uint8)
    down = np.arange(height) * len(rows) // height
    across = np.arange(width) * rows.shape[1] // width
    return np.array(table("viridis", "dark")[indexes[np.ix_(down, across)]])


def _tokens(array: NamedArray, region: Region, style: Style, heat: Array | None) -> Pixels:
    """Return the words around a field, those in it on a ground of their own.

    With a map, each word has as much of that ground as the unit fires there.
    """
    values, axes = _without_samples(array)
    numbers = values.ravel()
    at = region.box.get(axes[0]) or range(0)
    begin, stop = 0, len(numbers)
    if style.crop and len(at):
        around = 2 if style.compact else _AROUND
        begin, stop = max(0, at.start - around), min(stop, at.stop + around)
    width = round((5 if style.compact else 2.6) * style.side)
    high = text.line_height(SIZE) + 3
    placed, x, y = [], 4, 2
    for place in range(begin, stop):
        word = cut(_word(numbers[place], style.words), width - 12)
        room = text.width(word, SIZE)
        if x + room > width - 6 and x > 4:
            x, y = 4, y + high
        placed.append((place, word, x, y, room))
        x += room + 7
    rows = (y - 2) // high + 1 if placed else 1
    canvas = style.inks.canvas(min(rows, 1 if style.compact else 12) * high + 2, width)
    if heat is None or heat.ndim != 1:
        heat = np.isin(np.arange(len(numbers)), np.array(at)).astype(np.float32)
    for place, word, left, top, room in placed:
        if top + high > canvas.shape[0] + 3:
            break
        inside = place in at
        share = 0.45 * float(np.clip(heat[place * len(heat) // len(numbers)], 0, 1))
        shade = (1 - share) * np.array(style.inks.ground) + share * np.array(ACCENT)
        canvas[top : top + high - 1, max(0, left - 3) : left + room + 3] = np.rint(shade)
        write(canvas, word, left, top + 1, style.inks.ink if inside or not at else _soft(style))
    return canvas


def _soft(style: Style) -> tuple[int, ...]:
    ink, ground = np.array(style.inks.ink), np.array(style.inks.ground)
    return tuple(np.rint(0.6 * ink + 0.4 * ground).astype(int).tolist())


def _word(value: Any, words: Mapping[int, str] | Sequence[str] | None) -> str:
    at = int(value)
    if isinstance(words, Mapping):
        return str(words.get(at, at))
    return str(words[at]) if words is not None and 0 <= at < len(words) else str(at)


def _cells(shares: Array, style: Style) -> Pixels:
    """Return shares as cells in a row, from dark to bright."""
    indexes = np.rint(np.clip(np.nan_to_num(shares), 0, 1) * (LEVELS - 1)).astype(np.uint8)
    cell = max(1, min(12, 5 * style.side // len(shares)))
    colours = table("viridis", "dark")[indexes]
    return np.array(colours.repeat(cell, axis=0)[None].repeat(10, axis=0))


def _row(array: NamedArray, known: KnownInput, style: Style) -> Pixels:
    """Return the numbers of a row as bars: each on the range it has over the samples kept."""
    values, _ = _without_samples(array)
    numbers = values.ravel().astype(np.float64)
    count = len(numbers)
    low, high, middle = known.low, known.high, known.middle
    if len(low) != count:
        low, high = np.minimum(numbers, 0), np.maximum(numbers, 0)
        middle = np.zeros(count)
    span = np.where(high > low, high - low, 1)
    if style.compact:
        return _cells((numbers - low) / span, style)
    shown = np.arange(count)
    if count > _FEATURES:
        apart = np.abs(np.nan_to_num(numbers - middle)) / span
        shown = np.sort(np.argsort(-apart, kind="stable")[:_FEATURES])
    high_of_line = text.line_height(SIZE) + 1
    width = round(1.9 * style.side)
    canvas = style.inks.canvas(len(shown) * high_of_line + 2, width)
    name_room, bar = round(0.42 * width), round(0.34 * width)
    for i, place in enumerate(shown.tolist()):
        top = 1 + i * high_of_line
        name = known.names[place] if place < len(known.names) else str(place)
        write(canvas, cut(name, name_room - 4), 2, top, style.inks.ink)
        share = np.clip(
            (np.array([numbers[place], middle[place]]) - low[place]) / span[place], 0, 1
        )
        ends = [name_room + round(float(s) * bar) for s in np.nan_to_num(share)]
        canvas[top + 3 : top + high_of_line - 3, name_room : name_room + bar] = style.inks.veil
        left, right = min(ends), max(max(ends), min(ends) + 2)
        colour = _COLOURS[0] if ends[0] >= ends[1] else _COLOURS[1]
        canvas[top + 2 : top + high_of_line - 2, left:right] = colour
        write(canvas, number(numbers[place]), name_room + bar + 5, top, style.inks.ink)
    return canvas
