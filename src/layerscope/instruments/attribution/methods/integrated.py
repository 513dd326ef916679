"""Integrated and expected gradients: what the score gains on the way from a baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.instruments.attribution.engine import GRADIENTS, even_size, parts
from layerscope.instruments.attribution.method import AttributionTask, Maps, Method, summed

Array = npt.NDArray[Any]

_FIRST, _MOST = 32, 512  #: steps that are tried where nobody says how many
_ENOUGH = 0.01  #: the gap of completeness that is small enough
_EXPECTED = 64  #: pairs of a baseline and a place on the way


def integrated_gradients(task: AttributionTask) -> Maps:
    """Return the integral of gradients on the straight way from a baseline, times its length.

    Gauss–Legendre quadrature; steps are doubled until the gap of completeness is below 1 %.
    """
    baseline, called = task.baseline()
    gain = task.scores - task.engine.scores(baseline, task.rows)
    if task.options.steps is not None:
        maps = _integral(task, baseline, task.options.steps, task.rows)
        return Maps(maps, {"steps": task.options.steps, "baseline": called}, gain=gain)
    maps = np.zeros(task.values.shape, np.float32)
    open_rows, steps = task.rows, _FIRST
    while True:
        maps[open_rows] = _integral(task, baseline, steps, open_rows)
        open_rows = open_rows[gaps(maps[open_rows], gain[open_rows]) > _ENOUGH]
        if not len(open_rows) or steps >= _MOST:
            break
        steps *= 2
    if len(open_rows):
        task.notes[f"integrated_gradients: still more than 1 % apart after {steps} steps"] = None
    return Maps(maps, {"steps": steps, "baseline": called}, gain=gain)


def gaps(maps: Array, gain: Array) -> Array:
    """Return how far the sum of each map is from what it is to sum up to, as a share of that."""
    scale = np.maximum(np.abs(gain), 1e-6 * np.abs(maps.reshape(len(maps), -1)).sum(axis=1))
    return np.asarray(np.abs(summed(maps) - gain) / np.where(scale > 0, scale, 1))


def _integral(task: AttributionTask, baseline: Array, steps: int, rows: Array) -> Array:
    """Return the integral for some samples, ``steps`` places on the way of each."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    shares, weights = ((nodes + 1) / 2).astype(np.float32), (weights / 2).astype(np.float32)
    away = task.values - baseline
    result = np.zeros((len(rows), *task.values.shape[1:]), np.float64)
    count = len(rows) * steps  # those of all samples go together into batches
    for part in parts(count, even_size(count, task.engine.batch_size)):
        which, step = np.divmod(np.arange(part.start, part.stop), steps)
        of = rows[which]
        at = shares[step].reshape(-1, *[1] * (away.ndim - 1))
        points = np.empty((len(of), *away.shape[1:]), np.float32)
        each = [(i, slice(*np.searchsorted(which, (i, i + 1)))) for i in np.unique(which)]
        for i, here in each:
            np.multiply(at[here], away[rows[i]], out=points[here])
            points[here] += baseline[rows[i]]
        gradient = task.engine.gradients(points, of)[1]
        for i, here in each:
            result[i] += np.tensordot(weights[step[here]], gradient[here], axes=1)
    return np.asarray(result * away[rows])


def expected_gradients(task: AttributionTask) -> Maps:
    """Return the mean over baselines and places on the way of gradients times the way.

    Baselines are those given, several along the first axis, or the other samples; of one sample
    alone, noise.
    """
    pool, called = _pool(task)
    is_samples = pool is task.values
    count = task.options.steps or _EXPECTED
    rng = np.random.default_rng(task.options.seed)
    result = np.zeros(task.values.shape, np.float64)
    gain = task.scores.copy()
    for row in task.rows:
        others = [i for i in range(len(pool)) if not (is_samples and i == row)]
        chosen = rng.permutation(np.resize(others, count))
        # One place in each of as many parts of the way: nearer to the mean than places at random.
        shares = (rng.permutation(count) + rng.random(count)) / count
        scores = np.zeros(count)
        for part in parts(count, task.engine.batch_size):
            start = pool[chosen[part]]
            away = task.values[row] - start
            at = shares[part].reshape(-1, *[1] * (start.ndim - 1)).astype(np.float32)
            rows = np.full(len(start), row)
            gradient = task.engine.gradients(start + at * away, rows)[1]
            result[row] += (gradient * away).sum(axis=0, dtype=np.float64) / count
            scores[part] = task.engine.scores(start, rows)
        gain[row] -= scores.mean()
    return Maps(result, {"steps": count, "baseline": called}, gain=gain)


def _pool(task: AttributionTask) -> tuple[Array, str]:
    """Return the baselines that there are, and what they are called."""
    given = task.options.baseline
    if given is None and len(task.values) > 1:
        return task.values, "the other samples"
    each = task.by_input("baseline", "noise")
    if all(isinstance(one, str | int | float) for one in each):
        return task.baseline("noise")
    arrays: list[Array] = []
    for one, (part, values) in zip(each, task.pieces, strict=True):
        if isinstance(one, str | int | float):
            raise InputError(
                f"baseline= is arrays for some inputs and {one!r} for {part.name!r}: pass arrays "
                "for all of them, or for none."
            )
        array = np.asarray(one, np.float32)
        array = array[None] if array.ndim == values.ndim - 1 else array
        if array.shape[1:] != values.shape[1:] or not len(array):
            raise InputError(
                f"baseline= has shape {array.shape}: pass some of shape {values.shape[1:]}, the "
                "first axis counting them."
            )
        arrays.append(array)
    if len({len(array) for array in arrays}) > 1:
        counts = ", ".join(str(len(array)) for array in arrays)
        raise InputError(f"baseline= has {counts} of each input: pass as many of all.")
    return task.subject.joined(arrays), f"{len(arrays[0])} given"


METHODS = (
    Method(
        "integrated_gradients",
        integrated_gradients,
        GRADIENTS,
        "Sundararajan, Taly & Yan 2017, Axiomatic Attribution for Deep Networks, arXiv:1703.01365",
        ("steps", "baseline", "seed"),
        enough={"steps": 32},
    ),
    Method(
        "expected_gradients",
        expected_gradients,
        GRADIENTS,
        "Erion et al. 2021, Improving performance of deep learning models with axiomatic "
        "attribution priors and expected gradients, arXiv:1906.10670",
        ("steps", "baseline", "seed"),
        enough={"steps": 32},
    ),
)
