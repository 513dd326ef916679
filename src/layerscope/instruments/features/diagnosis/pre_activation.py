"""Images for units that are silent: where an activation function is flat, what it gets still moves.

Also what no image will help: an objective that is the same of every image, and one whose gradient
does not reach the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Tap
from layerscope.instruments.features.ascent.outcome import Outcome
from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.diagnosis.unit_path import before_relu
from layerscope.instruments.features.image.starts import start_images
from layerscope.instruments.features.objective.penalties import Penalty
from layerscope.instruments.features.objective.program import Scorer
from layerscope.instruments.features.objective.terms import Direction, Score, Unit, Whole

Array = npt.NDArray[Any]

_PART = 4  #: of the recipe's steps, the part that is made before the activation
_LEAST_STEPS = 10
_LARGER = 4  #: how many times the step size
_NOISES = ("normal", "uniform", "normal", "uniform")
#: By how much a score is multiplied, to see whether its gradient is only too small for its type:
#: float16 ends at 6e-8 and at 65,504, so one of them is likely to be within.
_MAGNIFIED = (2.0**8, 2.0**16, 2.0**24)


def exciting(task: Task) -> Task | None:
    """The task of exciting what the ReLU of the units gets, in fewer and larger steps.

    None where no ReLU is read through, or the objective does not ask for more of what it returns.
    """
    scorer = task.program.scorer
    if not _asks_for_more(task):
        return None
    befores = {tap: _before(task, tap) or tap for tap in scorer.taps}
    if all(tap == before for tap, before in befores.items()):
        return None
    other = replace(
        scorer,
        of_values=tuple((i, _reading(score, befores)) for i, score in scorer.of_values),
        taps=tuple(dict.fromkeys(befores.values())),
        structure=("before activation", scorer.structure, tuple(befores.items())),
    )
    recipe = task.ascent.recipe
    steps = min(max(recipe.steps // _PART, _LEAST_STEPS), recipe.steps)
    recipe = replace(recipe, steps=steps, step_size=recipe.step_size * _LARGER)
    return _scored_by(replace(task, ascent=replace(task.ascent, recipe=recipe)), other)


def fires(task: Task, made: Array, images: Sequence[int]) -> tuple[Array, Array]:
    """What the network alone scores on unit images, made for these, and whether it has a slope."""
    scores: list[float] = []
    slopes: list[bool] = []
    rows = {image: row for row, image in enumerate(images)}
    for batch in task.batches_of(images):
        score, slope = _slopes(task, made[[rows[image] for image in batch]], batch)
        scores += score.tolist()
        slopes += slope.tolist()
    return np.array(scores[: len(images)]), np.array(slopes[: len(images)], bool)


def half_way(task: Task, climbed: Outcome, images: Sequence[int]) -> Array:
    """Of each climb the first image that scores half of what its last does.

    From there the ascent proper still has a way to go, and an image given is the less changed.
    """
    kept = [climbed.kept[step] for step in sorted(climbed.kept)]
    scores = np.stack([fires(task, made, images)[0] for made in [*kept, climbed.images]])
    far = scores >= scores[-1] / 2
    first = np.argmax(far & (scores > 0), axis=0)
    first[scores[-1] <= 0] = len(kept)
    return np.stack([[*kept, climbed.images][which][row] for row, which in enumerate(first)])


def is_cut(task: Task, images: Sequence[int]) -> dict[int, bool]:
    """Whether no gradient reaches the image, though noise changes what the objective reads."""
    if not task.program.scorer.taps:
        return dict.fromkeys(images, False)
    read = exciting(task) or task
    found: dict[int, bool] = {}
    for batch in task.batches_of(images):
        on_noise = [_slopes(read, noise, batch) for noise in _noise(task, batch)]
        scores, slopes = zip(*on_noise, strict=True)
        cut = (np.ptp(scores, axis=0) > 0) & ~np.any(slopes, axis=0)
        found.update(zip(batch, cut.tolist(), strict=True))
    return found


def underflows(task: Task, images: Sequence[int]) -> dict[int, bool]:
    """Whether a gradient that does not reach the image does so when it is multiplied.

    Then nothing cuts it: on its way it gets too small for the type that the network computes in.
    """
    read = exciting(task) or task
    found: dict[int, bool] = {}
    for batch in task.batches_of(images):
        slopes = [
            _slopes(read, noise, batch, by)[1]
            for noise in _noise(task, batch)[:2]
            for by in _MAGNIFIED
        ]
        found.update(zip(batch, np.any(slopes, axis=0).tolist(), strict=True))
    return found


def softmax_of(task: Task) -> str | None:
    """The layer whose mean is asked for, where that is always the same: of a softmax."""
    looking = [t for _, t in task.program.objective.parts if not isinstance(t, Penalty)]
    taps = task.program.scorer.taps
    if len(looking) != 1 or not isinstance(looking[0], Whole) or looking[0].squared:
        return None
    softmax = [task.network[tap.layer].activation == "softmax" for tap in taps]
    if not all(softmax) or any(tap.before_activation for tap in taps):
        return None
    return taps[0].layer


def _asks_for_more(task: Task) -> bool:
    parts = task.program.objective.parts
    return bool(task.program.scorer.taps) and all(
        isinstance(term, Penalty)
        or (weight > 0 and isinstance(term, Unit | Direction))
        or (weight > 0 and isinstance(term, Whole) and not term.squared)
        for weight, term in parts
    )


def _before(task: Task, tap: Tap) -> Tap | None:
    """What the ReLU on the way gets, where it can be read in place of what is read."""
    before = before_relu(task.network, tap)
    if before is None:
        return None
    row, source = task.network[tap.layer], task.network[before.layer]
    positions = [getattr(term, "position", None) for _, term in task.program.objective.parts]
    if row.shape != source.shape and any(position is not None for position in positions):
        return None
    return before if row.axes == source.axes else None


def _reading(score: Score, befores: Mapping[Tap, Tap]) -> Score:
    """The same score, of what the taps get in place of what they return."""

    def before(ops: Any, values: Any, arrays: Mapping[str, Any]) -> Any:
        return score(ops, {tap: values[other] for tap, other in befores.items()}, arrays)

    return before


def _scored_by(task: Task, scorer: Scorer) -> Task:
    program = replace(task.program, scorer=scorer)
    return replace(task, program=program, ascent=replace(task.ascent, scorer=scorer))


def _noise(task: Task, batch: Sequence[int]) -> list[Array]:
    """Unit images of noise for a batch, of several kinds."""
    count = len(batch)
    return [
        start_images(kind, range(i * count, (i + 1) * count), task.ascent.canvas.shape)
        for i, kind in enumerate(_NOISES)
    ]


def _slopes(
    task: Task, made: Array, images: Sequence[int], times: float = 1.0
) -> tuple[Array, Array]:
    """Scores of the network for one batch, so many times, and whether each has a finite slope."""
    numpy = task.backend.ops.convert_to_numpy
    x = task.ascent.plain(made)
    arrays = {
        name: array * np.float32(times) if name.endswith(".weight") else array
        for name, array in task.arrays(images).items()
    }
    scores, gradient = task.ascent.network_gradient(x.shape[1:])(x, arrays)
    moved = np.asarray(numpy(gradient)).reshape(len(images), -1)
    return np.asarray(numpy(scores), float), np.any((moved != 0) & np.isfinite(moved), axis=1)
