"""One more attempt at images whose objective did not rise, with the gradient of ReLUs redirected.

A unit that is off has no slope, and a layer of such units lets none through to what comes before
it. Redirected, the gradient goes on behind them (see :mod:`layerscope.backends.relu_gradient`).
It is so in all steps: on networks with many dead units that woke more of them than the first 16
steps alone did, and than a search among other noises and seeds. An image whose gradient gets
through by itself is made without: its steps would be others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.instruments.features.ascent.outcome import Outcome, ascended
from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.ascent.watching import Watch
from layerscope.instruments.features.diagnosis.obstacles import constant_softmax, movable
from layerscope.instruments.features.objective.terms import Diversity

Array = npt.NDArray[Any]

_LARGER = 4  #: how many times the step size
_ROUNDING = 1e-5  #: of a sum of float32, as a part of it


@dataclass(frozen=True)
class Attempts:
    """What came of one attempt, and of a second where there was one."""

    outcome: Outcome  #: of each image, the better
    failed: tuple[int, ...]  #: the images that did not rise even so
    tried: Mapping[int, str] = field(default_factory=dict)  #: with what images were tried again


def never_rose(task: Task, outcome: Outcome, images: Sequence[int] | None = None) -> list[int]:
    """Return the rows of an outcome whose objective did not rise, which ``images`` tells whose are.

    Its gradient was zero in every step, or what it reaches is no more than what its start did;
    penalties aside, which fall also where nothing fires.
    """
    which = range(len(outcome.images)) if images is None else images
    reached, start = outcome.reached[: len(which)], outcome.start[: len(which)]
    slack = np.zeros(len(which))
    if task.program.scorer.of_image and task.program.scorer.taps and len(which):
        begun = task.ascent.start_images([task.seeds[i] for i in which], task.start_of(which))
        before = _penalties(task, begun, which)
        after = _penalties(task, outcome.images[: len(which)], which)
        slack = _ROUNDING * np.maximum(abs(before), abs(after))
        reached, start = reached - after, start - before
    return [
        i
        for i in range(len(which))
        if not np.any(outcome.slopes[i]) or reached[i] <= start[i] + slack[i]
    ]


def attempts(
    task: Task,
    outcome: Outcome,
    *,
    retry: bool = True,
    every: int | None = None,
    shown: bool | None = None,
    watch: Watch | None = None,
) -> Attempts:
    """Return the better of two attempts at each image that did not rise; of one, without ``retry``.

    An outcome that was interrupted is left as it is, and so is what no other image would change.
    Ctrl-C ends the second attempt, of which the batches count that were finished.
    """
    constant = constant_softmax(task) is not None
    failed = range(len(outcome.images)) if constant else never_rose(task, outcome)
    first = Attempts(outcome, tuple(failed))
    if not retry or constant or outcome.interrupted or not failed:
        return first
    try:
        again, difference = _changed(task)
        images = movable(again, outcome.images[list(failed)], failed)
        images = _groups(task, outcome, images)
        if not images:
            return first
        second = ascended(again, every, shown, images=images, watch=watch, attempt=2)
        return _better(first, again, difference, images, second)
    except KeyboardInterrupt:
        return replace(first, outcome=replace(outcome, interrupted=True))


def _changed(task: Task) -> tuple[Task, str]:
    """Return the task of another attempt, and what is different in it, in words."""
    task, difference = task.redirected(), "with the gradient let through its ReLUs"
    recipe = task.ascent.recipe
    if _has_schedule(recipe.optimizer):
        return task, difference
    recipe = replace(recipe, step_size=recipe.step_size * _LARGER)
    larger = replace(task, ascent=replace(task.ascent, recipe=recipe))
    return larger, f"{difference} and step_size={recipe.step_size:g}"


def _has_schedule(optimizer: Any) -> bool:
    """Return whether an optimizer of Keras determines the step size by the number of the step."""
    if isinstance(optimizer, str):
        return False
    return isinstance(optimizer.get_config().get("learning_rate"), Mapping)


def _better(
    first: Attempts,
    task: Task,
    difference: str,
    images: Sequence[int],
    again: Outcome,
) -> Attempts:
    """Return the better of the first and of another attempt at some of the images."""
    outcome, together = first.outcome, _together(task)
    count = len(again.images)
    if again.interrupted:
        count = (count - 1) // task.at_once * task.at_once
        outcome = replace(outcome, interrupted=True)
    images = images[:count]
    rows = _won(outcome, again, images, together)
    unmoved = set(never_rose(task, again, images))
    rescued = {image for image, row in rows.items() if row not in unmoved}
    return Attempts(
        _mixed(outcome, again, rows),
        tuple(i for i in first.failed if i not in rescued),
        dict.fromkeys(images, difference),
    )


def _groups(task: Task, outcome: Outcome, failed: Sequence[int]) -> list[int]:
    """Return the images that failed, groups of them where they are compared."""
    together = _together(task)
    groups = [range(i, i + together) for i in range(0, len(outcome.images), together)]
    return [i for group in groups if set(failed).issuperset(group) for i in group]


def _won(first: Outcome, again: Outcome, images: Sequence[int], together: int) -> dict[int, int]:
    """Return the images of which the second attempt reaches more, and their rows in it."""
    was, now = (
        np.asarray(reached, float).reshape(-1, together).mean(axis=1)
        for reached in (first.reached[list(images)], again.reached[: len(images)])
    )
    wins = np.repeat((now > was) | (np.isfinite(now) & ~np.isfinite(was)), together)
    return {image: row for row, image in enumerate(images) if wins[row]}


def _mixed(first: Outcome, again: Outcome, rows: Mapping[int, int]) -> Outcome:
    """Return the first outcome, some of its images replaced by those of the second, all about them.

    ``rows`` are the images to replace, and their rows in the second.
    """
    if not rows:
        return first
    to, of = list(rows), list(rows.values())

    def of_both(one: Array, other: Array) -> Array:
        mixed = one.copy()
        mixed[to] = other[of]
        return mixed

    def in_turn(one: Sequence[Array], other: Sequence[Array]) -> tuple[Array, ...]:
        return tuple(other[rows[i]] if i in rows else each for i, each in enumerate(one))

    return replace(
        first,
        images=of_both(first.images, again.images),
        history=in_turn(first.history, again.history),
        slopes=in_turn(first.slopes, again.slopes),
        start=of_both(first.start, again.start),
        reached=of_both(first.reached, again.reached),
        traces=None
        if first.traces is None or again.traces is None
        else of_both(first.traces, again.traces),
        kept={step: of_both(kept, again.kept[step]) for step, kept in first.kept.items()},
    )


def _together(task: Task) -> int:
    """Return how many images are one attempt: all of an objective, where they are compared."""
    compared = any(isinstance(term, Diversity) for _, term in task.program.objective.parts)
    return task.variants if compared else 1


def _penalties(task: Task, unit_images: Array, images: Sequence[int]) -> Array:
    """Return what unit images, made for these, score themselves."""
    ops = task.backend.ops
    arrays = {name: ops.convert_to_tensor(a) for name, a in task.arrays(images).items()}
    tensor = ops.convert_to_tensor(np.asarray(unit_images, np.float32))
    scored = task.program.scorer.image(ops, tensor, arrays)
    return np.asarray(ops.convert_to_numpy(scored), float)
