"""Extremes of activations: on images, on noise and on samples."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Tap
from layerscope.core.axes import presented
from layerscope.instruments.features.ascent.examples import network_input
from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.image.starts import start_images

Array = npt.NDArray[Any]

_AT_ONCE = 8  #: and so many of noise, and twice as many samples
_ENDING_IN_UNITS = ("channel", "unit")


@dataclass(frozen=True)
class ActivationExtremes:
    """The extremes of values over their maps, ``(image, unit)``, by source and tap."""

    most_of: Mapping[str, Mapping[Tap, Array]]
    least_of: Mapping[str, Mapping[Tap, Array]]
    samples: int

    def most(self, tap: Tap, unit: int, source: str | None = None) -> float:
        """Return the largest value of a unit, on one source or on all; NaN for none."""
        return _extreme(np.max, self.most_of, tap, unit, source)

    def most_on_image(self, tap: Tap, unit: int, row: int) -> float:
        """Return the largest value of a unit on one of the images; NaN for none."""
        values = self.most_of["image"]
        return float(values[tap][row, unit]) if tap in values else float("nan")

    def least(self, tap: Tap, unit: int, source: str | None = None) -> float:
        """Return the smallest value of a unit, on one source or on all; NaN for none."""
        return _extreme(np.min, self.least_of, tap, unit, source)

    def is_known(self, tap: Tap) -> bool:
        """Return whether the extremes of a value are known on all sources."""
        return all(tap in values for values in self.most_of.values())

    def is_silent(self, tap: Tap) -> bool:
        """Return whether all units are 0 on all sources."""
        return self.is_known(tap) and not any(
            np.any(values[tap]) for of in (self.most_of, self.least_of) for values in of.values()
        )

    def is_constant(self, tap: Tap, unit: int | None = None) -> bool:
        """Return whether all units, or this one, have the same extremes on all inputs."""
        units = slice(None) if unit is None else slice(unit, unit + 1)
        return self.is_known(tap) and not any(
            np.any(np.ptp(np.concatenate([values[tap] for values in of.values()]), axis=0)[units])
            for of in (self.most_of, self.least_of)
        )

    @property
    def sources_text(self) -> str:
        """The sources, in words."""
        if not self.samples:
            return "the image and on noise"
        return f"the image, on noise and on {self.samples} sample{'s' * (self.samples > 1)}"


def activation_extremes(task: Task, images: Array, taps: Sequence[Tap]) -> ActivationExtremes:
    """Return the extremes of these values on unit images, on noise, and on some of the samples.

    All inputs are in batches of one size. Values whose last axis is not that of units are left out.
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
    return ActivationExtremes(most, least, len(sources.get("samples", ())))


def as_received(task: Task, samples: Array) -> Array:
    """Return samples in the model's own layout as the compiled network receives them: presented.

    Indices become the vectors of the embedding that images are made in.
    """
    return network_input(task.backend, task.network, task.ascent.canvas, samples)


def filled(batch: Array, size: int) -> Array:
    """Return the batch at this size: its last row again, so that nothing is compiled for less."""
    if len(batch) >= size:
        return batch
    return np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])


def _sources(task: Task, images: Array) -> dict[str, Array]:
    """Return what the network receives, presented, by source."""
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
    """Return the compiled pass: the largest and the smallest values over maps, in order of taps."""
    ops, embedding = task.backend.ops, task.ascent.canvas.embedding
    values = task.backend.values(taps, embedding)

    def extremes(x: Any) -> tuple[list[Any], list[Any]]:
        by_tap = values(x)
        read = [ops.cast(by_tap[tap], "float32") for tap in taps]
        return [_over_map(ops.max, v) for v in read], [_over_map(ops.min, v) for v in read]

    key = ("features: extremes", tuple(taps), embedding)
    return task.backend.compiled(extremes, key, network=True)


def _over_map(extreme: Any, value: Any) -> Any:
    axes = tuple(range(1, len(value.shape) - 1))
    return extreme(value, axis=axes) if axes else value


def _extreme(
    of: Any, sources: Mapping[str, Mapping[Tap, Array]], tap: Tap, unit: int, source: str | None
) -> float:
    values = [
        by_tap[tap][:, unit]
        for name, by_tap in sources.items()
        if tap in by_tap and source in (None, name)
    ]
    return float(of(functools.reduce(np.append, values))) if values else float("nan")
