"""How the channels of natural images go together, so that an image can be made free of that.

The channels of photographs are strongly correlated: most of what varies is brightness. Gradients
taken with respect to such channels keep pushing in that one direction. Taken with respect to
*decorrelated* channels, which one matrix turns into the ones that a network sees, brightness and
both hues move independently, and by as much as they do in photographs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError

Array = npt.NDArray[Any]

#: No axis varies less than this part of the first: grey images would leave colour no room at all,
#: and no inverse.
_LEAST = 0.01
#: How many values are brought to float64 at once.
_CHUNK = 1 << 22


@dataclass(frozen=True, slots=True)
class Colours:
    """The matrix from decorrelated channels to those of the image, each column one axis.

    The longest column has length 1; ``matrix @ matrix.T`` is the covariance of the images it comes
    from, but for a factor. A tuple of rows, so that it has a hash.
    """

    matrix: tuple[tuple[float, ...], ...]

    @property
    def channels(self) -> int:
        """How many channels an image has to have."""
        return len(self.matrix)

    @property
    def correlating(self) -> Array:
        """The matrix, float64: ``decorrelated @ correlating.T`` has the colours of the images."""
        return np.array(self.matrix)

    @property
    def decorrelating(self) -> Array:
        """Its inverse."""
        return np.linalg.inv(self.correlating)

    @classmethod
    def photographs(cls) -> Colours:
        """Return red, green and blue, about as they go together in photographs.

        Brightness, then blue against red or yellow, then green against magenta, with standard
        deviations of about 1 : 0.28 : 0.13. The axes are those that Ohta, Kanade and Sakai (1980)
        found for natural scenes; that there is one of brightness and two opponent ones follows
        from the statistics of colour (Buchsbaum and Gottschalk 1983).
        """
        axes = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]], float)
        axes /= np.linalg.norm(axes, axis=1, keepdims=True)
        return _made((axes * np.array([[1.0], [0.28], [0.13]])).T)

    @classmethod
    def of(cls, images: Any) -> Colours:
        """Return the colours of these images, of any range, channels last.

        Each axis is one of the principal components of all pixels, as long as their standard
        deviation along it. Raises InputError for images of one channel, with fewer pixels than
        channels, that are all one colour, or that hold a NaN or an infinity.
        """
        values: Array = np.asarray(images)
        if values.ndim < 2 or values.dtype.kind not in "biuf":
            raise InputError(
                f"Colours are learned from images with their channels last; these are "
                f"{values.dtype} of shape {values.shape}."
            )
        pixels = values.reshape(-1, values.shape[-1])
        count, channels = pixels.shape
        if channels < 2 or count <= channels:
            raise InputError(
                f"Colours can't be learned from {count} pixels of {channels} "
                f"{'channel' if channels == 1 else 'channels'}: it takes 2 channels or more, and "
                "more pixels than channels."
            )
        covariance = _covariance(pixels)
        if not np.isfinite(covariance).all():
            raise InputError("Colours can't be learned from images that hold a NaN or an infinity.")
        axes, variances, _ = np.linalg.svd(covariance, hermitian=True)
        deviations = np.sqrt(variances)
        if deviations[0] <= 1e-7 * max(1.0, float(np.abs(pixels[0]).max())):
            raise InputError(
                "Colours can't be learned from images of a single colour: pass others, or "
                "decorrelate=False."
            )
        # Either direction along an axis would do; brighter is forward.
        axes = axes * np.where(axes.sum(axis=0) < 0, -1.0, 1.0)
        return _made(axes * np.maximum(deviations, _LEAST * deviations[0]))


def _covariance(pixels: Array) -> Array:
    """Compute over (pixel, channel), in float64, by pieces: images can fill the memory."""
    count, channels = pixels.shape
    rows = max(1, _CHUNK // channels)
    chunks = [pixels[start : start + rows] for start in range(0, count, rows)]
    mean = sum(chunk.sum(axis=0, dtype=float) for chunk in chunks) / count
    total = np.zeros((channels, channels))
    for chunk in chunks:
        centred = chunk.astype(float) - mean
        total += centred.T @ centred
    covariance: Array = total / count
    return covariance


def _made(matrix: Array) -> Colours:
    longest = np.linalg.norm(matrix, axis=0).max()
    return Colours(tuple(tuple(map(float, row)) for row in matrix / longest))
