"""How alike two layers are whose units differ: linear CKA, and units matched one to one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.instruments.comparison.assignment import best_assignment
from layerscope.instruments.comparison.comparable import LayerValues
from layerscope.recordings.comparison import units_last

Array = npt.NDArray[Any]

PLACES = 4096  #: samples and positions that take part, evenly over all of them


def cka(one: LayerValues, other: LayerValues, places: int = PLACES) -> float:
    """Return the linear CKA of two layers; 0 where no place of the one is one of the other.

    Where their maps differ in size, each sample's mean over positions takes its place.
    """
    first, second = one.array(), other.array()
    if _spaces(first) != _spaces(second):
        first, second = _pooled(first), _pooled(second)
    x, y = units_last(first), units_last(second)
    if len(x) != len(y):
        return 0.0
    return linear_cka(_thinned(x, places), _thinned(y, places))


def linear_cka(x: Array, y: Array) -> float:
    """Return the linear CKA of ``(places, units)`` and ``(places, units)``; 0 of constants.

    Kornblith et al. 2019, by the Gram matrices or by the units, whichever are fewer.
    """
    x, y = _centred(x), _centred(y)
    if len(x) < min(x.shape[1], y.shape[1]):
        kx, ky = x @ x.T, y @ y.T
        together, alone = float((kx * ky).sum()), float(np.linalg.norm(kx) * np.linalg.norm(ky))
    else:
        together = float(np.square(x.T @ y).sum())
        alone = float(np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    return together / alone if alone > 0 else 0.0


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


def _spaces(array: NamedArray) -> tuple[int, ...]:
    return array.values.shape[:-1]


def _pooled(array: NamedArray) -> NamedArray:
    axes = [i for i, axis in enumerate(array.axes[:-1]) if axis != "sample"]
    kept = tuple(a for i, a in enumerate(array.axes) if i not in axes)
    return NamedArray(array.values.mean(axis=tuple(axes), dtype=np.float64), kept)
