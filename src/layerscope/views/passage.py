"""Tiles for pictures that follow something through the network, a layer after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from layerscope.core.text import shown_name
from layerscope.recordings.recording import Recording
from layerscope.views.render import colour_scale, text
from layerscope.views.render import palette as palettes
from layerscope.views.render.feature_maps import extent_of
from layerscope.views.render.grid import LABEL, Tile
from layerscope.views.render.select_maps import Chosen, choose, reshapes, shape_of
from layerscope.views.render.signals import along
from layerscope.views.render.tiles import colour_limits, colour_tiles, index_tiles


@dataclass(frozen=True)
class Passage:
    """How to draw whatever is passed on the way: each on its own layer's scale, or on one."""

    recording: Recording
    scale: colour_scale.Scaling
    palette: str
    sample: int
    side: int  #: how long a picture's longer side is to be

    def input(self, reshape: tuple[int, ...] | None) -> list[Tile]:
        """Return the input as the network received it; a flat vector needs ``reshape``."""
        if not self.recording.inputs:
            return []
        axes = [name for name in self.recording.input.dims if name != "sample"]
        if len(axes) == 1 and reshape is None:
            return []
        array = self.recording.named(None)
        shape = reshape if len(axes) == 1 or reshapes(array, reshape) else None
        chosen = choose(self.recording, None, sample=self.sample, reshape=shape)
        if chosen.colour:
            return self._named(colour_tiles(chosen, self.side)[0], chosen.title)
        return self.tiles(chosen, "input", chosen.title)

    def tiles(
        self, chosen: Chosen, layer: str, name: str | None = None, *, of_its_own: bool = False
    ) -> list[Tile]:
        """Return a layer's chosen maps, on the scale of the whole layer, or on their own range."""
        chosen = along(chosen, 2 * self.side, lines=1)
        scale = self.scale
        if scale == "layer" and of_its_own:
            scale = "unit"
        elif scale == "layer":
            low, high = self.recording.extent(self.sample, layer)
            scale = (low, high) if low < high else "unit"
        extent = extent_of(self.recording, scale, self.sample)
        shape = (chosen.positions,) if chosen.positions else chosen.image_shape
        title = name or f"{shown_name(layer)} {shape_of(shape)}"
        if chosen.colour:
            ranges, _ = colour_limits(chosen, scale, extent)
            return self._named(colour_tiles(chosen, self.side, ranges)[0], title)
        diverging = palettes.is_diverging(self.palette)
        if diverging and isinstance(scale, tuple) and self.scale == "layer":
            reach = max(map(abs, scale))
            scale = (-reach, reach)
        result = colour_scale.scaled(chosen.maps, scale, diverging=diverging, extent=extent)
        return self._named(index_tiles(chosen, result, self.side), title)

    def _named(self, tiles: list[Tile], name: str) -> list[Tile]:
        written = shown_name(name)
        if len(tiles) == 1:
            return [tiles[0]._replace(label=written)]
        return [tile._replace(label=f"{written} {tile.label}") for tile in tiles]


def alike(tiles: Sequence[Tile], side: int) -> list[Tile]:
    """Enlarge tiles in whole steps so that all are about as long, none longer than one
    of more pixels.
    """
    longest = max(max(tile.pixels.shape[:2]) for tile in tiles)
    room = min(longest * max(1, round(side / longest)), 2 * side)
    times: dict[int, int] = {}
    for length in sorted({max(tile.pixels.shape[:2]) for tile in tiles}, reverse=True):
        times[length] = max(1, room // length)
        room = min(room, length * times[length])
    return [tile._replace(magnify=times[max(tile.pixels.shape[:2])]) for tile in tiles]


def wrapped(label: str) -> str:
    """Split a title into two lines: the layer's name, and its shape with what is said of it."""
    name, opening, rest = label.rpartition(" (")
    return f"{name}\n({rest}" if opening else label


def fitted(tile: Tile, room: int) -> Tile:
    """Return the tile with a label no wider than the room, its middle left out if it is."""
    return tile._replace(label="\n".join(_cut(line, room) for line in tile.label.split("\n")))


def _cut(line: str, room: int) -> str:
    if text.width(line, LABEL) <= room:
        return line
    plain = line.partition(", mean of ")[0]
    if plain != line:  # of how many is the last number of the shape
        return _cut(f"{plain}, mean", room)
    for kept in range(len(line) - 1, 1, -1):
        short = f"{line[: kept // 2]}…{line[len(line) - (kept + 1) // 2 :]}"
        if text.width(short, LABEL) <= room:
            return short
    return line[:1]
