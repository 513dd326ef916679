"""``timeline``: one channel at every step, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from layerscope.core.addresses import with_units
from layerscope.core.errors import ViewError
from layerscope.core.text import shown_name
from layerscope.recordings.recording import Recording
from layerscope.views.moments import Moments, steps_of
from layerscope.views.ranges import extent_over
from layerscope.views.render import colour_scale, text
from layerscope.views.render import palette as palettes
from layerscope.views.render.defaults import ground_or, palette_or
from layerscope.views.render.feature_maps import scale_of
from layerscope.views.render.grid import (
    GAP,
    LABEL,
    MARGIN,
    Heading,
    Tile,
    arrange,
    check_columns,
    magnification,
    without_pattern,
)
from layerscope.views.render.panel import Panel
from layerscope.views.render.select_maps import Chosen, check_recording, sample_of
from layerscope.views.render.signals import along
from layerscope.views.render.tiles import colour_limits, colour_tiles, index_tiles

_SIDE = 96  #: how long a map's longer side is to be
_LINE = 240  #: pixels that a line is wide at one step
_SMALL = 48  #: the same where there are many maps
_MOST = 4096  #: tiles
_MATRIX = 640  #: how long the longer side of a matrix is to be


def timeline(
    run: Recording,
    address: str,
    *,
    units: int | Iterable[int] | None = None,
    sample: int | str | None = None,
    steps: Iterable[int] | None = None,
    columns: int | None = None,
    scale: colour_scale.Scaling | None = None,
    palette: str | None = None,
    ground: str | None = None,
    reshape: tuple[int, ...] | None = None,
) -> Panel:
    """Draw one channel at every step, side by side, on one scale, so that change is change.

    A layer of units (``"dense"``) becomes a matrix, a row for each step and a column for each unit;
    any other layer, and any parameter, a row of maps for each of its channels.

    Parameters
    ----------
    run
        What ``open_recording`` returned, or its ``weights``; or images made for units, of which
        some were kept on the way.
    address
        A channel (``"conv2d:29"``) or several (``"conv2d:3,30"``, or ``units=[3, 30]`` beside the
        layer), a layer, or in ``run.weights`` a parameter or a part of one
        (``"conv2d/kernel:3"``).
    sample
        Which of the samples, counted from 0 or by its name; the first where it is not given, and
        all of the images made for one objective.
    steps
        The numbers of the steps to show; all by default.
    scale
        ``"layer"``, one range over all that is shown; ``"unit"``, each map on its own;
        ``"network"``, the range of all layers over these steps; ``"zscore"``; or ``(low, high)``.
        ``"layer"`` by default, and for images ``"input"``, the range that the network accepts.
    palette
        As in :func:`layerscope.sheet`; by default ``"viridis"``, for weights of both signs
        ``"diverging"``, which shows zero, and for images ``"gray"``.

    The other parameters are those of :func:`layerscope.sheet`; ``reshape`` makes the weights of
    hidden units, or vectors, images again.

    Raises
    ------
    AddressError
        When there is no such layer, unit or step.
    ViewError
        When it is a recording without steps, or would be more than 4,096 maps.
    """
    check_recording(run)
    scale = scale_of(run, scale)
    columns = check_columns(columns)
    if palette is not None:
        palettes.known(palette)
    address = with_units(address, units)
    number = sample_of(run, sample)
    moments = steps_of(run, number, steps)
    chosen = _gathered(moments, address, reshape)
    first = chosen[0]
    palette = palette_or(
        palette, signed=run.kind == "weights" and _signed(chosen), images=first.feature
    )
    heading = Heading(_title(first, moments), first.address, "", _mode(scale), None, "")
    if first.vector:
        drawn = _matrix(chosen, moments, heading, scale, palette)
    elif first.colour:
        drawn = _coloured(chosen, moments, heading, scale)
    else:
        drawn = _maps(chosen, moments, heading, scale, palette)
    tiles, heading = drawn
    heading = replace(heading, note=_note(tiles, moments, first, heading.note))
    panel = arrange(
        tiles,
        heading,
        columns=columns or (len(chosen) if len(first.maps) > 1 and not first.vector else None),
        palette=palette,
        ground=ground_or(ground),
        provenance=lambda: run.provenance,
    )
    return _with_rows(panel, moments) if first.vector else panel


def _gathered(moments: Moments, address: str, reshape: tuple[int, ...] | None) -> list[Chosen]:
    chosen: list[Chosen] = []
    for whole in moments.chosen(address, reshape):
        moment = along(whole, _LINE)
        if not moment.maps.size:
            raise ViewError(f"{moment.title} has nothing to draw: its shape is empty.")
        if len(moment.maps) * len(moments) > _MOST:
            raise ViewError(
                f"{address!r} at {len(moments)} steps would be {len(moment.maps) * len(moments):,} "
                f"maps, and {_MOST:,} can be shown: name one, such as "
                f"{moment.address + ':0'!r}, or pass steps=."
            )
        chosen.append(moment)
    return chosen


def _signed(chosen: list[Chosen]) -> bool:
    low = min(float(np.nanmin(moment.maps, initial=0)) for moment in chosen)
    return low < 0 < max(float(np.nanmax(moment.maps, initial=0)) for moment in chosen)


def _maps(
    chosen: list[Chosen],
    moments: Moments,
    heading: Heading,
    scale: colour_scale.Scaling,
    palette: str,
) -> tuple[list[Tile], Heading]:
    """Draw a row of maps for each unit; of a single one, a map for each step."""
    maps = np.stack([moment.maps for moment in chosen], axis=1)
    count, steps = maps.shape[:2]
    flat = maps.reshape(count * steps, *maps.shape[2:])
    result = _scaled(flat, scale, palette, moments)
    labels = _labels(chosen[0], moments)
    side = _SIDE if len(flat) <= 256 else _SMALL
    drawn = replace(chosen[0], maps=flat, labels=labels, vector=False)
    tiles = index_tiles(drawn, result, side)
    counts = "step" if count == 1 else f"{chosen[0].counts or 'map'}, step"
    note = _label_words(chosen[0], moments)
    words = _scale_words(scale, result)
    if drawn.form == "lines":  # whose colour is no value
        words["limits"] = None
    return tiles, replace(heading, **words, labels=counts, note=note)


def _matrix(
    chosen: list[Chosen],
    moments: Moments,
    heading: Heading,
    scale: colour_scale.Scaling,
    palette: str,
) -> tuple[list[Tile], Heading]:
    """Draw one map with a row for each step and a column for each unit."""
    rows = np.concatenate([moment.maps[:, 0] for moment in chosen])
    if scale in ("unit", "zscore"):  # of a matrix, what has a scale of its own is a column
        columns = colour_scale.scaled(
            rows.T[:, None], scale, diverging=palettes.is_diverging(palette)
        )
        result = replace(columns, indexes=np.ascontiguousarray(columns.indexes[:, 0].T)[None])
        words: dict[str, Any] = {"scale": colour_scale.words(scale).replace("map", "unit")}
    else:
        result = _scaled(rows[None], scale, palette, moments)
        words = _scale_words(scale, result)
    silent = int((rows == 0).all(axis=0).sum())
    note = f"{silent} of {rows.shape[1]} units always zero" if silent else ""
    times = magnification(rows.shape, _MATRIX, 16)
    tile = Tile(result.indexes[0], "", float(result.low[0]), float(result.high[0]), False, times)
    return [tile], replace(heading, **words, note=note, labels="unit")


def _coloured(
    chosen: list[Chosen], moments: Moments, heading: Heading, scale: colour_scale.Scaling
) -> tuple[list[Tile], Heading]:
    """Draw kernels of three inputs, and images, as colours, a row for each unit."""
    maps = np.stack([moment.maps for moment in chosen], axis=1)
    flat = maps.reshape(-1, *maps.shape[2:])
    drawn = replace(chosen[0], maps=flat, labels=_labels(chosen[0], moments))
    side = _SIDE if len(flat) <= 256 else _SMALL
    if drawn.feature:
        ranges, words = colour_limits(drawn, scale, extent_over(moments, scale))
        tiles = colour_tiles(drawn, side, ranges)[0]
    else:
        limits = scale if isinstance(scale, tuple) else None
        tiles, words, _ = colour_tiles(drawn, side, limits)
    counts = "step" if len(maps) == 1 else f"{chosen[0].counts or 'map'}, step"
    note = _label_words(chosen[0], moments)
    return tiles, replace(heading, scale=words, labels=counts, note=note)


def _scaled(
    maps: Any, scale: colour_scale.Scaling, palette: str, moments: Moments
) -> colour_scale.Scaled:
    diverging = palettes.is_diverging(palette)
    return colour_scale.scaled(maps, scale, diverging=diverging, extent=extent_over(moments, scale))


def _scale_words(scale: colour_scale.Scaling, result: colour_scale.Scaled) -> dict[str, Any]:
    shared = isinstance(scale, tuple) or scale in colour_scale.SHARED or len(result.low) == 1
    limits = (float(result.low[0]), float(result.high[0])) if shared else None
    return {"scale": result.text, "limits": limits}


def _mode(scale: colour_scale.Scaling) -> str:
    return scale if isinstance(scale, str) else "limits"


def _labels(first: Chosen, moments: Moments) -> list[str]:
    """Return a label for each tile: its step, and its unit where there are several."""
    steps = [moments.label(i) for i in range(len(moments))]
    if len(first.maps) == 1:
        return steps
    short = [step.rpartition(" ")[2] for step in steps]
    return [f"{label} · {step}" for label in first.labels for step in short]


def _label_words(first: Chosen, moments: Moments) -> str:
    """Return what the labels of several maps at each step are: ``each map: unit · epoch``."""
    if len(first.maps) == 1:
        return ""
    inputs = " · input" * ("·" in first.labels[0])
    return f"labels: {first.counts or 'map'}{inputs} · {moments.label(0).split()[-2]}"


def _title(first: Chosen, moments: Moments) -> str:
    alone = first.maps.shape[1:3] == (1, 1)  # its title says its value, which changes
    return f"{shown_name(first.address) if alone else first.title} over {moments.span}"


def _note(tiles: list[Tile], moments: Moments, first: Chosen, note: str) -> str:
    flat = "" if first.vector else without_pattern(tiles)
    return ", ".join(filter(None, (moments.beside, flat, note)))


def _with_rows(panel: Panel, moments: Moments) -> Panel:
    """Move the matrix to the right, and write the steps at its left."""
    header: dict[str, Any] = {**panel.header}
    (tile,) = header["tiles"]
    names = [moments.label(i) for i in range(len(moments))]
    room = max(text.width(name, LABEL) for name in names) + GAP
    x, y, width, height = tile["box"]
    cell = height // len(names)
    every = -(-text.line_height(LABEL) // cell)
    middle = (cell - text.line_height(LABEL)) // 2
    lines: list[dict[str, Any]] = [
        {"text": name, "at": [MARGIN, max(0, y + i * cell + middle)], "size": LABEL}
        for i, name in enumerate(names)
        if i % every == 0
    ]
    header["tiles"] = [{**tile, "box": [x + room, y, width, height], "rows": names}]
    header["lines"] = [*header["lines"], *lines]
    right, bottom = header["size"]
    below = max((line["at"][1] + text.line_height(LABEL) for line in lines), default=0)
    header["lines"] += _units(tile["shape"][1], cell, x + room, y + height + 3)
    below += text.line_height(LABEL)
    header["size"] = [max(right, x + room + width + MARGIN), max(bottom, below + GAP)]
    return replace(panel, header=header)


def _units(count: int, cell: int, left: int, top: int) -> list[dict[str, Any]]:
    """Return the numbers of the units below their columns, as many as there is room for."""
    room = text.width(str(count - 1), LABEL) + GAP
    every = next((2**n for n in range(16) if 2**n * cell >= room), count)
    return [
        {"text": str(i), "at": [left + i * cell, top], "size": LABEL}
        for i in range(0, count - (every > 1) * (room // max(1, cell)), every)
    ]
