"""Occlusion: how much the score falls when a part of the input is replaced."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.instruments.attribution.baselines import space_of
from layerscope.instruments.attribution.engine import PASSES, even_size, parts
from layerscope.instruments.attribution.method import AttributionTask, Maps, Method

Array = npt.NDArray[Any]

_WINDOWS = 8  #: about so many stand side by side where nobody says how large they are


def occlusion(task: AttributionTask) -> Maps:
    """Return how far the score falls when a window is replaced; the mean of all that cover a place.

    A window covers all channels of its places.
    """
    space = space_of(task.axes) or tuple(range(1, task.values.ndim))
    lengths = [task.values.shape[axis] for axis in space]
    window = _sizes("window", task.options.window, lengths, _window)
    stride = _sizes("stride", task.options.stride, lengths, lambda _: 0)
    stride = [step or max(1, length // 2) for step, length in zip(stride, window, strict=True)]
    baseline, called = task.baseline()
    starts = [
        range(0, step * (math.ceil((length - wide) / step) + 1), step)
        for length, wide, step in zip(lengths, window, stride, strict=True)
    ]
    boxes = [
        tuple(slice(at, at + wide) for at, wide in zip(corner, window, strict=True))
        for corner in itertools.product(*starts)
    ]
    whole = task.scores
    total = np.zeros((len(task.values), *lengths), np.float64)
    covered = np.zeros(lengths, np.float64)
    for box in boxes:
        covered[box] += 1
    pairs = [(row, box) for row in range(len(task.values)) for box in boxes]
    for part in parts(len(pairs), even_size(len(pairs), task.engine.batch_size)):
        some = pairs[part]
        rows = np.array([row for row, _ in some])
        changed = task.values[rows]
        for i, (row, box) in enumerate(some):
            place = _placed(box, space, changed.ndim - 1)
            changed[i][place] = baseline[row][place]
        fallen = whole[rows] - task.engine.scores(changed, rows)
        for (row, box), amount in zip(some, fallen, strict=True):
            total[row][box] += amount
    return Maps(
        total / np.maximum(covered, 1),
        {"window": tuple(window), "stride": tuple(stride), "baseline": called},
        axes=("sample", *(task.axes[axis] for axis in space)),
    )


def _placed(box: tuple[slice, ...], space: tuple[int, ...], rank: int) -> tuple[slice, ...]:
    """Return a box along the axes of space as an index of a sample."""
    where = dict(zip(space, box, strict=True))
    return tuple(where.get(axis + 1, slice(None)) for axis in range(rank))


def _window(length: int) -> int:
    return 1 if length <= _WINDOWS else round(length / _WINDOWS)


def _sizes(name: str, given: Any, lengths: list[int], default: Any) -> list[int]:
    if given is None:
        return [default(length) for length in lengths]
    sizes = [given] * len(lengths) if isinstance(given, int) else list(given)
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in sizes)
    fits = len(sizes) == len(lengths)
    if not whole or not fits or any(not 1 <= n <= m for n, m in zip(sizes, lengths, strict=True)):
        raise InputError(
            f"{name}={given!r}: pass a whole number for each of {len(lengths)} axes, from 1 up to "
            f"{', '.join(map(str, lengths))}."
        )
    return [int(n) for n in sizes]


METHODS = (
    Method(
        "occlusion",
        occlusion,
        PASSES,
        "Zeiler & Fergus 2014, Visualizing and Understanding Convolutional Networks, "
        "arXiv:1311.2901",
        ("window", "stride", "baseline", "seed"),
    ),
)
