"""The kind ``overlay``: a unit's map by itself, and over the input that it is a map of.

``header["map"]`` has the ``form`` of the map (``maps``, or ``series`` for values along positions),
its ``shape``, and the values of its first and last index, ``low`` and ``high``; its pixels are in
the buffer ``pixels``, its exact values, float32, in ``values``. It is None for a unit of single
values; ``header["text"]`` says what there is instead. ``header["picture"]`` is the input: its
``name``, its ``shape`` and the rows and columns that this is made ``of``, and its ``format``:
``rgb`` or ``index`` for bytes in the buffer ``picture``, ``float`` for float32 along positions. It
is None where the input is no picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.text import shown_name
from layerscope.views.render import colour_scale, documents, maps
from layerscope.views.render import palette as palettes
from layerscope.views.render.grid import Heading, Tile, arrange, magnification
from layerscope.views.render.panel import VERSION, Panel
from layerscope.views.render.select_maps import Chosen
from layerscope.views.render.tiles import colour_tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_SIDE = 320  #: how long a map's longer side is to be
_DPI = 100
_OPACITY = 0.55  #: of the map over the input

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Under:
    """An input: ``(height, width)``, ``(height, width, 3)`` RGB, or ``(channel, position)``."""

    name: str
    values: Array
    series: bool = False
    of: tuple[int, int] | None = None  #: its rows and columns, where these are fewer


def overlay_panel(
    title: str,
    map_: Array | None,
    under: Under | None,
    *,
    address: str,
    series: bool = False,
    note: str = "",
    text: str = "",
    extra: Mapping[str, Any] | None = None,
    provenance: Callable[[], Mapping[str, str]] = dict,
) -> Panel:
    """Return a map ``(height, width)``, or none, with the input that it lies on, as a panel."""
    buffers: dict[str, bytes] = {}
    header: dict[str, Any] = {
        "version": VERSION,
        "kind": "overlay",
        "title": shown_name(title),
        "address": address,
        "note": note,
        "text": text,
        "size": [2 * _SIDE, _SIDE],
        "ground": "dark",
        "palette": "viridis",
        "scale": {"mode": "unit", "text": "", "low": None, "high": None},
        "map": None,
        "picture": None if under is None else _picture(under, buffers),
        **(extra or {}),
    }
    if map_ is not None:
        scaled = colour_scale.scaled(map_[None], "unit")
        low, high = float(scaled.low[0]), float(scaled.high[0])
        header["map"] = {
            "form": "series" if series else "maps",
            "shape": list(map_.shape),
            "low": low,
            "high": low if scaled.flat[0] else high,
        }
        words = f"its own range: {colour_scale.number(low)} … {colour_scale.number(high)}"
        header["scale"] = {"mode": "unit", "text": words, "low": low, "high": high}
        buffers["pixels"] = scaled.indexes[0].astype(np.uint8, copy=False).tobytes()
        buffers["values"] = np.ascontiguousarray(map_, "<f4").tobytes()
    return Panel(header, buffers, provenance)


def _picture(under: Under, buffers: dict[str, bytes]) -> dict[str, Any]:
    values = under.values
    shape = values.shape[:2]
    entry: dict[str, Any] = {"name": under.name, "shape": list(shape), "of": under.of or shape}
    if under.series:
        buffers["picture"] = np.ascontiguousarray(values, "<f4").tobytes()
        return {**entry, "format": "float"}
    if values.ndim == 3:
        tiles, _, _ = colour_tiles(Chosen(under.name, "", values[None], [""], is_input=True))
        buffers["picture"] = tiles[0].pixels.tobytes()
        return {**entry, "format": "rgb"}
    scaled = colour_scale.scaled(values[None], "unit")
    buffers["picture"] = scaled.indexes[0].astype(np.uint8, copy=False).tobytes()
    return {**entry, "format": "index"}


def _read(panel: Panel, name: str, shape: list[int], depth: int = 1) -> Array:
    full = (*shape, depth) if depth > 1 else tuple(shape)
    return np.frombuffer(panel.buffers[name], np.uint8).reshape(full)


def _colours_of_input(panel: Panel) -> Array | None:
    """Return the input as RGB; None where it is no picture."""
    picture = panel.header["picture"]
    if picture is None or picture["format"] == "float":
        return None
    if picture["format"] == "rgb":
        return _read(panel, "picture", picture["shape"], 3)
    gray = palettes.table("gray", panel.header["ground"])
    return gray[_read(panel, "picture", picture["shape"])]


def _blended(panel: Panel, below: Array) -> Array:
    """Return the input with the map over it: what is strong is seen, what is weak is not."""
    header = panel.header
    pixels = _read(panel, "pixels", header["map"]["shape"])
    height, width = below.shape[:2]
    rows = np.arange(height) * pixels.shape[0] // height
    columns = np.arange(width) * pixels.shape[1] // width
    over = pixels[np.ix_(rows, columns)]
    colours = palettes.table(header["palette"], header["ground"])[over].astype(np.float64)
    share = np.minimum(over / (palettes.LEVELS - 1), 1)[..., None]
    alpha = _OPACITY * (0.35 + 0.65 * share)
    return np.rint(alpha * colours + (1 - alpha) * below).astype(np.uint8)


def as_maps(panel: Panel) -> Panel:
    """Return the map and the input with it, or the input alone, as a panel of the kind ``maps``."""
    header = panel.header
    below = _colours_of_input(panel)
    tiles = []
    if header["map"] is not None:
        shown = _read(panel, "pixels", header["map"]["shape"])
        low, high = header["map"]["low"], header["map"]["high"]
        times = magnification(shown.shape[:2], _SIDE)
        tiles.append(Tile(shown, header["address"], low, high, magnify=times))
    if below is not None:
        drawn = below if header["map"] is None else _blended(panel, below)
        name = header["picture"]["name"] if header["map"] is None else "over the input"
        tiles.append(Tile(drawn, name, magnify=magnification(drawn.shape[:2], _SIDE)))
    heading = Heading(
        header["title"],
        header["address"],
        header["scale"]["text"] or header["text"],
        "unit",
        None,
        header["note"],
        "title",
    )
    return arrange(
        tiles,
        heading,
        columns=None,
        palette=header["palette"],
        ground=header["ground"],
        provenance=panel.provenance,
    )


def _is_lines(panel: Panel) -> bool:
    shown = panel.header["map"]
    pictured = _colours_of_input(panel) is not None
    return not pictured and (shown is None or shown["form"] == "series")


def png(panel: Panel, metadata: Mapping[str, str]) -> bytes:
    """Return the pictures, or the lines, as a PNG file with the metadata as text chunks."""
    if _is_lines(panel):
        return documents.png_of(figure(panel, None, None), metadata, panel.header)
    return maps.png(as_maps(panel), metadata)


def svg(panel: Panel, metadata: Mapping[str, str]) -> str:
    """Return the pictures, or the lines, as an SVG document with the metadata in it."""
    if _is_lines(panel):
        return documents.svg_of(figure(panel, None, None), metadata)
    return maps.svg(as_maps(panel), metadata)


def figure(panel: Panel, figsize: tuple[float, float] | None, ax: Axes | None) -> Figure:
    """Draw the map and the input with it; of what goes along positions, both as lines."""
    if not _is_lines(panel):
        return maps.figure(as_maps(panel), figsize, ax)
    from layerscope.views.render.shown import ShownFigure

    header = panel.header
    if ax is None:
        made: Figure = ShownFigure(figsize=figsize or (8.0, 3.0), dpi=_DPI, layout="constrained")
        ax = made.add_subplot()
    if header["picture"] is not None:
        shape = header["picture"]["shape"]
        given = np.frombuffer(panel.buffers["picture"], "<f4").reshape(shape)
        across = (np.arange(shape[1]) + 0.5) / shape[1]
        for row in given:
            ax.plot(across, row, color="#9696a0", linewidth=0.6)
    if header["map"] is not None:
        values = np.frombuffer(panel.buffers["values"], "<f4")
        beside = ax.twinx()
        across = (np.arange(values.size) + 0.5) / values.size
        beside.plot(across, values, color="#3b6fb6", linewidth=1.0)
    words = (header["title"], header["text"], header["note"])
    ax.set_title("\n".join(filter(None, words)), fontsize=10, parse_math=False)
    ax.set_xlabel("share of the input")
    drawn = ax.get_figure(root=True)
    assert drawn is not None
    return drawn
