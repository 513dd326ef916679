"""Pictures in colour, painted by hand: pixels, boxes, words, lines and bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.text import printable, shortened
from layerscope.views.render import text
from layerscope.views.render.palette import GROUND, INK, MARK, table
from layerscope.views.render.thinning import means

Array = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]  #: top, bottom, left, right; half open

ACCENT = (255, 150, 30)
_DIMMED = 0.72  #: how much of what is around a field is taken away
_HEAT = 0.6  #: of a map over the picture
SIZE = 9  #: of words
_LONGEST = 300  #: characters of a line, before it is measured


@dataclass(frozen=True)
class Inks:
    """The colours of a ground."""

    ground: tuple[int, ...]
    ink: tuple[int, ...]
    soft: tuple[int, ...]  #: of what stands back
    veil: tuple[int, ...]  #: what is dimmed moves towards it

    @classmethod
    def of(cls, ground: str) -> Inks:
        """Return those of ``dark`` or ``light``."""
        colours = table("gray", ground)
        back, ink, soft = (tuple(map(int, colours[i])) for i in (GROUND, INK, MARK))
        return cls(back, ink, soft, (58, 58, 66) if ground == "dark" else (198, 198, 206))

    def canvas(self, height: int, width: int) -> Pixels:
        """Return an empty picture."""
        canvas = np.empty((max(1, height), max(1, width), 3), np.uint8)
        canvas[:] = self.ground
        return canvas


def framed(
    picture: Pixels,
    window: Box,
    field: Box | None,
    side: int,
    inks: Inks,
    *,
    dims: bool = True,
    heat: Array | None = None,
    outlines: bool = True,
) -> Pixels:
    """Return a window of a picture, about ``side`` pixels long, with a field in it.

    What is around the field is dimmed, or where not ``dims``, only the field's outline drawn.
    ``heat`` is a map of the whole picture, from 0 to 1, laid over it.
    """
    top, bottom, left, right = window
    part = picture[top:bottom, left:right].astype(np.float32)
    if heat is not None:
        part = _heated(part, heat, picture.shape, window)
    longest = max(part.shape[:2])
    less = max(1, round(longest / side))
    times = max(1, side // longest)
    if less > 1:
        part = means(part[None], less)[0]
    else:
        part = part.repeat(times, axis=0).repeat(times, axis=1)
    drawn = np.asarray(np.clip(np.rint(part), 0, 255), np.uint8)
    if field is None:
        return drawn
    scale = times / less
    box = tuple(
        min(max(round((edge - begin) * scale), 0), length)
        for edge, begin, length in zip(
            field, (top, top, left, left), np.repeat(drawn.shape[:2], 2), strict=True
        )
    )
    if dims:
        drawn = dimmed(drawn, box, inks)
    covers = box[0] <= 0 and box[2] <= 0 and (box[1], box[3]) == drawn.shape[:2]
    if outlines and not covers:
        outline(drawn, box, ACCENT)
    return drawn


def _heated(part: Array, heat: Array, shape: tuple[int, ...], window: Box) -> Array:
    """Return pixels with a map over them: what is strong is seen, what is weak is not."""
    top, bottom, left, right = window
    rows = np.arange(top, bottom) * heat.shape[0] // shape[0]
    columns = np.arange(left, right) * heat.shape[1] // shape[1]
    share = np.clip(np.nan_to_num(heat[np.ix_(rows, columns)]), 0, 1)[..., None]
    colours = table("viridis", "dark")[np.rint(share[..., 0] * 238).astype(np.uint8)]
    alpha = _HEAT * (0.3 + 0.7 * share)
    return np.asarray(alpha * colours + (1 - alpha) * part)


def dimmed(picture: Pixels, box: Box, inks: Inks) -> Pixels:
    """Return a picture with what is outside a box dimmed."""
    top, bottom, left, right = box
    whole = (1 - _DIMMED) * picture + _DIMMED * np.array(inks.veil)
    result = np.rint(whole).astype(np.uint8)
    result[top:bottom, left:right] = picture[top:bottom, left:right]
    return result


def outline(picture: Pixels, box: Box, colour: Sequence[int]) -> None:
    """Draw the edge of a box, just inside; of one of a few pixels, just around it."""
    top, bottom, left, right = box
    if bottom - top < 6:
        top, bottom = top - 1, bottom + 1
    if right - left < 6:
        left, right = left - 1, right + 1
    height, width = picture.shape[:2]
    rows = slice(max(top, 0), min(bottom, height))
    columns = slice(max(left, 0), min(right, width))
    for row in (top, bottom - 1):
        if 0 <= row < height:
            picture[row, columns] = colour
    for column in (left, right - 1):
        if 0 <= column < width:
            picture[rows, column] = colour


def write(canvas: Pixels, words: str, x: int, y: int, colour: Sequence[int]) -> int:
    """Write words on a canvas, as far as there is room; return where they end."""
    covered = text.mask(words, SIZE).astype(np.float32)[..., None] / 255
    part = canvas[y : y + covered.shape[0], x : x + covered.shape[1]]
    covered = covered[: part.shape[0], : part.shape[1]]
    part[:] = np.rint(covered * np.array(colour) + (1 - covered) * part).astype(np.uint8)
    return x + int(covered.shape[1])


def cut(words: str, room: int) -> str:
    """Return words that are no wider than there is room, their middle left out where they are."""
    words = shortened(printable(words), _LONGEST)
    if text.width(words, SIZE) <= room:
        return words
    most = len(words) - 1
    while most > 1:
        head = (most - 1) // 2
        shorter = f"{words[:head]}…{words[len(words) - (most - 1 - head) :]}"
        if text.width(shorter, SIZE) <= room:
            return shorter
        most -= 1
    return "…"


def paragraph(words: str, width: int, inks: Inks, lines: int = 6) -> Pixels:
    """Return a sentence, wrapped, as a picture of this width."""
    rows, line = [], ""
    for word in words.split():
        longer = f"{line} {word}" if line else word
        if line and text.width(longer, SIZE) > width - 8:
            rows.append(line)
            longer = word
        line = longer
    rows.append(line)
    high = text.line_height(SIZE)
    canvas = inks.canvas(min(len(rows), lines) * high + 6, width)
    for i, row in enumerate(rows[:lines]):
        write(canvas, cut(row, width - 8), 4, 3 + i * high, inks.ink)
    return canvas


def polyline(canvas: Pixels, values: Array, low: float, high: float, colour: Sequence[int]) -> None:
    """Draw values from left to right over the whole canvas."""
    height, width = canvas.shape[:2]
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return
    across = np.linspace(0, len(values) - 1, width)
    within = np.interp(across, known, values[known])
    if len(values) > width:  # the least and the largest of what falls on a column
        starts = np.arange(width) * len(values) // width
        least, most = (f.reduceat(values, starts) for f in (np.fmin, np.fmax))
    else:
        least = most = within
    span = high - low if high > low else 1.0
    ends = [np.rint((height - 1) * (1 - (v - low) / span)) for v in (most, least)]
    tops, bottoms = (np.clip(np.nan_to_num(v), 0, height - 1).astype(int) for v in ends)
    last = tops[0]
    for x in range(width):
        first, stop = min(tops[x], last), max(bottoms[x], last) + 1
        if math.isfinite(within[x]):
            canvas[first:stop, x] = colour
        last = bottoms[x] if tops[x] <= last else tops[x]
