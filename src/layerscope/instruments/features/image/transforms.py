"""Transforms of the copy that is evaluated: a list that one can read, drawn anew at every step.

    [pad(12, mode="constant"), jitter(8), scale((0.9, 1.1)), rotate(10), jitter(4)]

Each is a value: what may happen to an image. What does happen in a step is drawn on the host from
the image's own generator, so that it is the same alone and in a batch; `pipeline` does it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, MISSING, dataclass, fields
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError

Array = npt.NDArray[Any]

#: Of a crop, in parts of the image: how much its size and the place of its centre vary, as
#: standard deviations, and the least that is seen.
_SHARE_SPREAD, _CENTRE_SPREAD, _LEAST_SHARE = 0.05, 0.15, 0.05


@dataclass(frozen=True, repr=False)
class Transform:
    """What may happen to an image before the network sees it.

    ``p``: how probable it is, for each image in each step. ``until``: only before this step.
    Raises InputError for values that it can't have, as all transforms do.
    """

    _: KW_ONLY
    p: float = 1.0
    until: int | None = None

    #: How many random numbers it takes for an image in a step, beside the one that decides on it.
    numbers: ClassVar[int] = 0

    def __post_init__(self) -> None:
        self._set("p", _number(self, "p", self.p, 0.0, 1.0))
        if self.until is not None:
            self._set("until", _whole(self, "until", self.until))

    def __repr__(self) -> str:
        arguments = []
        for field in sorted(fields(self), key=lambda field: bool(field.kw_only)):
            value = getattr(self, field.name)
            if field.default is MISSING:
                arguments.append(repr(value))
            elif value != field.default:
                arguments.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(arguments)})"

    def happens(self, chances: Array, step: int) -> Array:
        """Return which images are changed in a step, given a random number in [0, 1) for each."""
        return (chances < self.p) & (self.until is None or step < self.until)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


class Geometric(Transform, ABC):
    """A transform that moves pixels, by an affine map."""

    #: Whether rows stay rows.
    turns: ClassVar[bool] = False

    @abstractmethod
    def maps(self, numbers: Array, size: tuple[int, int]) -> Array:
        """Return the maps of images of a size, ``(sample, 3, 3)``, given random numbers in [0, 1).

        ``numbers`` is ``(sample, self.numbers)``. A map leads from ``(row, column, 1)`` in the
        result to the place in the image that is seen there.
        """

    def maps_at(self, numbers: Array, size: tuple[int, int], step: int) -> Array:
        """Return the maps of a step: of most transforms those of any other."""
        return self.maps(numbers, size)


@dataclass(frozen=True, repr=False)
class pad(Geometric):  # noqa: N801 - a list of transforms reads as a list of verbs
    """The image is seen smaller, with so many pixels of a frame around it, at the same size.

    ``mode``: the frame, and whatever later transforms bring in from beyond the image, mirrors the
    image (``"reflect"``), is of one grey (``"constant"``), or of another grey each time
    (``"uniform"``). ``value``: the constant grey, from -1, the low end of the range, to 1.
    """

    pixels: int
    mode: str = "reflect"
    value: float = 0.0

    numbers: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("pixels", _whole(self, "pixels", self.pixels))
        self._set("value", _number(self, "value", self.value, -1.0, 1.0))
        if self.mode not in ("reflect", "constant", "uniform"):
            raise InputError(
                f"mode={self.mode!r} is none that pad has: reflect, constant and uniform."
            )

    def maps(self, numbers: Array, size: tuple[int, int]) -> Array:
        """See `Geometric.maps`."""
        y, x = ((length + 2 * self.pixels) / length for length in size)
        return np.broadcast_to(_zoomed(y, x, size), (len(numbers), 3, 3))

    def greys(self, numbers: Array) -> Array:
        """Return the grey of the frame of each image, given random numbers in [0, 1)."""
        return np.where(self.mode == "uniform", 2 * numbers[:, 0] - 1, self.value)


@dataclass(frozen=True, repr=False)
class jitter(Geometric):  # noqa: N801
    """The image is moved by up to so many whole pixels, along both axes, in each direction."""

    pixels: int

    numbers: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("pixels", _whole(self, "pixels", self.pixels))

    def maps(self, numbers: Array, size: tuple[int, int]) -> Array:
        """See `Geometric.maps`."""
        maps = _identities(len(numbers))
        maps[:, :2, 2] = np.floor(numbers * (2 * self.pixels + 1)) - self.pixels
        return maps


@dataclass(frozen=True, repr=False)
class scale(Geometric):  # noqa: N801
    """The image is seen larger (a factor above 1) or smaller, about its centre.

    ``factors``: two are the ends of a range; one, or more than two, are chosen from.
    """

    factors: tuple[float, ...]

    numbers: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        factors = self.factors
        several = factors if isinstance(factors, Sequence | np.ndarray) else (factors,)
        low = np.nextafter(0.0, 1.0)
        self._set("factors", tuple(_number(self, "factors", each, low) for each in several))
        if not self.factors:
            raise InputError("scale got no factors; pass two ends, as scale((0.9, 1.1)).")

    def maps(self, numbers: Array, size: tuple[int, int]) -> Array:
        """See `Geometric.maps`."""
        if len(self.factors) == 2:
            low, high = self.factors
            factors = low + (high - low) * numbers[:, 0]
        else:
            factors = _chosen(self.factors, numbers[:, 0])
        return _zoomed(1 / factors, 1 / factors, size)


@dataclass(frozen=True, repr=False)
class rotate(Geometric):  # noqa: N801
    """The image is turned about its centre, counter-clockwise as one sees it.

    ``degrees``: a number is the largest angle, either way; several are chosen from.
    """

    degrees: float | tuple[float, ...]

    numbers: ClassVar[int] = 1
    turns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.degrees, Sequence | np.ndarray):
            self._set("degrees", tuple(_number(self, "degrees", each) for each in self.degrees))
            if not self.degrees:
                raise InputError("rotate got no degrees; pass the largest angle, as rotate(10).")
        else:
            self._set("degrees", _number(self, "degrees", self.degrees))

    def maps(self, numbers: Array, size: tuple[int, int]) -> Array:
        """See `Geometric.maps`."""
        if isinstance(self.degrees, tuple):
            angles = np.deg2rad(_chosen(self.degrees, numbers[:, 0]))
        else:
            angles = np.deg2rad(self.degrees) * (2 * numbers[:, 0] - 1)
        maps = _identities(len(numbers))
        maps[:, 0, 0] = maps[:, 1, 1] = np.cos(angles)
        maps[:, 0, 1], maps[:, 1, 0] = np.sin(angles), -np.sin(angles)
        return _centred(maps, size)


@dataclass(frozen=True, repr=False)
class flip(Geometric):  # noqa: N801
    """The image is mirrored: its columns (``"x"``, left becomes right) or its rows (``"y"``)."""

    axis: str = "x"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.axis not in ("x", "y"):
            raise InputError(f"axis={self.axis!r} is none that flip has: x and y.")

    def maps(self, numbers: Array, size: tuple[int, int]) -> Array:
        """See `Geometric.maps`."""
        y, x = (1.0, -1.0) if self.axis == "x" else (-1.0, 1.0)
        return np.broadcast_to(_zoomed(y, x, size), (len(numbers), 3, 3))


@dataclass(frozen=True, repr=False)
class crop(Geometric):  # noqa: N801
    """A part of the image is seen, as large as the whole: somewhere, more often near the middle.

    ``shares``: how much of height and width that is, at the first and at the last of ``steps``, on
    a line between, each time a little more or less (as Fel and others do for MACO, 2023).
    """

    shares: tuple[float, float]
    steps: int

    numbers: ClassVar[int] = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        shares = self.shares if isinstance(self.shares, Sequence) else (self.shares,)
        if len(shares) != 2:
            raise InputError(f"crop got shares={self.shares!r}; pass two, as crop((0.5, 0.05), 9).")
        low = np.nextafter(0.0, 1.0)
        self._set("shares", tuple(_number(self, "shares", each, low, 1.0) for each in shares))
        self._set("steps", _whole(self, "steps", self.steps))

    def maps(self, numbers: Array, size: tuple[int, int]) -> Array:
        """See `Geometric.maps`: those of the first step."""
        return self.maps_at(numbers, size, 0)

    def maps_at(self, numbers: Array, size: tuple[int, int], step: int) -> Array:
        """See `Geometric.maps_at`."""
        first, last = self.shares
        part = min(step / max(self.steps - 1, 1), 1.0)
        normal = _normal(numbers)
        share = first + (last - first) * part + _SHARE_SPREAD * normal[:, 0]
        share = np.clip(share, min(_LEAST_SHARE, *self.shares), 1.0)
        maps = _zoomed(share, share, size)
        for axis, length in enumerate(size):
            away = np.clip(_CENTRE_SPREAD * normal[:, 1 + axis], (share - 1) / 2, (1 - share) / 2)
            maps[:, axis, 2] += away * length
        return maps


@dataclass(frozen=True, repr=False)
class noise(Transform):  # noqa: N801
    """Normal noise of this standard deviation, and uniform noise of this width, on each value."""

    amount: float

    numbers: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("amount", _number(self, "amount", self.amount, 0.0))

    def values(self, numbers: Array, happens: Array, shape: Sequence[int]) -> Array:
        """Return what is added to images of a shape, given a random number in [0, 1) for each."""
        added = np.zeros((len(numbers), *shape), np.float32)
        for i in np.flatnonzero(happens):
            drawn = np.random.default_rng(int(numbers[i, 0] * 2**53))
            added[i] = drawn.standard_normal(shape, np.float32)
            added[i] += drawn.random(shape, np.float32) - np.float32(0.5)
        return added * np.float32(self.amount)


@dataclass(frozen=True, repr=False)
class blur(Transform):  # noqa: N801
    """A Gaussian blur, ``size`` pixels wide, mirrored at the edges, which it leaves as bright.

    ``sigma``: its standard deviation in pixels. ``falling``: it is ``sigma / (step + 1)``.
    """

    sigma: float
    size: int = 3
    falling: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("sigma", _number(self, "sigma", self.sigma, 0.0))
        self._set("size", _whole(self, "size", self.size))
        if self.size % 2 == 0:
            raise InputError(f"blur got size={self.size}; it must be odd, so that it has a centre.")
        if not isinstance(self.falling, bool):
            raise InputError(f"blur got falling={self.falling!r}; it is True or False.")

    def kernels(self, happens: Array, step: int) -> Array:
        """Return the weights from the centre to one side, ``(sample, size // 2 + 1)``."""
        sigma = self.sigma / (step + 1) if self.falling else self.sigma
        distances = np.arange(self.size // 2 + 1)
        untouched = (distances == 0).astype(float)
        weights: Array = untouched
        if sigma > 0.05:  # below that, the neighbours' weight is less than floating point holds
            weights = np.exp(-0.5 * (distances / sigma) ** 2)
        weights = weights / (weights[0] + 2 * weights[1:].sum())
        return np.where(happens[:, None], weights, untouched)


def _normal(numbers: Array) -> Array:
    """Return as many normal numbers as uniform ones in [0, 1), in pairs (Box and Muller 1958)."""
    length = np.sqrt(-2 * np.log1p(-numbers[:, 0::2]))
    angle = 2 * np.pi * numbers[:, 1::2]
    return np.concatenate([length * np.cos(angle), length * np.sin(angle)], axis=1)


def _identities(samples: int) -> Array:
    return np.tile(np.eye(3), (samples, 1, 1))


def _zoomed(y: Array | float, x: Array | float, size: tuple[int, int]) -> Array:
    """Return maps about the centre in which a step of one pixel is one of so many."""
    maps = _identities(np.size(y))
    maps[:, 0, 0], maps[:, 1, 1] = y, x
    return _centred(maps, size)


def _centred(maps: Array, size: tuple[int, int]) -> Array:
    """Return maps that leave the centre of the image where it is."""
    centre = (np.asarray(size) - 1) / 2
    maps[:, :2, 2] = centre - maps[:, :2, :2] @ centre
    return maps


def _chosen(values: Sequence[float], numbers: Array) -> Array:
    chosen: Array = np.asarray(values)[(numbers * len(values)).astype(int)]
    return chosen


def _number(
    of: Transform, name: str, value: Any, low: float = -math.inf, high: float = math.inf
) -> float:
    if not _is_a(Real, value) or not math.isfinite(value) or not low <= value <= high:
        if math.isfinite(high):
            within = f" from {low:g} to {high:g}"
        else:
            within = {-math.inf: "", 0.0: " from 0"}.get(low, " above 0")
        raise InputError(f"{type(of).__name__} got {name}={value!r}; pass a number{within}.")
    return int(value) if isinstance(value, Integral) else float(value)


def _whole(of: Transform, name: str, value: Any) -> int:
    if not _is_a(Integral, value) or value < 0:
        raise InputError(f"{type(of).__name__} got {name}={value!r}; pass a whole number from 0.")
    return int(value)


def _is_a(kind: type, value: Any) -> bool:
    """Return whether it is a number of this kind; True and False are numbers only to Python."""
    return isinstance(value, kind) and not isinstance(value, bool)
