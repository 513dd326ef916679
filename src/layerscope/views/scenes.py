"""What a film shows: a panel for each moment, on ranges that stay the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import ViewError
from layerscope.core.text import shown_name
from layerscope.recordings.recording import Recording
from layerscope.views.moments import Moments
from layerscope.views.pages import input_of, patterns_of
from layerscope.views.passage import Passage, alike, fitted, wrapped
from layerscope.views.ranges import extent_over, limits_of
from layerscope.views.render import colour_scale
from layerscope.views.render import palette as palettes
from layerscope.views.render.defaults import palette_or
from layerscope.views.render.grid import Heading, Tile, arrange, without_pattern
from layerscope.views.render.panel import Panel
from layerscope.views.render.select_maps import Chosen
from layerscope.views.render.signals import along, is_signal
from layerscope.views.render.tiles import colour_tiles
from layerscope.views.sheet import APART, indexed, own_columns

Scene = Callable[[], Iterator[Panel]]
Limits = tuple[npt.NDArray[Any], npt.NDArray[Any]]

_LEAST = 4  #: the least height and width of a pattern in a passage
_LABEL_ROOM = 90  #: how wide a label may be above a pattern that is narrower


def layer_scene(
    recording: Recording,
    address: str,
    moments: Moments,
    scale: colour_scale.Scaling,
    palette: str | None,
    ground: str,
    columns: int | None,
    reshape: tuple[int, ...] | None,
) -> Scene:
    """Draw a layer, or a part of one: seen once for its ranges, and again for the frames."""

    def seen() -> Iterator[Chosen]:
        return map(along, moments.chosen(address, reshape))

    low, high = limits_of(seen())
    if not low.size:
        raise ViewError(f"{address!r} has nothing to draw: its shape is empty.")
    weights = recording.kind == "weights"
    signed = bool(low.min() < 0 < high.max())
    images = recording.kind == "features"
    colours = palette_or(palette, signed=weights and signed, images=images)
    limits = _limits(low, high, scale, moments, palettes.is_diverging(colours))

    def panels() -> Iterator[Panel]:
        for i, chosen in enumerate(seen()):
            if chosen.colour:
                tiles, heading = _coloured(chosen, limits, scale)
            else:
                tiles, heading = _indexed(chosen, limits, scale)
            about = moments.beside or (moments.label(i) if len(moments) == 1 else "")
            note = ", ".join(filter(None, (about, heading.note)))
            yield arrange(
                tiles,
                replace(heading, note=note),
                columns=columns or own_columns(chosen, tiles),
                palette=colours,
                ground=ground,
                provenance=lambda: recording.provenance,
            )

    return panels


def passage_scene(
    recording: Recording,
    address: str,
    moments: Moments,
    scale: colour_scale.Scaling,
    palette: str | None,
    ground: str,
    columns: int | None,
    reshape: tuple[int, ...] | None,
) -> Scene:
    """Draw the pattern in every layer that has two axes, on one page."""
    colours = palette_or(palette)
    ranges = _pattern_ranges(moments, scale, palettes.is_diverging(colours), reshape)

    def panels() -> Iterator[Panel]:
        for i in range(len(moments)):
            moment, sample = moments.recording(i)
            tiles = _pattern_tiles(moment, sample, ranges, colours, reshape)
            left_out = _left_out(len(moment) - len(ranges))
            note = ", ".join(filter(None, (moments.beside, left_out, without_pattern(tiles))))
            limits = scale if isinstance(scale, tuple) else None
            heading = Heading(
                f"the passage through {shown_name(recording.network.name)}",
                "*",
                _words(scale),
                str(scale),
                limits,
                note,
                labels="title",
            )
            yield arrange(
                tiles,
                heading,
                columns=columns or math.ceil(math.sqrt(1.6 * len(tiles))),
                palette=colours,
                ground=ground,
                provenance=lambda: recording.provenance,
            )

    return panels


def _limits(
    low: npt.NDArray[Any],
    high: npt.NDArray[Any],
    scale: colour_scale.Scaling,
    moments: Moments,
    diverging: bool,
) -> Limits:
    """Return the range of each map over the film, as the scale shares them."""
    some = low <= high
    low, high = np.where(some, low, 0.0), np.where(some, high, 0.0)
    if isinstance(scale, tuple):
        return np.full(len(low), scale[0]), np.full(len(low), scale[1])
    if scale != "unit":
        least, most = extent_over(moments, scale) or (low.min(), high.max())
        low, high = np.full(len(low), float(least)), np.full(len(low), float(most))
    if diverging:
        high = np.maximum(np.abs(low), np.abs(high))
        low = -high
    return low, high


def _indexed(
    chosen: Chosen, limits: Limits, scale: colour_scale.Scaling
) -> tuple[list[Tile], Heading]:
    low, high = limits
    alike = bool((low == low[0]).all() and (high == high[0]).all())
    if alike:
        result = _held(chosen.maps, float(low[0]), float(high[0]))
    else:
        each = [
            _held(chosen.maps[i : i + 1], float(low[i]), float(high[i])) for i in range(len(low))
        ]
        result = replace(
            each[0],
            indexes=np.concatenate([one.indexes for one in each]),
            low=low,
            high=high,
            not_finite=sum(one.not_finite for one in each),
        )
    tiles, heading = indexed(chosen, result, scale, apart=len(chosen.labels) <= APART)
    if scale == "unit" and len(low) > 1:
        return tiles, replace(heading, scale=_words(scale), limits=None)
    if not isinstance(scale, tuple):
        heading = replace(heading, scale=_range_words(scale, limits))
    lines = chosen.form == "lines"  # whose colour is no value
    return tiles, replace(heading, limits=None if lines else (float(low[0]), float(high[0])))


def _held(maps: npt.NDArray[Any], low: float, high: float) -> colour_scale.Scaled:
    """Scale maps to a range that is fixed; of no width, they are flat."""
    bounds = colour_scale.bounds_of((low, high))
    return colour_scale.scaled(maps, "layer" if bounds is None else bounds)


def _coloured(
    chosen: Chosen, limits: Limits, scale: colour_scale.Scaling
) -> tuple[list[Tile], Heading]:
    if chosen.feature:
        tiles = colour_tiles(chosen, None, limits)[0]
        words = f"in colour, {_range_words(scale, limits) if scale != 'unit' else _words(scale)}"
        mode = scale if isinstance(scale, str) else "limits"
        return tiles, Heading(chosen.title, chosen.address, words, mode, None, "", chosen.counts)
    low, high = float(limits[0].min()), float(limits[1].max())
    if chosen.kernel and not isinstance(scale, tuple):
        high = max(abs(low), abs(high))
        low = -high
    tiles, words, _ = colour_tiles(chosen, None, (low, high) if low < high else None)
    return tiles, Heading(chosen.title, chosen.address, words, "layer", None, "", chosen.counts)


def _pattern_ranges(
    moments: Moments, scale: colour_scale.Scaling, diverging: bool, reshape: tuple[int, ...] | None
) -> dict[str, colour_scale.Scaling]:
    """Return the scale of each pattern that is large enough to be shown."""
    limits: dict[str, Limits] = {}
    for i in range(len(moments)):
        moment, sample = moments.recording(i)
        for address, chosen in patterns_of(moment, sample, reshape):
            rows, columns = chosen.maps.shape[1:3]
            signal = chosen.form == "sequence" and is_signal(rows, columns)
            if min(rows, columns) < _LEAST and not signal:
                continue
            low, high = limits_of([chosen])
            before = limits.get(address, (low, high))
            limits[address] = np.minimum(low, before[0]), np.maximum(high, before[1])
    if not limits:
        raise ViewError(
            f"No layer's pattern is {_LEAST} by {_LEAST} or larger: name a layer, or pass reshape= "
            "for vectors."
        )
    ranges: dict[str, colour_scale.Scaling] = {}
    for address, (low, high) in limits.items():
        least, most = _limits(low, high, "layer" if scale == "unit" else scale, moments, diverging)
        ranges[address] = colour_scale.bounds_of((float(least[0]), float(most[0]))) or "unit"
    return ranges


def _pattern_tiles(
    moment: Recording,
    sample: int,
    ranges: dict[str, colour_scale.Scaling],
    palette: str,
    reshape: tuple[int, ...] | None,
) -> list[Tile]:
    side = 240 if len(ranges) <= 12 else 160 if len(ranges) <= 30 else 96
    passage = Passage(moment, "unit", palette, sample, side)
    tiles = input_of(passage, reshape)
    for address, chosen in patterns_of(moment, sample, reshape):
        if address in ranges:
            of_layer = replace(passage, scale=ranges[address])
            tiles += of_layer.tiles(chosen, address, chosen.title, of_its_own=True)
    tiles = alike([tile._replace(label=wrapped(tile.label)) for tile in tiles], side)
    room = max(_LABEL_ROOM, *(tile.size[0] for tile in tiles))
    return [fitted(tile, room) for tile in tiles]


def _range_words(scale: colour_scale.Scaling, limits: Limits) -> str:
    """Return a range that all maps share, in words."""
    if isinstance(scale, tuple):
        return _words(scale)
    which = "the input's range" if scale == "input" else "one range"
    return f"{which}: {colour_scale.number(limits[0][0])} … {colour_scale.number(limits[1][0])}"


def _words(scale: colour_scale.Scaling) -> str:
    if isinstance(scale, tuple):
        return f"range given: {colour_scale.number(scale[0])} … {colour_scale.number(scale[1])}"
    if scale == "network":
        return "one range for the network"
    return "each map on its own range over the film"


def _left_out(count: int) -> str:
    """Return how many layers, vectors among them, have no pattern that is large enough."""
    if not count:
        return ""
    one = count == 1
    which = "1 layer has" if one else f"{count} layers have"
    return f"{which} no pattern and {'is' if one else 'are'} left out"
