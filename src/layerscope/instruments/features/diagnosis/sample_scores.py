"""Scores of an objective on samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.diagnosis.activation_extremes import as_received, filled
from layerscope.instruments.features.objective.own_function import Own
from layerscope.instruments.features.objective.terms import Diversity

Array = npt.NDArray[Any]

_AT_ONCE = 16  #: objectives that are computed of samples in one function


def best_of_samples(task: Task) -> Array | None:
    """Return the largest that any sample reaches of each objective; None where there are none.

    Diversity compares images that were made together, and says nothing of samples.
    """
    if not _are_scored(task):
        return None
    best = np.full(task.program.images, np.nan)
    for _, group, scores in _scored(task, range(task.program.images)):
        best[group] = np.fmax(best[group], np.fmax.reduce(scores, axis=1))
    return best


def _are_scored(task: Task) -> bool:
    terms = [term for _, term in task.program.objective.parts]
    return task.examples is not None and not any(isinstance(term, Diversity) for term in terms)


def _scored(task: Task, objectives: Sequence[int]) -> Iterator[tuple[Array, list[int], Array]]:
    """Return samples as unit images, some objectives, and their scores ``(objective, sample)``."""
    values, score = _values(task), _scores(task)
    # A function of the user's may return one number for all samples of a batch.
    alone = any(isinstance(term, Own) for _, term in task.program.objective.parts)
    groups = _groups(objectives)
    numpy = task.backend.ops.convert_to_numpy
    for received in _received(task):
        read, unit = values(received), task.ascent.canvas.unit(received)
        rows = [slice(k, k + 1) for k in range(len(received))] if alone else [slice(None)]
        for some in rows:
            scored = [value[some] for value in read] if alone else read
            for group in groups:
                arrays = task.program.arrays_of(group)
                yield unit[some], group, np.asarray(numpy(score(scored, unit[some], arrays)))


def _groups(objectives: Sequence[int]) -> list[list[int]]:
    """Return the objectives, so many of one size; the last is filled up with the last of them."""
    size = min(len(objectives), _AT_ONCE)
    groups = [[*objectives[i : i + size]] for i in range(0, len(objectives), size)]
    return [group + [group[-1]] * (size - len(group)) for group in groups]


def _received(task: Task) -> Iterator[Array]:
    """Return the samples as the compiled network receives them, as many each time."""
    assert task.examples is not None
    size = 0
    for chunk in task.examples.chunks():
        size = size or len(chunk)
        yield filled(as_received(task, chunk), size)


def _values(task: Task) -> Callable[[Array], list[Any]]:
    """Return what the objective reads, of a batch, in the order of the taps."""
    taps, embedding = task.program.scorer.taps, task.ascent.canvas.embedding
    if not taps:
        return lambda x: []
    values = task.backend.values(taps, embedding)

    def read(x: Any) -> list[Any]:
        read_values = values(x)
        return [read_values[tap] for tap in taps]

    key = ("features: values", taps, embedding)
    return task.backend.compiled(read, key, network=True)


def _scores(task: Task) -> Callable[[list[Any], Array, Mapping[str, Array]], Any]:
    """Return what samples score for each of some images' objectives, ``(image, sample)``.

    These are in one function, for a compiler to see what they have in common: the mean over a map.
    """
    ops, scorer = task.backend.ops, task.program.scorer

    def score(activations: list[Any], unit: Any, arrays: Mapping[str, Any]) -> Any:
        total: Any = ops.zeros_like(unit[(slice(None),) + (0,) * (len(unit.shape) - 1)])
        if scorer.of_values:
            values = dict(zip(scorer.taps, activations, strict=True))
            total = total + scorer.values(ops, values, arrays)
        if scorer.of_image:
            total = total + scorer.image(ops, unit, arrays)
        return total

    def scores(activations: list[Any], unit: Any, arrays: Mapping[str, Any]) -> Any:
        unit = ops.convert_to_tensor(unit)
        count = next(iter(arrays.values())).shape[0]
        rows = [{name: a[i : i + 1] for name, a in arrays.items()} for i in range(count)]
        return ops.stack([score(activations, unit, row) for row in rows])

    return task.backend.compiled(scores, ("features: scores", scorer.structure), network=False)
