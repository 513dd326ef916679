"""One more attempt for the images whose objective did not rise: elsewhere, with larger steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.instruments.features.outcome import Outcome, ascended
from layerscope.instruments.features.task import Task
from layerscope.instruments.features.terms import Diversity

Array = npt.NDArray[Any]

_LARGER = 4  #: how many times the step size
#: Noise to start with, and its contrast: fine and of all values, or in large and strong shapes.
_NOISES = (("normal", 1.0), ("fourier", 0.5), ("uniform", 1.0))
_SEEDS = 4  #: of each
_ROUNDING = 1e-5  #: of a sum of float32, as a part of it


@dataclass(frozen=True)
class Attempts:
    """What came of one attempt, and of a second where there was one."""

    outcome: Outcome  #: of each image, the better
    failed: tuple[int, ...]  #: the images that did not rise even so
    tried: Mapping[int, str] = field(default_factory=dict)  #: with what images were tried again


def never_rose(task: Task, outcome: Outcome, images: Sequence[int] | None = None) -> list[int]:
    """The rows of an outcome whose objective did not rise; ``images`` tells whose these are.

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
) -> Attempts:
    """The better of two attempts for each image that did not rise; of the one, without ``retry``.

    An outcome that was interrupted is left as it is. Ctrl-C ends the second attempt, of which the
    batches count that were finished.
    """
    failed = never_rose(task, outcome)
    together = _together(task)
    images = _to_try(task, outcome, failed, together)
    if not retry or outcome.interrupted or not images:
        return Attempts(outcome, tuple(failed))
    try:
        other, said = _otherwise(task, outcome, images)
        again = ascended(other, every, shown, images=images)
    except KeyboardInterrupt:
        return Attempts(replace(outcome, interrupted=True), tuple(failed))
    count = len(again.images)
    if again.interrupted:
        count = (count - 1) // task.at_once * task.at_once
        outcome = replace(outcome, interrupted=True)
    images = images[:count]
    risen = set(range(count)) - set(never_rose(other, again, images))
    rows = _won(outcome, again, images, together)
    rescued = {image for image, row in rows.items() if row in risen}
    return Attempts(
        _mixed(outcome, again, rows),
        tuple(i for i in failed if i not in rescued),
        {image: said[image] for image in images},
    )


def _to_try(task: Task, outcome: Outcome, failed: Sequence[int], together: int) -> list[int]:
    """The images that another attempt could change, groups of them where they are compared."""
    hopeful = set(failed)
    if not isinstance(task.start, str):
        # The start stays, and so do the random numbers: without a gradient no step moves it.
        hopeful -= {i for i, slopes in enumerate(outcome.slopes) if not np.any(slopes)}
    groups = [range(i, i + together) for i in range(0, len(outcome.images), together)]
    return [i for group in groups if hopeful.issuperset(group) for i in group]


def _otherwise(task: Task, outcome: Outcome, images: Sequence[int]) -> tuple[Task, dict[int, str]]:
    """The task with another start and larger steps, and what was changed, in words.

    An image that the user gave stays what it is, and only the steps are larger. Else the start is
    the noise on which most images score more than they have reached, from the best of some seeds.
    """
    recipe = task.ascent.recipe
    step_size = recipe.step_size * _LARGER
    ascent = replace(task.ascent, recipe=replace(recipe, step_size=step_size))
    if not isinstance(task.start, str):
        larger = f"with step_size={step_size:g}"
        return replace(task, ascent=ascent), dict.fromkeys(images, larger)
    noises = []
    for start, contrast in _NOISES:
        if start == "fourier" and len(task.ascent.canvas.shape) == 1:
            continue
        noisy = replace(ascent.recipe, start=start, contrast=contrast)
        other = replace(task, start=start, ascent=replace(ascent, recipe=noisy))
        scores = np.stack([_scores(other, images, rounds) for rounds in range(1, _SEEDS + 1)])
        firing = np.count_nonzero(scores.max(axis=0) > outcome.reached[list(images)])
        noises.append((firing, other, scores.argmax(axis=0) + 1))
    _, other, rounds = max(noises, key=lambda noise: noise[0])
    seeds = list(task.seeds)
    for image, each in zip(images, rounds, strict=True):
        seeds[image] += int(each) * task.variants
    noisy = other.ascent.recipe
    said = {
        i: f"with start={noisy.start!r}, contrast={noisy.contrast:g}, seed={seeds[i]} and "
        f"step_size={step_size:g}"
        for i in images
    }
    return replace(other, seeds=tuple(seeds)), said


def _scores(task: Task, images: Sequence[int], rounds: int) -> Array:
    """What the starts of these images score, with seeds so many rounds of variants on."""
    scores: list[float] = []
    for batch in task.batches_of(images):
        seeds = [task.seeds[image] + rounds * task.variants for image in batch]
        starts = task.ascent.start_images(seeds, task.start)
        scores += task.ascent.score(starts, task.arrays(batch)).tolist()
    found = np.array(scores[: len(images)])
    return np.where(np.isnan(found), -np.inf, found)


def _won(first: Outcome, again: Outcome, images: Sequence[int], together: int) -> dict[int, int]:
    """The images of which the second attempt reaches more, and their rows in it."""
    was, now = (
        np.asarray(reached, float).reshape(-1, together).mean(axis=1)
        for reached in (first.reached[list(images)], again.reached[: len(images)])
    )
    wins = np.repeat((now > was) | (np.isfinite(now) & ~np.isfinite(was)), together)
    return {image: row for row, image in enumerate(images) if wins[row]}


def _mixed(first: Outcome, again: Outcome, rows: Mapping[int, int]) -> Outcome:
    """The first outcome, with images of the second in the place of some, histories and all."""
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
        kept={step: of_both(kept, again.kept[step]) for step, kept in first.kept.items()},
    )


def _together(task: Task) -> int:
    """How many images are one attempt: all of an objective, where they are compared."""
    compared = any(isinstance(term, Diversity) for _, term in task.program.objective.parts)
    return task.variants if compared else 1


def _penalties(task: Task, made: Array, images: Sequence[int]) -> Array:
    """What unit images, made for these, score themselves."""
    ops = task.backend.ops
    arrays = {name: ops.convert_to_tensor(a) for name, a in task.arrays(images).items()}
    tensor = ops.convert_to_tensor(np.asarray(made, np.float32))
    scored = task.program.scorer.image(ops, tensor, arrays)
    return np.asarray(ops.convert_to_numpy(scored), float)
