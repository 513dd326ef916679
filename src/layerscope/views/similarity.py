"""The similarity of each layer of the one with each of the other, as a picture."""

from __future__ import annotations

import numpy as np

from layerscope.core.errors import ViewError
from layerscope.core.text import message
from layerscope.recordings.comparison import Comparison, provenance_of
from layerscope.views.diagram.cards import SMALL, Text, short
from layerscope.views.diagram.header import MARGIN
from layerscope.views.render import palette as palettes
from layerscope.views.render.panel import VERSION, Panel

_CELL, _SMALLEST, _WIDEST = 22, 6, 660  #: pixels of a cell, and of the whole matrix at most
_TOP = 74  #: below the heading
_GAP = 6
_WRITTEN = 20  #: cells of at least so many pixels have their value written
_BAR = 120


def similarity_panel(
    comparison: Comparison, *, palette: str | None = None, ground: str = "dark"
) -> Panel:
    """Draw the linear CKA of layers × layers; rows are the one's, columns the other's.

    Raises
    ------
    ViewError
        When no layer has a partner.
    """
    if not comparison.pairs:
        raise ViewError("No layer of the one has a partner in the other: there is nothing to draw.")
    palette = palette or "viridis"
    frame = comparison.similarity
    values = frame.to_numpy()
    rows, columns = values.shape
    side = max(_SMALLEST, min(_CELL, _WIDEST // max(rows, columns)))
    names = [short(str(name)) for name in frame.index]
    partners = [short(str(name)) for name in frame.columns]
    left = MARGIN + max(Text(0, 0, f"{name} {i}").width for i, name in enumerate(names)) + _GAP
    size = SMALL if side >= SMALL + 2 else side - 1
    texts = _heading(comparison)
    for i, name in enumerate(names):
        y = _TOP + (i + 0.5) * side + size / 3
        texts.append(Text(left - _GAP, y, f"{name} {i}", size, "ink", "end"))
    every = -(-24 // side)  # numbers need as much room
    for j in range(0, columns, every):
        texts.append(Text(left + (j + 0.5) * side, _TOP - _GAP, str(j), size, "soft", "middle"))
    right = left + columns * side + 2 * _GAP
    for j, name in enumerate(partners):
        y = _TOP + (j + 0.5) * side + size / 3
        texts.append(Text(right, y, f"{j} {name}", size, "soft"))
    pixels = np.rint(np.clip(values, 0, 1) * (palettes.LEVELS - 1)).astype(np.uint8)
    width = max(right + max(Text(0, 0, f"{j} {n}").width for j, n in enumerate(partners)), 420)
    width = max(width, *(text.x + text.width for text in texts if text.anchor == "start"))
    tile = {
        "box": (left, _TOP, columns * side, rows * side),
        "shape": pixels.shape,
        "offset": 0,
        "format": "index",
        "label": "CKA",
        "range": (0.0, 1.0),
        "layer": None,
        "blank": False,
        "address": "",
        "form": "map",
        "caption": 0,
        "texts": (),
    }
    header = {
        "version": VERSION,
        "kind": "graph",
        "title": "similarity of layers",
        "address": "",
        "note": "",
        "size": (round(width + MARGIN), round(_TOP + max(rows, columns) * side + MARGIN)),
        "palette": palette,
        "ground": ground,
        "scale": {"text": "linear CKA, 0 to 1", "low": 0.0, "high": 1.0},
        "boxes": [],
        "frames": [],
        "lines": [],
        "polygons": [],
        "tiles": [tile],
        "texts": [
            {**text._asdict(), "x": round(text.x, 1), "y": round(text.y, 1),
             "width": round(text.width, 1)}
            for text in texts
        ],
    }  # fmt: skip
    return Panel(header, {"pixels": pixels.tobytes()}, lambda: provenance_of(comparison))


def _heading(comparison: Comparison) -> list[Text]:
    one, other = (short(message(name)) for name in comparison.names)
    return [
        Text(MARGIN, MARGIN + 14, "similarity of layers", 15, "name"),
        Text(
            MARGIN,
            MARGIN + 30,
            f"linear CKA, 0 to 1; rows: {one}, columns: {other}, named at the right",
            SMALL,
            "soft",
        ),
    ]
