"""Occlusion: how much the score falls when a part of the input is replaced."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
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
    whole = task.scores
    baseline, called = task.baseline()
    settings: dict[str, Any] = {"baseline": called}
    made: dict[str, NamedArray] = {}
    windows, strides = task.by_input("window"), task.by_input("stride")
    bases = task.subject.split(baseline)
    for i, (part, _) in enumerate(task.pieces):
        map_, sizes = _of_input(task, i, bases[i], whole, windows[i], strides[i])
        made[part.name] = map_
        known = settings.get("window") in (None, sizes["window"])
        settings |= sizes if known else {f"{name} of {part.name}": sizes[name] for name in sizes}
    ordered = {name: settings[name] for name in sorted(settings, key=lambda n: n == "baseline")}
    return Maps(None, ordered, of_inputs=made)


def _of_input(
    task: AttributionTask, at: int, baseline: Array, whole: Array, window: Any, stride: Any
) -> tuple[NamedArray, dict[str, Any]]:
    """Return one input's map, the others as they are, and the sizes of its windows."""
    part, values = task.pieces[at]
    space = space_of(part.axes) or tuple(range(1, values.ndim))
    lengths = [values.shape[axis] for axis in space]
    window = _sizes("window", window, lengths, _window)
    stride = _sizes("stride", stride, lengths, lambda _: 0)
    stride = [step or max(1, length // 2) for step, length in zip(stride, window, strict=True)]
    starts = [
        range(0, step * (math.ceil((length - wide) / step) + 1), step)
        for length, wide, step in zip(lengths, window, stride, strict=True)
    ]
    boxes = [
        tuple(slice(at, at + wide) for at, wide in zip(corner, window, strict=True))
        for corner in itertools.product(*starts)
    ]
    total = np.zeros((len(values), *lengths), np.float64)
    covered = np.zeros(lengths, np.float64)
    for box in boxes:
        covered[box] += 1
    pairs = [(row, box) for row in range(len(values)) for box in boxes]
    for some_pairs in parts(len(pairs), even_size(len(pairs), task.engine.batch_size)):
        some = pairs[some_pairs]
        rows = np.array([row for row, _ in some])
        changed = task.values[rows]
        here = task.subject.split(changed)[at]  # a view
        for i, (row, box) in enumerate(some):
            place = _placed(box, space, here.ndim - 1)
            here[i][place] = baseline[row][place]
        fallen = whole[rows] - task.engine.scores(changed, rows)
        for (row, box), amount in zip(some, fallen, strict=True):
            total[row][box] += amount
    axes = ("sample", *(part.axes[axis] for axis in space))
    sizes = {"window": tuple(window), "stride": tuple(stride)}
    return NamedArray(total / np.maximum(covered, 1), axes), sizes


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
