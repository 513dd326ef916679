"""How good an image is: what its objective reaches, beside the start and the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.diagnosis.dead_units import reasons
from layerscope.instruments.features.diagnosis.retry import Attempts
from layerscope.recordings.visualization import Grade

Array = npt.NDArray[Any]


def graded(task: Task, attempts: Attempts, best: Array | None = None) -> list[Grade]:
    """Return a grade for each image; ``best`` is the most that samples score of each objective."""
    outcome = attempts.outcome
    count = len(outcome.images)
    samples = np.full(count, np.nan) if best is None else np.repeat(best, task.variants)
    try:
        reason_of = reasons(task, outcome, attempts.failed, samples)
    except KeyboardInterrupt:  # the images are there, and are more than the reasons
        reason_of = {}
    return [
        Grade(
            task.label(i),
            float(outcome.reached[i]),
            float(outcome.start[i]),
            float(samples[i]) if np.isfinite(samples[i]) else None,
            _note(i, attempts, reason_of),
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
