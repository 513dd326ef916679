"""RISE: which places are seen when the score is high, over many random masks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.instruments.attribution.baselines import space_of
from layerscope.instruments.attribution.engine import PASSES, even_size, parts
from layerscope.instruments.attribution.method import AttributionTask, Maps, Method
from layerscope.instruments.attribution.resizing import resized

Array = npt.NDArray[Any]

_MASKS = 1000
_CELLS = 7  #: of a mask along each side, before it is smoothed
_SEEN = 0.5  #: the share of cells that are seen


def rise(task: AttributionTask) -> Maps:
    """Return how much the score rises with a place's being seen: zero where it makes no difference.

    The mean of masks weighted by their scores, as the paper has it, less the mean score.
    """
    baseline, called = task.baseline()
    bases = task.subject.split(baseline)
    count = task.options.masks or _MASKS
    made = {
        part.name: _of_input(task, i, bases[i], count) for i, (part, _) in enumerate(task.pieces)
    }
    return Maps(None, {"masks": count, "baseline": called}, of_inputs=made)


def _of_input(task: AttributionTask, at: int, baseline: Array, count: int) -> NamedArray:
    """Return one input's map, the others as they are."""
    part, values = task.pieces[at]
    space = space_of(part.axes) or tuple(range(1, values.ndim))
    lengths = tuple(values.shape[axis] for axis in space)
    # Indices have no mean of two of them; vectors that are made of them have.
    smooth = bool(space_of(part.axes)) and (part.is_tokens or not part.is_indices)
    others = tuple(axis for axis in range(1, values.ndim) if axis not in space)
    total = np.zeros((len(values), *lengths), np.float64)
    for row in task.rows:
        scores = np.zeros(count)
        seen = np.zeros(lengths, np.float64)
        for some in parts(count, even_size(count, task.engine.batch_size)):
            numbers = range(some.start, some.stop)
            masks = np.stack([_mask(task.options.seed, i, lengths, smooth) for i in numbers])
            wide = np.expand_dims(masks, others)
            rows = np.full(len(masks), row)
            shown = task.values[rows]
            here = task.subject.split(shown)[at]  # a view
            here[:] = baseline[row] + wide * (values[row] - baseline[row])
            scores[some] = task.engine.scores(shown, rows)
            total[row] += np.tensordot(scores[some], masks, axes=1)
            seen += masks.sum(axis=0)
        total[row] = (total[row] - scores.mean() * seen) / (count * _SEEN)
    return NamedArray(total, ("sample", *(part.axes[axis] for axis in space)))


def _mask(seed: int, number: int, lengths: tuple[int, ...], smooth: bool) -> Array:
    """Return one mask: cells at random, made large and smooth, and moved by part of a cell."""
    rng = np.random.default_rng((seed, number))
    if not smooth:
        return (rng.random(lengths) < _SEEN).astype(np.float64)
    cells = [min(_CELLS, length) for length in lengths]
    grid = (rng.random([n + 1 for n in cells]) < _SEEN).astype(np.float64)
    steps = [math.ceil(length / n) for length, n in zip(lengths, cells, strict=True)]
    large = resized(grid[None], tuple((n + 1) * s for n, s in zip(cells, steps, strict=True)))[0]
    moved = [int(rng.integers(0, step)) for step in steps]
    cut = tuple(slice(m, m + n) for m, n in zip(moved, lengths, strict=True))
    return np.asarray(large[cut])


METHODS = (
    Method(
        "rise",
        rise,
        PASSES,
        "Petsiuk, Das & Saenko 2018, RISE, arXiv:1806.07421",
        ("masks", "baseline", "seed"),
        enough={"masks": 250},
    ),
)
