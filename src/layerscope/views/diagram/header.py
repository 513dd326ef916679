"""What every diagram has: its heading, and the frame of its header."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from layerscope.core.network import Network, whole_layers
from layerscope.core.text import shown_name
from layerscope.views.diagram.cards import SMALL, Text, short
from layerscope.views.render.panel import VERSION

MARGIN = 16
_LINE = 15  #: from one line of the heading to the next


def heading(network: Network, *notes: str) -> list[Text]:
    """Return the title and what stands below it."""
    total = f"{network.total:,} parameters" if network.total else "no parameters"
    count = len(whole_layers(network.layers))
    lines = (f"{network.framework}, {count} layers, {total}", *filter(None, notes))
    return [
        Text(MARGIN, MARGIN + 14, short(network.name), 16, "name"),
        *(
            Text(MARGIN, MARGIN + 31 + i * _LINE, line, SMALL, "soft")
            for i, line in enumerate(map(shown_name, lines))
        ),
    ]


def below(texts: Sequence[Text]) -> float:
    """Return where what stands under a heading begins."""
    return max(text.y for text in texts) + 13 + MARGIN


def header_of(
    network: Network, texts: Iterable[Text], size: tuple[float, float], palette: str, ground: str
) -> dict[str, Any]:
    """Return what the header of every diagram has."""
    return {
        "version": VERSION,
        "kind": "graph",
        "title": f"{shown_name(network.name)}: architecture",
        "address": "",
        "note": "",
        "size": (round(size[0]), round(size[1])),
        "palette": palette,
        "ground": ground,
        "scale": {"text": "", "low": None, "high": None},
        "boxes": [],
        "frames": [],
        "lines": [],
        "polygons": [],
        "tiles": [],
        "texts": [
            {**text._asdict(), "x": round(text.x, 1), "y": round(text.y, 1),
             "width": round(text.width, 1)}
            for text in texts
        ],
    }  # fmt: skip
