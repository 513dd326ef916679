"""RISE: which places are seen when the score is high, over many random masks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

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
    space = space_of(task.axes) or tuple(range(1, task.values.ndim))
    lengths = tuple(task.values.shape[axis] for axis in space)
    smooth = bool(space_of(task.axes))
    count = task.options.masks or _MASKS
    baseline, called = task.baseline()
    seed = task.options.seed
    total = np.zeros((len(task.values), *lengths), np.float64)
    for row in task.rows:
        scores = np.zeros(count)
        seen = np.zeros(lengths, np.float64)
        for part in parts(count, even_size(count, task.engine.batch_size)):
            masks = np.stack(
                [_mask(seed, i, lengths, smooth) for i in range(part.start, part.stop)]
            )
            wide = np.expand_dims(
                masks, tuple(a for a in range(1, task.values.ndim) if a not in space)
            )
            shown = baseline[row] + wide * (task.values[row] - baseline[row])
            rows = np.full(len(masks), row)
            scores[part] = task.engine.scores(shown.astype(np.float32), rows)
            total[row] += np.tensordot(scores[part], masks, axes=1)
            seen += masks.sum(axis=0)
        total[row] = (total[row] - scores.mean() * seen) / (count * _SEEN)
    return Maps(
        total,
        {"masks": count, "baseline": called},
        axes=("sample", *(task.axes[axis] for axis in space)),
    )


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
    ),
)
