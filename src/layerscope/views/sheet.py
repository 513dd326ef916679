"""``sheet``: every channel of a layer, in one picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from layerscope.core.addresses import with_units
from layerscope.core.errors import ViewError
from layerscope.recordings.attribution import Attribution
from layerscope.recordings.comparison import Comparison
from layerscope.recordings.recording import Recording
from layerscope.recordings.survey.survey import Survey
from layerscope.views.attention import attending, of_heads
from layerscope.views.attribution import attribution_panel
from layerscope.views.beside import alike, beside, images_of
from layerscope.views.difference_sheet import difference_sheet
from layerscope.views.faded import faded, is_faded, with_words
from layerscope.views.image_grades import graded, grades_of
from layerscope.views.kernels import kernels_of
from layerscope.views.render import colour_scale
from layerscope.views.render import palette as palettes
from layerscope.views.render.defaults import ground_or, palette_or
from layerscope.views.render.feature_maps import extent_of, scale_of
from layerscope.views.render.grid import (
    Heading,
    Tile,
    arrange,
    check_columns,
    value_format,
    without_pattern,
)
from layerscope.views.render.panel import Panel
from layerscope.views.render.select_maps import (
    Chosen,
    check_recording,
    choose,
    is_signed,
    layer_of,
    sample_of,
)
from layerscope.views.render.signals import WIDTH, along
from layerscope.views.render.tiles import (
    colour_limits,
    colour_tiles,
    index_tiles,
    joined_tiles,
    with_values,
)
from layerscope.views.similarity import similarity_panel
from layerscope.views.survey.unit_rows import unit_rows

_NARROW = 120  #: pixels that a line is wide at least
_PLOTS = 16  #: about so many plots of 1-D kernels stand side by side
_ABREAST = 32  #: up to so many inputs of a kernel, or slices of a volume, stand side by side
APART = 1024  #: kernels of more tiles than this put their inputs into one tile


def sheet(
    recording: Recording | Survey | Comparison,
    address: str | None = None,
    *,
    columns: int | None = None,
    scale: colour_scale.Scaling | None = None,
    palette: str | None = None,
    units: int | Iterable[int] | None = None,
    sample: int | str | None = None,
    step: int | None = None,
    ground: str | None = None,
    reshape: tuple[int, ...] | None = None,
    limits: tuple[float, float] | str | None = None,
    values: bool = False,
    kernels: Recording | None = None,
    features: Recording | None = None,
    heads: str | None = None,
    style: str | None = None,
    strength: float | None = None,
) -> Panel:
    """Draw every channel of a layer as a map, in one picture; none is dropped.

    Of a survey each channel is a row of its strongest examples; of a comparison it is drawn three
    times, in the one, in the other and as their difference; of attribution each method's map lies
    over the input.

    Parameters
    ----------
    recording
        Activations, weights, images made for units, a survey, a comparison, or maps of attribution.
    address
        A layer (``"conv2d"``), a unit (``"conv2d:29"``) or several (``"conv2d:3,30"``, or
        ``units=[3, 30]`` beside the layer), a kernel (``"conv2d/kernel"``), or
        ``"input"``, which is drawn too when the address is left out. Of images made for units the
        objective (``"mixed4:42"``), or nothing for all of them. Of a comparison nothing stands for
        the similarity of each layer of the one with each of the other.
    columns
        How many maps to a row; 16 by default, fewer for large maps. Of a survey, how many examples
        of each unit: 5, of more than 1,024 units 3.
    scale
        ``"unit"`` (each map its own range), ``"layer"`` (one range for the picture),
        ``"network"`` (one for the recording), ``"zscore"`` (each map about its mean: mean 128,
        standard deviation 64, on 0 to 255), or ``(low, high)``. ``"layer"`` by default; images made
        for units are drawn on ``"input"``, the range that the network accepts.
    palette
        ``"viridis"``, ``"gray"``, ``"diverging"`` (zero in the middle) or any name that Matplotlib
        knows. What :func:`layerscope.defaults` says, ``"viridis"`` at first; ``"diverging"`` for
        weights of both signs; images made for units are gray, or in their own colours.
    sample, step
        Which sample, counted from 0 or by its name, such as that of its file, and of a recording
        over time which step, by its number. Where
        they are not given, the first sample and the last step; several images made for one
        objective are drawn all.
    ground
        ``"dark"`` (default) or ``"light"``.
    reshape
        ``(height, width)`` for vectors, and for the kernels of dense layers, that are images; and
        for tokens: a map for each channel, the class token and registers, which come first, above.
    limits
        ``(low, high)``, as for ``scale``; or ``"half"``: the range about zero, halved, which
        brings out weak weights.
    values
        Write each value in its cell, to one decimal, or as many as give the largest two digits.
    kernels
        The model's weights: each kernel beside the map that it makes.
    features
        Images made for units of the layer: each beside its unit's map. Units without one are left
        out, and counted. ``reshape`` is then for the images.
    heads
        Of attention weights (``"mha/attention"``), whose heads are drawn one by one, on one range
        from 0: ``"mean"``, one map, or ``"rollout"``, what all layers of attention up to this one
        make of one another (see :meth:`Recording.rollout`).
    style, strength
        Of maps that :func:`attribute` made: ``"heat"`` (default), ``"map"``, ``"contour"`` or
        ``"top"``; and how strong they lie over the input, from 0 to 1.

    Raises
    ------
    AddressError
        When there is no such layer, unit or step.
    ViewError
        When the values can't be drawn so; the message says what can.
    """
    if isinstance(recording, Attribution):
        return attribution_panel(
            recording,
            address,
            sample=sample_of(recording, sample),
            style=style,
            strength=strength,
            palette=palette,
            ground=ground_or(ground),
            reshape=_image_shape(reshape),
        )
    if style is not None or strength is not None:
        raise ViewError("style= and strength= are of maps that attribute() made.")
    if isinstance(recording, Survey):
        return unit_rows(
            recording,
            address,
            columns=columns,
            units=units,
            reshape=_image_shape(reshape),
            ground=ground_or(ground),
        )
    if isinstance(recording, Comparison):
        if address is None:
            return similarity_panel(recording, palette=palette, ground=ground_or(ground))
        return difference_sheet(
            recording,
            address,
            columns=columns,
            palette=palette,
            units=units,
            sample=sample,
            ground=ground_or(ground),
            reshape=reshape,
        )
    check_recording(recording)
    scale, half = _scaling(recording, scale, limits)
    marks = grades_of(recording, step)
    recording = recording.at(step)
    number = sample_of(recording, sample)
    if units is not None:
        address = with_units(address or next(iter(recording), ""), units)
    if number is None and recording.kind != "features":
        number = 0
    if heads is not None:
        recording = of_heads(recording, address, heads)
    image_shape = reshape if features is None else None
    chosen = choose(recording, address, sample=number, reshape=image_shape, colours=not values)
    if chosen.maps.size == 0:
        raise ViewError(f"{chosen.title} has nothing to draw: its shape is empty.")
    columns = check_columns(columns)
    if not values:
        chosen = along(chosen, max(_NARROW, WIDTH // (columns or 1)))
    signed = recording.kind == "weights" and is_signed(chosen)
    asked, palette = palette, palette_or(palette, signed=signed, images=chosen.feature)
    extent = extent_of(recording, scale, number or 0)
    if chosen.attention and scale == "layer":  # weights are compared across heads, from 0
        extent = 0.0, recording.extent(number or 0, layer_of(recording, chosen.address))[1]
    if chosen.colour:
        tiles, heading = _coloured(chosen, scale, half, extent)
    else:
        apart = values or len(chosen.labels) <= APART
        whole = _range_of_layer(recording, chosen, scale, number or 0)
        tiles, heading = _indexed(chosen, whole or scale, half, extent, palette, apart)
        if whole is not None:
            low, high = map(colour_scale.number, whole)
            words = f"its layer's range: {low} … {high}"
            heading = replace(heading, scale=words, mode="layer")
    if values:
        tiles = _with_values(tiles, chosen)
    elif is_faded(tiles, chosen):
        tiles, heading = faded(tiles, chosen, palette, ground_or(ground)), with_words(heading)
    group = 1
    if kernels is not None or features is not None:
        companions = []
        if features is not None:
            tiles, images = alike(tiles, images_of(tiles, chosen, features, reshape))
            companions.append(images)
        if kernels is not None:
            check_recording(kernels)
            kernels = kernels.at(step if kernels.has_steps else None)
            colouring = asked, ground_or(ground)
            companions.insert(0, kernels_of(tiles, chosen, kernels, palette, colouring))
        tiles, heading, group = beside(tiles, heading, companions)
    elif columns is None:
        columns = own_columns(chosen, tiles)
    if chosen.feature:
        tiles = graded(tiles, chosen.address, marks)
    return arrange(
        tiles,
        heading,
        columns=columns,
        palette=palette,
        ground=ground_or(ground),
        provenance=lambda: recording.provenance,
        group=group,
    )


def _image_shape(reshape: tuple[int, ...] | None) -> tuple[int, int] | None:
    if reshape is None or len(reshape) == 2:
        return reshape
    raise ViewError(f"reshape={reshape!r}: pass (height, width) of the samples.")


def _range_of_layer(
    recording: Recording, chosen: Chosen, scale: colour_scale.Scaling, sample: int
) -> tuple[float, float] | None:
    """Return the range for a single value of a layer, which has none; None for others."""
    if chosen.maps.size != 1 or scale != "layer" or chosen.is_input:
        return None
    return colour_scale.bounds_of(recording.extent(sample, layer_of(recording, chosen.address)))


def own_columns(chosen: Chosen, tiles: list[Tile]) -> int | None:
    """Return how many maps to a row where their own order says it; None where it does not."""
    if chosen.form == "lines":
        return 1
    if chosen.vector:
        rows = len(tiles[0].pixels) == 1  # not blocks of them
        return 1 if rows and len(tiles) < chosen.maps.shape[2] else None
    if chosen.feature and chosen.maps.shape[1] == 1:
        return 1
    unit = f"{chosen.labels[0].partition('·')[0]}·" if chosen.feature else "0·"
    inner = sum(label.startswith(unit) for label in chosen.labels)
    if chosen.form == "taps" and inner > 1:
        return inner * max(1, _PLOTS // inner)
    return inner if len(tiles) == len(chosen.labels) and 1 < inner <= _ABREAST else None


def _indexed(
    chosen: Chosen,
    scale: colour_scale.Scaling,
    half: bool,
    extent: tuple[float, float] | None,
    palette: str,
    apart: bool,
) -> tuple[list[Tile], Heading]:
    # The range of a layer, where it is not that of these maps, is drawn as that of a network is.
    shared = "network" if scale == "layer" and extent is not None else scale
    result = colour_scale.scaled(
        chosen.maps,
        shared,
        diverging=palettes.is_diverging(palette) or half,
        extent=extent,
        half=half,
    )
    if shared != scale:
        words = colour_scale.words("network")
        result = replace(result, text=result.text.replace(words, "one range", 1))
    return indexed(chosen, result, scale, apart)


def indexed(
    chosen: Chosen, result: colour_scale.Scaled, scale: colour_scale.Scaling, apart: bool = True
) -> tuple[list[Tile], Heading]:
    """Return the tiles of maps that were scaled, and what stands above them.

    ``apart=False`` lets the inputs of a kernel share a tile.
    """
    joins = chosen.kernel and not apart and "·" in chosen.labels[-1]
    tiles = joined_tiles(chosen, result) if joins else index_tiles(chosen, result)
    shared = isinstance(scale, tuple) or scale in colour_scale.SHARED or len(result.low) == 1
    limited = (float(result.low[0]), float(result.high[0])) if shared and len(result.low) else None
    if limited and chosen.maps.size == 1 and limited[0] == limited[1]:
        limited = None  # the value is written, and a bar of one colour says nothing
    mode = scale if isinstance(scale, str) else "limits"
    note = "; ".join(filter(None, (chosen.note, _note(tiles, result.not_finite))))
    heading = Heading(chosen.title, chosen.address, result.text, mode, limited, note, chosen.counts)
    if chosen.form == "lines":
        axes = ("value" if len(tiles) == 1 else "channel", "position")
        heading = replace(heading, limits=None, axes=axes, positions=chosen.positions)
        if not shared:
            tiles = [_with_range(tile) for tile in tiles]
    elif chosen.form in ("strip", "matrix"):
        axes = ("channel", "position") if chosen.form == "strip" else ("position", "channel")
        heading = replace(heading, axes=axes, positions=chosen.positions)
    elif chosen.form == "sequence" and len(chosen.maps) == 1:
        heading = replace(heading, axes=("position", "channel"))
    return tiles, attending(heading, chosen) if chosen.attention else heading


def _with_range(tile: Tile) -> Tile:
    """Return a line's tile with its range beside its number."""
    low, high = map(colour_scale.number, (tile.low, tile.high))
    return tile._replace(label=f"{tile.label}: {low} … {high}" if tile.label else f"{low} … {high}")


def _scaling(recording: Recording, scale: Any, limits: Any) -> tuple[colour_scale.Scaling, bool]:
    """Return the scaling that both arguments make together, and whether to halve its range."""
    if limits is None or (isinstance(limits, str) and limits == "half"):
        return scale_of(recording, scale), limits is not None
    bounds = colour_scale.bounds_of(limits)
    if bounds is None:
        raise ViewError(f"limits={limits!r}: pass 'half', or (low, high) with low below high.")
    return bounds, False


def _coloured(
    chosen: Chosen, scale: colour_scale.Scaling, half: bool, extent: tuple[float, float] | None
) -> tuple[list[Tile], Heading]:
    if chosen.feature:
        ranges, text = colour_limits(chosen, scale, extent, half)
        tiles, _, not_finite = colour_tiles(chosen, None, ranges)
        mode = scale if isinstance(scale, str) else "limits"
        note = _note(tiles, not_finite)
        return tiles, Heading(chosen.title, chosen.address, text, mode, None, note, chosen.counts)
    limits = scale if isinstance(scale, tuple) else None
    tiles, words, not_finite = colour_tiles(chosen, None, limits, half)
    note = _note(tiles, not_finite)
    mode = "layer" if limits is None else "limits"
    heading = Heading(chosen.title, chosen.address, words, mode, None, note, chosen.counts)
    return tiles, heading


def _note(tiles: list[Tile], not_finite: int) -> str:
    """Return how many maps show no pattern, and how many values are no numbers."""
    words = [without_pattern(tiles), f"{not_finite} values are NaN or infinite" * bool(not_finite)]
    return ", ".join(filter(None, words))


def _with_values(tiles: list[Tile], chosen: Chosen) -> list[Tile]:
    if sum(tile.pixels.size for tile in tiles) > 20_000:
        raise ViewError(
            f"{chosen.address!r} has {chosen.maps.size:,} values: values=True writes up to 20,000; "
            "choose a unit, as in 'conv2d:0'."
        )
    form = value_format(chosen.maps)
    if chosen.vector:
        cells = np.split(chosen.maps[0, 0], np.cumsum([t.pixels.size for t in tiles])[:-1])
        return with_values(tiles, cells, form)
    return with_values(tiles, list(chosen.maps), form)
