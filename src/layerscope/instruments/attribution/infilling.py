"""Parts of an input taken away so that what is left looks like the data: infilling from around.

ROAD (Rong et al. 2022, A Consistent and Efficient Evaluation Strategy for Attribution Methods,
arXiv:2202.00449) puts in the place of what is removed a mean of its neighbours and a little noise:
a black hole would be a shape of its own, which the network has never seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_NOISE = 0.01  #: as a share of the sample's range


def infilled(values: Array, removed: Array, rng: np.random.Generator) -> Array:
    """Return a sample with places filled in.

    ``values`` has the axes of space first, then others; ``removed`` says of each place whether it
    goes. Places are filled from ever coarser means of what is left.
    """
    rank = removed.ndim
    known = ~removed
    rest = values.reshape(*removed.shape, -1).astype(np.float64)
    if not known.any():
        filled = np.broadcast_to(rest.mean(axis=tuple(range(rank)), keepdims=True), rest.shape)
    else:
        filled = _filled(rest, known.astype(np.float64)[..., None], rank)
    extent = float(values.max() - values.min())
    filled = filled + _NOISE * extent * rng.standard_normal(rest.shape)
    return np.where(removed[..., None], filled, rest).reshape(values.shape).astype(np.float32)


def _filled(values: Array, weights: Array, rank: int) -> Array:
    """Return values where they are known, and elsewhere what coarser means say."""
    if weights.all() or max(values.shape[:rank]) == 1:
        total = max(float(weights.sum()), 1e-12)
        mean = (values * weights).sum(axis=tuple(range(rank)), keepdims=True) / total
        return np.where(weights > 0, values, mean)
    coarse_values, coarse_weights = _halved(values * weights, rank), _halved(weights, rank)
    means = coarse_values / np.maximum(coarse_weights, 1e-12)
    below = _filled(means, (coarse_weights > 0).astype(np.float64), rank)
    wide = _doubled(below, values.shape, rank)
    return np.where(weights > 0, values, wide)


def _halved(values: Array, rank: int) -> Array:
    """Return the sums of pairs of places along each axis of space."""
    for axis in range(rank):
        if values.shape[axis] % 2:
            pad = [(0, 0)] * values.ndim
            pad[axis] = (0, 1)
            values = np.pad(values, pad)
        shape = list(values.shape)
        shape[axis : axis + 1] = [shape[axis] // 2, 2]
        values = values.reshape(shape).sum(axis=axis + 1)
    return values


def _doubled(values: Array, shape: tuple[int, ...], rank: int) -> Array:
    """Return values at twice as many places, those between linearly."""
    for axis in range(rank):
        length, now = shape[axis], values.shape[axis]
        places = np.clip((np.arange(length) + 0.5) / 2 - 0.5, 0, now - 1)
        low = np.floor(places).astype(int)
        high = np.minimum(low + 1, now - 1)
        share = (places - low).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
        values = (1 - share) * values.take(low, axis) + share * values.take(high, axis)
    return values
