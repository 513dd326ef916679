"""Rank correlation (Spearman 1904): how far two lists are in one order, from -1 to 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def rank_correlations(rows: Array, others: Array) -> npt.NDArray[np.float64]:
    """Return the correlation of each row with each of the others, ``(row, other)``.

    NaN for a row whose values are all the same: it has no order.
    """
    return standard_ranks(rows) @ standard_ranks(others).T


def standard_ranks(rows: Array) -> npt.NDArray[np.float64]:
    """Return each row's ranks, equal values sharing theirs, about 0 and with a length of 1."""
    ranks = np.stack([_ranks(row) for row in np.asarray(rows, np.float64)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        standard: npt.NDArray[np.float64] = ranks / length
    return standard


def _ranks(values: Array) -> Array:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: Array = (last - (counts - 1) / 2)[places]
    return middle
