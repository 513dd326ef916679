"""Reducing the values of a pass as layers return them, so that none need be kept, nor copied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch

from layerscope.backends.base import ForwardPass, ReducedPass, ReductionOf
from layerscope.backends.reducing import ReducedValue, as_reduced
from layerscope.backends.torch.arrays import named_array


class EarlyReduction:
    """Reduces values when they are returned, and holds what it has made of those of a pass.

    Parameters
    ----------
    reduction
        What makes a few numbers of a value.
    offsets
        A number for each sample, which it is given.
    """

    def __init__(self, reduction: ReductionOf, offsets: npt.NDArray[Any]) -> None:
        self._reduction = reduction
        self._offsets = offsets
        self._axes: Mapping[str, tuple[str, ...] | None] = {}
        self._made: dict[str, ReducedValue] = {}
        self._order: tuple[str, ...] = ()

    def begin(self, axes: Mapping[str, tuple[str, ...] | None]) -> None:
        """Begin a pass whose values have these axes."""
        self._axes = axes

    def __call__(self, address: str, value: torch.Tensor) -> ReducedValue:
        """Return what is made of a value that a layer has just returned."""
        array = named_array(value, self._axes[address])
        return ReducedValue.of(array.values, array.axes, self._reduction, self._offsets)

    def take(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        """Hold what was made of the values that a pass has kept; return those that are whole."""
        self._order = tuple(kept)
        self._made = {a: value for a, value in kept.items() if isinstance(value, ReducedValue)}
        return {a: value for a, value in kept.items() if a not in self._made}

    def result(self, run: ForwardPass) -> ReducedPass:
        """Return the pass, of which what is whole is reduced now."""
        return as_reduced(run, self._reduction, self._offsets, self._made, self._order)
