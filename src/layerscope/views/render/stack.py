"""The kind ``stack``: maps of one shape, each on its own range, to be scaled where they are seen.

``header["shape"]`` is how many maps there are, their height and width; ``form`` is what they are:
``maps``, ``volume`` (a map for each slice), ``attention`` (queries in rows, keys in columns),
``series`` (values along a position, in one row each; ``flat`` where they are maps of a single row),
``vector`` (a single value each) or
``colour`` (one image, RGB). The buffer ``pixels`` holds a byte for each value: the index
``i`` of a map stands for ``low + i / (LEVELS - 1) * (high - low)``, with its ``low`` and ``high``
from the buffers of that name, float32, which are the map's least and largest value, of many
maps rounded to 1/2048 of its range; what is no number, or masked, has the palette's own index.
``labels`` name the maps where they are not simply numbered, ``counts`` is what is numbered;
``layer`` is the range of them all; ``whole`` says whether values are whole numbers, such as the
indexes of words, and ``silences`` whether a map that is 0 throughout is a unit that does not fire.
``thinned`` says how many rows and columns were averaged into one (of a series, how many values
became one: the least and the largest take turns), and ``left_out`` how many maps are not among
these. Where two stacks are compared, ``parts`` says what stands for each label, three maps after
one another: the one, the other, and the difference, which is drawn on a diverging palette from
minus to plus ``difference``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.maps import blank
from layerscope.core.text import shown_name
from layerscope.recordings.recording import Recording
from layerscope.views.render import colour_scale, maps
from layerscope.views.render.grid import Heading, Tile, arrange, magnification, without_pattern
from layerscope.views.render.palette import (
    LEVELS,
    MASKED,
    NAN,
    NEGATIVE_INFINITY,
    POSITIVE_INFINITY,
    table,
)
from layerscope.views.render.panel import VERSION, Panel
from layerscope.views.render.select_maps import Chosen, choose, layer_of
from layerscope.views.render.thinning import extremes, means
from layerscope.views.render.tiles import colour_tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BYTES = 32_000_000  #: of the values of a stack, before they are averaged
_MANY = 64  #: maps: what so many ranges take is worth rounding them
_LONG = 1024  #: an input of more single values than this is a signal, and drawn as one

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Stack:
    """Maps ``(n, height, width)``, or one image ``(1, height, width, 3)``, with what they are."""

    address: str
    title: str
    maps: Array
    form: str
    labels: Sequence[str]  #: empty where they are numbered from 0
    counts: str
    silences: bool = False
    masked: npt.NDArray[np.bool_] | None = None
    note: str = ""
    flat: bool = False  #: whether a series is a map of a single row
    left_out: int = 0  #: maps that are not among these


def stack_of(recording: Recording, address: str, sample: int = 0) -> Stack:
    """Return all maps of a layer, or of ``"input"``, for one sample of a recording of one moment.

    Raises
    ------
    AddressError, ViewError
        When there is no such layer, or its values can't be drawn.
    """
    chosen = choose(recording, address, sample=sample)
    axes = _axes(recording, chosen)
    form, values, labels = _formed(chosen, axes)
    flat = form == "maps" and values.shape[1] == 1 and _is_along(recording)
    form = "series" if flat else form
    return Stack(
        chosen.address,
        chosen.title,
        values,
        form,
        () if labels == [str(i) for i in range(len(values))] else labels,
        chosen.counts or "map",
        bool(blank(np.zeros((1, 1, 1)), chosen.rectified)[0]) and not bool((values < 0).any()),
        chosen.masked,
        chosen.note,
        flat,
    )


def _is_along(recording: Recording) -> bool:
    """Return whether the network looks at a single row, such as sound in a Conv2D."""
    rows = [array.sizes.get("y", 1) for array in recording.inputs.values()]
    return bool(rows) and max(rows) == 1


def _axes(recording: Recording, chosen: Chosen) -> tuple[str, ...]:
    named = recording.named(None if chosen.address == "input" else _layer(recording, chosen))
    return tuple(axis for axis in named.axes if axis != "sample")


def _layer(recording: Recording, chosen: Chosen) -> str:
    return layer_of(recording, chosen.address)


def _formed(chosen: Chosen, axes: tuple[str, ...]) -> tuple[str, Array, list[str]]:
    """Return what a layer's maps are, the maps, and their labels."""
    values = chosen.maps
    if chosen.colour:
        return "colour", values, chosen.labels
    if chosen.attention:
        return "attention", values, chosen.labels
    if chosen.vector and chosen.is_input and values.size > _LONG:
        return "series", values.reshape(1, 1, -1), [""]
    if chosen.vector:
        units = values.reshape(-1, 1, 1)
        return "vector", units, [str(i) for i in range(len(units))]
    if set(axes) == {"position", "channel"} and len(values) == 1:
        rows = np.ascontiguousarray(values[0].T[:, None, :])
        return "series", rows, [str(i) for i in range(len(rows))]
    if values.shape[1:] == (1, 1):
        return "vector", values, chosen.labels
    return ("volume" if "z" in axes else "maps"), values, chosen.labels


def strongest(stack: Stack, most: int) -> Stack:
    """Return the ``most`` maps with the largest means, in the order of their numbers."""
    count = len(stack.maps)
    if count <= most or stack.form == "colour":
        return stack
    with np.errstate(invalid="ignore", over="ignore"):
        means = stack.maps.reshape(count, -1).mean(axis=1, dtype=np.float64)
    means = np.where(np.isnan(means), -np.inf, means)
    rows = np.sort(np.argsort(-means, kind="stable")[:most])
    labels = list(stack.labels) or [str(i) for i in range(count)]
    return replace(
        stack,
        maps=stack.maps[rows],
        labels=[labels[row] for row in rows],
        masked=None if stack.masked is None else stack.masked[rows],
        left_out=count - most,
    )


def stack_panel(
    stack: Stack,
    *,
    palette: str = "viridis",
    ground: str = "dark",
    extra: Mapping[str, Any] | None = None,
    exact: bool = False,
    side: int | None = None,
    provenance: Callable[[], Mapping[str, str]] = dict,
) -> Panel:
    """Return maps as a panel; ``exact`` adds the buffer ``values``, float32, as they are.

    Maps of more rows or columns than ``side`` are averaged.
    """
    values, thinned = _thinned(stack, side)
    count, height, width = values.shape[:3]
    header: dict[str, Any] = {
        "version": VERSION,
        "kind": "stack",
        "title": shown_name(stack.title),
        "address": stack.address,
        "note": stack.note,
        "size": [width, height],
        "ground": ground,
        "palette": palette,
        "scale": {"mode": "unit", "text": colour_scale.words("unit"), "low": None, "high": None},
        "form": stack.form,
        "shape": [count, height, width],
        "labels": list(stack.labels),
        "counts": stack.counts,
        "silences": stack.silences,
        "whole": stack.maps.dtype.kind in "iub",
        "flat": stack.flat,
        "thinned": thinned,
        "left_out": stack.left_out,
        **(extra or {}),
    }
    if stack.form == "colour":
        tiles, words, not_finite = colour_tiles(_chosen(stack, values))
        header["scale"] = {"mode": "layer", "text": words, "low": None, "high": None}
        header |= {"layer": [tiles[0].low, tiles[0].high], "not_finite": not_finite}
        buffers = {"pixels": tiles[0].pixels.tobytes()}
    else:
        scaled = colour_scale.scaled(values, "unit", short=count >= _MANY)
        masked = stack.masked if thinned == 1 else None
        pixels = scaled.indexes if masked is None else np.where(masked, MASKED, scaled.indexes)
        header |= {"layer": _extent(values), "not_finite": scaled.not_finite}
        buffers = {
            "pixels": pixels.astype(np.uint8, copy=False).tobytes(),
            "low": scaled.low.astype("<f4").tobytes(),
            "high": np.where(scaled.flat, scaled.low, scaled.high).astype("<f4").tobytes(),
        }
    if exact:
        buffers["values"] = np.ascontiguousarray(values, "<f4").tobytes()
    return Panel(header, buffers, provenance)


def _chosen(stack: Stack, values: Array) -> Chosen:
    return Chosen(stack.address, stack.title, values, [""], is_input=True)


def _extent(values: Array) -> list[float]:
    finite = values[np.isfinite(values)]
    return [float(finite.min()), float(finite.max())] if finite.size else [0.0, 0.0]


def _thinned(stack: Stack, side: int | None) -> tuple[Array, int]:
    """Return maps that fit what is sent, and how many values one stands for along each side.

    That one is their mean; of a series the least and the largest take turns.
    """
    values = stack.maps
    if stack.form == "series":
        length = values.shape[2]
        most = min(length, max(2, MOST_BYTES // max(1, len(values))), 2 * (side or length))
        thin = extremes(values[:, 0], most)[:, None]
        return thin, math.ceil(length / thin.shape[2])
    times = math.ceil(math.sqrt(values.size / MOST_BYTES)) if values.size > MOST_BYTES else 1
    if side is not None:
        times = max(times, math.ceil(max(values.shape[1:3]) / side))
    return (values, 1) if times == 1 else (means(values, times), times)


def as_maps(panel: Panel) -> Panel:
    """Return the stack as a picture of the kind ``maps``, each map on the range that it is on."""
    header = panel.header
    count, height, width = header["shape"]
    if header["form"] == "colour":
        pixels = np.frombuffer(panel.buffers["pixels"], np.uint8).reshape(height, width, 3)
        times = magnification((height, width), 320)
        low, high = header["layer"]
        tiles = [Tile(pixels, "", low, high, False, times)]
    else:
        tiles = _tiles(panel, count, height, width)
    heading = Heading(
        header["title"],
        header["address"],
        header["scale"]["text"],
        "unit",
        None,
        "; ".join(filter(None, (header["note"], without_pattern(tiles)))),
        header["counts"],
    )
    return arrange(
        tiles,
        heading,
        columns=None,
        palette=header["palette"],
        ground=header["ground"],
        provenance=panel.provenance,
    )


def _tiles(panel: Panel, count: int, height: int, width: int) -> list[Tile]:
    header = panel.header
    pixels = np.frombuffer(panel.buffers["pixels"], np.uint8).reshape(count, height, width)
    low = np.frombuffer(panel.buffers["low"], "<f4")
    high = np.frombuffer(panel.buffers["high"], "<f4")
    parts = header.get("parts") or [""]
    units = header["labels"] or [str(i) for i in range(count // len(parts))]
    labels = [f"{unit} {part}".rstrip() for unit in units for part in parts]
    times = magnification((height, width), 320 if count == len(parts) else 64)
    special = (pixels >= LEVELS) & (pixels != MASKED)  # NaN and infinity have no part in a range
    if header["form"] == "vector":
        pixels, low, high = _on_one_range(_with_special(low, pixels[:, 0, 0]))
    flat = (low == high) & ~special.any(axis=(1, 2))
    silent = flat & (low == 0) & header["silences"]
    each = zip(pixels, labels, low.tolist(), high.tolist(), silent, flat & ~silent, strict=True)
    several = height * width > 1
    tiles = [
        Tile(map_, label, least, most, bool(quiet), times, (), bool(same) and several)
        for map_, label, least, most, quiet, same in each
    ]
    if len(parts) > 1:
        tiles[2::3] = [_diverging(tile, header) for tile in tiles[2::3]]
    return tiles


def _diverging(tile: Tile, header: Mapping[str, Any]) -> Tile:
    """Return a map of differences in the colours of a diverging palette, zero in the middle."""
    colours = table("diverging", header["ground"]).copy()
    reach = header["difference"] or 1.0
    values = tile.low + np.arange(LEVELS) / (LEVELS - 1) * (tile.high - tile.low)
    colours[:LEVELS] = colours[np.rint((values / reach + 1) / 2 * (LEVELS - 1)).astype(int)]
    return tile._replace(pixels=colours[tile.pixels], blank=False, constant=False)


def _with_special(values: Array, indexes: Array) -> npt.NDArray[np.float64]:
    """Return single values, those that are no finite number among them."""
    values = values.astype(np.float64)
    values[indexes == NAN] = np.nan
    values[indexes == POSITIVE_INFINITY] = np.inf
    values[indexes == NEGATIVE_INFINITY] = -np.inf
    return values


def _on_one_range(values: npt.NDArray[np.float64]) -> tuple[Array, Array, Array]:
    scaled = colour_scale.scaled(values.reshape(-1, 1, 1), "layer")
    return scaled.indexes, scaled.low, scaled.high


def png(panel: Panel, metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a PNG file with the metadata as text chunks."""
    return maps.png(as_maps(panel), metadata)


def svg(panel: Panel, metadata: Mapping[str, str]) -> str:
    """Return an SVG document with the metadata in it."""
    return maps.svg(as_maps(panel), metadata)


def figure(panel: Panel, figsize: tuple[float, float] | None, ax: Axes | None) -> Figure:
    """Draw the maps with title and axes."""
    return maps.figure(as_maps(panel), figsize, ax)
