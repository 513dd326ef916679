"""Feature volumes: boxes in proportion to height, width and channels, as papers draw them.

Height and width share one scale, channels have another, and vectors a third; the heading tells
them. What is drawn is what every path goes through: a chain layer by layer, a network with branches
by what these come back to.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from layerscope.core.errors import ViewError
from layerscope.core.network import Layer, Network
from layerscope.core.table import shape_text
from layerscope.views.diagram.boxes import Graph
from layerscope.views.diagram.cards import NAME, SMALL, Text, short, type_text
from layerscope.views.diagram.header import MARGIN, below, header_of, heading
from layerscope.views.diagram.kinds import colour_of, colours
from layerscope.views.diagram.order import Order
from layerscope.views.diagram.paths import Point
from layerscope.views.render.panel import Panel

_TALL, _THICK = 170.0, 80.0  #: the largest side and the most channels, in pixels
_THINNEST = 2.0
_SLANT = 0.35  #: how much of its length a side that goes into the page shows
_GAP, _LINE = 26.0, 14.0
_ROW = _TALL * (1 + _SLANT) + 20 + 5 * _LINE  #: from one row to the next
_LONG, _SHAPE = 1600.0, 2.0  #: a shorter picture is one row; how many times wider than tall at most


@dataclass(frozen=True)
class _Volume:
    layer: Layer
    about: Layer  #: what its box is about
    height: int
    width: int
    channels: int
    vector: bool
    skipped: int  #: boxes between this one and the one before it


@dataclass(frozen=True)
class _Scale:
    """How many rows or columns, channels and units a pixel stands for."""

    side: float
    channels: float
    units: float

    def __str__(self) -> str:
        units = f" or {_number(self.units)} units" if self.units else ""
        return f"a pixel is {_number(self.side)} rows, {_number(self.channels)} channels{units}"

    def size(self, volume: _Volume) -> tuple[float, float, float]:
        """Return what is seen of its thickness, its height and its slanted width."""
        if volume.vector:
            return 6.0, max(_THINNEST, volume.height / self.units), _THINNEST
        return (
            max(_THINNEST, volume.channels / self.channels),
            max(_THINNEST, volume.height / self.side),
            max(_THINNEST, _SLANT * volume.width / self.side),
        )


def _number(value: float) -> str:
    """Return a number to two digits, and never with an exponent."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


@dataclass(frozen=True)
class _Placed:
    """A volume with its labels, and how wide the two are together."""

    volume: _Volume
    size: tuple[float, float, float]
    labels: list[Text]

    @property
    def room(self) -> float:
        return max(self.size[0] + self.size[2], *(label.width for label in self.labels))


def volumes(
    network: Network,
    graph: Graph,
    ground: str,
    palette: str,
    shapes: bool,
    names: bool,
    wrap: int | None = 1,
) -> Panel:
    """Draw the volumes of a network, side by side.

    ``wrap`` is how many rows they take, None for as many as a readable shape needs.

    Raises
    ------
    ViewError
        When nothing in it has a height, a width and channels of known size.
    """
    visible = _volumes(graph)
    scale = _scale_of(visible, network)
    title = heading(network, str(scale))
    texts = list(title)
    look = colours(ground)["kinds"]
    polygons: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    placed = [_Placed(v, scale.size(v), _labels(v, names, shapes)) for v in visible]
    middle = below(title) + _TALL * (0.5 + _SLANT)
    width = max(text.x + text.width for text in title)
    for number, row in enumerate(_rows(placed, wrap)):
        x, last = float(MARGIN), 0.0
        middle += _ROW if number else 0.0
        if number:  # from the end of the row above
            x, last = x + _GAP, x - 4
        for one in row:
            left = x + (one.room - one.size[0] - one.size[2]) / 2
            if last:
                lines.append(_arrow(one.volume, last + 4, left - 3, middle))
            fill = look[colour_of(one.volume.about)]
            polygons += _cuboid((left, middle - one.size[1] / 2), one.size, fill)
            top = middle + _TALL / 2 + 20
            texts += [
                label._replace(x=x + one.room / 2, y=top + i * _LINE)
                for i, label in enumerate(one.labels)
            ]
            last = left + one.size[0] + one.size[2]
            x += one.room + _GAP
        width = max(width, x - _GAP)
    width += MARGIN
    height = middle + _TALL / 2 + 20 + 4 * _LINE
    header = header_of(network, texts, (width, height), palette, ground)
    return Panel({**header, "polygons": polygons, "lines": lines})


def _rows(placed: Sequence[_Placed], wrap: int | None) -> list[list[_Placed]]:
    """Return the volumes in so many rows of about the same width; None takes what it needs."""
    whole = sum(one.room + _GAP for one in placed)
    count = wrap or 1
    if wrap is None and whole > _LONG:
        count = next(n for n in itertools.count(2) if whole / n <= _SHAPE * n * _ROW)
    rows: list[list[_Placed]] = [[] for _ in range(count)]
    x = 0.0
    for one in placed:
        rows[min(count - 1, int((x + one.room / 2) / whole * count))].append(one)
        x += one.room + _GAP
    return [row for row in rows if row]


def _volumes(graph: Graph) -> list[_Volume]:
    order = Order(graph.boxes, graph.edges)
    cuts = order.cut_points()
    visible, skipped = [], 0
    for key in order.sequence:
        box = graph.boxes[key]
        volume = _volume(box.layers[-1], box.main, skipped) if key in cuts else None
        if volume is None:
            skipped += box.main.role != "input"
        else:
            visible.append(volume)
            skipped = 0
    return visible


def _volume(layer: Layer, about: Layer, skipped: int) -> _Volume | None:
    if layer.shape is None or layer.axes is None:
        return None
    by = dict(zip(layer.axes, layer.shape, strict=True))
    wanted = [by.get(axis, 1) for axis in ("y", "x", "channel")]
    units = by.get("unit")
    if units:
        return _Volume(layer, about, units, 1, 1, True, skipped)
    if "channel" not in by or not {"y", "x"} <= by.keys() or not all(wanted):
        return None
    height, width, channels = (int(n or 1) for n in wanted)
    return _Volume(layer, about, height, width, channels, False, skipped)


def _scale_of(visible: Sequence[_Volume], network: Network) -> _Scale:
    maps = [volume for volume in visible if not volume.vector]
    if not maps:
        raise ViewError(
            f"style='volume' draws what has height, width and channels of known size, and "
            f"{network.name!r} has no such layer on its way: pass activations, which tell sizes "
            "that depend on the input, or another style."
        )
    return _Scale(
        max(max(volume.height, volume.width) for volume in maps) / _TALL,
        max(volume.channels for volume in maps) / _THICK,
        max((volume.height for volume in visible if volume.vector), default=0) / _TALL,
    )


def _labels(volume: _Volume, names: bool, shapes: bool) -> list[Text]:
    lines = [Text(0, 0, type_text(volume.about), SMALL, "ink", "middle")]
    if names:
        lines.insert(0, Text(0, 0, short(volume.about.address), NAME, "name", "middle"))
    if shapes:
        lines.append(Text(0, 0, shape_text(volume.layer.shape), SMALL, "soft", "middle"))
    if volume.skipped:
        lines.append(Text(0, 0, f"after {volume.skipped} more", SMALL, "soft", "middle"))
    return lines


def _cuboid(
    corner: Point, size: tuple[float, float, float], colours: tuple[str, str]
) -> list[dict[str, Any]]:
    """Return front, top and right side; the front is channels by height, width recedes."""
    (x, y), (thick, tall, slant) = corner, size
    fill, edge = colours
    front = [(x, y), (x + thick, y), (x + thick, y + tall), (x, y + tall)]
    back = [(px + slant, py - slant) for px, py in front]
    faces = ([front[0], front[1], back[1], back[0]], [front[1], back[1], back[2], front[2]], front)
    return [
        {"points": [(round(px, 1), round(py, 1)) for px, py in face], "fill": fill, "edge": edge}
        for face in faces
    ]


def _arrow(volume: _Volume, start: float, end: float, y: float) -> dict[str, Any]:
    ends = [round(start, 1), round(end, 1)]
    y = round(y, 1)
    head = [(ends[1], y), (ends[1] - 6, y - 3), (ends[1] - 6, y + 3)]
    path = [("M", ((ends[0], y),)), ("L", ((ends[1], y),))]
    return {"source": volume.layer.address, "path": path, "arrow": head}
