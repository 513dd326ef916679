"""How much a recording will take, and what is left out where that is too much.

The rule: fewer samples, down to one; then fewer channels of each feature map, down to eight; then
the values of the weights, of which the norms remain; then fewer steps. Sizes are those before
compression, so a recording is smaller than its plan says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from layerscope.core.errors import InputError
from layerscope.core.table import size_text
from layerscope.instruments.record.statistics import NAMES, unit_axis, unit_count

#: How many steps are planned for where nobody knows how many there will be.
ASSUMED = 100
FEWEST_CHANNELS = 8


@dataclass(frozen=True)
class Array:
    """What is stored of one layer's values, or of one parameter."""

    address: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]  #: of the whole of it
    dtype: str  #: as stored
    scaled: bool = False
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def units(self) -> int:
        """How many units it has."""
        return unit_count(self.axes, self.shape)

    def stored(self, samples: int | None, channels: int | None) -> tuple[int, ...]:
        """Return the shape of what is stored, of so many samples and, at most, channels."""
        shape = list(self.shape)
        if samples is not None and "sample" in self.axes:
            shape[self.axes.index("sample")] = samples
        axis = self.thinned_axis
        if channels is not None and axis is not None:
            at = self.axes.index(axis)
            shape[at] = min(shape[at], channels)
        return tuple(shape)

    @property
    def thinned_axis(self) -> str | None:
        """The axis of which a thinned recording has the first so many.

        Vectors stay whole: their units take little, and have no other picture.
        """
        axis = unit_axis(self.axes)
        return None if axis == "unit" else axis


@dataclass(frozen=True)
class RecordingPlan:
    """What a recording stores at each step, and at which steps."""

    layers: tuple[Array, ...]
    weights: tuple[Array, ...]  #: those of which the values are stored
    parameters: int  #: how many parameters there are: each has its norms
    samples: tuple[int, ...]  #: which of the probe's are stored
    steps: int | None  #: how many there will be, where that is known
    limit: float | None = None  #: bytes
    channels: int | None = None  #: how many of each feature map; all where None
    stride: int = 1  #: of the steps to be recorded, each so many
    notes: tuple[str, ...] = ()

    @property
    def step_bytes(self) -> int:
        """What one step takes, before compression."""
        return self._values(len(self.samples)) + self._fixed()

    @property
    def nbytes(self) -> float:
        """What all of it takes, before compression; of a step where nobody knows how many."""
        return self.step_bytes * (1 if self.steps is None else self._recorded())

    def __str__(self) -> str:
        counts = f"{counted(len(self.samples), 'sample')} × {counted(len(self.layers), 'layer')}"
        if self.steps is None:
            text = f"{counts}: {size_text(self.step_bytes)} a step"
        else:
            shown = counted(self._recorded(), "step")
            if self.stride > 1:
                shown = f"{self._recorded():,} of {self.steps:,} steps"
            text = f"{shown} × {counts}: {size_text(self.nbytes)}"
        return f"{text} before compression" + "".join(f"; {note}" for note in self.notes)

    def _recorded(self) -> int:
        return math.ceil((self.steps or 0) / self.stride)

    def _values(self, samples: int) -> int:
        total = 0
        for array in self.layers:
            shape = array.stored(samples, self.channels)
            total += math.prod(shape) * np.dtype(array.dtype).itemsize
        return total

    def _fixed(self) -> int:
        statistics = sum(4 * len(NAMES) * array.units for array in self.layers)
        weights = sum(math.prod(a.shape) * np.dtype(a.dtype).itemsize for a in self.weights)
        return statistics + weights + 16 * self.parameters

    def fits(self) -> bool:
        """Return whether it stays within its limit."""
        if self.limit is None:
            return True
        steps = ASSUMED if self.steps is None else self._recorded()
        return self.step_bytes * steps <= self.limit


def thinned(plan: RecordingPlan) -> RecordingPlan:
    """Return the plan, with as much left out as its limit asks for, and notes that say what."""
    limit = plan.limit
    if limit is None or plan.fits():
        return plan
    whole = plan
    plan = _fewer_samples(plan)
    plan = plan if plan.fits() else _fewer_channels(plan)
    if not plan.fits() and plan.weights:
        note = "the values of the weights are left out, their norms are kept"
        plan = replace(plan, weights=(), notes=(*plan.notes, note))
    if not plan.fits() and plan.steps is not None:
        most = max(int(limit // plan.step_bytes), 1)
        stride = math.ceil(plan.steps / most)
        note = f"every {ordinal(stride)} of them is recorded"
        plan = replace(plan, stride=stride, notes=(*plan.notes, note))
    steps = ASSUMED if whole.steps is None else whole.steps
    assumed = f" for {ASSUMED} steps, if there are so many" if whole.steps is None else ""
    why = (
        f"thinned to stay within {size_text(limit)}: all of it would take "
        f"{size_text(whole.step_bytes * steps)}{assumed}"
    )
    return replace(plan, notes=(*whole.notes, why, *plan.notes[len(whole.notes) :]))


def check_limit(plan: RecordingPlan, budget: float | None) -> None:
    """Raise InputError, of the budget or of the disk, where not even one step fits."""
    if plan.limit is None or plan.step_bytes <= plan.limit:
        return
    what = "The budget" if plan.limit == budget else "What may be filled of the disk"
    raise InputError(
        f"{what}, {size_text(plan.limit)}, does not hold one step: with as much left out as can "
        f"be, one takes {size_text(plan.step_bytes)}; allow more, or record fewer layers."
    )


def _fewer_samples(plan: RecordingPlan) -> RecordingPlan:
    for count in range(len(plan.samples) - 1, 0, -1):
        fewer = replace(plan, samples=plan.samples[:count])
        if fewer.fits() or count == 1:
            stored = "one is" if count == 1 else f"{count} are"
            note = f"of {len(plan.samples)} samples {stored} stored"
            return replace(fewer, notes=(*plan.notes, note))
    return plan


def _fewer_channels(plan: RecordingPlan) -> RecordingPlan:
    maps = [array for array in plan.layers if array.thinned_axis is not None]
    most = max((array.units for array in maps), default=0)
    if most <= FEWEST_CHANNELS:
        return plan
    channels = 2 ** math.ceil(math.log2(most)) // 2
    fewer = replace(plan, channels=channels)
    while not fewer.fits() and channels > FEWEST_CHANNELS:
        channels //= 2
        fewer = replace(plan, channels=channels)
    note = f"of each feature map the first {channels} channels are stored"
    return replace(fewer, notes=(*plan.notes, note))


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def ordinal(number: int) -> str:
    last = (
        "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{last}"
