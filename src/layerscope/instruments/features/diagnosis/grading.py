"""How good an image is: what its objective reaches, beside the start and the data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.diagnosis.dead_units import reasons
from layerscope.instruments.features.diagnosis.image_checks import ImageChecks, image_checks
from layerscope.instruments.features.diagnosis.retry import Attempts
from layerscope.instruments.features.diagnosis.sample_scores import SampleScores
from layerscope.recordings.visualization import Grade


def graded(task: Task, attempts: Attempts, scores: SampleScores | None = None) -> list[Grade]:
    """Return a grade for each image; ``scores`` are what samples score of each objective."""
    outcome = attempts.outcome
    count = len(outcome.images)
    samples = np.full(count, np.nan) if scores is None else np.repeat(scores.best, task.variants)
    checks = [ImageChecks()] * count
    try:
        reason_of = reasons(task, outcome, attempts.failed, samples)
        checks = image_checks(task, outcome.images, scores)
    except KeyboardInterrupt:  # the images are there, and are more than the reasons
        reason_of = {}
    return [
        Grade(
            task.label(i),
            float(outcome.reached[i]),
            float(outcome.start[i]),
            float(samples[i]) if np.isfinite(samples[i]) else None,
            _note(i, attempts, reason_of),
            checks[i].same_path,
            checks[i].holds_up,
        )
        for i in range(count)
    ]


def _note(image: int, attempts: Attempts, reason_of: Mapping[int, str]) -> str:
    if not np.isfinite(attempts.outcome.reached[image]):
        return "what it reaches is not a finite number: try a smaller step size"
    tried = attempts.tried.get(image)
    if image not in attempts.failed:
        return f"it rose only when tried again, {tried}" if tried else ""
    reason = reason_of.get(image, "it did not rise")
    return f"{reason}; tried again {tried}, in vain" if tried else reason
