"""Scores of an objective on samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.diagnosis.activation_extremes import as_received, filled
from layerscope.instruments.features.objective.own_function import Own
from layerscope.instruments.features.objective.terms import Diversity

Array = npt.NDArray[Any]

MOST_STRONGEST = 10  #: samples of each objective that are kept
MOST_DRAWN = 512  #: samples drawn at random
_OF_EACH = 20  #: one of so many samples is among the strongest
_AT_ONCE = 16  #: objectives that are computed of samples in one function


@dataclass(frozen=True)
class SampleScores:
    """What samples score of each objective: the most, the strongest ones, and some at random."""

    best: Array  #: the largest of each objective: (objective,)
    strongest: Array  #: the numbers of each objective's first samples, (objective, rank)
    drawn: Array  #: the numbers of samples drawn at random, in order
    scores: Array  #: what these score: (objective, drawn)


def scores_of_samples(task: Task) -> SampleScores | None:
    """Return what the samples score of each objective; None where there are none.

    Diversity compares images that were made together, and says nothing of samples.
    """
    if not _are_scored(task):
        return None
    tally = _ScoreTally(task.program.images)
    for _, begin, group, scores in _scored(task, range(task.program.images)):
        tally.add(begin, group, scores)
    return tally.result()


class _ScoreTally:
    """Keeps the first samples of each objective, and as many drawn as fit (Vitter 1985)."""

    def __init__(self, objectives: int) -> None:
        self._best = np.full((objectives, MOST_STRONGEST), -np.inf)
        self._numbers = np.full((objectives, MOST_STRONGEST), -1)
        self._largest = np.full(objectives, np.nan)
        self._drawn: list[int] = []
        self._scores = np.full((objectives, MOST_DRAWN), np.nan)
        self._places: dict[int, int] = {}  #: of the samples of this batch
        self._begin, self._seen = -1, 0
        self._random = np.random.default_rng(0)

    def add(self, begin: int, group: Sequence[int], scores: Array) -> None:
        """Add the scores of samples from a number on, ``(objective, sample)``."""
        if begin != self._begin:
            self._draw(begin, scores.shape[1])
        numbers = np.arange(begin, begin + scores.shape[1])
        for objective in dict.fromkeys(group):
            row = group.index(objective)  # groups are filled up with their last
            known = np.where(np.isfinite(scores[row]), scores[row], -np.inf)
            both = np.concatenate([self._best[objective], known])
            of_both = np.concatenate([self._numbers[objective], numbers])
            keep = np.argsort(-both, kind="stable")[:MOST_STRONGEST]
            self._best[objective], self._numbers[objective] = both[keep], of_both[keep]
            self._largest[objective] = np.fmax(
                self._largest[objective], np.fmax.reduce(scores[row], initial=np.nan)
            )
            for sample, place in self._places.items():
                self._scores[objective, place] = scores[row, sample]

    def _draw(self, begin: int, count: int) -> None:
        """Draw from the samples of a batch, each as probable in the end as any other."""
        self._begin, self._places = begin, {}
        for sample in range(count):
            self._seen += 1
            place = len(self._drawn)
            if place < MOST_DRAWN:
                self._drawn.append(begin + sample)
            else:
                place = int(self._random.integers(self._seen))
                if place >= MOST_DRAWN:
                    continue
                self._drawn[place] = begin + sample
            self._places = {s: p for s, p in self._places.items() if p != place}
            self._places[sample] = place

    def result(self) -> SampleScores:
        count = min(MOST_STRONGEST, max(2, self._seen // _OF_EACH))
        order = np.argsort(self._drawn)
        return SampleScores(
            self._largest,
            self._numbers[:, :count],
            np.asarray(self._drawn)[order],
            self._scores[:, : len(self._drawn)][:, order],
        )


def _are_scored(task: Task) -> bool:
    terms = [term for _, term in task.program.objective.parts]
    return task.examples is not None and not any(isinstance(term, Diversity) for term in terms)


def _scored(task: Task, objectives: Sequence[int]) -> Iterator[tuple[Array, int, list[int], Array]]:
    """Return samples as unit images, the first's number, and objectives with their scores.

    These are ``(objective, sample)``.
    """
    values, score = _values(task), _scores(task)
    # A function of the user's may return one number for all samples of a batch.
    alone = any(isinstance(term, Own) for _, term in task.program.objective.parts)
    groups = _groups(objectives)
    numpy = task.backend.ops.convert_to_numpy
    for begin, count, received in _received(task):
        read, unit = values(received), task.ascent.canvas.unit(received)
        rows = [slice(k, k + 1) for k in range(count)] if alone else [slice(None)]
        for some in rows:
            first = begin + (some.start or 0)
            scored = [value[some] for value in read] if alone else read
            for group in groups:
                arrays = task.program.arrays_of(group)
                scores = np.asarray(numpy(score(scored, unit[some], arrays)))
                yield unit[some], first, group, scores[:, : begin + count - first]


def _groups(objectives: Sequence[int]) -> list[list[int]]:
    """Return the objectives, so many of one size; the last is filled up with the last of them."""
    size = min(len(objectives), _AT_ONCE)
    groups = [[*objectives[i : i + size]] for i in range(0, len(objectives), size)]
    return [group + [group[-1]] * (size - len(group)) for group in groups]


def _received(task: Task) -> Iterator[tuple[int, int, Array]]:
    """Yield the samples as the compiled network receives them, as many each time.

    With the number of the first, and how many they are but for those that fill up.
    """
    assert task.examples is not None
    size = begin = 0
    for chunk in task.examples.chunks():
        size = size or len(chunk)
        yield begin, len(chunk), filled(as_received(task, chunk), size)
        begin += len(chunk)


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
