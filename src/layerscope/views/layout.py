"""Where everything goes: tiles in a grid, a label above each, a heading with the scale on top."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.errors import ViewError
from layerscope.views import text
from layerscope.views.panel import VERSION, Panel

MARGIN, GAP = 16, 6
TITLE, SMALL, LABEL = 15, 11, 9  #: sizes of text
_BAR_WIDTH, _BAR_HEIGHT = 120, 10
_WIDEST = 2600  #: how wide a picture gets before it takes fewer columns than 16
_COLUMNS = 16


@dataclass(frozen=True, slots=True)
class Tile:
    """One map, in palette indexes ``(height, width)`` or colours ``(height, width, 3)``."""

    pixels: npt.NDArray[np.uint8]
    label: str = ""
    low: float = 0.0
    high: float = 0.0
    blank: bool = False
    magnify: int = 1
    texts: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the picture."""
        height, width = self.pixels.shape[:2]
        return width * self.magnify, height * self.magnify


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above the tiles."""

    title: str
    address: str
    scale: str  #: in words
    mode: str
    limits: tuple[float, float] | None  #: for the colour bar; None where maps differ in theirs
    note: str = ""


def magnification(shape: tuple[int, int], target: int = 64, most: int = 24) -> int:
    """How many times to enlarge a map so that its longer side comes near the target."""
    return max(1, min(most, target // max(1, *shape)))


def arrange(
    tiles: Sequence[Tile],
    heading: Heading,
    *,
    columns: int | None,
    palette: str,
    ground: str,
    provenance: Callable[[], Mapping[str, str]],
    group: int = 1,
) -> Panel:
    """Put the tiles into a grid, ``columns`` to a row; the last row may be shorter.

    ``group`` tiles belong together and stay on one row.
    """
    if not tiles:
        raise ViewError(f"{heading.address!r} has nothing to draw: its shape is empty.")
    if columns is not None and (not isinstance(columns, int) or columns < 1):
        raise ViewError(f"columns={columns!r}: pass a whole number from 1.")
    labelled = any(tile.label for tile in tiles)
    widths = [
        max(tile.size[0], text.mask(tile.label, LABEL).shape[1] if len(tile.label) > 8 else 0)
        for tile in tiles
    ]
    if columns is None:
        fitting = (_WIDEST - 2 * MARGIN + GAP) // (group * (max(widths) + GAP))
        columns = max(1, min(_COLUMNS // group or 1, fitting))
    across = min(columns * group, len(tiles))
    gutter = text.line_height(LABEL) + 1 if labelled else 0
    top = MARGIN + _heading_height(heading)
    column_widths = [max(widths[i::across]) for i in range(across)]
    lefts = np.cumsum([MARGIN, *(width + GAP for width in column_widths)])[:-1].tolist()
    placed = []
    offset = 0
    for start in range(0, len(tiles), across):
        row = tiles[start : start + across]
        for tile, left in zip(row, lefts, strict=False):
            placed.append(_placed(tile, left, top + gutter, offset))
            offset += tile.pixels.size
        top += gutter + max(tile.size[1] for tile in row) + GAP
    width = max(int(lefts[-1]) + column_widths[-1], MARGIN + _heading_width(heading)) + MARGIN
    header = {
        "version": VERSION,
        "kind": "tiles",
        "title": heading.title,
        "address": heading.address,
        "note": heading.note,
        "size": [width, top - GAP + MARGIN],
        "columns": across,
        "ground": ground,
        "palette": palette,
        "scale": {
            "mode": heading.mode,
            "text": heading.scale,
            "low": heading.limits and heading.limits[0],
            "high": heading.limits and heading.limits[1],
        },
        "tiles": placed,
    }
    pixels = b"".join(np.ascontiguousarray(tile.pixels).data for tile in tiles)
    return Panel(header, (pixels,), provenance)


def _placed(tile: Tile, left: int, top: int, offset: int) -> dict[str, Any]:
    width, height = tile.size
    return {
        "label": tile.label,
        "box": [left, top, width, height],
        "shape": list(tile.pixels.shape[:2]),
        "format": "rgb" if tile.pixels.ndim == 3 else "index",
        "offset": offset,
        "range": [tile.low, tile.high],
        "blank": tile.blank,
        "texts": list(tile.texts),
    }


def bar_box(header: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Where the colour bar goes: below the title."""
    return MARGIN, MARGIN + text.line_height(TITLE) + 6, _BAR_WIDTH, _BAR_HEIGHT


def _heading_height(heading: Heading) -> int:
    lines = 1 + bool(heading.note)
    height: int = text.line_height(TITLE) + 16 + lines * text.line_height(SMALL)
    return height


def _heading_width(heading: Heading) -> int:
    bar = _BAR_WIDTH + 8 if heading.limits else 0
    return max(
        text.mask(heading.title, TITLE).shape[1],
        bar + text.mask(heading.scale, SMALL).shape[1],
        text.mask(heading.note, SMALL).shape[1],
    )


def for_values(tile: Tile, values: npt.NDArray[Any]) -> Tile:
    """The tile with each value written in its cell, to one decimal, and cells large enough."""
    texts = tuple(f"{value:.1f}" for value in values.ravel())
    widest = max((text.mask(t, LABEL).shape[1] for t in texts), default=0)
    cell = max(tile.magnify, widest + 6, text.line_height(LABEL) + 6)
    return replace(tile, magnify=cell, texts=texts)
