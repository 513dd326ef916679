"""Text as coverage masks, cached glyph by glyph: hundreds of labels in a few milliseconds."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.text import printable
from layerscope.views.render.palette import GROUND, INK

Mask = npt.NDArray[np.uint8]


@functools.lru_cache(maxsize=64)
def font(size: float, bold: bool = False) -> Any:
    """Return the font of all pictures, as Pillow has it."""
    from pathlib import Path

    import matplotlib as mpl
    from PIL import ImageFont

    # Pillow's own font lacks the signs of scales and ranges; Matplotlib brings one that has them.
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts/ttf" / name, size)


@functools.lru_cache(maxsize=8192)
def length(text: str, size: int, bold: bool = False) -> float:
    """Return how long the text is in pixels, not rounded, as drawings that scale set it."""
    # Measured large, where hinting does not round.
    return float(font(100, bold).getlength(printable(text))) * size / 100


@functools.cache
def line_height(size: int) -> int:
    """Return the height of a line of text in pixels."""
    ascent, descent = font(size).getmetrics()
    return int(ascent + descent)


@functools.cache
def _glyph(character: str, size: int) -> Mask:
    from PIL import Image, ImageDraw

    typeface = font(size)
    width = max(1, round(typeface.getlength(character)))
    image = Image.new("L", (width, line_height(size)))
    ImageDraw.Draw(image).text((0, 0), character, fill=255, font=typeface)
    return np.asarray(image)


@functools.lru_cache(maxsize=8192)
def width(text: str, size: int) -> int:
    """Return how many pixels wide the text is."""
    return sum(_glyph(character, size).shape[1] for character in printable(text))


@functools.lru_cache(maxsize=8192)
def mask(text: str, size: int) -> Mask:
    """Return how much of each pixel the text covers, 0 to 255, ``(line height, width)``."""
    if not text:
        return np.zeros((line_height(size), 0), np.uint8)
    text = printable(text)
    return np.concatenate([_glyph(character, size) for character in text], axis=1)


@functools.cache
def _inked_glyph(character: str, size: int) -> Mask:
    soft = (_glyph(character, size).astype(np.uint16) * (INK - GROUND) + 127) // 255
    return (GROUND + soft).astype(np.uint8)


@functools.lru_cache(maxsize=8192)
def _inked(text: str, size: int) -> Mask:
    """Return the text as palette indexes, from the ground to the ink."""
    if not text:
        return mask(text, size)
    return np.concatenate([_inked_glyph(c, size) for c in printable(text)], axis=1)


def write(canvas: npt.NDArray[np.uint8], text: str, x: int, y: int, size: int) -> None:
    """Write on a canvas of palette indexes whose ground is plain there; the text must fit."""
    inked = _inked(text, size)
    height, width = inked.shape
    canvas[y : y + height, x : x + width] = inked


def write_solid(
    canvas: npt.NDArray[np.uint8], text: str, x: int, y: int, size: int, index: int
) -> None:
    """Write in one colour, with hard edges, on whatever is there."""
    covered = mask(text, size)
    part = canvas[max(y, 0) : y + covered.shape[0], max(x, 0) : x + covered.shape[1]]
    part[covered[: part.shape[0], : part.shape[1]] > 110] = index
