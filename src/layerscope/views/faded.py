"""Images made for units, faded to the ground where the gradient did not go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layerscope.views.render import palette as palettes
from layerscope.views.render.grid import Heading, Tile
from layerscope.views.render.select_maps import Chosen

_WORDS = "faded where the gradient did not go"


def faded(tiles: Sequence[Tile], chosen: Chosen, palette: str, ground: str) -> list[Tile]:
    """Return the tiles of images, in colours, as opaque as the images are at each place.

    Tiles are as they were where that was not kept, or each is no single image.
    """
    alphas = chosen.alphas
    if not is_faded(tiles, chosen) or alphas is None:
        return list(tiles)
    colours = palettes.table(palette, ground)
    behind = colours[palettes.GROUND].astype(float)
    made = []
    for tile, alpha in zip(tiles, alphas.astype(float), strict=True):
        pixels = tile.pixels if tile.pixels.ndim == 3 else colours[tile.pixels]
        mixed = behind + (pixels - behind) * alpha[..., None]
        made.append(tile._replace(pixels=np.rint(mixed).astype(np.uint8)))
    return made


def is_faded(tiles: Sequence[Tile], chosen: Chosen) -> bool:
    """Return whether each tile is an image of which it is known where the gradient went."""
    alphas = chosen.alphas
    if alphas is None or len(tiles) != len(alphas):
        return False
    return all(tile.pixels.shape[:2] == alphas.shape[1:3] for tile in tiles)


def with_words(heading: Heading) -> Heading:
    """Return the heading of images that are faded."""
    return replace(heading, scale=f"{heading.scale}; {_WORDS}")
