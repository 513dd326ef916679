"""What belongs to a unit beside the map that the unit makes: its kernel, the image made for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from layerscope.core.errors import ViewError
from layerscope.core.table import a_kind
from layerscope.recordings.recording import Recording
from layerscope.views.faded import faded
from layerscope.views.render import colour_scale
from layerscope.views.render import palette as palettes
from layerscope.views.render.defaults import palette_or
from layerscope.views.render.grid import Heading, Tile, magnification
from layerscope.views.render.select_maps import Chosen, choose
from layerscope.views.render.tiles import colour_limits, colour_tiles, index_tiles, joined_tiles


@dataclass(frozen=True)
class Companions:
    """A tile for each of several units, by the label that the unit's map has."""

    tiles: Mapping[str, Tile]
    words: str  #: what they are, and their scale
    note: str = ""


def beside(
    tiles: Sequence[Tile], heading: Heading, companions: Sequence[Companions]
) -> tuple[list[Tile], Heading, int]:
    """Put what belongs to each map before it; return the tiles, heading, and how many go together.

    Maps of units to which nothing belongs are left out; the companions' notes say so.
    """
    groups = []
    for tile in tiles:
        parts = [one.tiles[tile.label] for one in companions if tile.label in one.tiles]
        if len(parts) == len(companions):
            first, *rest = (*parts, tile)
            groups.append(first._replace(label=tile.label))
            groups += [other._replace(label="") for other in rest]
    scale = "; ".join([heading.scale, *(one.words for one in companions)])
    note = ", ".join(filter(None, [heading.note, *(one.note for one in companions)]))
    return groups, replace(heading, scale=scale, note=note), len(companions) + 1


def images_of(
    tiles: Sequence[Tile], chosen: Chosen, features: Any, reshape: tuple[int, ...] | None
) -> Companions:
    """Return the images that were made for the units of a layer, by unit, the last step's.

    Raises
    ------
    ViewError
        When it is no visualization, or has no images of these units.
    """
    if not isinstance(features, Recording) or features.input_range is None:
        raise ViewError(
            f"features= takes what features(model, …) returned, not {a_kind(features)}."
        )
    layer = chosen.address.partition(":")[0]
    moment = features.at(None)
    if layer not in set(moment) or "units" not in moment.named(layer).attrs:
        there = ", ".join(map(repr, list(features)[:5]))
        raise ViewError(f"features= holds no images of units of {layer!r}: there are {there}.")
    images = choose(moment, layer, sample=0, reshape=reshape)
    drawn, words = image_tiles(images, features.input_range)
    by_unit = {tile.label: tile for tile in drawn}
    shown = [tile for tile in tiles if tile.label in by_unit]
    if not shown:
        units = ", ".join(list(by_unit)[:5])
        raise ViewError(f"features= holds images of {layer!r} for {units}: none of them is drawn.")
    missing = len(tiles) - len(shown)
    note = f"{missing} without an image left out" if missing else ""
    return Companions(by_unit, f"images {words}", note)


def alike(tiles: Sequence[Tile], images: Companions) -> tuple[list[Tile], Companions]:
    """Return maps and images enlarged, in whole steps, to about the same size."""
    longest = max(max(tile.size) for tile in (*tiles, *images.tiles.values()))
    maps = [_enlarged(tile, longest) for tile in tiles]
    enlarged = {label: _enlarged(tile, longest) for label, tile in images.tiles.items()}
    return maps, replace(images, tiles=enlarged)


def _enlarged(tile: Tile, side: int) -> Tile:
    height, width = tile.pixels.shape[:2]
    return tile._replace(magnify=max(tile.magnify, magnification((height, width), side)))


def image_tiles(images: Chosen, extent: tuple[float, float]) -> tuple[list[Tile], str]:
    """Return a tile for each unit, its inputs together, and the scale in words.

    In colours of their own, whatever the palette of the maps around them.
    """
    palette = palette_or(None, images=True)
    if images.colour:
        limits, words = colour_limits(images, "input", extent)
        return faded(colour_tiles(images, None, limits)[0], images, palette, "dark"), words
    result = colour_scale.scaled(images.maps, "input", extent=extent)
    several = "·" in images.labels[-1]
    tiles = joined_tiles(images, result) if several else index_tiles(images, result)
    colours = palettes.table(palette, "dark")
    coloured = [tile._replace(pixels=colours[tile.pixels]) for tile in tiles]
    return faded(coloured, images, palette, "dark"), f"in gray, {result.text}"
