"""``across``: one channel through all the layers that have it."""

from __future__ import annotations

import numpy as np

from layerscope.errors import ViewError
from layerscope.recording import Recording
from layerscope.views import scaling
from layerscope.views.choose import check_recording, choose
from layerscope.views.layout import Heading, Tile, arrange, check_columns
from layerscope.views.panel import Panel
from layerscope.views.passage import Passage

_SIDE = 160  #: the longer side of a map, where enlarging it in whole steps gets there
_COLUMNS = 8


def across(
    recording: Recording,
    channel: int,
    *,
    columns: int | None = None,
    scale: scaling.Scaling = "layer",
    palette: str = "viridis",
    sample: int = 0,
    step: int | None = None,
    ground: str = "dark",
    reshape: tuple[int, ...] | None = None,
) -> Panel:
    """One channel through all the layers that have it, the input first; blank where it is silent.

    Layers with fewer channels, and vectors, are left out. The other parameters are those of
    :func:`layerscope.sheet`; ``reshape`` is for an input that is a flat vector.

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
    passage = Passage(recording, scaling.check(scale), palette, sample, _SIDE)
    before = passage.input(reshape)
    tiles: list[Tile] = []
    layers, most = 0, 0
    for address in recording:
        array = recording.named(address)
        if "channel" not in array.axes or not {"y", "x", "position"} & set(array.axes):
            continue
        count = array.values.shape[array.axes.index("channel")]
        most = max(most, count)
        if 0 <= channel < count:
            place = f"{address}:{channel}"
            chosen = choose(recording, place, sample=sample, colours=False)
            tiles += passage.tiles(chosen, address)
            layers += 1
    if not tiles:
        raise ViewError(
            f"No layer has a channel {channel}: those with maps have up to {most}, counted from 0."
        )
    silent = sum(tile.blank for tile in tiles)
    heading = Heading(
        f"channel {channel} through {layers} layers",
        f"*:{channel}",
        scaling.words(passage.scale),
        str(scale),
        recording.extent(sample) if scale == "network" else None,
        f"{silent} of {len(tiles)} blank" if silent else "",
        labels="title",
    )
    return arrange(
        [*before, *tiles],
        heading,
        columns=columns or min(_COLUMNS, len(before) + len(tiles)),
        palette=palette,
        ground=ground,
        provenance=lambda: recording.provenance,
    )
