"""Which layers of two networks return alike, or equal, values: by a few values of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.instruments.comparison.comparable import LayerValues

Array = npt.NDArray[Any]

#: What it counts that two layers return alike values, and that these are equal, too.
ALIKE, EQUAL = 2.0, 2.0
_VALUES = 1024  #: looked at of a layer
_SAME = 1e-4  #: the distance of values that are equal but for roundings


def likeness(one: Sequence[LayerValues], other: Sequence[LayerValues]) -> Array:
    """Return what it counts that layers of one shape return alike, or equal, values."""
    scores = np.zeros((len(one), len(other)))
    for key in {values.key for values in one} & {values.key for values in other}:
        rows = [i for i, values in enumerate(one) if values.key == key]
        columns = [j for j, values in enumerate(other) if values.key == key]
        first = np.stack([_some(one[i]) for i in rows])
        second = np.stack([_some(other[j]) for j in columns])
        if first.shape[1] == second.shape[1]:
            scores[np.ix_(rows, columns)] = _alike(first, second)
    return scores


def _alike(first: Array, second: Array) -> Array:
    """Return what counts of each row of the one with each of the other."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        correlation = np.clip(np.nan_to_num(_standardized(first) @ _standardized(second).T), 0, 1)
        squares = np.square(first).sum(axis=1)[:, None], np.square(second).sum(axis=1)[None]
        gaps = np.sqrt(np.maximum(squares[0] + squares[1] - 2 * first @ second.T, 0))
        size = np.maximum(np.sqrt(squares[0]), 1e-30)
        near = np.nan_to_num(np.clip(1 - gaps / size, 0, 1))
    equal = gaps <= _SAME * size
    alike = np.where(equal, 1, (correlation**2 + near**2) / 2)
    scores: Array = ALIKE * alike + EQUAL * equal
    return scores


def _some(values: LayerValues) -> Array:
    """Return some of a layer's values, the same places of each layer of its shape."""
    array = values.array().values
    if array.size > _VALUES:
        flat = np.random.default_rng(array.size).integers(0, array.size, _VALUES)
    else:
        flat = np.arange(array.size)
    some = array[np.unravel_index(flat, array.shape)].astype(np.float64)
    return np.nan_to_num(some, posinf=0, neginf=0)


def _standardized(rows: Array) -> Array:
    centred = rows - rows.mean(axis=1, keepdims=True)
    size = np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-30)
    standardized: Array = centred / size
    return standardized
