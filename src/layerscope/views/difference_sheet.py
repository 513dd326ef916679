"""``sheet`` of a comparison: each channel in the one, in the other, and their difference.

Both stand on one range, and the difference about zero on a range of its own; where it is no more
than noise it is drawn on the range of the values, and is flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.addresses import with_units
from layerscope.core.axes import NamedArray
from layerscope.core.errors import ViewError
from layerscope.core.text import message
from layerscope.recordings.comparison import Comparison, LayerPair, provenance_of
from layerscope.recordings.recording import Recording
from layerscope.views.render import colour_scale
from layerscope.views.render import palette as palettes
from layerscope.views.render.defaults import palette_or
from layerscope.views.render.grid import Heading, Tile, arrange, check_columns
from layerscope.views.render.panel import Panel
from layerscope.views.render.select_maps import Chosen, choose, sample_of
from layerscope.views.render.signals import WIDTH, along
from layerscope.views.render.tiles import index_tiles

Array = npt.NDArray[Any]

_CELLS = 128  #: up to so many units of a vector stand in one row
_NARROW = 120  #: pixels that a line is wide at least


def difference_sheet(
    comparison: Comparison,
    address: str,
    *,
    columns: int | None = None,
    palette: str | None = None,
    units: int | Iterable[int] | None = None,
    sample: int | str | None = None,
    ground: str = "dark",
    reshape: tuple[int, ...] | None = None,
) -> Panel:
    """Draw each channel of a layer three times: the one, the other, the one less the other.

    Raises
    ------
    AddressError
        When no pair has such a layer, or no unit of that number.
    ViewError
        When the two are not of one shape.
    """
    layer = address if _is_layer(comparison, address) else address.partition(":")[0]
    pair = comparison.pair(layer)
    place = address.replace(layer, pair.address, 1)
    if units is not None:
        place = with_units(place, units)
    number = sample_of(comparison.one, sample) or 0
    stands = _stands(comparison, pair)
    columns = check_columns(columns)
    width = max(_NARROW, WIDTH // (columns or 3))
    three = [
        _rows(along(choose(recording, place, sample=number, reshape=reshape), width))
        for recording in stands
    ]
    palette = palette_or(palette)
    tiles, words, limits = _tiles(three, pair, palette, ground)
    one, other = map(message, comparison.names)
    heading = Heading(
        f"{three[0].title}: {one}, {other}, difference",
        pair.address,
        words,
        "layer",
        limits,
        _note(pair, "noise" if comparison.tolerance is None else "tolerance"),
        three[0].counts or "channel",
    )
    return arrange(
        tiles,
        heading,
        columns=columns,
        palette=palette,
        ground=ground,
        provenance=lambda: provenance_of(comparison),
        group=3,
    )


def _is_layer(comparison: Comparison, address: str) -> bool:
    return any(address in (pair.address, pair.partner) for pair in comparison.pairs)


def _stands(comparison: Comparison, pair: LayerPair) -> list[Recording]:
    """Return recordings of the layer alone: in the one, in the other, and of the difference."""
    one, other = comparison.values(pair.address)
    difference = comparison.difference(pair.address)
    return [
        Recording(
            {pair.address: NamedArray(array.values, array.axes)},
            network=comparison.one.network,
            samples=comparison.one.samples,
        )
        for array in (one, other, difference)
    ]


def _rows(chosen: Chosen) -> Chosen:
    """Return a vector of a few units as one row."""
    if not chosen.vector or chosen.maps.shape[2] > _CELLS:
        return replace(chosen, rectified=False)
    return replace(chosen, vector=False, labels=[""], rectified=False)


def _tiles(
    three: Sequence[Chosen], pair: LayerPair, palette: str, ground: str
) -> tuple[list[Tile], str, tuple[float, float] | None]:
    """Return the tiles of all maps, three for each, the scales in words and their common range."""
    low, high = _extent([chosen.maps for chosen in three[:2]])
    reach = max(map(abs, _extent([three[2].maps])))
    if not pair.parts:  # noise is never stretched into a pattern
        reach = max(reach, abs(low), abs(high))
    both = (low, high) if colour_scale.bounds_of((low, high)) else "layer"
    about = (-reach, reach) if colour_scale.bounds_of((-reach, reach)) else "layer"
    colours = palettes.table("diverging", ground)
    first, second = (_drawn(chosen, both) for chosen in three[:2])
    third = _drawn(three[2], about)
    if not len(first) == len(second) == len(third):
        raise ViewError(f"{pair.address!r} has maps in the one that it lacks in the other.")
    tiles = []
    for one, other, between in zip(first, second, third, strict=True):
        one = one._replace(label=f"{one.label} one".strip())
        tiles += [one, other._replace(label="other")]
        pixels = colours[between.pixels] if between.pixels.ndim == 2 else between.pixels
        tiles.append(between._replace(label="difference", pixels=pixels))
    number = colour_scale.number
    words = f"both {number(low)} … {number(high)}, difference ± {number(reach)}, blue below 0"
    return tiles, words, (low, high) if both != "layer" else None


def _drawn(chosen: Chosen, scale: colour_scale.Scaling) -> list[Tile]:
    tiles = index_tiles(chosen, colour_scale.scaled(chosen.maps, scale))
    return [tile._replace(blank=False, constant=False) for tile in tiles]


def _extent(arrays: Sequence[Array]) -> tuple[float, float]:
    """Return the least and the largest finite value; zeros where there is none."""
    finite = [array[np.isfinite(array)] for array in arrays]
    values = [part for part in finite if part.size]
    if not values:
        return 0.0, 0.0
    return float(min(v.min() for v in values)), float(max(v.max() for v in values))


def _note(pair: LayerPair, limit: str) -> str:
    """Return how far both are apart, in words."""
    within = "beyond" if pair.parts else "within"
    words = f"relative error {pair.relative_error:.1e}, {within} the {limit}"
    return f"{words}; the other is {pair.partner}" if pair.partner != pair.address else words
