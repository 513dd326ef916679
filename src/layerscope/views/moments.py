"""A recording at one moment after the other: the steps of a run, or the samples of one step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from layerscope.core.addresses import Place
from layerscope.core.axes import UNIT_AXES, NamedArray
from layerscope.core.errors import ViewError
from layerscope.core.text import shown_name
from layerscope.recordings.recording import Recording
from layerscope.views.render.select_maps import (
    Chosen,
    called,
    check_recording,
    choose,
    several_units,
)

_BLOCK = 32_000_000  #: bytes of values that are read at once
_DIGITS = 3  #: of a metric
_NAMED = 4  #: images whose objective is written below a frame


class Moments(Protocol):
    """Moments of a recording, in order, and how each is called."""

    def __len__(self) -> int: ...

    @property
    def span(self) -> str:
        """All of them in words: ``12 epochs``."""
        ...

    @property
    def beside(self) -> str:
        """What does not change: which sample, or which step."""
        ...

    def label(self, index: int) -> str:
        """Return what a moment is called: ``epoch 3``."""
        ...

    def metrics(self, index: int) -> list[str]:
        """Return what was measured at a moment: ``loss 0.312``; nothing of a sample."""
        ...

    def recording(self, index: int) -> tuple[Recording, int]:
        """Return a moment with all its layers, and which of its samples is meant."""
        ...

    def chosen(
        self, address: str, reshape: tuple[int, ...] | None, *, colours: bool = True
    ) -> Iterator[Chosen]:
        """Yield the maps of an address at each moment."""
        ...


@dataclass(frozen=True)
class StepMoments:
    """One sample over the steps of a recording; of images made for units, all where it is None."""

    recorded: Recording
    sample: int | None
    positions: tuple[int, ...]  #: of the steps among those recorded

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def span(self) -> str:
        """``12 epochs``, or ``12 steps``."""
        word = "epoch" if self.label(0).startswith("epoch") else "step"
        return f"{len(self)} {word}{'s' * (len(self) != 1)}"

    @property
    def beside(self) -> str:
        """Which sample; weights have none."""
        if self.sample is None or not _sample_count(self.recorded):
            return ""
        names = self.recorded.samples
        name = f" ({shown_name(names[self.sample])})" if self.sample < len(names) else ""
        return f"sample {self.sample}{name}"

    def label(self, index: int) -> str:
        """Return ``epoch 3``; ``step 300, epoch 1.5`` where the two are not the same."""
        position = self.positions[index]
        step, epoch = int(self.recorded.steps[position]), float(self.recorded.epochs[position])
        if not math.isfinite(epoch):
            return f"step {step}"
        return f"epoch {step}" if epoch == step else f"step {step}, epoch {epoch:.4g}"

    def metrics(self, index: int) -> list[str]:
        """Return the metrics of the step that have a value; of images, those of a few."""
        metrics = self.recorded.metrics
        if self.recorded.kind == "features" and len(metrics) > _NAMED:
            return []
        position = self.positions[index]
        values = {name: float(series[position]) for name, series in metrics.items()}
        return [f"{shown_name(n)} {v:.{_DIGITS}g}" for n, v in values.items() if not math.isnan(v)]

    def recording(self, index: int) -> tuple[Recording, int]:
        """Return the recording at the step."""
        return self.recorded.moment(self.positions[index]), self.sample or 0

    def chosen(
        self, address: str, reshape: tuple[int, ...] | None, *, colours: bool = True
    ) -> Iterator[Chosen]:
        """Yield the maps of an address at each step; of a unit only its chunks are read."""
        if not isinstance(address, str):
            raise ViewError(f"address={address!r}: pass the name of a layer, such as 'conv2d:29'.")
        if self.recorded.kind == "features":
            for position in self.positions:
                moment = self.recorded.moment(position)
                yield choose(moment, address, sample=self.sample, reshape=reshape, colours=colours)
            return
        several = self.recorded.each(address)
        if len(several) > 1:
            each = [self.chosen(one, reshape, colours=colours) for one in several]
            yield from (several_units(address, units) for units in zip(*each, strict=True))
            return
        if address == "input" and address not in set(self.recorded):
            place = Place("input")
        else:
            place = self.recorded.place(address)
        if place.layer not in set(self.recorded):  # an input, which no step changes
            if len(self) > 1:
                raise ViewError(
                    f"{address!r} is the same at every step: draw it with sheet, or pass "
                    "along='sample' to film."
                )
            moment = self.recorded.moment(0)
            shown = choose(moment, address, sample=self.sample, reshape=reshape)
            yield from (shown for _ in self.positions)
            return
        yield from self._in_blocks(place, reshape, colours)

    def _in_blocks(
        self, place: Place, reshape: tuple[int, ...] | None, colours: bool
    ) -> Iterator[Chosen]:
        """Yield the maps of a layer or a unit, read for several steps at once."""
        axes = self.recorded.axes(place.layer)
        narrow, part = _narrowed(place, axes, self.sample or 0)
        one = math.prod(s.stop - s.start if (s := narrow.get(a)) else n for a, n in axes.items())
        length = max(1, _BLOCK // max(1, 4 * one // max(1, axes["step"])))
        for start in range(0, len(self.positions), length):
            wanted = self.positions[start : start + length]
            block = self.recorded.part(place.layer, slice(min(wanted), max(wanted) + 1), **narrow)
            for position in wanted:
                array = NamedArray(
                    block.values[position - min(wanted)], block.axes[1:], block.attrs
                )
                moment = Recording({place.layer: array}, network=self.recorded.network)
                shown = choose(moment, str(part), reshape=reshape, colours=colours)
                yield _renamed(shown, place, part)


@dataclass(frozen=True)
class SampleMoments:
    """The samples of one step, or of a recording that has no steps."""

    moment: Recording
    count: int
    step_name: str  #: empty where there are no steps

    def __len__(self) -> int:
        return self.count

    @property
    def span(self) -> str:
        """``16 samples``."""
        return f"{self.count} sample{'s' * (self.count != 1)}"

    @property
    def beside(self) -> str:
        """Which step."""
        return self.step_name

    def label(self, index: int) -> str:
        """Return the name of the sample, or its number."""
        names = self.moment.samples
        return names[index] if index < len(names) else f"sample {index}"

    def metrics(self, index: int) -> list[str]:
        """Return what was measured at a moment: ``loss 0.312``; nothing of a sample."""
        return []

    def recording(self, index: int) -> tuple[Recording, int]:
        """Return the one step, and the sample."""
        return self.moment, index

    def chosen(
        self, address: str, reshape: tuple[int, ...] | None, *, colours: bool = True
    ) -> Iterator[Chosen]:
        """Yield the maps of an address at each moment."""
        for sample in range(self.count):
            yield choose(self.moment, address, sample=sample, reshape=reshape, colours=colours)


def steps_of(recording: Any, sample: int | None, steps: Iterable[int] | None = None) -> StepMoments:
    """Return one sample over the steps of a recording, all of them or those named.

    ``sample=None`` is the first; of images made for units, all that were made for an objective.

    Raises
    ------
    ViewError
        When it is no recording over steps, or has no such sample.
    AddressError
        When it has no such step.
    """
    check_recording(recording)
    if not recording.has_steps:
        wanted = "pass what open_recording('run.zarr') returned"
        if recording.kind == "features":
            wanted = "make it with every=9, which keeps images on the way"
        raise ViewError(f"This recording is of a single moment: {wanted}.")
    recording.position(None)  # says when there are none yet
    positions = _positions(recording, steps)
    if sample is None and recording.kind != "features":
        sample = 0
    if sample is not None:
        _check_sample(sample, _sample_count(recording))
    return StepMoments(recording, sample, positions)


def _positions(recording: Recording, steps: Any) -> tuple[int, ...]:
    """Return where the steps are among those that there are; all where None."""
    if steps is None:
        return tuple(range(len(recording.steps)))
    if not isinstance(steps, Iterable):
        raise ViewError(f"steps={steps!r}: pass the numbers of steps, such as [0, 5, 10].")
    positions = tuple(recording.position(step) for step in steps)
    twice = next((p for i, p in enumerate(positions) if p in positions[:i]), None)
    if twice is not None:
        raise ViewError(f"steps= names step {int(recording.steps[twice])} more than once.")
    if not positions:
        raise ViewError("steps= names no step: pass their numbers, such as [0, 5, 10].")
    return positions


def samples_of(recording: Any, step: int | None = None) -> SampleMoments:
    """Return the samples of one step.

    Raises
    ------
    ViewError
        When it is no recording, or holds no samples.
    AddressError
        When it has no such step.
    """
    check_recording(recording)
    moment = recording.at(step)
    count = _sample_count(recording)
    if not count:
        raise ViewError("This recording has no samples: weights change over steps only.")
    step_name = ""
    if recording.has_steps:
        step_name = StepMoments(recording, 0, (recording.position(step),)).label(0)
    return SampleMoments(moment, count, step_name)


def _sample_count(recording: Recording) -> int:
    """Return how many samples there are; 0 for weights."""
    for address in recording:
        axes = recording.axes(address)
        if "sample" in axes:
            return axes["sample"]
    return 0


def _check_sample(sample: Any, count: int) -> None:
    whole = isinstance(sample, int | np.integer) and not isinstance(sample, bool)
    if not whole or not 0 <= sample < max(1, count):
        raise ViewError(f"There is no sample {sample!r}: there are {count}, counted from 0.")


def _narrowed(place: Place, axes: Mapping[str, int], sample: int) -> tuple[dict[str, slice], Place]:
    """Return what to read for a place, and what the place is called in what was read."""
    narrow = {"sample": slice(sample, sample + 1)} if "sample" in axes else {}
    units = [axis for axis in axes if axis in UNIT_AXES]
    if place.unit is None or len(units) != 1 or place.unit >= axes[units[0]]:
        return narrow, place  # a unit that is not there is an error of choose, which says so
    narrow[units[0]] = slice(place.unit, place.unit + 1)
    return narrow, Place(place.layer, 0, place.position)


def _renamed(chosen: Chosen, place: Place, part: Place) -> Chosen:
    """Return the maps with the address, and the labels, of the unit in its layer."""
    if place == part or place.unit is None:
        return chosen
    labels = [f"{place.unit}{label[1:]}" if label[:1] == "0" else label for label in chosen.labels]
    title = chosen.title.replace(called(part), called(place), 1)
    return replace(chosen, address=str(place), title=title, labels=labels)
