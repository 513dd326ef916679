"""What a term of an objective computes from activations.

A term is bound to a network before it is used. What comes out is a ``Bound``: which values to tap,
a function of them, and arrays. The function is compiled; whatever is likely to change from one
image to the next, the unit, its position, a vector, is in the arrays, so that nothing has to be
compiled again for it. ``structure`` tells one function from another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Tap
from layerscope.core.errors import InputError
from layerscope.instruments.features.objective.sites import Site, Sites, Squash

Array = npt.NDArray[Any]
#: ``(ops, what it scores, arrays) -> (sample,)``: values by tap, or the unit image.
Score = Callable[[Any, Any, Mapping[str, Any]], Any]

Position = tuple[int, ...] | Literal["centre"] | None
Read = Literal["auto", "logit", "probability"]


@dataclass(frozen=True, eq=False)
class Bound:
    """A term, ready to be computed in one network."""

    score: Score
    structure: Hashable
    taps: tuple[Tap, ...] = ()  #: none: it scores the image itself
    sized: bool = False  #: whether the function is for one size of the layer
    #: Each with an image along its first axis, or 1 for all of them.
    arrays: Mapping[str, Array] = field(default_factory=dict)


class Term(Protocol):
    """One thing that an image can be good at."""

    def __str__(self) -> str:
        """Return the objective as it would be written."""
        ...

    def label(self, image: int) -> str:
        """Return the same for one image of several."""
        ...

    def bind(self, sites: Sites) -> Bound:
        """Return what it comes down to in a network.

        Raises AddressError and InputError.
        """
        ...


class ForAny:
    """A term that says the same of every image."""

    def label(self, image: int) -> str:
        return str(self)


@dataclass(frozen=True, eq=False)
class Unit:
    """A unit for each image: its mean over the map, or its value at one position."""

    layer: str
    indices: tuple[int, ...]
    position: Position = None
    read: Read = "auto"

    def __str__(self) -> str:
        return self._text(",".join(map(str, self.indices)))

    def label(self, image: int) -> str:
        """Return the same for one image of several."""
        return self._text(str(self.indices[image % len(self.indices)]))

    @property
    def whole_map(self) -> bool:
        """Whether a unit's address says it all."""
        return self.position is None and self.read != "probability"

    def bind(self, sites: Sites) -> Bound:
        """Return the readout of one unit for each image."""
        site = sites.read(self.layer, self.read)
        for index in self.indices:
            site.check_unit(index)
        channels = np.zeros((len(self.indices), site.units), np.float32)
        channels[np.arange(len(self.indices)), list(self.indices)] = 1
        return _readout(site, channels, self.position, sites.border)

    def _text(self, unit: str) -> str:
        text = f"{self.layer}:{unit}{_at(self.position)}"
        return text if self.read == "auto" else f"{self.read}({text})"


@dataclass(frozen=True, eq=False)
class Direction:
    """How far a layer goes along a vector in channel space."""

    layer: str
    vectors: Array  #: (image, channel), of length 1
    position: Position = None

    def __str__(self) -> str:
        return f"direction({self.layer}{_at(self.position)})"

    def label(self, image: int) -> str:
        """Return the same for one image of several."""
        return f"{self}[{image}]" if len(self.vectors) > 1 else str(self)

    def bind(self, sites: Sites) -> Bound:
        """Return the readout of the same vector, or of one for each image."""
        site = sites.read(self.layer, "auto")
        if self.vectors.shape[1] != site.units:
            raise InputError(
                f"The direction has {self.vectors.shape[1]} numbers, and {self.layer!r} has "
                f"{site.units} {site.unit_axis}s: pass one number for each."
            )
        return _readout(site, self.vectors, self.position, sites.border)


@dataclass(frozen=True, eq=False)
class Whole(ForAny):
    """The mean of whole layers, or of their squares."""

    layers: tuple[str, ...]
    squared: bool = False

    def __str__(self) -> str:
        text = " + ".join(self.layers)
        return f"({text})²" if self.squared else text

    def bind(self, sites: Sites) -> Bound:
        """Return the sum of the layers' means."""
        taps = tuple(sites.layer(address).tap for address in self.layers)
        squared = self.squared

        def score(ops: Any, values: Any, arrays: Any) -> Any:
            means = []
            for tap in taps:
                value = values[tap]
                value = ops.square(value) if squared else value
                means.append(ops.mean(value, axis=tuple(range(1, len(value.shape)))))
            return sum(means[1:], means[0])

        return Bound(score, ("whole", taps, squared), taps)


@dataclass(frozen=True, eq=False)
class Diversity(ForAny):
    """How little the images of one objective are alike."""

    layer: str

    def __str__(self) -> str:
        return f"diversity({self.layer})"

    def bind(self, sites: Sites) -> Bound:
        """Return 1 minus the mean cosine of Gram matrices."""
        count = sites.variants
        if count < 2:
            raise InputError(
                f"{self} compares the images of one objective, and there is one: pass batch=4."
            )
        site = sites.layer(self.layer)

        def score(ops: Any, values: Any, arrays: Any) -> Any:
            v = site.channels_last(ops, values[site.tap])
            v = ops.reshape(v, (-1, math.prod(v.shape[1:-1]), v.shape[-1]))
            grams = ops.matmul(ops.transpose(v, (0, 2, 1)), v)
            grams = ops.reshape(grams, (-1, count, v.shape[-1] ** 2))
            length = ops.sqrt(ops.sum(ops.square(grams), axis=-1, keepdims=True) + 1e-12)
            grams = grams / length
            cosines = ops.matmul(grams, ops.transpose(grams, (0, 2, 1)))
            itself = ops.sum(ops.square(grams), axis=-1)
            others = (ops.sum(cosines, axis=-1) - itself) / (count - 1)
            return 1 - ops.reshape(others, (-1,))

        return Bound(score, ("diversity", site, count), (site.tap,), sized=True)


@dataclass(frozen=True, eq=False)
class Similarity:
    """How near a layer comes to what was recorded of it."""

    layer: str
    targets: Array  #: an image for each along the first axis, or without that axis

    def __str__(self) -> str:
        return f"similarity({self.layer})"

    def label(self, image: int) -> str:
        """Return the same for one image of several."""
        several = len(self.targets) > 1
        return f"{self}[{image % len(self.targets)}]" if several else str(self)

    def in_network(self, sites: Sites) -> Similarity:
        """Return the same, its targets with an axis of images."""
        axes = sites.layer(self.layer).axes
        targets = self.targets if self.targets.ndim == len(axes) else self.targets[None]
        if targets.ndim != len(axes):
            raise InputError(
                f"{self} got an array of shape {self.targets.shape}, and {self.layer!r} has axes "
                f"{', '.join(axes)}: pass recording[{self.layer!r}]."
            )
        return Similarity(self.layer, targets)

    def bind(self, sites: Sites) -> Bound:
        """Return 1 minus the squared distance over the squared norm of the target."""
        site = sites.layer(self.layer)
        target = self.in_network(sites).targets
        expected = target.shape[1:]

        def score(ops: Any, values: Any, arrays: Any) -> Any:
            value = values[site.tap]
            if tuple(value.shape[1:]) != expected:
                raise InputError(
                    f"{self} was recorded with shape {expected}, and {self.layer!r} now has "
                    f"{tuple(value.shape[1:])}: record it on an image of the same size."
                )
            axes = tuple(range(1, len(value.shape)))
            return 1 - ops.sum(ops.square(value - arrays["target"]), axis=axes) / arrays["norm"]

        norm = np.square(target).reshape(len(target), -1).sum(axis=1)
        structure = ("similarity", site, expected)
        arrays = {"target": target, "norm": norm}
        return Bound(score, structure, (site.tap,), sized=True, arrays=arrays)


def _readout(site: Site, channels: Array, position: Position, border: int) -> Bound:
    """Return a weighted sum over channels, of the mean over the map, or at one position of it.

    A unit is the weight 1 for one channel: so units and directions are one function, and another
    unit or position is only another array.
    """
    arrays: dict[str, Array] = {"channels": channels}
    if isinstance(position, tuple):
        site.check_position(position)
        arrays["position"] = np.array([position], np.int32)
    place = "mean" if position is None else "centre" if position == "centre" else "position"

    def score(ops: Any, values: Any, arrays: Any) -> Any:
        value = site.channels_last(ops, values[site.tap])
        if len(value.shape) > 2:
            value = _PLACES[place](ops, value, border, arrays)
        if site.squash is not None:
            value = _SQUASHED[site.squash](ops, value)
        return ops.sum(value * arrays["channels"], axis=-1)

    sized = place != "mean" or border > 0
    return Bound(score, ("readout", site, place, border), (site.tap,), sized, arrays)


def _mean(ops: Any, value: Any, border: int, arrays: Any) -> Any:
    if border:
        inside = [slice(None)]
        for length in value.shape[1:-1]:
            inside.append(slice(border, length - border) if length > 2 * border else slice(None))
        value = value[tuple(inside)]
    return ops.mean(value, axis=tuple(range(1, len(value.shape) - 1)))


def _centre(ops: Any, value: Any, border: int, arrays: Any) -> Any:
    return value[(slice(None), *(length // 2 for length in value.shape[1:-1]))]


def _position(ops: Any, value: Any, border: int, arrays: Any) -> Any:
    space, units = value.shape[1:-1], value.shape[-1]
    where = arrays["position"]
    index: Any = 0
    for axis, length in enumerate(space):
        index = index * length + where[:, axis]
    flat = ops.reshape(value, (-1, math.prod(space), units))
    # One row of the identity for each image: its gradient is a product, too, not a scatter.
    chosen = ops.cast(ops.arange(math.prod(space))[None] == index[:, None], "float32")
    return ops.einsum("sp,spc->sc", chosen + 0 * flat[:, :, 0], flat)


_PLACES: Mapping[str, Callable[[Any, Any, int, Any], Any]] = {
    "mean": _mean, "centre": _centre, "position": _position,
}  # fmt: skip


_SQUASHED: Mapping[Squash, Callable[[Any, Any], Any]] = {
    "softmax": lambda ops, value: ops.softmax(value, axis=-1),
    "sigmoid": lambda ops, value: ops.sigmoid(value),
    "exp": lambda ops, value: ops.exp(value),
}


def _at(position: Position) -> str:
    if position is None:
        return ""
    return "@centre" if position == "centre" else "@" + ",".join(map(str, position))
