"""Kernels beside the maps that they make."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from layerscope.errors import ViewError
from layerscope.recording import Recording
from layerscope.views import palette as palettes
from layerscope.views import scaling
from layerscope.views.choose import Chosen, choose
from layerscope.views.layout import Heading, Tile
from layerscope.views.tiles import joined

_SIDE = 64  #: a kernel is drawn no higher than this, however large the map


def beside(
    tiles: list[Tile], heading: Heading, chosen: Chosen, weights: Recording, palette: str
) -> tuple[list[Tile], Heading, int]:
    """Pairs of a kernel and its map; the heading that says both scales; two tiles to a pair.

    A kernel with many input channels is one tile, its inputs side by side: none is dropped.
    """
    key = _kernel_of(chosen.address, weights)
    kernel = weights[key].transpose("y", "x", "input", "channel").values
    if kernel.shape[-1] != len(tiles) and ":" not in chosen.address:
        raise ViewError(
            f"{key!r} makes {kernel.shape[-1]} maps, {chosen.address!r} has {len(tiles)}: these "
            "weights belong to another layer."
        )
    drawn, words = _drawn(weights, key, kernel, palette)
    height = max(tile.size[1] for tile in tiles)
    pairs = []
    for tile in tiles:
        own = drawn[int(tile.label)]
        times = max(1, min(height, _SIDE) // own.pixels.shape[0])
        pairs += [replace(own, label=tile.label, magnify=times), replace(tile, label="")]
    return pairs, replace(heading, scale=f"{heading.scale}; kernels {words}"), 2


def _kernel_of(address: str, weights: Recording) -> str:
    layer = address.partition(":")[0].partition("#")[0]
    for key in weights:
        if key in (f"{layer}/kernel", f"{layer}.weight") and set(weights[key].dims) == {
            "y", "x", "input", "channel"
        }:  # fmt: skip
            return key
    raise ViewError(
        f"These weights hold no convolution kernel of {layer!r}: kernels= is for layers that "
        "convolve."
    )


def _drawn(
    weights: Recording, key: str, kernel: npt.NDArray[np.float32], palette: str
) -> tuple[list[Tile], str]:
    inputs = kernel.shape[2]
    if inputs == 3:
        colours = choose(weights, key)
        reach = float(np.abs(kernel).max()) or 1.0
        pixels = np.rint((colours.maps / reach + 1) * 127.5).astype(np.uint8)
        return [Tile(p, low=-reach, high=reach) for p in pixels], "in colour, zero is grey"
    maps = kernel.transpose(3, 2, 0, 1).reshape(-1, *kernel.shape[:2])
    result = scaling.scaled(maps, "layer", diverging=palettes.is_diverging(palette))
    stack = result.indexes.reshape(-1, inputs, *kernel.shape[:2])
    low, high = float(result.low[0]), float(result.high[0])
    words = f"{scaling.number(low)} … {scaling.number(high)}"
    return [Tile(joined(own), low=low, high=high) for own in stack], words
