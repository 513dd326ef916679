"""What the optimizer moves, and the image that it stands for.

::

    params ──► spectrum to pixels ──► colours ──► range ──► unit image
               Fourier only           or none     clip, or sigmoid

A unit image has values from -1, the low end of what the network takes, to 1. The image is the same
whatever it is parameterized by; what differs is which way the steepest ascent leads. Per pixel it
leads into noise that networks are sensitive to; by frequency, each of a size as in photographs, it
leads into shapes (Olah, Mordvintsev and Schubert, "Feature Visualization", Distill 2017).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.instruments.features.image.colours import Colours
from layerscope.instruments.features.image.value_range import (
    bounded,
    check_axes,
    check_bounds,
    check_channels,
    correlated,
    decorrelated,
    unbounded,
)

Array = npt.NDArray[Any]


#: The factor from coefficients to pixels at which coefficients of a standard deviation of 0.01 are
#: a start image grey to the eye, and Adam's steps of 0.05 suit (as in lucid, for one real
#: coefficient where it has a complex one).
_CONTRAST = math.sqrt(2) / 8


class Parameterization(Protocol):
    """Parameters that an image is made of. The leading axis is the sample, of both."""

    @property
    def structure(self) -> Hashable:
        """What tells a function compiled with this one from others."""

    def params(self, images: Array) -> Array:
        """Return parameters, float32, of unit images: ``image`` gives these again, in range."""

    def image(self, ops: Any, params: Any) -> Any:
        """Return unit images of parameters, differentiable everywhere."""

    def project(self, ops: Any, params: Any) -> Any:
        """Return parameters brought back to where the image is in range, after a step."""

    def noise(
        self, generators: Sequence[np.random.Generator], shape: Sequence[int], sd: float
    ) -> Array:
        """Return independent normal parameters, one generator for each image of this shape."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """The image itself: ``(sample, ..., channel)``, of any number of axes.

    ``bounds="clip"``: the range is kept by projection, and gradients don't see it;
    ``"sigmoid"``: the image is the hyperbolic tangent of what is optimized, a sigmoid from -1 to 1.
    """

    bounds: str = "clip"
    colours: Colours | None = None

    def __post_init__(self) -> None:
        check_bounds(self.bounds)

    @property
    def structure(self) -> Hashable:
        return ("pixels", self.bounds, self.colours)

    def params(self, images: Array) -> Array:
        values = decorrelated(unbounded(images, self.bounds), self.colours)
        return values.astype(np.float32, copy=False)

    def image(self, ops: Any, params: Any) -> Any:
        values = correlated(ops, params, self.colours)
        # Without colours the projection alone keeps the range.
        if self.bounds == "clip" and self.colours is None:
            return values
        return bounded(ops, values, self.bounds)

    def project(self, ops: Any, params: Any) -> Any:
        if self.bounds != "clip":
            return params
        values = ops.clip(correlated(ops, params, self.colours), -1.0, 1.0)
        return correlated(ops, values, self.colours, inverse=True)

    def noise(
        self, generators: Sequence[np.random.Generator], shape: Sequence[int], sd: float
    ) -> Array:
        return _normal(generators, shape, sd)


@dataclass(frozen=True, slots=True)
class Fourier:
    """Coefficients of the frequencies of an image, of equal size where they are in photographs.

    For images ``(sample, y, x, channel)`` and sequences ``(sample, position, channel)``; parameters
    are ``(sample, channel, y, x)`` and ``(sample, channel, position)``.

    A coefficient at the frequency f, in cycles per pixel, counts 1 / f ** ``decay``; f is at least
    one cycle over the longest side. The transform is Hartley's: cos + sin where Fourier's is
    cos + i sin. It has one real coefficient for each pixel, so none that stands for nothing (half
    of a complex spectrum does, for a real image); it is its own inverse, and orthogonal; and it
    spans the same subspace at each frequency, so ascent leads the same way.
    """

    decay: float = 1.0
    bounds: str = "sigmoid"
    colours: Colours | None = None

    def __post_init__(self) -> None:
        check_bounds(self.bounds)
        if not 0 <= self.decay < math.inf:
            raise InputError(f"decay={self.decay!r}: pass a number, 0 (flat) or more; 1 is usual.")

    @property
    def structure(self) -> Hashable:
        return ("fourier", self.decay, self.bounds, self.colours)

    def params(self, images: Array) -> Array:
        values = decorrelated(unbounded(images, self.bounds), self.colours)
        planes = np.moveaxis(values, -1, 1)
        check_axes(planes.ndim - 2)
        spectrum = np.fft.fftn(planes, axes=range(2, planes.ndim))
        size = planes.shape[2:]
        coefficients = (spectrum.real - spectrum.imag) / math.prod(size)
        return (coefficients / _scale(size, self.decay)).astype(np.float32)

    def image(self, ops: Any, params: Any) -> Any:
        values = correlated(ops, self._synthesis(ops, params), self.colours)
        return bounded(ops, values, self.bounds)

    def project(self, ops: Any, params: Any) -> Any:
        if self.bounds != "clip":
            return params
        values = correlated(ops, self._synthesis(ops, params), self.colours)
        values = ops.clip(values, -1.0, 1.0)
        return self._analysis(ops, correlated(ops, values, self.colours, inverse=True))

    def noise(
        self, generators: Sequence[np.random.Generator], shape: Sequence[int], sd: float
    ) -> Array:
        check_axes(len(shape) - 1)
        return _normal(generators, (shape[-1], *shape[:-1]), sd)

    def images(self, params: Array) -> Array:
        """Return what :meth:`image` gives, computed by NumPy, in float64."""
        size = params.shape[2:]
        spectrum = np.fft.fftn(params * _scale(size, self.decay), axes=range(2, params.ndim))
        values = np.moveaxis(spectrum.real - spectrum.imag, 1, -1)
        if self.colours is not None:
            check_channels(values.shape[-1], self.colours)
            values = values @ self.colours.correlating.T
        images: Array = np.tanh(values) if self.bounds == "sigmoid" else np.clip(values, -1, 1)
        return images

    def _synthesis(self, ops: Any, params: Any) -> Any:
        """Return decorrelated, unbounded values ``(sample, ..., channel)`` of coefficients."""
        size = tuple(params.shape[2:])
        scaled = params * ops.convert_to_tensor(_scale(size, self.decay))
        values = _hartley(ops, scaled) * float(math.prod(size))
        return ops.transpose(values, (0, *range(2, len(size) + 2), 1))

    def _analysis(self, ops: Any, values: Any) -> Any:
        """Return coefficients of such values."""
        last = len(values.shape) - 1
        planes = ops.transpose(values, (0, last, *range(1, last)))
        return _hartley(ops, planes) / ops.convert_to_tensor(
            _scale(tuple(planes.shape[2:]), self.decay)
        )


def _hartley(ops: Any, planes: Any) -> Any:
    """Return Hartley's transform over all axes but the first two, divided by the number of pixels.

    Of a real plane the inverse Fourier transform is a sum of cos + i sin, so real and imaginary
    parts add up to a sum of cos + sin.
    """
    is_line = len(planes.shape) == 3
    if is_line:
        planes = ops.expand_dims(planes, 2)
    real, imaginary = ops.ifft2((planes, ops.zeros_like(planes)))
    total = real + imaginary
    return total[:, :, 0] if is_line else total


@functools.lru_cache(maxsize=16)
def _scale(size: tuple[int, ...], decay: float) -> Array:
    """Return what one unit of a coefficient is at each frequency, for a plane of this size.

    The contrast of noise hardly depends on how many pixels there are: their standard deviation is
    that of the coefficients, times the root of the mean square of 1 / f ** decay.
    """
    frequencies = np.meshgrid(*map(np.fft.fftfreq, size), indexing="ij")
    radius = np.sqrt(sum(f**2 for f in frequencies))
    falling = np.maximum(radius, 1 / max(size)) ** -decay
    scale: Array = (_CONTRAST / math.sqrt(math.prod(size)) * falling).astype(np.float32)
    scale.flags.writeable = False
    return scale


def _normal(generators: Sequence[np.random.Generator], shape: Sequence[int], sd: float) -> Array:
    draws = [generator.standard_normal(tuple(shape), np.float32) for generator in generators]
    return np.stack(draws) * np.float32(sd)
