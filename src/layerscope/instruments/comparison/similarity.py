"""How alike two layers are whose units differ: linear CKA, and units matched one to one."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.instruments.comparison.assignment import best_assignment
from layerscope.instruments.comparison.comparable import LayerValues
from layerscope.recordings.comparison import units_last

Array = npt.NDArray[Any]

#: Fewer places than these tell little; and so many products are a few seconds.
_FEWEST, _MOST_PRODUCTS = 64, 5_000_000_000
PLACES = 4096  #: samples and positions that take part, evenly over all of them


def cka(one: LayerValues, other: LayerValues, places: int = PLACES) -> float:
    """Return the linear CKA of two layers; 0 where no place of the one is one of the other.

    Where their maps differ in size, each sample's mean over positions takes its place.
    """
    first, second = one.array(), other.array()
    if one.spaces != other.spaces:
        first, second = _pooled(first), _pooled(second)
    x, y = units_last(first), units_last(second)
    if len(x) != len(y):
        return 0.0
    return linear_cka(_thinned(x, places), _thinned(y, places))


def cka_matrix(one: Sequence[LayerValues], other: Sequence[LayerValues]) -> Array:
    """Return the linear CKA of each layer of the one with each of the other, as :func:`cka` does.

    Of large networks fewer places take part, so that it takes seconds.
    """
    products = sum(
        a.sizes_of_units * b.sizes_of_units for a in one for b in other if a.spaces == b.spaces
    )
    places = int(max(_FEWEST, min(PLACES, _MOST_PRODUCTS // max(products, 1))))
    rows, columns = ([_Features(values, places) for values in each] for each in (one, other))
    return np.array([[row.with_other(column) for column in columns] for row in rows])


class _Features:
    """The values of a layer as they enter the CKA, each form made once."""

    def __init__(self, values: LayerValues, places: int) -> None:
        self._values, self._places = values, places

    def with_other(self, other: _Features) -> float:
        """Return the CKA with another layer."""
        if self._values.spaces == other._values.spaces:
            return _aligned_cka(self.whole, other.whole)
        return _aligned_cka(self.pooled, other.pooled)

    @functools.cached_property
    def whole(self) -> tuple[Array, float]:
        """The values at some places, centred, and the norm of their products."""
        return self._entering(self._values.array())

    @functools.cached_property
    def pooled(self) -> tuple[Array, float]:
        """The same of the means over positions."""
        return self._entering(_pooled(self._values.array()))

    def _entering(self, array: NamedArray) -> tuple[Array, float]:
        x = _centred(_thinned(units_last(array), self._places))
        products = x @ x.T if len(x) < x.shape[1] else x.T @ x
        return x, float(np.linalg.norm(products))


def _aligned_cka(one: tuple[Array, float], other: tuple[Array, float]) -> float:
    (x, x_size), (y, y_size) = one, other
    if len(x) != len(y) or not x_size * y_size:
        return 0.0
    if len(x) < min(x.shape[1], y.shape[1]):
        together = float(((x @ x.T) * (y @ y.T)).sum())
    else:
        together = float(np.square(x.T @ y).sum())
    return together / (x_size * y_size)


def linear_cka(x: Array, y: Array) -> float:
    """Return the linear CKA of ``(places, units)`` and ``(places, units)``; 0 of constants.

    Kornblith et al. 2019, by the Gram matrices or by the units, whichever are fewer.
    """
    sides = []
    for values in (x, y):
        centred = _centred(values)
        few = len(centred) < centred.shape[1]
        products = centred @ centred.T if few else centred.T @ centred
        sides.append((centred, float(np.linalg.norm(products))))
    return _aligned_cka(sides[0], sides[1])


def assigned(one: NamedArray, other: NamedArray) -> tuple[Array, Array]:
    """Return which unit of the other is each unit of the one, and their correlations.

    Each unit has one partner, so that the correlations add up to most. Units that have none, where
    the other has fewer, are -1.
    """
    x, y = _thinned(units_last(one), PLACES), _thinned(units_last(other), PLACES)
    correlation = correlations(x, y)
    partners = best_assignment(correlation)
    values = correlation[np.arange(len(partners)), partners]
    return partners, np.where(partners < 0, np.nan, values)


def correlations(x: Array, y: Array) -> Array:
    """Return the correlation of each unit of the one with each of the other; 0 of constants."""
    x, y = _centred(x), _centred(y)
    x_size, y_size = np.linalg.norm(x, axis=0), np.linalg.norm(y, axis=0)
    below = np.maximum(x_size[:, None] * y_size, np.finfo(np.float64).tiny)
    result: Array = x.T @ y / below
    return result


def _centred(values: Array) -> Array:
    values = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    centred: Array = values - values.mean(axis=0)
    # What varies by rounding alone is constant.
    flat = np.abs(centred).max(axis=0, initial=0) <= 1e-6 * np.abs(values).max(axis=0, initial=0)
    result: Array = np.where(flat, 0.0, centred)
    return result


def _thinned(values: Array, places: int) -> Array:
    if len(values) <= places:
        return values
    thinned: Array = values[np.linspace(0, len(values) - 1, places).round().astype(int)]
    return thinned


def _pooled(array: NamedArray) -> NamedArray:
    axes = [i for i, axis in enumerate(array.axes[:-1]) if axis != "sample"]
    kept = tuple(a for i, a in enumerate(array.axes) if i not in axes)
    return NamedArray(array.values.mean(axis=tuple(axes), dtype=np.float64), kept)
