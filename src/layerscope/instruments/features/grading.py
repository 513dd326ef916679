"""How good an image is: what its objective reaches, beside the start and the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.instruments.features.looking import as_received, filled
from layerscope.instruments.features.retry import Attempts
from layerscope.instruments.features.silence import reasons
from layerscope.instruments.features.task import Task
from layerscope.instruments.features.terms import Diversity, Own
from layerscope.visualization import Grade

Array = npt.NDArray[Any]

_AT_ONCE = 16  #: objectives that are computed of samples in one function


def graded(task: Task, attempts: Attempts, best: Array | None = None) -> list[Grade]:
    """A grade for each image that there is; ``best`` is what :func:`best_of_samples` found."""
    outcome = attempts.outcome
    try:
        found = reasons(task, outcome, attempts.failed)
    except KeyboardInterrupt:  # the images are there, and are more than the reasons
        found = {}
    count = len(outcome.images)
    samples = np.full(count, np.nan) if best is None else np.repeat(best, task.variants)
    return [
        Grade(
            task.label(i),
            float(outcome.reached[i]),
            float(outcome.start[i]),
            float(samples[i]) if np.isfinite(samples[i]) else None,
            _note(i, attempts, found),
        )
        for i in range(count)
    ]


def best_of_samples(task: Task) -> Array | None:
    """The largest that any sample reaches of each objective; None where there are none.

    Diversity compares images that were made together, and says nothing of samples.
    """
    terms = [term for _, term in task.program.objective.parts]
    if task.examples is None or any(isinstance(term, Diversity) for term in terms):
        return None
    values, score = _values(task), _scores(task)
    # A function of the user's may return one number for all samples of a batch.
    alone = any(isinstance(term, Own) for term in terms)
    groups = _groups(task.program.images)
    best = np.full(task.program.images, np.nan)
    for received in _received(task):
        found, unit = values(received), task.ascent.canvas.unit(received)
        rows = [slice(k, k + 1) for k in range(len(received))] if alone else [slice(None)]
        for some in rows:
            scored = [value[some] for value in found] if alone else found
            for group in groups:
                of_each = score(scored, unit[some], task.program.arrays_of(group))
                scores = np.fmax.reduce(task.backend.ops.convert_to_numpy(of_each), axis=1)
                best[group] = np.fmax(best[group], scores)
    return best


def _groups(images: int) -> list[list[int]]:
    """The images, so many of one size; the last is filled up with the last of them."""
    size = min(images, _AT_ONCE)
    groups = [[*range(i, min(i + size, images))] for i in range(0, images, size)]
    return [group + [group[-1]] * (size - len(group)) for group in groups]


def _received(task: Task) -> Iterator[Array]:
    """The samples as the compiled network receives them, as many each time."""
    assert task.examples is not None
    size = 0
    for chunk in task.examples.chunks():
        size = size or len(chunk)
        yield filled(as_received(task, chunk), size)


def _values(task: Task) -> Callable[[Array], list[Any]]:
    """What the objective reads, of a batch, in the order of the taps."""
    taps, embedding = task.program.scorer.taps, task.ascent.canvas.embedding
    if not taps:
        return lambda x: []
    values = task.backend.values(taps, embedding)

    def read(x: Any) -> list[Any]:
        found = values(x)
        return [found[tap] for tap in taps]

    key = ("features: values", taps, embedding)
    return task.backend.compiled(read, key, network=True)


def _scores(task: Task) -> Callable[[list[Any], Array, Mapping[str, Array]], Any]:
    """What samples score for each of some images' objectives, ``(image, sample)``.

    These are in one function, for a compiler to see what they have in common: the mean over a map.
    """
    ops, scorer = task.backend.ops, task.program.scorer

    def score(found: list[Any], unit: Any, arrays: Mapping[str, Any]) -> Any:
        total: Any = ops.zeros_like(unit[(slice(None),) + (0,) * (len(unit.shape) - 1)])
        if scorer.of_values:
            values = dict(zip(scorer.taps, found, strict=True))
            total = total + scorer.values(ops, values, arrays)
        if scorer.of_image:
            total = total + scorer.image(ops, unit, arrays)
        return total

    def scores(found: list[Any], unit: Any, arrays: Mapping[str, Any]) -> Any:
        unit = ops.convert_to_tensor(unit)
        count = next(iter(arrays.values())).shape[0]
        rows = [{name: a[i : i + 1] for name, a in arrays.items()} for i in range(count)]
        return ops.stack([score(found, unit, row) for row in rows])

    return task.backend.compiled(scores, ("features: scores", scorer.structure), network=False)


def _note(image: int, attempts: Attempts, found: Mapping[int, str]) -> str:
    if not np.isfinite(attempts.outcome.reached[image]):
        return "what it reaches is not a finite number: try a smaller step size"
    tried = attempts.tried.get(image)
    if image not in attempts.failed:
        return f"it rose only when tried again, {tried}" if tried else ""
    said = found.get(image, "it did not rise")
    return f"{said}; tried again {tried}, in vain" if tried else said
