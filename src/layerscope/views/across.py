"""``across``: one channel through all the layers that have it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerscope.core.axes import NamedArray
from layerscope.core.errors import ViewError
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
from layerscope.views.render.select_maps import check_recording, choose, reshapes

_SIDE = 160  #: the longer side of a map, where enlarging it in whole steps gets there
_COLUMNS = 8


def across(
    recording: Recording,
    channel: int,
    *,
    columns: int | None = None,
    scale: colour_scale.Scaling | None = None,
    palette: str | None = None,
    sample: int = 0,
    step: int | None = None,
    ground: str | None = None,
    reshape: tuple[int, ...] | None = None,
) -> Panel:
    """Draw one channel through all layers that have it, the input first; blank where it is silent.

    Layers with fewer channels, and vectors, are left out. Of images made for units, those of the
    units of that number. The other parameters are those of :func:`layerscope.sheet`; ``reshape`` is
    for an input that is a flat vector, and for layers of tokens.

    Raises
    ------
    ViewError
        When no layer has that channel; the message says how many they have.
    """
    columns = check_columns(columns)
    check_recording(recording)
    recording = recording.at(step)
    if not isinstance(channel, int | np.integer) or isinstance(channel, bool):
        raise ViewError(f"channel={channel!r}: pass a whole number, counted from 0.")
    images = recording.kind == "features"
    palette = palette_or(palette, images=images)
    passage = Passage(recording, scale_of(recording, scale), palette, sample, _SIDE)
    before = passage.input(reshape)
    tiles: list[Tile] = []
    layers = [address for address in recording if channel in _channels(recording.named(address))]
    if not layers:
        raise _no_such_channel(recording, channel)
    for address in layers:
        shape = reshape if reshapes(recording.named(address), reshape) else None
        chosen = choose(
            recording, f"{address}:{channel}", sample=sample, reshape=shape, colours=images
        )
        tiles += passage.tiles(chosen, address)
    wide = any(tile.size[0] > 3 * tile.size[1] for tile in (*before, *tiles))  # lines
    heading = Heading(
        f"{'feature visualization of ' * images}channel {channel} through {len(layers)} layers",
        f"*:{channel}",
        colour_scale.words(passage.scale),
        str(passage.scale),
        None if chosen.colour else extent_of(recording, passage.scale, sample),
        without_pattern(tiles),
        labels="title",
    )
    return arrange(
        [*before, *tiles],
        heading,
        columns=columns or min(_COLUMNS // (1 + wide), len(before) + len(tiles)),
        palette=palette,
        ground=ground_or(ground),
        provenance=lambda: recording.provenance,
    )


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
