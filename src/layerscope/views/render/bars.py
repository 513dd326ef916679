"""The kind ``bars``: how many values lie in each of a row of bins, for one group or for several.

``header["edges"]`` and the ``counts`` of each of ``header["groups"]`` are offset and count of
float64 in the buffer ``numbers``: there is one edge more than there are bins, and all groups share
them. A group also has a ``label``; ``zeros`` and ``not_finite``, how many values are exactly 0, NaN
or infinite, which are in no bin; ``total``, how many there are; and ``box``, its place in the
picture as left, top, width, height. Heights are shares of ``most``, the largest count of all; of
``log(1 + count)`` where ``header["y"]`` is ``logarithmic``. A single group is drawn with ticks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.text import shown_name
from layerscope.views.render import documents
from layerscope.views.render.legend import as_written
from layerscope.views.render.numbers import Numbers
from layerscope.views.render.panel import VERSION, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_DPI = 100
_SINGLE = (700, 400)  #: pixels of a picture with one group
_CELL, _GAP, _LABEL = (128, 64), 10, 16  #: pixels: of a group among several
_MARGIN, _TOP, _BOTTOM = 16, 68, 32
_COLUMNS = 8
_LONGEST = 110  #: characters of a title
_BAR, _ZERO, _INK, _SOFT = "#3b6fb6", "#e07b28", "#222228", "#9696a0"

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """How many values of a group lie in each bin."""

    label: str
    bins: Values
    zeros: int  #: exactly 0; these are in no bin
    not_finite: int  #: nor are NaN and the infinities
    total: int


def bars_panel(
    title: str,
    edges: Values,
    groups: Sequence[Counts],
    *,
    address: str,
    logarithmic: bool,
    x: str,
    note: str = "",
    columns: int | None = None,
    provenance: Callable[[], Mapping[str, str]] = dict,
) -> Panel:
    """Return counts as a panel, ``columns`` groups to a row; ``x`` is the name of what is counted.

    A label says which group it is, and how many of its values are exactly 0.
    """
    numbers = Numbers()
    boxes, size = _places(len(groups), columns)
    words = f"{len(edges) - 1} bins from {edges[0]:.4g} to {edges[-1]:.4g}"
    how = "logarithmic" if logarithmic else "linear"
    header = {
        "version": VERSION,
        "kind": "bars",
        "title": shown_name(title, _LONGEST),
        "address": address,
        "note": note,
        "size": size,
        "ground": "light",
        "scale": {
            "mode": how,
            "text": f"{words}, counts on a {how} scale",
            "low": float(edges[0]),
            "high": float(edges[-1]),
        },
        "x": {"label": x},
        "y": {"label": "count", "logarithmic": logarithmic},
        "edges": numbers.add(edges),
        "most": max(max(int(group.bins.max()), group.zeros) for group in groups),
        "groups": [
            {
                "label": group.label,
                "counts": numbers.add(group.bins),
                "zeros": group.zeros,
                "not_finite": group.not_finite,
                "total": group.total,
                "box": box,
            }
            for group, box in zip(groups, boxes, strict=True)
        ],
    }
    return Panel(header, {"numbers": numbers.buffer()}, provenance)


def _places(count: int, columns: int | None) -> tuple[list[list[int]], list[int]]:
    """Return the box of each group, and the size of the picture."""
    if count == 1:
        width, height = _SINGLE
        return [[80, _TOP, width - 100, height - _TOP - 60]], [width, height]
    across = min(count, columns or max(_COLUMNS, math.ceil(math.sqrt(count / 2))))
    wide, high = _CELL[0] + _GAP, _CELL[1] + _GAP + _LABEL
    boxes = [
        [_MARGIN + i % across * wide, _TOP + _LABEL + i // across * high, *_CELL]
        for i in range(count)
    ]
    rows = -(-count // across)
    size = [2 * _MARGIN + across * wide - _GAP, _TOP + rows * high + _BOTTOM]
    return boxes, [max(size[0], _SINGLE[0]), size[1]]


def png(panel: Panel, metadata: Mapping[str, str]) -> bytes:
    """Return the figure as a PNG file."""
    return documents.png_of(figure(panel, None, None), metadata, panel.header)


def svg(panel: Panel, metadata: Mapping[str, str]) -> str:
    """Return the figure as an SVG document."""
    return documents.svg_of(figure(panel, None, None), metadata)


def figure(panel: Panel, figsize: tuple[float, float] | None, ax: Axes | None) -> Figure:
    """Draw a single group on axes with ticks; several in a grid, on shared bins and heights."""
    from layerscope.views.render.shown import ShownFigure

    header = panel.header
    several = len(header["groups"]) > 1
    if ax is None:
        width, height = header["size"]
        size = figsize or (width / _DPI, height / _DPI)
        made: Figure = ShownFigure(
            figsize=size, dpi=_DPI, layout=None if several else "constrained"
        )
        ax = made.add_axes((0, 0, 1, 1)) if several else made.add_subplot()
        whole = several
    else:
        whole = False
    if several:
        _draw_grid(ax, panel, heading=whole)
    else:
        _draw_single(ax, panel)
    if not whole:
        words = (header["title"], header["note"])
        ax.set_title("\n".join(filter(None, words)), fontsize=10, parse_math=False)
    drawn = ax.get_figure(root=True)
    assert drawn is not None
    return drawn


def _draw_single(ax: Axes, panel: Panel) -> None:
    header = panel.header
    (group,) = header["groups"]
    ax.stairs(panel.numbers(group["counts"]), panel.numbers(header["edges"]), fill=True, color=_BAR)
    if group["zeros"]:
        share = group["zeros"] / group["total"]
        words = f"exactly 0: {share:.1%} ({group['zeros']:,})"
        ax.vlines(0, 0, group["zeros"], color=_ZERO, linewidth=3, label=words)
        as_written(ax.legend(fontsize=8, frameon=False).get_texts())
    if header["y"]["logarithmic"]:
        ax.set_ylim(0.7, 2 * max(1, header["most"]))  # a bin with a single value is seen
        ax.set_yscale("log", nonpositive="clip")
    ax.set_xlabel(header["x"]["label"], parse_math=False)
    ax.set_ylabel(header["y"]["label"])


def _draw_grid(ax: Axes, panel: Panel, *, heading: bool) -> None:
    """Draw all groups into one pair of axes, which takes a fraction of the time of many."""
    from matplotlib.collections import LineCollection, PolyCollection

    header = panel.header
    width, height = header["size"]
    edges = panel.numbers(header["edges"])
    across = (edges - edges[0]) / (edges[-1] - edges[0])
    shapes, zeros, lines = [], [], []
    for group in header["groups"]:
        x, y, wide, high = group["box"]
        tall = high * _shares(panel.numbers(group["counts"]), header)
        tops = np.repeat(y + high - tall, 2)
        sides = np.repeat(x + wide * across, 2)[1:-1]
        ends = [[sides[-1], y + high], [sides[0], y + high]]
        shapes.append(np.concatenate([np.stack([sides, tops], axis=1), ends]))
        lines.append([(x, y + high), (x + wide, y + high)])
        if edges[0] <= 0 <= edges[-1]:
            at = x - wide * edges[0] / (edges[-1] - edges[0])
            lines.append([(at, y + high), (at, y)])
            up = high * float(_shares(np.array([group["zeros"]], np.float64), header)[0])
            zeros.append([(at, y + high), (at, y + high - up)])
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    ax.add_collection(LineCollection(lines, colors=_SOFT, linewidths=0.6, zorder=1), autolim=False)
    ax.add_collection(PolyCollection(shapes, facecolors=_BAR, zorder=2), autolim=False)
    ax.add_collection(LineCollection(zeros, colors=_ZERO, linewidths=2, zorder=3), autolim=False)
    points = _points(ax, height)
    write: Any = {"parse_math": False, "color": _INK, "va": "baseline"}
    for group in header["groups"]:
        x, y, _, _ = group["box"]
        ax.text(x, y - 3, group["label"], fontsize=9 * points, **write)
    if heading:
        ax.text(_MARGIN, 24, header["title"], fontsize=15 * points, **write)
        ax.text(_MARGIN, 42, header["scale"]["text"], fontsize=11 * points, **write)
        ax.text(_MARGIN, 58, header["note"], fontsize=11 * points, **write)
    below = f"{header['x']['label']}: {edges[0]:.4g} … {edges[-1]:.4g}"
    ax.text(_MARGIN, height - 14, below, fontsize=9 * points, **write)


def _shares(counts: Values, header: Mapping[str, Any]) -> Values:
    """Return heights from 0 to 1."""
    most = max(1, header["most"])
    if header["y"]["logarithmic"]:
        return np.asarray(np.log1p(counts) / math.log1p(most))
    return np.asarray(counts / most)


def _points(ax: Axes, height: float) -> float:
    """Return how many points of Matplotlib's a pixel of the picture is."""
    drawn = ax.get_figure(root=True)
    assert drawn is not None
    return float(ax.get_window_extent().height / height * 72 / drawn.dpi)
