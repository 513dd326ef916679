"""Where everything goes: tiles in a grid, a label above each, a heading with the scale on top."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import ViewError
from layerscope.core.text import shown_name
from layerscope.views.render import text
from layerscope.views.render.palette import table
from layerscope.views.render.panel import VERSION, Panel
from layerscope.views.render.png import LONGEST, MOST_PIXELS

MARGIN, GAP = 16, 6
TITLE, SMALL, LABEL = 15, 11, 9  #: sizes of text
_BAR_WIDTH, _BAR_HEIGHT = 120, 10
_WIDEST = 2600  #: how wide a picture gets before it takes fewer columns than 16
_COLUMNS = 16
_SEEN_AT_ONCE = 2048  #: tiles
_SCREEN, _MOST_GROWN = 1300, 3.0  #: text of wider pictures grows with them, up to so many times
_DECIMALS = 6  #: smaller values are written as 1.2e-09
_LONGEST = 250  #: characters of a line of the heading
_TALLEST = 16_384  #: how high one gets before it takes more columns than 16
_MANY_PIXELS = 2**25  #: a picture of more pixels has its maps enlarged less


class Tile(NamedTuple):
    """One map, in palette indexes ``(height, width)`` or colours ``(height, width, 3)``."""

    pixels: npt.NDArray[np.uint8]
    label: str = ""
    low: float = 0.0
    high: float = 0.0
    blank: bool = False
    magnify: int = 1
    texts: tuple[str, ...] = ()
    constant: bool = False
    piece: int = 0  #: which piece it is of a map that was cut
    tall: int = 1  #: how many times higher than wide a pixel is drawn

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the picture."""
        height, width = self.pixels.shape[:2]
        return width * self.magnify, height * self.magnify * self.tall


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above the tiles."""

    title: str
    address: str
    scale: str  #: in words
    mode: str
    limits: tuple[float, float] | None  #: for the colour bar; None where maps differ in theirs
    note: str = ""
    labels: str = "channel"  #: what the tiles' labels count, or "title" where each is a title
    legend: tuple[tuple[int, str], ...] = ()  #: palette indexes that stand for something, in words
    axes: tuple[str, str] | None = None  #: what the rows and the columns of every map are
    positions: int = 0  #: how many go across, where that is not the number of columns


def magnification(shape: tuple[int, int], target: int = 64, most: int = 24) -> int:
    """Return how many times to enlarge a map so that its longer side comes near the target."""
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
    table(palette, ground)  # says what is wrong with them
    columns = check_columns(columns)
    tiles = _within(tiles)
    sizes = [tile.size for tile in tiles]
    widths = _widths(tiles, sizes, LABEL)
    if columns is None:
        fitting = (_WIDEST - 2 * MARGIN + GAP) // (group * (max(widths) + GAP))
        columns = max(1, min(_COLUMNS // group or 1, fitting))
        columns = max(columns, _squarer(tiles, max(widths), columns * group) // group)
    across = min(columns * group, len(tiles))
    heading = replace(
        heading,
        title=shown_name(heading.title, _LONGEST),
        note=shown_name(heading.note, _LONGEST),
    )
    grown = _growth(sum(max(widths[i::across]) + GAP for i in range(across)))
    # Of more maps than are seen at once, one looks at parts, as large as they are.
    label_size = round(LABEL * grown) if len(tiles) <= _SEEN_AT_ONCE else LABEL
    widths = _widths(tiles, sizes, label_size)
    parts, wide, high = _heading(heading, grown)
    labelled = _label_height(tiles, label_size)
    placed, right, bottom = _grid(tiles, sizes, widths, across, MARGIN + high, labelled)
    header = {
        "version": VERSION,
        "kind": "maps",
        "title": heading.title,
        "address": heading.address,
        "note": heading.note,
        "size": [max(right, wide) + MARGIN, bottom + MARGIN],
        **parts,
        "columns": across,
        "labels": heading.labels,
        "axes": heading.axes and list(heading.axes),
        "positions": heading.positions,
        "label_size": label_size,
        "label_height": labelled or text.line_height(label_size) + 1,
        "value_size": LABEL,
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
    _check_size(header["address"], header["size"])
    pixels = b"".join([tile.pixels.tobytes() for tile in tiles])
    return Panel(header, {"pixels": pixels}, provenance)


def _widths(tiles: Sequence[Tile], sizes: Sequence[tuple[int, int]], label_size: int) -> list[int]:
    """Return how much room each tile takes across, its label included."""
    return [
        max(width, *(text.width(line, label_size) for line in tile.label.split("\n")))
        for tile, (width, _) in zip(tiles, sizes, strict=True)
    ]


def _growth(width: int) -> float:
    """Return how many times larger text is in a wide picture, which is looked at made smaller."""
    return min(_MOST_GROWN, max(1.0, math.floor(2 * width / _SCREEN) / 2))


def _within(tiles: Sequence[Tile]) -> Sequence[Tile]:
    """Return the tiles, enlarged less where they would make a picture of too many pixels.

    Where values are written in the cells, these stay as large as that takes.
    """
    kinds = Counter(
        ((tile.pixels.shape[0] * tile.tall, tile.pixels.shape[1]), tile.magnify)
        for tile in tiles
        if not tile.texts
    )
    if not kinds:
        return tiles
    largest = most = max(magnify for _, magnify in kinds)
    while most > 1 and sum(n * _area(*kind, most) for kind, n in kinds.items()) > _MANY_PIXELS:
        most -= 1
    if most == largest:
        return tiles
    return [
        tile if tile.texts else tile._replace(magnify=min(tile.magnify, most)) for tile in tiles
    ]


def _area(shape: tuple[int, ...], magnify: int, most: int) -> int:
    height, width = (length * min(magnify, most) + GAP for length in shape)
    return width * (height + LABEL)


def _squarer(tiles: Sequence[Tile], width: int, across: int) -> int:
    """Return how many tiles to a row where so few would make a tower that nobody scrolls down.

    About as many as make the picture as wide as it is high.
    """
    height = max(tile.size[1] for tile in tiles) + _label_height(tiles) + GAP
    if -(-len(tiles) // across) * height <= _TALLEST:
        return across
    return max(across, math.ceil(math.sqrt(len(tiles) * height / (width + GAP))))


def _check_size(address: str, size: Sequence[int]) -> None:
    width, height = size
    if max(size) > LONGEST or width * height > MOST_PIXELS:
        raise ViewError(
            f"The picture of {address!r} would have {width:,} × {height:,} pixels; the most are "
            f"{LONGEST:,} a side and {MOST_PIXELS:,} in all: name a part of it, such as "
            "'conv2d:0', or pass another number of columns."
        )


def _label_height(tiles: Sequence[Tile], size: int = LABEL) -> int:
    """Return how much room the labels take above the tiles: as many lines as the longest has."""
    lines = max((tile.label.count("\n") + 1 for tile in tiles if tile.label), default=0)
    return lines * text.line_height(size) + 1 if lines else 0


def check_columns(columns: Any) -> int | None:
    """Return how many columns were asked for; raise ViewError for what is no number of columns."""
    if columns is None:
        return None
    if not isinstance(columns, int | np.integer) or isinstance(columns, bool) or columns < 1:
        raise ViewError(f"columns={columns!r}: pass a whole number from 1.")
    return int(columns)


def _grid(
    tiles: Sequence[Tile],
    sizes: Sequence[tuple[int, int]],
    widths: Sequence[int],
    across: int,
    top: int,
    gutter: int,
) -> tuple[list[dict[str, Any]], int, int]:
    """Return each tile with its place, and where the last column and the last row end."""
    column_widths = [max(widths[i::across]) for i in range(across)]
    lefts = list(itertools.accumulate((w + GAP for w in column_widths), initial=MARGIN))
    placed = []
    offset = 0
    for start in range(0, len(tiles), across):
        row = slice(start, start + across)
        for tile, (width, height), left in zip(tiles[row], sizes[row], lefts, strict=False):
            placed.append(_placed(tile, [left, top + gutter, width, height], offset))
            offset += tile.pixels.size
        top += gutter + max(height for _, height in sizes[row]) + GAP
    return placed, lefts[-1] - GAP, top - GAP


def _placed(tile: Tile, box: list[int], offset: int) -> dict[str, Any]:
    pixels, label, low, high, is_blank, _, texts, _, _, _ = tile
    rows, columns, *depth = pixels.shape
    return {
        "label": label,
        "box": box,
        "shape": [rows, columns],
        "format": "rgb" if depth else "index",
        "offset": offset,
        "range": [low, high],
        "blank": is_blank,
        "texts": [*texts],
    }


def _heading(heading: Heading, grown: float) -> tuple[dict[str, Any], int, int]:
    """Return the lines of text and the colour bar, placed; how wide and how high they are."""
    title, small = round(TITLE * grown), round(SMALL * grown)
    bar_width, bar_height = round(_BAR_WIDTH * grown), round(_BAR_HEIGHT * grown)
    line = text.line_height(small)
    below = MARGIN + text.line_height(title) + 3
    left = MARGIN + (bar_width + 8 if heading.limits else 0)
    lines = [
        (heading.title, MARGIN, MARGIN, title),
        (heading.scale, left, below, small),
        (heading.note, MARGIN, below + line + 2, small),
    ]
    written = [line for line in lines if line[0]]
    right = left + text.width(heading.scale, small) + 2 * GAP
    legend: list[dict[str, Any]] = []
    for index, words in heading.legend:
        box = [right, below + 3, bar_height, bar_height]
        legend.append({"index": index, "text": words, "box": box})
        written.append((words, right + bar_height + GAP, below, small))
        right = written[-1][1] + text.width(words, small) + 2 * GAP
    parts = {
        "lines": [{"text": words, "at": [x, y], "size": size} for words, x, y, size in written],
        "legend": legend,
        "bar": [MARGIN, below + 3, bar_width, bar_height] if heading.limits else None,
    }
    width = max(x + text.width(words, size) for words, x, _, size in written)
    height = below - MARGIN + 13 + (1 + bool(heading.note)) * line
    return parts, width, height


def without_pattern(tiles: Sequence[Tile]) -> str:
    """Count the tiles that are blank, and constant: ``2 of 9 blank``; empty where none is."""
    maps = [tile for tile in tiles if tile.piece == 0]
    counts = {"blank": sum(t.blank for t in maps), "constant": sum(t.constant for t in maps)}
    alone = len(maps) == 1
    words = [word if alone else f"{n} of {len(maps)} {word}" for word, n in counts.items() if n]
    return ", ".join(words)


def value_format(values: npt.NDArray[Any]) -> str:
    """Return how to write values: to one decimal, or to as many as show two digits of the largest.

    Kernels of 0.17 and 0.08 would both read 0.1, or 0.2.
    """
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max(initial=0))
    if largest >= 1 or largest == 0:
        return "z.1f"
    decimals = math.ceil(-math.log10(largest)) + 1
    return f"z.{decimals}f" if decimals <= _DECIMALS else ".1e"


def for_values(tile: Tile, values: npt.NDArray[Any], form: str = "z.1f") -> Tile:
    """Return the tile with each value written in its cell, by default to one decimal.

    Cells are made large enough for that.
    """
    texts = tuple(format(value, form) for value in values.ravel())
    widest = max((text.width(t, LABEL) for t in texts), default=0)
    cell = max(tile.magnify, widest + 6, text.line_height(LABEL) + 6)
    return tile._replace(magnify=cell, texts=texts)
