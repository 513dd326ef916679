"""The sizes that an image grows through, and what leads from one to the next."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def octave_sizes(
    size: tuple[int, int], octaves: int, octave_scale: float, smallest: int = 1
) -> list[tuple[int, int]]:
    """Return height and width at each octave, growing by ``octave_scale``; the last is ``size``.

    Sizes with a side below ``smallest`` are left out, and those that rounding makes the same as the
    next; so there may be fewer than ``octaves``, but always the last.
    """
    sizes = [size]
    for octave in range(1, octaves):
        height, width = (round(side / octave_scale**octave) for side in size)
        if min(height, width) < max(smallest, 1):
            break
        if (height, width) != sizes[0]:
            sizes.insert(0, (height, width))
    return sizes


def bring_to(images: Array, size: tuple[int, int]) -> Array:
    """Return images ``(sample, y, x, channel)`` at this height and width, float32, bilinear.

    Made smaller, each pixel is a mean over all that it covers, weighted by a triangle. No value
    leaves the range that there was.
    """
    from PIL import Image

    values = np.asarray(images, np.float32)
    samples, height, width, channels = values.shape
    if (height, width) == size:
        return values
    brought = np.empty((samples, *size, channels), np.float32)
    for sample, channel in np.ndindex(samples, channels):
        # Pillow has no colour images of floats; its sums of a channel are in float64.
        plane = Image.fromarray(np.ascontiguousarray(values[sample, :, :, channel]))
        brought[sample, :, :, channel] = np.asarray(
            plane.resize(size[::-1], Image.Resampling.BILINEAR)
        )
    return brought


def detail(images: Array, smaller: tuple[int, int]) -> Array:
    """Return what images ``(sample, y, x, channel)`` lose when made smaller and large again."""
    values = np.asarray(images, np.float32)
    return values - bring_to(bring_to(values, smaller), values.shape[1:3])
