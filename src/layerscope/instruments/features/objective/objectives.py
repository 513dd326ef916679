"""What an image is to excite: objectives, values that add, subtract, scale and combine.

>>> channel("mixed4", 42) + 0.5 * channel("mixed5", 7) - total_variation(0.1)

An objective is a sum of terms, each with a weight. What a term computes is in ``terms.py`` and
``penalties.py``; here are the names that users write.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope.core.addresses import each_unit, parse_place
from layerscope.core.errors import InputError
from layerscope.core.table import a_kind
from layerscope.instruments.features.objective import own_function, penalties, terms
from layerscope.instruments.features.objective.arguments import (
    a_position,
    a_weight,
    an_address,
    an_index,
    check_takes_one,
    is_layer,
    numbers,
)
from layerscope.instruments.features.objective.sites import Sites
from layerscope.instruments.features.objective.terms import Term


@dataclass(frozen=True, eq=False)
class Objective:
    """A weighted sum of terms, to be made as large as possible."""

    parts: tuple[tuple[float, Term], ...]

    def __add__(self, other: Any) -> Objective:
        if isinstance(other, int | float) and other == 0:  # where sum() begins
            return self
        if not isinstance(other, Objective):
            return NotImplemented
        return Objective((*self.parts, *other.parts))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Objective:
        if not isinstance(other, Objective):
            return NotImplemented
        negative: Objective = -other
        return self + negative

    def __neg__(self) -> Objective:
        return self * -1.0

    def __mul__(self, factor: Any) -> Objective:
        if isinstance(factor, Objective):
            return NotImplemented
        factor = a_weight(factor)
        return Objective(tuple((float(factor) * weight, term) for weight, term in self.parts))

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Objective:
        if isinstance(divisor, Objective):
            return NotImplemented
        if a_weight(divisor) == 0:
            raise InputError(f"{self} can't be divided by 0: pass another weight.")
        return self.__mul__(1 / divisor)

    def __str__(self) -> str:
        return _sum_text([(weight, str(term)) for weight, term in self.parts])

    __repr__ = __str__

    def label(self, image: int) -> str:
        """Return what it is for one image of several, in words."""
        return _sum_text([(weight, term.label(image)) for weight, term in self.parts])

    def in_network(self, sites: Sites) -> Objective:
        """Return the same, once it is known how many images the terms are for."""
        return Objective(
            tuple(
                (weight, term.in_network(sites) if isinstance(term, terms.Similarity) else term)
                for weight, term in self.parts
            )
        )


def channel(layer: str, unit: int) -> Objective:
    """Return the mean of one channel over its map; of a layer that returns vectors, one unit."""
    return _one(terms.Unit(an_address(layer), (an_index(unit),)))


def units(layer: str, indices: Iterable[int]) -> Objective:
    """Return several units of a layer, an image for each, made in one batch."""
    address = an_address(layer)
    if not isinstance(indices, Iterable):
        raise InputError(
            f"units({layer!r}, …) got {indices!r}: pass several whole numbers, such as range(16)."
        )
    numbers = tuple(map(an_index, indices))
    if not numbers:
        raise InputError(f"units({layer!r}, …) got no indices: pass some, such as range(16).")
    twice = next((index for index in numbers if numbers.count(index) > 1), None)
    if twice is not None:
        raise InputError(
            f"units({layer!r}, …) lists unit {twice} twice: list each once; batch=2 makes two "
            "images of each."
        )
    return _one(terms.Unit(address, numbers))


def neuron(layer: str, unit: int, position: Sequence[int] | None = None) -> Objective:
    """Return one unit at one position of its map, ``(row, column)``; in its middle by default."""
    where: terms.Position = "centre" if position is None else a_position(position)
    return _one(terms.Unit(an_address(layer), (an_index(unit),), where))


def layer(*layers: str | Sequence[str], squared: bool = False) -> Objective:
    """Return DeepDream: the mean of whole layers, or of their squares; of several the sum."""
    listed = [
        an_address(one)
        for each in layers
        for one in (each if isinstance(each, list | tuple) else (each,))
    ]
    if not listed:
        raise InputError("layer() got no address: pass one or several.")
    return _one(terms.Whole(tuple(listed), squared))


def logit(layer: str, unit: int) -> Objective:
    """Return a class before the softmax, also where that is fused or a layer of its own."""
    return _one(terms.Unit(an_address(layer), (an_index(unit),), read="logit"))


def probability(layer: str, unit: int) -> Objective:
    """Return a class after the softmax, from 0 to 1.

    Of a layer that returns logits it is their softmax, or of a single one its sigmoid; of one that
    returns logarithms of probabilities, their exponential.
    """
    return _one(terms.Unit(an_address(layer), (an_index(unit),), read="probability"))


def direction(layer: str, vector: Any, position: Sequence[int] | None = None) -> Objective:
    """Return how far a layer goes along a vector in channel space, of length ``channel``.

    The mean over the map of the activations' dot product with the vector, scaled to length 1; or at
    one position. Several vectors, ``(image, channel)``, make an image each.
    """
    address = an_address(layer)
    values = np.atleast_2d(numbers(f"direction({layer!r}, …)", vector))
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    if values.ndim != 2 or not np.isfinite(values).all() or not (length > 0).all():
        raise InputError(
            f"direction({layer!r}, …) got a vector of shape {np.shape(vector)}: pass one finite "
            "number per channel, not all of them 0."
        )
    where = None if position is None else a_position(position)
    return _one(terms.Direction(address, values / length, where))


def diversity(layer: str) -> Objective:
    """Return how little the images of one objective are alike in a layer, for ``batch=`` above 1.

    1 minus the mean cosine of an image's Gram matrix of channels with those of the others (as in
    lucid).
    """
    return _one(terms.Diversity(an_address(layer)))


def similarity(layer: str, activation: Any) -> Objective:
    """Return how near a layer comes to a recorded activation: inversion (Mahendran & Vedaldi 2015).

    1 minus the squared distance over the squared norm of what was recorded: 1 is the same, 0 is as
    far as zeros are. ``activation`` is ``recording[layer]`` or an array in that order of axes, with
    one sample or an image for each.
    """
    address = an_address(layer)
    values = numbers(f"similarity({layer!r}, …)", activation)
    if not values.size or not np.isfinite(values).all() or not np.any(values):
        raise InputError(
            f"similarity({layer!r}, …) got values that are all 0, not finite, or none: pass the "
            "recorded activation of an image."
        )
    return _one(terms.Similarity(address, values))


def function(compute: Callable[[Any], Any], *layers: str, name: str | None = None) -> Objective:
    """Return your own: ``compute`` makes a score of activations by address, in ``keras.ops``.

    Activations are ``(sample, y, x, channel)`` or ``(sample, unit)`` whatever the framework; the
    score is one number for each sample, or one number: then it is called once more for each of
    several images, with that image alone. Layers that are not named are found by calling it.
    """
    if not callable(compute) or is_layer(compute):
        raise InputError(f"function() got {a_kind(compute)}: pass a function of activations.")
    layers = tuple(map(an_address, layers))
    check_takes_one(compute)
    return _one(
        own_function.Own(compute, layers, name or str(getattr(compute, "__name__", "function")))
    )


def l1(weight: float = 1.0) -> Objective:
    """Return the mean distance of the image from mid-grey, on a range from -1 to 1; subtract it."""
    return _one(penalties.L1) * weight


def l2(weight: float = 1.0) -> Objective:
    """Return the mean squared distance of the image from mid-grey; subtract it."""
    return _one(penalties.L2) * weight


def total_variation(weight: float = 1.0) -> Objective:
    """Return the mean distance between neighbouring pixels, along each axis; subtract it."""
    return _one(penalties.TOTAL_VARIATION) * weight


def blur(weight: float = 1.0) -> Objective:
    """Return the mean squared distance of the image from itself, blurred; subtract it."""
    return _one(penalties.BLUR) * weight


def as_objective(given: Any, known: Collection[str]) -> Objective:
    """Return what ``features`` was given: an objective, an address, a function, or a list of these.

    A layer's address is DeepDream on it; those in a list are added up. ``known`` are the addresses
    there are.

    Raises
    ------
    AddressError
        When no layer is so named.
    InputError
        When it is none of these.
    """
    if isinstance(given, Objective):
        return given
    if isinstance(given, str):
        several = [parse_place(address, known) for address in each_unit(given, known)]
        place = several[0]
        if len(several) > 1:
            return units(place.layer, [each.unit for each in several if each.unit is not None])
        if place.unit is None:
            return layer(place.layer)
        return _one(terms.Unit(place.layer, (place.unit,), place.position))
    if isinstance(given, list | tuple) and given:
        if all(isinstance(item, str) and item in known for item in given):
            return layer(*given)
        return sum((as_objective(item, known) for item in given), start=Objective(()))
    if is_layer(given):
        name = getattr(given, "name", None)
        example = name if isinstance(name, str) and name in known else next(iter(known), "conv2d")
        raise InputError(
            f"{_capital(a_kind(given))} itself is no objective: pass the layer's address, such as "
            f"{example!r}."
        )
    if callable(given):
        return function(given)
    kind = "None" if given is None else _capital(a_kind(given))
    raise InputError(
        f"{kind} is no objective: pass an address such as 'conv2d:3', "
        "units('conv2d', range(16)), another of layerscope.objectives, or a function."
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sum_text(parts: Sequence[tuple[float, str]]) -> str:
    text = ""
    for weight, term in parts:
        sign = ("- " if weight < 0 else "+ ") if text else ("-" if weight < 0 else "")
        size = "" if abs(weight) == 1 else f"{abs(weight):g}·"
        text += (" " if text else "") + f"{sign}{size}{term}"
    return text


def _one(term: Term) -> Objective:
    return Objective(((1.0, term),))
