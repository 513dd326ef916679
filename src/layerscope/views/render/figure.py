"""Maps as a Matplotlib figure: title, axes that number the maps, and a colour bar."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from layerscope.views.render.legend import as_written
from layerscope.views.render.palette import CLEAR, LEVELS, table
from layerscope.views.render.png import compose

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from layerscope.views.render.panel import Panel

_DPI = 100
_LONGEST = 9_000  #: pixels of a side of the figure, which a longer picture is shrunk to
_LABEL = 7  #: points
_NUMBER, _DIGIT = 0.06, 0.075  #: inches between numbers along an axis, and of each digit
_TICKS = 63  #: so many labels a side, and one
RASTER = 2_000_000  #: pixels: of a larger picture the palette indexes are handed to Matplotlib


def draw(panel: Panel, figsize: tuple[float, float] | None, ax: Axes | None) -> Figure:
    """Draw the panel in axes of its own, or in those given; return their figure."""
    from layerscope.views.render.shown import ShownFigure

    header = panel.header
    given = ax is not None
    if ax is None:
        figure: Figure = ShownFigure(figsize=figsize or _size(header), layout="constrained")
        ax = figure.add_subplot()
    left, top, right, bottom = _content(header)
    picture, colours = _picture(panel)
    ax.imshow(picture[top:bottom, left:right], interpolation="nearest", aspect="equal", **colours)
    title = "\n".join(filter(None, (header["title"], header["note"])))
    _legend(ax, header)
    titled = header["labels"] == "title"
    lines = max((tile["label"].count("\n") + 1 for tile in header["tiles"]), default=1)
    ax.set_title(title, parse_math=False, pad=9 + 9 * lines if titled else None)
    if titled:
        _labels(ax, header, left, top)
    else:
        _ticks(ax, header, left, top)
    _colour_bar(ax, header, below=given)
    return ax.get_figure(root=True)  # type: ignore[return-value]


def _size(header: Mapping[str, Any]) -> tuple[float, float]:
    """Return inches: a pixel of the picture is one of the figure, unless that makes it too large.

    Matplotlib draws up to 65,536 pixels a side, at whatever resolution a figure is saved.
    """
    width, height = header["size"]
    shrink = min(1.0, _LONGEST / max(width, height))
    return max(4.0, shrink * width / _DPI + 1), max(2.5, shrink * height / _DPI + 0.5)


def _picture(panel: Panel) -> tuple[Any, dict[str, Any]]:
    """Return the tiles in colour, transparent between them, and how Matplotlib is to read that.

    Palette indexes where it is large, which takes a quarter of the memory.
    """
    from matplotlib.colors import ListedColormap, NoNorm

    header = panel.header
    canvas = compose(panel, annotate=False, ground=CLEAR)
    if canvas.ndim == 2:
        colours = np.full((256, 4), 255, np.uint8)
        # Lines are ink on paper, as figures are, whatever the ground of the picture.
        lines = header["positions"] and header["scale"]["low"] is None
        colours[:, :3] = table(header["palette"], "light" if lines else header["ground"])
        colours[CLEAR, 3] = 0
        if canvas.size > RASTER:
            return canvas, {"cmap": ListedColormap(colours / 255), "norm": NoNorm()}
        return colours[canvas], {}
    alpha = np.zeros((*canvas.shape[:2], 1), np.uint8)
    for tile in header["tiles"]:
        x, y, w, h = tile["box"]
        edge = 1 if tile["blank"] else 0
        alpha[y - edge : y + h + edge, x - edge : x + w + edge] = 255
    return np.concatenate([canvas, alpha], axis=2), {}


def _content(header: Mapping[str, Any]) -> tuple[int, int, int, int]:
    boxes = np.array([tile["box"] for tile in header["tiles"]])
    right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
    left, top = boxes[:, :2].min(axis=0)
    edge = 4
    return int(left) - edge, int(top) - edge, int(right) + edge, int(bottom) + edge


def _ticks(ax: Axes, header: Mapping[str, Any], left: int, top: int) -> None:
    """Write the first row's labels below the columns, each row's first label beside it."""
    tiles, columns = header["tiles"], header["columns"]
    if header["positions"] and columns == 1:
        _signal_axes(ax, header, left, top)
        return
    if len(tiles) == 1:
        _map_axes(ax, tiles[0], left, top)
        if header["axes"]:
            ax.set_ylabel(header["axes"][0], parse_math=False)
            ax.set_xlabel(header["axes"][1], parse_math=False)
        return
    ax.set_xlabel(header["labels"], parse_math=False)
    wide, high = _room(ax, header)
    firsts = tiles[:columns]
    firsts = firsts[:: _every(firsts, 0, max(len(t["label"]) for t in firsts) * 0.75 * wide)]
    ax.set_xticks([t["box"][0] - left + t["box"][2] / 2 for t in firsts])
    ax.set_xticklabels([t["label"] for t in firsts], fontsize=_LABEL, parse_math=False)
    rows = tiles[::columns]
    rows = rows[:: _every(rows, 1, 1.2 * high)]
    ax.set_yticks([t["box"][1] - top + t["box"][3] / 2 for t in rows])
    ax.set_yticklabels([t["label"] for t in rows], fontsize=_LABEL, parse_math=False)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _room(ax: Axes, header: Mapping[str, Any]) -> tuple[float, float]:
    """Return how many of the picture's pixels a label's height takes, across and down."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    inches = ax.get_position().size * figure.get_size_inches()
    width, height = header["size"]
    # The picture keeps its proportions: one of the two is filled.
    each = max(width / inches[0], height / inches[1])
    return each * _LABEL / 72, each * _LABEL / 72


def _every(tiles: Sequence[Mapping[str, Any]], axis: int, room: float) -> int:
    """Return every how many tiles have a label, so that labels with so much room do not overlap."""
    if len(tiles) < 2:
        return 1
    room = max(room, (tiles[-1]["box"][axis] - tiles[0]["box"][axis]) / _TICKS)
    apart: float = (tiles[-1]["box"][axis] - tiles[0]["box"][axis]) / (len(tiles) - 1)
    return max(1, math.ceil(room / max(1, apart)))


def _map_axes(ax: Axes, tile: Mapping[str, Any], left: int, top: int) -> None:
    """Count a single map's columns and rows along its axes, by name where rows have names."""
    x, y, w, h = tile["box"]
    rows, columns = tile["shape"]
    figure = ax.get_figure(root=True)
    assert figure is not None
    for axis, start, length, count, names in (
        (ax.xaxis, x - left, w, columns, None),
        (ax.yaxis, y - top, h, rows, tile.get("rows")),
    ):
        every = max(1, round(count / 8))
        if axis is ax.xaxis:  # numbers side by side need room
            inches = ax.get_position().width * figure.get_figwidth()
            room = max(1.0, inches / (_NUMBER + _DIGIT * len(str(count - 1))))
            every = max(every, math.ceil(count / room))
        marks = np.arange(0, count, every)
        labels = [str(m) if names is None else names[m] for m in marks]
        places = start + (marks + 0.5) * length / count
        axis.set_ticks(places, labels=labels, parse_math=False)


def _signal_axes(ax: Axes, header: Mapping[str, Any], left: int, top: int) -> None:
    """Count the positions that go across; write what stands at the left of lines or of rows."""
    tiles, count = header["tiles"], header["positions"]
    x, y, w, h = tiles[0]["box"]
    every = next(n * 10**k for k in range(12) for n in (1, 2, 5) if n * 10**k * 10 >= count)
    marks = np.arange(0, count, every)
    places = x - left + (marks + 0.5) * w / count
    ax.set_xticks(places, labels=[str(mark) for mark in marks], parse_math=False)
    names = [tile["label"] for tile in tiles]
    rows = np.array([tile["box"][1] + tile["box"][3] / 2 for tile in tiles])
    if header["axes"][0] == "value":
        low, high = tiles[0]["range"]
        rows, names = np.array([y + h - 1, y]), [f"{low:.3g}", f"{high:.3g}"]
    elif len(tiles) == 1:  # a strip of rows
        height = tiles[0]["shape"][0]
        numbers = np.arange(0, height, max(1, round(height / 8)))
        rows, names = y + (numbers + 0.5) * h / height, [str(n) for n in numbers]
    ax.set_yticks(rows - top, labels=names, parse_math=False)
    ax.set_ylabel(header["axes"][0], parse_math=False)
    ax.set_xlabel(header["axes"][1], parse_math=False)


def _labels(ax: Axes, header: Mapping[str, Any], left: int, top: int) -> None:
    for tile in header["tiles"]:
        x, y, _, _ = tile["box"]
        ax.text(x - left, y - top - 3, tile["label"], fontsize=7, va="bottom", parse_math=False)
    ax.set_axis_off()


def _legend(ax: Axes, header: Mapping[str, Any]) -> None:
    """Explain the colours that are those of no value."""
    from matplotlib.patches import Patch

    colours = table(header["palette"], header["ground"]) / 255
    patches = [
        Patch(color=tuple(colours[entry["index"]]), label=entry["text"])
        for entry in header["legend"]
    ]
    if patches:
        below = (1, -0.04)
        drawn = ax.legend(
            handles=patches, fontsize=7, loc="upper right", bbox_to_anchor=below, frameon=False
        )
        as_written(drawn.get_texts())


def _colour_bar(ax: Axes, header: Mapping[str, Any], *, below: bool) -> None:
    """Draw the scale at the right, or below, where nothing of other axes beside these is."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    scale = header["scale"]
    if scale["low"] is None:
        ax.annotate(
            scale["text"], (0, 0), (0, -24), "axes fraction", "offset points", fontsize=7, va="top",
            parse_math=False,
        )  # fmt: skip
        return
    colours = ListedColormap(table(header["palette"], header["ground"])[:LEVELS] / 255)
    norm = Normalize(scale["low"], scale["high"])
    figure = ax.get_figure()
    where: dict[str, Any] = {"fraction": 0.03, "pad": 0.02}
    if below:
        room = 0.22 if ax.get_xlabel() else 0.14
        where = {"location": "bottom", "fraction": 0.04, "pad": room, "aspect": 30}
    figure.colorbar(ScalarMappable(norm, colours), ax=ax, **where)  # type: ignore[union-attr]
