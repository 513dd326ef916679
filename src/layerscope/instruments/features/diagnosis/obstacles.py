"""What no other image would change: an objective that is constant, a gradient that is cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.image.starts import start_images
from layerscope.instruments.features.objective.penalties import Penalty
from layerscope.instruments.features.objective.terms import Whole

Array = npt.NDArray[Any]

_NOISES = ("normal", "uniform", "normal", "uniform")
#: By how much a score is multiplied, to see whether its gradient is only too small for its type:
#: float16 ends at 6e-8 and at 65,504, so one of them is likely to be within.
_MAGNIFIED = (2.0**8, 2.0**16, 2.0**24)


def constant_softmax(task: Task) -> str | None:
    """Return the layer whose mean is asked for, where that is always the same: of a softmax."""
    terms = [term for _, term in task.program.objective.parts if not isinstance(term, Penalty)]
    taps = task.program.scorer.taps
    if len(terms) != 1 or not isinstance(terms[0], Whole) or terms[0].squared:
        return None
    softmax = [task.network[tap.layer].activation == "softmax" for tap in taps]
    if not all(softmax) or any(tap.before_activation for tap in taps):
        return None
    return taps[0].layer


def movable(task: Task, unit_images: Array, images: Sequence[int]) -> list[int]:
    """Return the images on which the network has a slope, of these, which ``unit_images`` are of.

    All of them, where nothing of the network is asked for.
    """
    if not task.program.scorer.taps:
        return list(images)
    rows = {image: row for row, image in enumerate(images)}
    moved: set[int] = set()
    for batch in task.batches_of(images):
        _, slopes = _slopes(task, unit_images[[rows[image] for image in batch]], batch)
        moved.update(image for image, slope in zip(batch, slopes, strict=True) if slope)
    return [image for image in images if image in moved]


def blocked_on_noise(task: Task, images: Sequence[int]) -> dict[int, bool]:
    """Return for each image without a slope on noise whether its score varies there.

    With redirected ReLUs: then it is not they that are in the way.
    """
    task = task.redirected()
    varies: dict[int, bool] = {}
    for batch in task.batches_of(images):
        on_noise = [_slopes(task, noise, batch) for noise in _noise(task, batch)]
        scores, slopes = zip(*on_noise, strict=True)
        still = ~np.any(slopes, axis=0)
        each = zip(batch, still, np.ptp(scores, axis=0) > 0, strict=True)
        varies.update((image, bool(differs)) for image, blocked, differs in each if blocked)
    return varies


def underflows(task: Task, images: Sequence[int]) -> dict[int, bool]:
    """Return whether a gradient that does not reach the image does so when it is multiplied.

    Then nothing cuts it: on its way it gets too small for the type that the network computes in.
    """
    task = task.redirected()
    known: dict[int, bool] = {}
    for batch in task.batches_of(images):
        slopes = [
            _slopes(task, noise, batch, by)[1]
            for noise in _noise(task, batch)[:2]
            for by in _MAGNIFIED
        ]
        known.update(zip(batch, np.any(slopes, axis=0).tolist(), strict=True))
    return known


def _noise(task: Task, batch: Sequence[int]) -> list[Array]:
    """Return unit images of noise for a batch, of several kinds."""
    count = len(batch)
    return [
        start_images(kind, range(i * count, (i + 1) * count), task.ascent.canvas.shape)
        for i, kind in enumerate(_NOISES)
    ]


def _slopes(
    task: Task, unit_images: Array, images: Sequence[int], times: float = 1.0
) -> tuple[Array, Array]:
    """Return scores of the network for one batch, so many times, and which have a finite slope."""
    numpy = task.backend.ops.convert_to_numpy
    x = task.ascent.plain(unit_images)
    arrays: Mapping[str, Array] = {
        name: array * np.float32(times) if name.endswith(".weight") else array
        for name, array in task.arrays(images).items()
    }
    scores, gradient = task.ascent.network_gradient(x.shape[1:])(x, arrays)
    flat = np.asarray(numpy(gradient)).reshape(len(images), -1)
    return np.asarray(numpy(scores), float), np.any((flat != 0) & np.isfinite(flat), axis=1)
