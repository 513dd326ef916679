"""How far pairs of layers are apart, their units in the order that brings both together."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.instruments.comparison.comparable import aligned, read_off, reordered
from layerscope.instruments.comparison.matching import Match
from layerscope.instruments.comparison.measures import INCOMPARABLE, Apart, apart
from layerscope.instruments.comparison.noise import Noise
from layerscope.instruments.comparison.similarity import assigned
from layerscope.recordings.comparison import LayerPair, units_last

Array = npt.NDArray[Any]

_MOST_UNITS = 512  #: of a layer, among which an order is looked for
_SAME_NORMS = 1e-3  #: by how much of the largest the norms of units may differ that are the same
_FOR_THREADS = 1 << 20  #: from how many values on a layer is worth a thread
_PERMUTED = 0.05  #: the units are in another order where that leaves so little of the error


def pairs_of(matches: Sequence[Match], noise: Noise, tolerance: float | None) -> list[LayerPair]:
    """Return how far the layers that belong together are apart.

    ``noise`` is what floating point explains, by the address in the one; two layers part where they
    are further apart than ``tolerance``, or than several times their noise where that is None.
    """

    limits = [
        _Limit(error, noise.margin * error if tolerance is None else tolerance)
        for error in (noise.errors[match.one.address] for match in matches)
    ]
    each = list(zip(matches, limits, strict=True))
    is_large = [math.prod(match.one.sizes.values()) >= _FOR_THREADS for match in matches]
    # Of large layers several at once, as far as NumPy works without Python; of small ones threads
    # would wait for one another.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1), "layerscope-compare") as pool:
        made = list(pool.map(lambda one: _pair(*one), itertools.compress(each, is_large)))
    of_large = iter(made)
    pairs = [
        next(of_large) if threaded else _pair(match, limit)
        for (match, limit), threaded in zip(each, is_large, strict=True)
    ]
    _put_in_order(pairs, matches, limits)
    return pairs


@dataclass(frozen=True, slots=True)
class _Limit:
    """How far two layers may be apart."""

    noise: float
    error: float  #: beyond which they part


def _pair(match: Match, limit: _Limit) -> LayerPair:
    one, other = match.one, match.other
    if one.key != other.key:
        how = f"{match.how}, shapes differ" if "values" not in match.how else match.how
        return _figures(match, INCOMPARABLE, limit, how, parts="values" not in how)
    first, second = aligned(one, other)
    scaled = read_off(one.array(), other.array())
    how = match.how if scaled is None else f"{match.how}, {scaled.words}"
    return _figures(match, apart(first.values, second.values), limit, how)


def _figures(
    match: Match,
    figures: Apart,
    limit: _Limit,
    how: str,
    order: tuple[int, ...] | None = None,
    parts: bool | None = None,
) -> LayerPair:
    beyond = figures.relative_error > limit.error if parts is None else parts
    return LayerPair(
        match.one.address,
        match.other.address,
        how,
        figures.cosine,
        figures.relative_error,
        figures.correlation,
        figures.largest,
        limit.noise,
        bool(beyond),
        order,
    )


def _put_in_order(
    pairs: list[LayerPair], matches: Sequence[Match], limits: Sequence[_Limit]
) -> None:
    """Put the units of layers that part in the order that brings both together, where one does.

    Layers are gone through up to the first that parts however its units are put.
    """
    for i, pair in enumerate(pairs):
        match = matches[i]
        if not pair.parts:
            continue
        if match.one.key != match.other.key:
            return
        one, other = aligned(match.one, match.other)
        count = one.values.shape[-1]
        if one.values.ndim < 2 or not 1 < count <= _MOST_UNITS or not _alike(one, other):
            return
        order, correlation = assigned(one, other)
        if (order == np.arange(count)).all() or not _explains(correlation):
            return
        figures = apart(one.values, reordered(other, tuple(order)).values)
        if not figures.relative_error < _PERMUTED * pair.relative_error:
            return
        how = f"{match.how}, units by their values"
        pairs[i] = _figures(match, figures, limits[i], how, tuple(map(int, order)))
        if pairs[i].parts:
            return


def _alike(one: NamedArray, other: NamedArray) -> bool:
    """Return whether the norms of all units are the same on a sample, in whichever order."""
    first = [replace(array, values=array.values[:1]) for array in (one, other)]
    norms = [np.sort(np.linalg.norm(units_last(array), axis=0)) for array in first]
    gaps = np.abs(norms[0] - norms[1])
    return bool((gaps <= _SAME_NORMS * norms[0].max(initial=0)).all())


def _explains(correlation: Array) -> bool:
    """Return whether nearly all units that vary have a partner that varies alike."""
    varying = correlation[np.abs(correlation) > 1e-9]
    return bool(varying.size and (varying > 0.99).mean() > 0.9)
