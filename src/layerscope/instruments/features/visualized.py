"""From a task to images with their grades: what ``features`` and whole layers have in common."""

from __future__ import annotations

from layerscope.instruments.features.ascent.outcome import ascended
from layerscope.instruments.features.ascent.result import visualization
from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.ascent.watching import Watch
from layerscope.instruments.features.diagnosis.grading import graded
from layerscope.instruments.features.diagnosis.retry import attempts
from layerscope.instruments.features.diagnosis.sample_scores import scores_of_samples
from layerscope.recordings.visualization import FeatureVisualization


def visualized(
    task: Task,
    *,
    retry: bool,
    every: int | None = None,
    progress: bool | None = None,
    watch: Watch | None = None,
) -> FeatureVisualization:
    """Make the images of a task, try again where a unit never fired, and grade them.

    Raises InputError and ModelError.
    """
    scores = scores_of_samples(task)  # first: what is wrong with the samples is said at once
    outcome = ascended(task, every, progress, watch=watch)
    better = attempts(task, outcome, retry=retry, every=every, shown=progress, watch=watch)
    return visualization(task, better.outcome, graded(task, better, scores))
