"""Which layer of one network is which of another: by address, by order and shape, by values.

Both are read in execution order, and aligned as two texts are, so that layers that only one of them
has (an activation apart, a Flatten, a Dropout, a padding) are skipped. How well two layers go
together is told by what they are, by their address, and by a few of their values: those of a port
that is right are equal, and of one that is broken the structure is still the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.instruments.comparison.comparable import LayerValues
from layerscope.instruments.comparison.similarity import cka

Array = npt.NDArray[Any]

ADDRESS, ORDER = "address", "order and shape"
#: What it counts that two layers are the same kind of thing, are at the same stage (before or
#: behind an activation), have as many weights, are called alike, return alike or equal values.
_KIND, _STAGE, _WEIGHTS, _NAME, _ALIKE, _EQUAL = 0.6, 0.4, 0.3, 1.0, 2.0, 2.0
#: What makes values of the sums of whole numbers.
_COMPLETING = frozenset({"add", "merge", "rescale", "elementwise"})
#: What is folded into what.
_FOLDS = ({"batch_norm", "conv"}, {"activation", "conv"}, {"activation", "dense"})
_LEAST = 0.6  #: pairs that count less are none
_VALUES = 2048  #: looked at of a layer
_SAME = 1e-4  #: the distance of values of which the correlation is 1 but for rounding
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
    return one.key == other.key and one.layer.kind == other.layer.kind


def _how(one: LayerValues, other: LayerValues) -> str:
    return ADDRESS if one.address == other.address else ORDER


def _scores(one: Sequence[LayerValues], other: Sequence[LayerValues]) -> Array:
    """Return how well each layer of the one goes with each of the other; 0 for not at all."""
    scores = _likeness(one, other)
    folds = _folded(one, other), _folded(other, one)
    few_bits = any(values.layer.kind == "quantize" for values in (*one, *other))
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            same = a.key == b.key
            folded = a.address in folds[0], b.address in folds[1]
            structure = _structure(a, b, same, folded, few_bits)
            scores[i, j] += structure
            # What only returns alike values, and is something else, is a pair where they are equal.
            if (not same and structure < _KIND) or (structure <= 0 and scores[i, j] < _ALIKE + 1):
                scores[i, j] = 0
    return np.where(scores < _LEAST, 0, scores)


def _structure(
    a: LayerValues, b: LayerValues, same: bool, folds: tuple[bool, bool], few_bits: bool
) -> float:
    """Return how well two layers go together by what they are."""
    one, other = a.layer, b.layer
    name = _NAME * (_spelled(one.address) == _spelled(other.address))
    if _is_accumulated(a) != _is_accumulated(b):  # what leaves a layer of few bits comes later
        return name / 4
    if one.kind != other.kind:
        for values, kind in ((a, other.kind), (b, one.kind)):
            if kind == "quantize" or (few_bits and kind in _COMPLETING):
                computes = _is_activated(values) or values.layer.weights
                return _STAGE if same and computes else 0.0
    if folds[0] or folds[1]:  # a convolution before a norm that the other has no layer for
        return name / 4
    kind = one.kind == other.kind
    stages = _is_activated(a), _is_activated(b)
    if stages[0] and stages[1]:  # fused into the layer, or one of its own
        agree = one.activation == other.activation
        structure = _KIND / 2 + _STAGE + (_KIND / 2) * agree
        return name + structure if same else 0.0
    if not kind:
        folds = {one.kind, other.kind} in _FOLDS
        return name + (_KIND if same and folds else 0.0)
    stage = _STAGE * (stages[0] == stages[1])
    name = name if stage else name / 4
    weights = _WEIGHTS * (stage > 0 and one.weights == other.weights)
    if not same and not (one.weights and one.weights == other.weights):
        return 0.0
    return name + (_KIND + stage + weights) * (1.0 if same else 0.7)


def _is_accumulated(values: LayerValues) -> bool:
    """Return whether these are sums of products of whole numbers, not yet scaled."""
    return values.recording.named(values.address).values.dtype in (np.int32, np.int64)


def _is_activated(values: LayerValues) -> bool:
    return values.layer.activation is not None


def _folded(one: Sequence[LayerValues], other: Sequence[LayerValues]) -> set[str]:
    """Return the layers right before a norm or a function that the other network has folded.

    Behind it, and not before it, both may return the same.
    """
    norms = any(values.layer.kind == "batch_norm" for values in other)
    functions = {values.layer.activation for values in other}
    folding = [
        values.layer
        for values in one
        if (values.layer.kind == "batch_norm" and not norms)
        or (values.layer.kind == "activation" and values.layer.activation not in functions)
    ]
    before = {address for layer in folding for address in layer.inputs}
    return before - {layer.address for layer in folding}


def _spelled(address: str) -> str:
    return re.sub(r"[./]", "/", address).lower()


def _likeness(one: Sequence[LayerValues], other: Sequence[LayerValues]) -> Array:
    """Return what it counts that layers of one shape return alike, or equal, values."""
    scores = np.zeros((len(one), len(other)))
    for key in {values.key for values in one} & {values.key for values in other}:
        rows = [i for i, values in enumerate(one) if values.key == key]
        columns = [j for j, values in enumerate(other) if values.key == key]
        first = np.stack([_some(one[i]) for i in rows])
        second = np.stack([_some(other[j]) for j in columns])
        if first.shape[1] != second.shape[1]:
            continue
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            correlation = np.nan_to_num(_standardized(first) @ _standardized(second).T)
            correlation = np.clip(correlation, 0, 1)
            size = np.maximum(np.linalg.norm(first, axis=1), 1e-30)
            gaps = np.stack([np.linalg.norm(first - row, axis=1) for row in second], axis=1)
        equal = gaps <= _SAME * size[:, None]
        near = np.clip(1 - gaps / size[:, None], 0, 1)
        alike = (correlation**2 + near**2) / 2
        scores[np.ix_(rows, columns)] = _ALIKE * np.where(equal, 1, alike) + _EQUAL * equal
    return scores


def _some(values: LayerValues) -> Array:
    """Return some of a layer's values, the same places of each layer of its shape."""
    array = values.array().values
    flat = np.random.default_rng(array.size).integers(0, array.size, min(array.size, _VALUES))
    if array.size <= _VALUES:
        flat = np.arange(array.size)
    some = array[np.unravel_index(flat, array.shape)].astype(np.float64)
    return np.nan_to_num(some, posinf=0, neginf=0)


def _standardized(rows: Array) -> Array:
    centred = rows - rows.mean(axis=1, keepdims=True)
    standardized: Array = centred / np.maximum(
        np.linalg.norm(centred, axis=1, keepdims=True), 1e-30
    )
    return standardized


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
    folds = _folded(one, other) | _folded(other, one)
    table = np.zeros((len(rows), len(columns)))
    for row, i in enumerate(rows):
        least = max((pairs[k] for k in range(i) if k in pairs), default=-1)
        most = min((pairs[k] for k in range(i, len(one)) if k in pairs), default=len(other))
        for column, j in enumerate(columns):
            stages = _is_activated(one[i]) == _is_activated(other[j])
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
