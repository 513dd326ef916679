"""Runs the ascents of a task, and keeps what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.progress import Bar
from layerscope.instruments.features.ascent.ascent import Progress
from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.ascent.watching import StepReport, Watch

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Outcome:
    """What the ascents have come to, image by image; the first of them, where it was stopped."""

    images: Array  #: unit images at full size, ``(image, …)``
    history: tuple[Array, ...]  #: of each image, what it scored in each step, and at last
    slopes: tuple[Array, ...]  #: of each image, the size of its gradient in each step
    start: Array  #: what the start scored: ``(image,)``
    reached: Array  #: what the images score as they are: ``(image,)``
    kept: dict[int, Array] = field(default_factory=dict)  #: unit images after so many steps
    octaves: tuple[int, ...] = ()  #: how many steps were made before each
    interrupted: bool = False
    traces: Array | None = None  #: the sum of the gradient's sizes at each place, ``(image, …)``


def ascended(
    task: Task,
    every: int | None = None,
    shown: bool | None = None,
    *,
    images: Sequence[int] | None = None,
    watch: Watch | None = None,
    attempt: int = 1,
) -> Outcome:
    """Run the ascents, batch by batch; of ``images`` alone, where these are given.

    ``watch`` is told of each step, and may end them as Ctrl-C does. Raises KeyboardInterrupt where
    Ctrl-C came before the first step.
    """
    parts: list[Outcome] = []
    batches = task.batches if images is None else task.batches_of(images)
    steps = len(batches) * len(task.ascent.sizes) * task.ascent.recipe.steps
    with Bar(task.label(batches[0][0]), steps, shown=shown) as bar:
        steps_seen = _Steps(task, bar, steps, watch, attempt)
        for batch in batches:
            try:
                parts.append(_of_batch(task, batch, every, steps_seen))
            except KeyboardInterrupt:
                if not parts:
                    raise
                # This batch has come to nothing; those before it have.
                parts[-1] = replace(parts[-1], interrupted=True)
            if parts[-1].interrupted:
                break
    return _joined(parts)


@dataclass
class _Steps:
    """Shows and reports the steps of all batches as they are made."""

    task: Task
    bar: Bar
    total: int
    watch: Watch | None
    attempt: int
    made: int = 0

    def made_one(self, progress: Progress) -> bool:
        """Tell of another step; return whether to end here."""
        self.made += 1
        value = float(np.mean(progress.scores[-1]))
        self.bar.advance(f"{value:.4g}")
        if self.watch is None:
            return False
        canvas = self.task.ascent.canvas

        def images() -> Array:
            return canvas.values(progress.images())

        report = StepReport(self.made, self.total, self.attempt, value, canvas.input_range, images)
        return bool(self.watch(report))


def _of_batch(task: Task, images: Sequence[int], every: int | None, steps: _Steps) -> Outcome:
    """Return the outcome of a batch, or of the steps that were made before Ctrl-C.

    Raises KeyboardInterrupt where it came before the first step, or once more after that.
    """
    arrays = task.arrays(images)
    seeds = [task.seeds[image] for image in images]
    start = task.start_of(images)
    progress: Progress | None = None
    interrupted = False
    try:
        for progress in task.ascent.climb(arrays, seeds, start, every):
            if steps.made_one(progress):
                interrupted = True
                break
    except KeyboardInterrupt:
        interrupted = True
        if progress is None:
            raise
    assert progress is not None
    try:
        return _finished(task, images, progress, interrupted)
    except KeyboardInterrupt:  # it came while the images were graded, which is soon done
        return _finished(task, images, progress, True)


def _finished(task: Task, images: Sequence[int], progress: Progress, interrupted: bool) -> Outcome:
    """Return the outcome of a batch, without the images that only fill it up."""
    arrays = task.arrays(images)
    seeds = [task.seeds[image] for image in images]
    count = len(dict.fromkeys(images))
    made = progress.images()
    reached = task.ascent.score(made, arrays)
    start = task.ascent.score(task.ascent.start_images(seeds, task.start_of(images)), arrays)
    scores, slopes = np.stack([*progress.scores, reached]), np.stack(progress.slopes)
    return Outcome(
        made[:count],
        tuple(scores[:, i] for i in range(count)),
        tuple(slopes[:, i] for i in range(count)),
        start[:count],
        reached[:count],
        {step: kept[:count] for step, kept in progress.kept.items()},
        tuple(progress.octaves),
        interrupted,
        None if progress.traces is None else progress.traces()[:count],
    )


def _joined(parts: Sequence[Outcome]) -> Outcome:
    """Return the outcomes of all batches; of the steps kept, those that every batch has."""
    steps = [step for step in parts[0].kept if all(step in part.kept for part in parts)]
    return Outcome(
        np.concatenate([part.images for part in parts]),
        tuple(row for part in parts for row in part.history),
        tuple(row for part in parts for row in part.slopes),
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.reached for part in parts]),
        {step: np.concatenate([part.kept[step] for part in parts]) for step in steps},
        parts[0].octaves,
        parts[-1].interrupted,
        _joined_traces(parts),
    )


def _joined_traces(parts: Sequence[Outcome]) -> Array | None:
    known = [part.traces for part in parts if part.traces is not None]
    return np.concatenate(known) if known else None
