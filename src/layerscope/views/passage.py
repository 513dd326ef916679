"""Tiles for pictures that follow something through the network, a layer after the other."""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.recording import Recording
from layerscope.views import palette as palettes
from layerscope.views import scaling
from layerscope.views.choose import Chosen, choose, shape_of
from layerscope.views.layout import Tile
from layerscope.views.tiles import colour_tiles, index_tiles


@dataclass(frozen=True)
class Passage:
    """How to draw whatever is passed on the way: each on its own layer's scale, or on one."""

    recording: Recording
    scale: scaling.Scaling
    palette: str
    sample: int
    side: int  #: how long a picture's longer side is to be

    def input(self, reshape: tuple[int, ...] | None) -> list[Tile]:
        """The input as the network received it; a flat vector needs ``reshape``."""
        if not self.recording.inputs:
            return []
        axes = [name for name in self.recording.input.dims if name != "sample"]
        if len(axes) == 1 and reshape is None:
            return []
        shape = reshape if len(axes) == 1 else None
        chosen = choose(self.recording, None, sample=self.sample, reshape=shape)
        if chosen.colour:
            return self._named(colour_tiles(chosen, self.side)[0], chosen.title)
        return self.tiles(chosen, "input", chosen.title)

    def tiles(
        self, chosen: Chosen, layer: str, name: str | None = None, *, of_its_own: bool = False
    ) -> list[Tile]:
        """A layer's chosen maps, on the scale of the whole layer, or on a range of their own."""
        scale = self.scale
        if scale == "layer" and of_its_own:
            scale = "unit"
        elif scale == "layer":
            low, high = self.recording.extent(self.sample, layer)
            scale = (low, high) if low < high else "unit"
        extent = self.recording.extent(self.sample) if scale == "network" else None
        diverging = palettes.is_diverging(self.palette)
        if diverging and isinstance(scale, tuple) and self.scale == "layer":
            reach = max(map(abs, scale))
            scale = (-reach, reach)
        result = scaling.scaled(chosen.maps, scale, diverging=diverging, extent=extent)
        title = name or f"{layer} {shape_of(chosen.maps.shape[1:3])}"
        return self._named(index_tiles(chosen, result, self.side), title)

    def _named(self, tiles: list[Tile], name: str) -> list[Tile]:
        if len(tiles) == 1:
            return [tiles[0]._replace(label=name)]
        return [tile._replace(label=f"{name} {tile.label}") for tile in tiles]
