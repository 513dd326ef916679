"""An objective, bound to a network: the one function that is compiled, and its arrays."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Tap
from layerscope.core.errors import InputError
from layerscope.instruments.features.objective.objectives import Objective
from layerscope.instruments.features.objective.sites import Sites
from layerscope.instruments.features.objective.terms import Score

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Scorer:
    """The terms' functions alone, for a compiled function to hold: no arrays, no network."""

    of_values: tuple[tuple[int, Score], ...]
    of_image: tuple[tuple[int, Score], ...]
    taps: tuple[Tap, ...]
    structure: Hashable
    sized: bool  #: whether they are for one size of the network's input

    def values(self, ops: Any, values: Any, arrays: Mapping[str, Any]) -> Any:
        """Return what the activations score, ``(sample,)``."""
        return _total(ops, self.of_values, values, arrays)

    def image(self, ops: Any, image: Any, arrays: Mapping[str, Any]) -> Any:
        """Return what the unit image itself scores, ``(sample,)``."""
        return _total(ops, self.of_image, image, arrays)


@dataclass(frozen=True)
class Program:
    """An objective in one network, for a number of images."""

    objective: Objective
    scorer: Scorer
    arrays: Mapping[str, Array]  #: each with an image along its first axis, or 1 for all of them
    images: int

    def arrays_of(self, which: Sequence[int]) -> dict[str, Array]:
        """Return the arrays of some of the images, each as long."""
        rows = list(which)
        return {
            name: array[rows] if len(array) > 1 else np.repeat(array, len(rows), axis=0)
            for name, array in self.arrays.items()
        }


def bind(objective: Objective, sites: Sites) -> Program:
    """Return the program of an objective.

    Raises AddressError and InputError where the network does not have what it names, and where its
    terms are for different numbers of images.
    """
    if not objective.parts:
        raise InputError("The objective is empty: add something to it.")
    bound = [(weight, term, term.bind(sites)) for weight, term in objective.parts]
    arrays: dict[str, Array] = {}
    counts: dict[int, str] = {}
    for i, (weight, term, each) in enumerate(bound):
        arrays[f"{i}.weight"] = np.array([weight], np.float32)
        for name, array in each.arrays.items():
            arrays[f"{i}.{name}"] = array
            if len(array) > 1:
                counts.setdefault(len(array), str(term))
    if len(counts) > 1:
        parts = " and ".join(f"{text} is for {count}" for count, text in counts.items())
        raise InputError(f"The terms are for different numbers of images: {parts}.")
    taps = tuple(dict.fromkeys(tap for _, _, each in bound for tap in each.taps))
    scorer = Scorer(
        tuple((i, each.score) for i, (_, _, each) in enumerate(bound) if each.taps),
        tuple((i, each.score) for i, (_, _, each) in enumerate(bound) if not each.taps),
        taps,
        tuple(each.structure for _, _, each in bound),
        any(each.sized for _, _, each in bound),
    )
    return Program(objective, scorer, arrays, next(iter(counts), 1))


def _total(
    ops: Any, scores: Sequence[tuple[int, Score]], scored: Any, arrays: Mapping[str, Any]
) -> Any:
    total: Any = 0.0
    for i, score in scores:
        of_term = {
            name.partition(".")[2]: array
            for name, array in arrays.items()
            if name.partition(".")[0] == str(i)
        }
        total = total + of_term["weight"] * score(ops, scored, of_term)
    return total
