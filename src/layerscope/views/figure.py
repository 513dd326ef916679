"""A panel as a Matplotlib figure: title, axes that number the maps, and a colour bar."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layerscope.views.lines import as_written
from layerscope.views.palette import LEVELS, table
from layerscope.views.png import compose

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from layerscope.views.panel import Panel

_DPI = 100


def draw(panel: Panel, figsize: tuple[float, float] | None, ax: Axes | None) -> Figure:
    """The panel in axes of its own, or in those given; returns their figure."""
    from layerscope.views.shown import ShownFigure

    header = panel.header
    if ax is None:
        width, height = header["size"]
        size = figsize or (max(4.0, width / _DPI + 1), max(2.5, height / _DPI + 0.5))
        figure: Figure = ShownFigure(figsize=size, layout="constrained")
        ax = figure.add_subplot()
    left, top, right, bottom = _content(header)
    ax.imshow(_picture(panel)[top:bottom, left:right], interpolation="nearest", aspect="equal")
    title = "\n".join(filter(None, (header["title"], header["note"])))
    _legend(ax, header)
    titled = header["labels"] == "title"
    ax.set_title(title, parse_math=False, pad=18 if titled else None)
    if titled:
        _labels(ax, header, left, top)
    else:
        _ticks(ax, header, left, top)
    _colour_bar(ax, header)
    return ax.get_figure(root=True)  # type: ignore[return-value]


def save(panel: Panel, path: Path, metadata: Mapping[str, str]) -> None:
    """Write the figure to an SVG or PDF file, its provenance in the fields that these have."""
    rest = [f"{key}: {value}" for key, value in metadata.items() if key.startswith("layerscope:")]
    told = "; ".join([metadata["Software"], *rest])
    fields = {"Title": metadata["Title"]}
    if path.suffix.lower() == ".svg":
        fields |= {"Description": told, "Creator": metadata["Software"]}
    else:
        fields |= {"Subject": told, "Creator": metadata["Software"]}
    draw(panel, None, None).savefig(path, metadata=fields)


def _picture(panel: Panel) -> Any:
    """The tiles in colour, what lies between them transparent."""
    header = panel.header
    canvas = compose(panel, annotate=False)
    if canvas.ndim == 2:
        canvas = table(header["palette"], header["ground"])[canvas]
    alpha = np.zeros((*canvas.shape[:2], 1), np.uint8)
    for tile in header["tiles"]:
        x, y, w, h = tile["box"]
        edge = 1 if tile["blank"] else 0
        alpha[y - edge : y + h + edge, x - edge : x + w + edge] = 255
    return np.concatenate([canvas, alpha], axis=2)


def _content(header: Mapping[str, Any]) -> tuple[int, int, int, int]:
    boxes = np.array([tile["box"] for tile in header["tiles"]])
    right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
    left, top = boxes[:, :2].min(axis=0)
    edge = 4
    return int(left) - edge, int(top) - edge, int(right) + edge, int(bottom) + edge


def _ticks(ax: Axes, header: Mapping[str, Any], left: int, top: int) -> None:
    """The first row's labels below the columns, each row's first label beside it."""
    tiles, columns = header["tiles"], header["columns"]
    if len(tiles) == 1:
        _map_axes(ax, tiles[0], left, top)
        if header["axes"]:
            ax.set_ylabel(header["axes"][0], parse_math=False)
            ax.set_xlabel(header["axes"][1], parse_math=False)
        return
    ax.set_xlabel(header["labels"], parse_math=False)
    firsts = tiles[:columns]
    ax.set_xticks([t["box"][0] - left + t["box"][2] / 2 for t in firsts])
    ax.set_xticklabels([t["label"] for t in firsts], fontsize=7, parse_math=False)
    rows = tiles[::columns]
    ax.set_yticks([t["box"][1] - top + t["box"][3] / 2 for t in rows])
    ax.set_yticklabels([t["label"] for t in rows], fontsize=7, parse_math=False)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _map_axes(ax: Axes, tile: Mapping[str, Any], left: int, top: int) -> None:
    """A single map's axes count its own rows, unless they have names, and columns."""
    x, y, w, h = tile["box"]
    rows, columns = tile["shape"]
    for axis, start, length, count, names in (
        (ax.xaxis, x - left, w, columns, None),
        (ax.yaxis, y - top, h, rows, tile.get("rows")),
    ):
        every = max(1, round(count / 8))
        marks = np.arange(0, count, every)
        labels = [str(m) if names is None else names[m] for m in marks]
        places = start + (marks + 0.5) * length / count
        axis.set_ticks(places, labels=labels, parse_math=False)


def _labels(ax: Axes, header: Mapping[str, Any], left: int, top: int) -> None:
    for tile in header["tiles"]:
        x, y, _, _ = tile["box"]
        ax.text(x - left, y - top - 3, tile["label"], fontsize=7, va="bottom", parse_math=False)
    ax.set_axis_off()


def _legend(ax: Axes, header: Mapping[str, Any]) -> None:
    """What the colours stand for that are those of no value."""
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


def _colour_bar(ax: Axes, header: Mapping[str, Any]) -> None:
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
    figure.colorbar(ScalarMappable(norm, colours), ax=ax, fraction=0.03, pad=0.02)  # type: ignore[union-attr]
