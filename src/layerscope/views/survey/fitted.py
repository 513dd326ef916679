"""Pictures in boxes of one size, as sprites and grids want them."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.core.errors import ViewError
from layerscope.views.survey.painting import Pixels

GROUND = (18, 18, 22)  #: of what a box leaves free; the page's stage


def fitted(picture: Pixels, width: int, height: int) -> Pixels:
    """Return a picture in the middle of a box; one that is larger is made smaller, averaged."""
    rows, columns = picture.shape[:2]
    scale = min(1.0, width / columns, height / rows)
    if scale < 1:
        from PIL import Image

        size = max(1, round(columns * scale)), max(1, round(rows * scale))
        picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
        rows, columns = picture.shape[:2]
    box = np.empty((height, width, 3), np.uint8)
    box[:] = GROUND
    top, left = (height - rows) // 2, (width - columns) // 2
    box[top : top + rows, left : left + columns] = picture
    return box


def made_image(values: Any, side: int) -> Pixels:
    """Return an image that was made for a unit, ``(y, x, channel)``, on its own range.

    Raises ViewError where it is no image.
    """
    if values.ndim != 3:
        raise ViewError(f"What was made is no image: it has the shape {values.shape}.")
    image = values[:, :, :3] if values.shape[2] in (3, 4) else values.mean(axis=2, keepdims=True)
    low, high = float(np.nanmin(image)), float(np.nanmax(image))
    levels = np.nan_to_num((image - low) / (high - low or 1) * 255)
    pixels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    if pixels.shape[2] == 1:
        pixels = pixels.repeat(3, axis=2)
    times = max(1, side // max(pixels.shape[:2]))
    return np.asarray(pixels.repeat(times, axis=0).repeat(times, axis=1))
