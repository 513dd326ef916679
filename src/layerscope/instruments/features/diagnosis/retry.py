"""One more attempt for the images whose objective did not rise: elsewhere, with larger steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.instruments.features.ascent.outcome import Outcome, ascended
from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.diagnosis.pre_activation import (
    exciting,
    fires,
    half_way,
    is_cut,
    softmax_of,
)
from layerscope.instruments.features.diagnosis.sample_scores import best_samples
from layerscope.instruments.features.objective.terms import Diversity

Array = npt.NDArray[Any]

_LARGER = 4  #: how many times the step size
#: Noise to start with, and its contrast: fine and of all values, or in large and strong shapes.
_NOISES = (("normal", 1.0), ("fourier", 0.5), ("uniform", 1.0))
_LOOKS = 8  #: at images on the way, while one is excited
_SEEDS = 4  #: of each
#: What it was that an image began with, in words.
_EXCITED = "from an image that excites what its activation gets"
_SAMPLE = "from the sample on which it is largest"
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

    An outcome that was interrupted is left as it is, and so is what no other image would change.
    Ctrl-C ends the second attempt, of which the batches count that were finished.
    """
    failed = tuple(range(len(outcome.images))) if softmax_of(task) else ()
    made = Attempts(outcome, failed or tuple(never_rose(task, outcome)))
    if not retry or outcome.interrupted or failed or not made.failed:
        return made
    try:
        cut = is_cut(task, [i for i in made.failed if not np.any(outcome.slopes[i])])
        images = _groups(task, outcome, [i for i in made.failed if not cut.get(i)])
        flat = _flat(task, outcome, images)
        noise = _otherwise(task, outcome, images, flat)
        dark = [i for i in flat if noise is None or i not in noise.lit]
        excited = _exciting_starts(task, outcome, dark, shown)
        elsewhere = [i for i in images if i not in excited]
        if noise is not None:
            elsewhere = [i for i in elsewhere if i in noise.said]
            made = _tried(made, noise.task, noise.said, elsewhere, every, shown)
        late = [i for i in made.failed if i in flat and i not in dark]
        if late and not made.outcome.interrupted:
            excited |= _exciting_starts(task, made.outcome, late, shown)
        if excited and not made.outcome.interrupted:
            starts = np.zeros_like(outcome.images)
            starts[list(excited)] = [image for image, _ in excited.values()]
            said = {i: text for i, (_, text) in excited.items()}
            made = _tried(made, replace(task, start=starts), said, sorted(excited), every, shown)
    except KeyboardInterrupt:
        return replace(made, outcome=replace(made.outcome, interrupted=True))
    return made


def _tried(
    made: Attempts,
    task: Task,
    said: Mapping[int, str],
    images: Sequence[int],
    every: int | None,
    shown: bool | None,
) -> Attempts:
    """The better of what was made and of another attempt at some of the images.

    Images that begin where the unit fires need only end above what was reached before.
    """
    if not images:
        return made
    first, together = made.outcome, _together(task)
    again = ascended(task, every, shown, images=images)
    count = len(again.images)
    if again.interrupted:
        count = (count - 1) // task.at_once * task.at_once
        first = replace(first, interrupted=True)
    images = images[:count]
    rows = _won(first, again, images, together)
    unmoved = set() if not isinstance(task.start, str) else set(never_rose(task, again, images))
    rescued = {image for image, row in rows.items() if row not in unmoved}
    return Attempts(
        _mixed(first, again, rows),
        tuple(i for i in made.failed if i not in rescued),
        {**made.tried, **{image: said[image] for image in images}},
    )


def _groups(task: Task, outcome: Outcome, failed: Sequence[int]) -> list[int]:
    """The images that failed, groups of them where they are compared."""
    together = _together(task)
    groups = [range(i, i + together) for i in range(0, len(outcome.images), together)]
    return [i for group in groups if set(failed).issuperset(group) for i in group]


def _flat(task: Task, outcome: Outcome, images: Sequence[int]) -> list[int]:
    """The images that the network has no slope on, where they ended."""
    if not task.program.scorer.taps or not images:
        return []
    _, slopes = fires(task, outcome.images[list(images)], images)
    return [image for image, slope in zip(images, slopes, strict=True) if not slope]


def _exciting_starts(
    task: Task, outcome: Outcome, images: Sequence[int], shown: bool | None
) -> dict[int, tuple[Array, str]]:
    """For silent images, unit images on which their units do fire, and what these are, in words.

    One that was climbed to on what the activation gets; else the best of the samples, unless the
    user gave an image, which this would have nothing of.
    """
    found: dict[int, tuple[Array, str]] = {}
    other = exciting(task) if images else None
    if other is not None:
        every = max(other.ascent.recipe.steps // _LOOKS, 1)
        climbed = ascended(other, every, shown, images=images)
        if climbed.interrupted:
            raise KeyboardInterrupt
        halves = half_way(task, climbed, images)
        found |= _firing(task, outcome, dict(zip(images, halves, strict=True)), _EXCITED)
    left = [i for i in images if i not in found]
    if isinstance(task.start, str) and _together(task) == 1 and left:
        samples = best_samples(task, list(dict.fromkeys(i // task.variants for i in left)))
        starts = {i: samples[i // task.variants] for i in left if i // task.variants in samples}
        found |= _firing(task, outcome, starts, _SAMPLE)
    return found


def _firing(
    task: Task, outcome: Outcome, starts: Mapping[int, Array], said: str
) -> dict[int, tuple[Array, str]]:
    """The unit images that score above 0, and above what was reached, by the network alone."""
    if not starts:
        return {}
    images = list(starts)
    before, _ = fires(task, outcome.images[images], images)
    after, slopes = fires(task, np.stack(list(starts.values())), images)
    firing = slopes & (after > np.maximum(before, 0))
    return {i: (starts[i], said) for i, fired in zip(images, firing, strict=True) if fired}


@dataclass(frozen=True)
class _Other:
    """Another attempt: other noise and larger steps."""

    task: Task
    said: Mapping[int, str]  #: by images that this may help
    lit: frozenset[int]  #: the images that already score more at its start


def _otherwise(
    task: Task, outcome: Outcome, images: Sequence[int], flat: Sequence[int]
) -> _Other | None:
    """The task with another start and larger steps, and what was changed, in words.

    An image that the user gave stays what it is, and only the steps are larger; where it has no
    slope, or the steps are an optimizer's own, that changes nothing. Else the start is the noise
    on which most images score more than they have reached, from the best of some seeds.
    """
    if not images:
        return None
    recipe = task.ascent.recipe
    larger = not _has_schedule(recipe.optimizer)
    step_size = recipe.step_size * (_LARGER if larger else 1)
    ascent = replace(task.ascent, recipe=replace(recipe, step_size=step_size))
    if not isinstance(task.start, str):
        moving = [i for i in images if i not in flat] if larger else []
        said = dict.fromkeys(moving, f"with step_size={step_size:g}")
        return _Other(replace(task, ascent=ascent), said, frozenset())
    noises = []
    for start, contrast in _NOISES:
        if start == "fourier" and len(task.ascent.canvas.shape) == 1:
            continue
        noisy = replace(ascent.recipe, start=start, contrast=contrast)
        other = replace(task, start=start, ascent=replace(ascent, recipe=noisy))
        scores = np.stack([_scores(other, images, rounds) for rounds in range(1, _SEEDS + 1)])
        firing = scores.max(axis=0) > outcome.reached[list(images)]
        noises.append((firing, other, scores.argmax(axis=0) + 1))
    firing, other, rounds = max(noises, key=lambda noise: np.count_nonzero(noise[0]))
    seeds = list(task.seeds)
    for image, each in zip(images, rounds, strict=True):
        seeds[image] += int(each) * task.variants
    noisy = other.ascent.recipe
    steps = f" and step_size={step_size:g}" if larger else ""
    said = {
        i: f"with start={noisy.start!r}, contrast={noisy.contrast:g}, seed={seeds[i]}{steps}"
        for i in images
    }
    lit = frozenset(i for i, fired in zip(images, firing, strict=True) if fired)
    return _Other(replace(other, seeds=tuple(seeds)), said, lit)


def _has_schedule(optimizer: Any) -> bool:
    """Whether the size of the steps is laid down in an optimizer of Keras, by their number."""
    if isinstance(optimizer, str):
        return False
    return isinstance(optimizer.get_config().get("learning_rate"), Mapping)


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
