"""``across``: one channel through all the layers that have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from layerscope.core.axes import NamedArray
from layerscope.core.errors import ViewError
from layerscope.core.selection import matching
from layerscope.recordings.recording import Recording
from layerscope.views.passage import Passage
from layerscope.views.render import colour_scale
from layerscope.views.render.defaults import ground_or, palette_or
from layerscope.views.render.feature_maps import (
    extent_of,
    is_feature,
    no_such_unit,
    scale_of,
    units_of,
)
from layerscope.views.render.grid import Heading, Tile, arrange, check_columns, without_pattern
from layerscope.views.render.panel import Panel
from layerscope.views.render.select_maps import check_recording, choose, reshapes, sample_of

_SIDE = 160  #: the longer side of a map, where enlarging it in whole steps gets there
_COLUMNS = 8
_ABREAST = 16  #: so many layers of several channels stand in one row


def across(
    recording: Recording,
    channel: int | Iterable[int],
    *,
    layers: str | Sequence[str] | None = None,
    columns: int | None = None,
    scale: colour_scale.Scaling | None = None,
    palette: str | None = None,
    sample: int | str = 0,
    step: int | None = None,
    ground: str | None = None,
    reshape: tuple[int, ...] | None = None,
) -> Panel:
    """Draw one channel through all layers that have it, the input first; blank where it is silent.

    Layers with fewer channels, and vectors, are left out. Of several channels each begins a row of
    its own. Of images made for units, those of the units of that number. ``layers`` are addresses
    or globs, such as ``"conv*"``; all by default. The other parameters are those of
    :func:`layerscope.sheet`; ``reshape`` is for an input that is a flat vector, and for layers of
    tokens.

    Raises
    ------
    ViewError
        When no layer has that channel; the message says how many they have.
    AddressError
        When there are no such layers.
    """
    columns = check_columns(columns)
    check_recording(recording)
    recording = recording.at(step)
    which = sample_of(recording, sample)
    channels = _numbers(channel)
    images = recording.kind == "features"
    palette = palette_or(palette, images=images)
    passage = Passage(recording, scale_of(recording, scale), palette, which, _SIDE)
    before = passage.input(reshape)
    wanted = matching(recording.network, list(recording), layers)
    rows: list[list[Tile]] = []
    drawn: dict[str, None] = {}
    for number in channels:
        having = [a for a in wanted if number in _channels(recording.named(a))]
        if not having:
            raise _no_such_channel(recording, number)
        tiles = list(before)
        for address in having:
            shape = reshape if reshapes(recording.named(address), reshape) else None
            chosen = choose(
                recording, f"{address}:{number}", sample=which, reshape=shape, colours=images
            )
            tiles += passage.tiles(chosen, address, chosen.title if len(channels) > 1 else None)
        drawn |= dict.fromkeys(having)
        rows.append(tiles)
    # Channels below one another, where all of them pass through as many layers.
    abreast = len(rows[0]) if len({*map(len, rows)}) == 1 and len(rows) > 1 else 0
    every = [tile for row in rows for tile in row]
    wide = any(tile.size[0] > 3 * tile.size[1] for tile in every)  # lines
    most = _COLUMNS // (1 + wide)
    many = f"channels {', '.join(map(str, channels))}"
    called = f"channel {channels[0]}" if len(channels) == 1 else many
    heading = Heading(
        f"{'feature visualization of ' * images}{called} through {len(drawn)} layers",
        f"*:{','.join(map(str, channels))}",
        colour_scale.words(passage.scale),
        str(passage.scale),
        None if chosen.colour else extent_of(recording, passage.scale, which),
        without_pattern([tile for row in rows for tile in row[len(before) :]]),
        labels="title",
    )
    return arrange(
        every,
        heading,
        columns=columns or (abreast if 0 < abreast <= _ABREAST else min(most, len(every))),
        palette=palette,
        ground=ground_or(ground),
        provenance=lambda: recording.provenance,
    )


def _numbers(channel: Any) -> list[int]:
    """Return the channels that are asked for; raise ViewError for what is no whole number."""
    numbers = list(channel) if isinstance(channel, Iterable) else [channel]
    if not numbers or not all(
        isinstance(number, int | np.integer) and not isinstance(number, bool) for number in numbers
    ):
        raise ViewError(
            f"channel={channel!r}: pass a whole number, counted from 0, or several, as in [3, 30]."
        )
    return [int(number) for number in numbers]


def _channels(array: NamedArray) -> Sequence[int]:
    """Return the numbers of the channels that a layer has maps, or images, of."""
    if is_feature(array):
        return units_of(array)
    if "channel" not in array.axes or not {"y", "x", "position"} & set(array.axes):
        return ()
    return range(array.values.shape[array.axes.index("channel")])


def _no_such_channel(recording: Recording, channel: int) -> ViewError:
    if recording.kind == "features":
        return no_such_unit(recording, channel)
    most = max((len(_channels(recording.named(address))) for address in recording), default=0)
    return ViewError(
        f"No layer has a channel {channel}: those with maps have up to {most}, counted from 0."
    )
