"""Kernels, to stand beside the maps that they make."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.errors import ViewError
from layerscope.recordings.recording import Recording
from layerscope.views.beside import Companions
from layerscope.views.render import colour_scale
from layerscope.views.render import palette as palettes
from layerscope.views.render.defaults import palette_or
from layerscope.views.render.grid import Tile
from layerscope.views.render.select_maps import Chosen, choose, is_signed
from layerscope.views.render.tiles import colour_tiles, joined

_SIDE = 64  #: a kernel is drawn no higher than this, however large the map


def kernels_of(
    tiles: Sequence[Tile],
    chosen: Chosen,
    weights: Recording,
    palette: str,
    colouring: tuple[str | None, str],
) -> Companions:
    """Return the kernel of each map.

    A kernel with many input channels is one tile, its inputs side by side: none is dropped.
    ``palette`` is that of the maps; ``colouring`` the one that was asked for, if any, and the
    ground: unasked, kernels of both signs have one whose middle is zero.
    """
    key = _kernel_of(chosen.address, weights)
    kernel = choose(weights, key)
    asked, ground = colouring
    signed = palette_or(asked, signed=is_signed(kernel))
    drawn, words = _drawn(kernel, weights[key].sizes["input"], signed)
    if signed != palette and not kernel.colour:  # a picture's indexes are of one palette
        colours = palettes.table(signed, ground)
        drawn = [tile._replace(pixels=colours[tile.pixels]) for tile in drawn]
        words += ", zero in the middle" if palettes.is_diverging(signed) else ""
    whole = ":" not in chosen.address and not chosen.feature
    units = {str(i) for i in range(len(drawn))}
    if (whole and len(drawn) != len(tiles)) or not units >= {tile.label for tile in tiles}:
        raise ViewError(
            f"{key!r} makes {len(drawn)} maps, {chosen.address!r} has {len(tiles)}: these weights "
            "belong to another layer."
        )
    height = max(tile.size[1] for tile in tiles)
    drawn_kernels = {}
    for i, tile in enumerate(drawn):
        times = max(1, min(height, _SIDE) // tile.pixels.shape[0])
        drawn_kernels[str(i)] = tile._replace(magnify=times)
    return Companions(drawn_kernels, f"kernels {words}")


def _kernel_of(address: str, weights: Recording) -> str:
    layer = address.partition(":")[0].partition("#")[0]
    if layer in weights.network:
        for parameter in weights.network[layer].parameters:
            key = parameter.key
            if key in weights and set(weights[key].dims) == {"y", "x", "input", "channel"}:
                return key
    raise ViewError(
        f"These weights hold no convolution kernel of {layer!r}: kernels= is for layers that "
        "convolve."
    )


def _drawn(kernel: Chosen, inputs: int, palette: str) -> tuple[list[Tile], str]:
    """Return a tile for each unit, and the scale in words."""
    if kernel.colour:
        tiles, words, _ = colour_tiles(kernel)
        return tiles, words.replace("red, green and blue", "in colour")
    result = colour_scale.scaled(kernel.maps, "layer", diverging=palettes.is_diverging(palette))
    stacks = result.indexes.reshape(-1, inputs, *result.indexes.shape[1:])
    low, high = float(result.low[0]), float(result.high[0])
    words = f"{colour_scale.number(low)} … {colour_scale.number(high)}"
    return [Tile(joined(stack), low=low, high=high) for stack in stacks], words
