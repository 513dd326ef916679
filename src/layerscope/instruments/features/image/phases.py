"""Images of which the phases alone are moved, under a spectrum of magnitudes that stays.

Fel, Boissin, Boutin, Picard, Novello, Colin, Linsley, Rousseau, Cadène, Gardes and Serre,
"Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained Optimization",
NeurIPS 2023. What is a photograph's in a spectrum is mostly its phase, and what networks can be
fooled by is mostly in magnitudes that no photograph has: so these are given, by data.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.instruments.features.image.colours import Colours
from layerscope.instruments.features.image.value_range import (
    bounded,
    check_axes,
    check_bounds,
    correlated,
    decorrelated,
    unbounded,
)

Array = npt.NDArray[Any]

#: Standard deviation of a unit image whose magnitudes are not from data: about a photograph's.
_DEVIATION = 0.4


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The mean magnitude at each frequency, ``(channel, y, x)``, and the mean of each channel.

    A magnitude is that of the Fourier transform divided by the number of places, so that an image
    of another size has the same at each frequency that both have. Zero at the frequency 0.
    """

    magnitudes: Array
    means: Array
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        content = np.ascontiguousarray(self.magnitudes).tobytes() + self.means.tobytes()
        object.__setattr__(self, "digest", sha256(content).hexdigest())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spectrum):
            return NotImplemented
        return self.magnitudes.shape == other.magnitudes.shape and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @classmethod
    def of(cls, images: Iterable[Array], colours: Colours | None, bounds: str) -> Spectrum:
        """Return the spectrum of unit images, ``(sample, ..., channel)`` some at a time."""
        count, total, means = 0, 0.0, 0.0
        for some in images:
            planes = _planes(some, colours, bounds)
            level = planes.mean(axis=tuple(range(2, planes.ndim)), keepdims=True)
            total = total + np.abs(_transformed(planes - level)).sum(axis=0)
            means = means + level.reshape(level.shape[:2]).sum(axis=0)
            count += len(planes)
        return cls(_without_mean(np.asarray(total) / count), np.asarray(means) / count)

    @classmethod
    def falling(cls, size: Sequence[int], channels: int, colours: Colours | None) -> Spectrum:
        """Return one that falls as 1/f, as that of photographs does, about a mid-grey."""
        frequencies = np.meshgrid(*map(np.fft.fftfreq, size), indexing="ij")
        radius = np.sqrt(sum(f**2 for f in frequencies))
        plane = _without_mean(1 / np.maximum(radius, 1 / max(size))[None])
        weights = np.ones(channels) if colours is None else (colours.correlating**2).sum(axis=0)
        deviation = math.sqrt(float((plane**2).sum()) * float(weights.sum()) / channels)
        whole = np.repeat(plane * (_DEVIATION / deviation), channels, axis=0)
        return cls(whole, np.zeros(channels))

    def at(self, size: tuple[int, ...]) -> Array:
        """Return the magnitudes of an image of this size, float32; 0 where there are none."""
        values = self.magnitudes
        for axis, (length, was) in enumerate(zip(size, values.shape[1:], strict=True), 1):
            if length == was:
                continue
            numbers = np.rint(np.fft.fftfreq(length) * length).astype(int)
            known = np.abs(numbers) <= (was - 1) // 2
            values = np.where(
                known.reshape([-1 if i == axis else 1 for i in range(values.ndim)]),
                values.take(np.where(known, numbers, 0), axis=axis),
                0.0,
            )
        scaled: Array = (values * math.prod(size)).astype(np.float32)
        scaled.flags.writeable = False
        return scaled


@dataclass(frozen=True, slots=True)
class Phases:
    """The phases of an image's frequencies; their magnitudes, and its mean, are the spectrum's.

    Parameters are ``(sample, channel, y, x)`` or ``(sample, channel, position)``: the phase at a
    frequency is that of the parameter there less the one at the opposite frequency, so that every
    array of parameters stands for a real image. Where a frequency is its own opposite the
    coefficient is real, and the parameter's sign is its sign.
    """

    spectrum: Spectrum
    bounds: str = "clip"
    colours: Colours | None = None

    def __post_init__(self) -> None:
        check_bounds(self.bounds)

    @property
    def structure(self) -> Hashable:
        """What tells a function compiled with this one from others."""
        return ("phases", self.spectrum, self.bounds, self.colours)

    def params(self, images: Array) -> Array:
        """Return parameters of unit images; ``image`` gives their phases the spectrum's size."""
        planes = _planes(images, self.colours, self.bounds)
        check_axes(planes.ndim - 2, "phase")
        coefficients = _transformed(planes)
        fixed = _its_own_opposite(planes.shape[2:])
        signs = np.where(coefficients.real < 0, -1.0, 1.0)
        return np.where(fixed, signs, np.angle(coefficients) / 2).astype(np.float32)

    def image(self, ops: Any, params: Any) -> Any:
        """Return unit images of parameters, differentiable everywhere."""
        return bounded(ops, self.values(ops, params), self.bounds)

    def values(self, ops: Any, params: Any) -> Any:
        """Return the same before they are brought into range."""
        size = tuple(params.shape[2:])
        fixed = ops.convert_to_tensor(_its_own_opposite(size).astype(np.float32))
        negative = ops.cast(params < 0, "float32") * fixed
        angles = params - _opposite(ops, params) + negative * math.pi
        magnitudes = ops.convert_to_tensor(self.spectrum.at(size))
        planes = _real(ops, magnitudes * ops.cos(angles), magnitudes * ops.sin(angles))
        level = self.spectrum.means.reshape(-1, *[1] * len(size)).astype(np.float32)
        planes = planes + ops.convert_to_tensor(level)
        values = ops.transpose(planes, (0, *range(2, len(size) + 2), 1))
        return correlated(ops, values, self.colours)

    def project(self, ops: Any, params: Any) -> Any:
        """Return the parameters: every phase is one."""
        return params

    def noise(
        self, generators: Sequence[np.random.Generator], shape: Sequence[int], sd: float
    ) -> Array:
        """Return phases of which each is as probable as any other, whatever the contrast."""
        check_axes(len(shape) - 1, "phase")
        whole = (shape[-1], *shape[:-1])
        draws = [generator.uniform(-np.pi, np.pi, whole) for generator in generators]
        return np.stack(draws).astype(np.float32)


def spectrum_maker(
    chunks: Callable[[], Iterable[Array]] | None,
    shape: Sequence[int],
    colours: Colours | None,
    bounds: str,
) -> Callable[[], Spectrum]:
    """Return what reads the data's spectrum when it is first needed; without data one of 1/f."""

    @functools.cache
    def made() -> Spectrum:
        if chunks is None:
            return Spectrum.falling(tuple(shape[:-1]), shape[-1], colours)
        return Spectrum.of(chunks(), colours, bounds)

    return made


def _planes(images: Array, colours: Colours | None, bounds: str) -> Array:
    """Return decorrelated, unbounded values, ``(sample, channel, ...)``."""
    values = unbounded(images, bounds) if bounds == "sigmoid" else np.asarray(images, float)
    return np.moveaxis(decorrelated(values, colours), -1, 1)


def _transformed(planes: Array) -> Array:
    """Return the Fourier transform, divided by the number of places."""
    spectrum: Array = np.fft.fftn(planes, axes=range(2, planes.ndim))
    return spectrum / math.prod(planes.shape[2:])


def _without_mean(magnitudes: Array) -> Array:
    """Return magnitudes with nothing at the frequency 0, the last axes being frequencies."""
    rest = magnitudes.copy()
    rest.reshape(len(rest), -1)[:, 0] = 0.0
    return rest


def _opposite(ops: Any, planes: Any) -> Any:
    """Return the value at the opposite of each frequency."""
    axes = tuple(range(2, len(planes.shape)))
    return ops.roll(ops.flip(planes, axis=axes), (1,) * len(axes), axis=axes)


def _real(ops: Any, real: Any, imaginary: Any) -> Any:
    """Return the real part of the inverse transform over all axes but the first two."""
    is_line = len(real.shape) == 3
    if is_line:
        real, imaginary = ops.expand_dims(real, 2), ops.expand_dims(imaginary, 2)
    values, _ = ops.ifft2((real, imaginary))
    return values[:, :, 0] if is_line else values


@functools.lru_cache(maxsize=16)
def _its_own_opposite(size: tuple[int, ...]) -> Array:
    """Return at which frequencies of a plane a coefficient is real: 0, and half of even lengths."""
    along = [(2 * np.arange(length)) % length == 0 for length in size]
    fixed: Array = functools.reduce(np.logical_and, np.meshgrid(*along, indexing="ij"))
    fixed.flags.writeable = False
    return fixed
