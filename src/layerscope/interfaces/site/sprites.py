"""Many small pictures in one file: what a browser gets at once."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from layerscope.views.survey.fitted import GROUND, fitted
from layerscope.views.survey.painting import Pixels

_FINE = 88  #: the quality of JPEG for pictures whose pixels are not seen one by one


def sprite(rows: Sequence[Sequence[Pixels | None]], box: tuple[int, int], *, exact: bool) -> bytes:
    """Return boxes, width by height, in rows: as a WebP that keeps each pixel, or as a JPEG."""
    from PIL import Image

    width, height = box
    columns = max(map(len, rows))
    canvas = np.empty((len(rows) * height, columns * width, 3), np.uint8)
    canvas[:] = GROUND
    for y, row in enumerate(rows):
        for x, tile in enumerate(row):
            if tile is not None:
                inside = slice(y * height, (y + 1) * height), slice(x * width, (x + 1) * width)
                canvas[inside] = tile
    file = io.BytesIO()
    image = Image.fromarray(canvas)
    if exact:
        image.save(file, "WEBP", lossless=True, quality=0, method=0)
    else:
        image.save(file, "JPEG", quality=_FINE)
    return file.getvalue()


def mosaic(pictures: Sequence[Pixels], side: int) -> Pixels:
    """Return up to four pictures as one, a line between them."""
    square = np.empty((side, side, 3), np.uint8)
    square[:] = GROUND
    half = side // 2
    for i, picture in enumerate(pictures[:4]):
        y, x = (i // 2) * half, (i % 2) * half
        square[y : y + half - 1, x : x + half - 1] = fitted(picture, half - 1, half - 1)
    return square
