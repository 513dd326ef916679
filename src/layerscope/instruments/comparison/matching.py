"""Which layer of one network is which of another: by address, by order and shape, by values.

Both are read in execution order, and aligned as two texts are, so that layers that only one of them
has (an activation apart, a Flatten, a Dropout, a padding) are skipped. How well two layers go
together is told by what they are, by their address, and by a few of their values: those of a port
that is right are equal, and of one that is broken the structure is still the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.instruments.comparison.comparable import LayerValues
from layerscope.instruments.comparison.families import family
from layerscope.instruments.comparison.likeness import likeness
from layerscope.instruments.comparison.similarity import cka
from layerscope.instruments.comparison.traits import folded, together, traits_of

Array = npt.NDArray[Any]

ADDRESS, ORDER = "address", "order and shape"
_LIKE = 0.5  #: the least CKA of two layers that nothing else brings together
_PLACES = 512  #: samples and positions by which that is told


@dataclass(frozen=True, slots=True)
class Match:
    """Two layers that belong together."""

    one: LayerValues
    other: LayerValues
    how: str


def matched(one: Sequence[LayerValues], other: Sequence[LayerValues]) -> list[Match]:
    """Return which layers belong together, in the order of the one."""
    names = {values.address: values for values in other}
    if [v.address for v in one] == [v.address for v in other] and all(
        _alike(values, names[values.address]) for values in one
    ):
        return [Match(values, names[values.address], ADDRESS) for values in one]
    places = _aligned(_scores(one, other))
    pairs = {i: (j, _how(one[i], other[j])) for i, j in places}
    taken = {j for j, _ in pairs.values()}
    for i, values in enumerate(one):  # branches that run in another order
        j = next((j for j, o in enumerate(other) if o.address == values.address), None)
        if i not in pairs and j is not None and j not in taken and _alike(values, other[j]):
            pairs[i] = j, ADDRESS
            taken.add(j)
    pairs |= _by_values(one, other, {i: j for i, (j, _) in pairs.items()})
    return [Match(one[i], other[j], how) for i, (j, how) in sorted(pairs.items())]


def _alike(one: LayerValues, other: LayerValues) -> bool:
    return one.key == other.key and family(one.layer.kind) == family(other.layer.kind)


def _how(one: LayerValues, other: LayerValues) -> str:
    return ADDRESS if one.address == other.address else ORDER


def _scores(one: Sequence[LayerValues], other: Sequence[LayerValues]) -> Array:
    """Return how well each layer of the one goes with each of the other; 0 for not at all."""
    scores = likeness(one, other)
    few_bits = any(values.layer.kind == "quantize" for values in (*one, *other))
    columns = traits_of(other, one)
    for i, row in enumerate(traits_of(one, other)):
        for j, column in enumerate(columns):
            scores[i, j] = together(row, column, float(scores[i, j]), few_bits)
    return scores


def _aligned(scores: Array) -> list[tuple[int, int]]:
    """Return the pairs, rising in both, whose scores add up to most (Needleman & Wunsch 1970)."""
    rows, columns = scores.shape
    best = np.zeros((rows + 1, columns + 1))
    for i in range(rows):
        paired = best[i, :-1] + scores[i]
        # The best of what stands above and of what is paired here; then, along the row, so far.
        best[i + 1, 1:] = np.maximum.accumulate(np.maximum(best[i, 1:], paired))
    pairs = []
    i, j = rows, columns
    while i and j:
        if best[i, j] == best[i, j - 1]:
            j -= 1
        elif best[i, j] == best[i - 1, j]:
            i -= 1
        else:
            pairs.append((i - 1, j - 1))
            i, j = i - 1, j - 1
    return pairs[::-1]


def _by_values(
    one: Sequence[LayerValues], other: Sequence[LayerValues], pairs: Mapping[int, int]
) -> dict[int, tuple[int, str]]:
    """Return the layers left over that have weights, each with the one most like it by CKA.

    They are to stand between the same pairs, at the same stage.
    """
    taken = set(pairs.values())
    rows = [i for i, v in enumerate(one) if i not in pairs and v.layer.weights]
    columns = [j for j, v in enumerate(other) if j not in taken and v.layer.weights]
    folds = folded(one, other) | folded(other, one)
    table = np.zeros((len(rows), len(columns)))
    for row, i in enumerate(rows):
        least = max((pairs[k] for k in range(i) if k in pairs), default=-1)
        most = min((pairs[k] for k in range(i, len(one)) if k in pairs), default=len(other))
        for column, j in enumerate(columns):
            stages = (one[i].layer.activation is None) == (other[j].layer.activation is None)
            free = not {one[i].address, other[j].address} & folds
            if stages and free and least < j < most:
                table[row, column] = cka(one[i], other[j], _PLACES)
    further: dict[int, tuple[int, str]] = {}
    for row, i in enumerate(rows if columns else ()):
        column = int(table[row].argmax())
        likeness = table[row, column]
        if likeness >= _LIKE and int(table[:, column].argmax()) == row:
            further[i] = columns[column], f"values (CKA {likeness:.2f})"
    return further
