"""What the layers of a network are seen to return: on images, on noise and on samples."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Tap
from layerscope.core.axes import presented
from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.image.starts import start_images

Array = npt.NDArray[Any]

_AT_ONCE = 8  #: and so many of noise, and twice as many samples
_ENDING_IN_UNITS = ("channel", "unit")


@dataclass(frozen=True)
class Looked:
    """The extremes of values over their maps, ``(image, unit)``, by what they were seen on."""

    most_of: Mapping[str, Mapping[Tap, Array]]
    least_of: Mapping[str, Mapping[Tap, Array]]
    samples: int

    def most(self, tap: Tap, unit: int, source: str | None = None) -> float:
        """The largest value of a unit, anywhere; NaN where it was not looked at."""
        return _extreme(np.max, self.most_of, tap, unit, source)

    def most_on_image(self, tap: Tap, unit: int, row: int) -> float:
        """The largest value of a unit on one of the images; NaN where it was not looked at."""
        seen = self.most_of["image"]
        return float(seen[tap][row, unit]) if tap in seen else float("nan")

    def least(self, tap: Tap, unit: int, source: str | None = None) -> float:
        """The smallest value of a unit, anywhere; NaN where it was not looked at."""
        return _extreme(np.min, self.least_of, tap, unit, source)

    def is_silent(self, tap: Tap) -> bool:
        """Whether nothing but 0 was seen of all of its units."""
        return all(
            tap in seen and not np.any(seen[tap])
            for of in (self.most_of, self.least_of)
            for seen in of.values()
        )

    def is_constant(self, tap: Tap) -> bool:
        """Whether all that was looked at had the same extremes of each of its units."""
        return all(
            all(tap in seen for seen in of.values())
            and not np.any(np.ptp(np.concatenate([seen[tap] for seen in of.values()]), axis=0))
            for of in (self.most_of, self.least_of)
        )

    @property
    def sources_text(self) -> str:
        """On what all this was seen."""
        if not self.samples:
            return "the image and on noise"
        return f"the image, on noise and on {self.samples} sample{'s' * (self.samples > 1)}"


def look(task: Task, images: Array, taps: Sequence[Tap]) -> Looked:
    """The values of these taps on unit images, on noise, and on some of the samples.

    All are looked at in batches of one size. Values whose last axis is not that of units are left
    out.
    """
    taps = [tap for tap in taps if _is_readable(task, tap)]
    reduced = _extremes(task, taps)
    size = min(task.at_once, _AT_ONCE)
    most: dict[str, dict[Tap, Array]] = {}
    least: dict[str, dict[Tap, Array]] = {}
    sources = _sources(task, images)
    for source, received in sources.items():
        begins = range(0, len(received), size)
        parts = [reduced(filled(received[i : i + size], size)) for i in begins]
        numpy = task.backend.ops.convert_to_numpy
        for into, which in ((most, 0), (least, 1)):
            into[source] = {
                tap: np.concatenate([numpy(part[which][k]) for part in parts])[: len(received)]
                for k, tap in enumerate(taps)
            }
    return Looked(most, least, len(sources.get("samples", ())))


def as_received(task: Task, samples: Array) -> Array:
    """Samples, in the model's own layout, as the compiled network receives them: presented.

    Indices become the vectors of the embedding that images are made in.
    """
    canvas = task.ascent.canvas
    if canvas.embedding is None:
        return np.ascontiguousarray(canvas.presented(np.asarray(samples, np.float32)))
    key = task.network[canvas.embedding].parameters[0].key
    table = task.backend.weights()[key].values
    return table[np.asarray(samples, np.int64)].astype(np.float32)


def filled(batch: Array, size: int) -> Array:
    """The batch at this size: its last row again, so that nothing is compiled for less."""
    if len(batch) >= size:
        return batch
    return np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])


def _sources(task: Task, images: Array) -> dict[str, Array]:
    """What the network receives, presented."""
    ascent = task.ascent
    noise = [
        start_images(kind, range(_AT_ONCE // 2), ascent.canvas.shape)
        for kind in ("normal", "uniform")
    ]
    sources = {
        "image": ascent.plain(images),
        "noise": ascent.plain(np.concatenate(noise)),
    }
    if task.examples is not None:
        sources["samples"] = as_received(task, task.examples.first[: 2 * _AT_ONCE])
    return sources


def _is_readable(task: Task, tap: Tap) -> bool:
    axes = task.network[tap.layer].axes
    return axes is not None and len(axes) > 1 and presented(axes)[-1] in _ENDING_IN_UNITS


def _extremes(task: Task, taps: Sequence[Tap]) -> Any:
    """The compiled pass: the largest and the smallest values over maps, in the order of taps."""
    ops, embedding = task.backend.ops, task.ascent.canvas.embedding
    values = task.backend.values(taps, embedding)

    def extremes(x: Any) -> tuple[list[Any], list[Any]]:
        found = values(x)
        read = [ops.cast(found[tap], "float32") for tap in taps]
        return [_over_map(ops.max, v) for v in read], [_over_map(ops.min, v) for v in read]

    key = ("features: extremes", tuple(taps), embedding)
    return task.backend.compiled(extremes, key, network=True)


def _over_map(extreme: Any, value: Any) -> Any:
    axes = tuple(range(1, len(value.shape) - 1))
    return extreme(value, axis=axes) if axes else value


def _extreme(
    of: Any, seen: Mapping[str, Mapping[Tap, Array]], tap: Tap, unit: int, source: str | None
) -> float:
    values = [
        found[tap][:, unit]
        for name, found in seen.items()
        if tap in found and source in (None, name)
    ]
    return float(of(functools.reduce(np.append, values))) if values else float("nan")
