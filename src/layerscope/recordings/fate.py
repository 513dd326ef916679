"""What became of each unit over the steps of a training: born silent, woke, died, revived.

It is computed from plain arrays: on how many samples each unit fired at each step. So it is the
same for a recording of a training and for what was counted at several checkpoints.

A unit *fires* at a step where it is not 0 on some sample, and is *silent* where it is 0 on all. It
*dies* where it is silent after it fired, *wakes* where it fires for the first time after it was
silent, and *revives* where it fires again after it died.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.core.text import message
from layerscope.recordings.finding import ends_text

Codes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

UNKNOWN, SILENT, FIRES = 0, 1, 2  #: what is known of a unit at a step
STATES = ("unknown", "silent", "fires")
NONE, WOKE, DIED, REVIVED = 0, 1, 2, 3  #: what came about between the step before and this one
EVENTS = ("", "woke", "died", "revived")
#: What became of a unit in all; each has one of them.
FATES = ("fires throughout", "woke", "revived", "died", "never fired", "unknown")
THROUGHOUT, WAKES, REVIVES, DIES, NEVER, UNSEEN = range(6)

_TOLD = 4  #: events of a unit that are told one by one
_LEAST = 3  #: of so few samples nothing follows for others


@dataclass(frozen=True)
class FateEvent:
    """Something that came about between two steps that were recorded."""

    kind: Literal["woke", "died", "revived"]
    after: int  #: the number of the last step at which it had not come about
    step: int  #: the number of the first step at which it had
    epoch_after: float  #: NaN where the step has no epoch
    epoch: float

    @property
    def when(self) -> str:
        """``in epoch 3`` of one that came about in a single one; else between which steps."""
        first, last = ends_text((self.after, self.epoch_after), (self.step, self.epoch))
        if self.step - self.after == 1:
            return f"in {last}"
        between = f"between {first} and {last}"
        known = math.isfinite(self.epoch_after) and math.isfinite(self.epoch)
        if known and last.startswith("step"):
            between += f" (epoch {self.epoch_after:.4g} to {self.epoch:.4g})"
        return between

    def __str__(self) -> str:
        return f"{self.kind} {self.when}"


@dataclass(frozen=True)
class UnitFate:
    """What became of one unit.

    ``first`` and ``last`` are ``"fires"`` or ``"silent"``, as it was when it was seen first and
    last, None where nothing is known of it. ``born`` is the same as ``first`` where that was before
    the training, else None.
    """

    layer: str
    unit: int
    fate: str  #: one of ``FATES``
    born: str | None
    first: str | None
    last: str | None
    events: tuple[FateEvent, ...]
    known: int  #: steps at which it is known whether it fires
    steps: int  #: steps that were recorded
    n: int | None  #: samples that it was looked at on

    @property
    def address(self) -> str:
        """As one writes it: ``conv2d:12``."""
        return f"{self.layer}:{self.unit}"

    @property
    def died(self) -> FateEvent | None:
        """When it fell silent, the last time."""
        return self._latest("died")

    @property
    def woke(self) -> FateEvent | None:
        """When it fired for the first time, after it had been silent."""
        return self._latest("woke")

    @property
    def revived(self) -> FateEvent | None:
        """When it fired again after it had died, the last time."""
        return self._latest("revived")

    @property
    def deaths(self) -> int:
        """How often it fell silent after it had fired."""
        return sum(event.kind == "died" for event in self.events)

    def _latest(self, kind: str) -> FateEvent | None:
        return next((event for event in reversed(self.events) if event.kind == kind), None)

    @property
    def words(self) -> str:
        """``born silent, woke in epoch 2, died in epoch 5``."""
        if self.first is None:
            return "nothing is known of whether it fires"
        unknown = self.steps - self.known
        seen = f"{self.known} step{'s' * (self.known != 1)}"
        parts = [_born(self)] if self.events else []
        if not self.events:
            parts.append(
                f"fires at {'each of ' * (self.known > 1)}{seen}"
                if self.first == "fires"
                else f"never fired{_on(self.n)} at {seen}"
            )
        elif len(self.events) <= _TOLD:
            parts += map(str, self.events)
        else:
            parts += _many(self)
        if unknown:
            parts.append(f"nothing known at {unknown}")
        return ", ".join(parts)

    def __str__(self) -> str:
        return message(f"{self.address}: {self.words}")


def _on(n: int | None) -> str:
    """Return on what it was looked at: `` on 256 samples``."""
    return "" if n is None else f" on {n:,} sample{'s' * (n != 1)}"


def _born(fate: UnitFate) -> str:
    silent = fate.first == "silent"
    if fate.born is not None:
        return "born silent" if silent else "fires from the start"
    return "silent when first seen" if silent else "fires when first seen"


def _many(fate: UnitFate) -> list[str]:
    """Return what to say of a unit that dies and revives again and again."""
    first = next(event for event in fate.events if event.kind == "died")
    woke = [str(fate.woke)] if fate.woke else []
    last = fate.events[-1]
    end = "is silent" if fate.last == "silent" else "fires"
    times = f"died {fate.deaths} times, first {first.when}"
    return [*woke, times, f"{end} at the last step, since it {last}"]


@dataclass(frozen=True, eq=False)
class LayerFate:
    """What became of the units of one layer.

    ``states`` and ``events`` are ``(step, unit)``: ``UNKNOWN``, ``SILENT`` or ``FIRES``, and
    ``NONE``, ``WOKE``, ``DIED`` or ``REVIVED``, at the first step at which it had come about.
    """

    address: str
    states: Codes
    events: Codes
    steps: Numbers
    epochs: npt.NDArray[np.float64]
    n: int | None
    untrained: bool  #: whether the first step is of before the training

    @property
    def units(self) -> int:
        """How many units the layer has."""
        return int(self.states.shape[1])

    @cached_property
    def fates(self) -> Codes:
        """The fate of each unit, as an index of ``FATES``."""
        fires, silent = (self.states == FIRES).any(axis=0), (self.states == SILENT).any(axis=0)
        died = (self.events == DIED).any(axis=0)
        at_last = _last_known(self.states)
        fates = np.full(self.units, UNSEEN, np.uint8)
        fates[fires & ~silent] = THROUGHOUT
        fates[silent & ~fires] = NEVER
        both = fires & silent
        fates[both] = WAKES
        fates[both & died] = REVIVES
        fates[both & (at_last == SILENT)] = DIES
        return fates

    @property
    def counts(self) -> dict[str, int]:
        """How many units have each fate."""
        numbers = np.bincount(self.fates, minlength=len(FATES)).tolist()
        return dict(zip(FATES, numbers, strict=True))

    @property
    def born_silent(self) -> int | None:
        """How many units are silent before the training; None where that was not recorded."""
        return int((self.states[0] == SILENT).sum()) if self.untrained else None

    @property
    def when_most_died(self) -> tuple[int, FateEvent] | None:
        """How many units fell silent for good when the most of them did, and when that was."""
        dead = np.flatnonzero(self.fates == DIES)
        counts = Counter(self.turns(unit)[-1] for unit in dead.tolist())  # the last is its death
        if not counts:
            return None
        most = max(counts, key=lambda turn: (counts[turn], -turn[2]))
        return counts[most], self._event(*most)

    def unit(self, unit: int) -> UnitFate:
        """Return what became of one unit, by its number."""
        states = self.states[:, unit]
        known = np.flatnonzero(states != UNKNOWN)
        first = STATES[states[known[0]]] if len(known) else None
        return UnitFate(
            layer=self.address,
            unit=unit,
            fate=FATES[self.fates[unit]],
            born=first if self.untrained and len(known) and known[0] == 0 else None,
            first=first,
            last=STATES[states[known[-1]]] if len(known) else None,
            events=tuple(self._event(*turn) for turn in self.turns(unit)),
            known=len(known),
            steps=len(states),
            n=self.n,
        )

    def turns(self, unit: int) -> list[tuple[int, int, int]]:
        """Return what a unit went through, each time with the positions of two steps.

        It is ``WOKE``, ``DIED`` or ``REVIVED``, and had not come about at the first of these steps,
        and had at the second.
        """
        came = np.flatnonzero(self.events[:, unit])
        known = np.flatnonzero(self.states[:, unit] != UNKNOWN)
        before = known[np.searchsorted(known, came) - 1]
        codes = self.events[came, unit]
        return list(zip(codes.tolist(), before.tolist(), came.tolist(), strict=True))

    def _event(self, code: int, before: int, after: int) -> FateEvent:
        kind: Any = EVENTS[code]
        return FateEvent(
            kind,
            int(self.steps[before]),
            int(self.steps[after]),
            float(self.epochs[before]),
            float(self.epochs[after]),
        )

    def order(self) -> npt.NDArray[np.int64]:
        """Return the units so that those of one fate are together, and by when it came about.

        First what fires throughout; then what woke, the earliest first, what revived, what died,
        the latest first; last what never fired, and what is not known.
        """
        times = np.zeros(self.units, np.int64)
        for fate, event in ((WAKES, WOKE), (REVIVES, DIED)):
            of_it = self.fates == fate
            times[of_it] = (self.events[:, of_it] == event).argmax(axis=0)
        died = self.fates == DIES
        times[died] = (self.events[::-1, died] == DIED).argmax(axis=0)
        return np.lexsort((np.arange(self.units), times, self.fates))


def layer_fate(
    address: str,
    fired: npt.ArrayLike,
    *,
    steps: Sequence[int] | Numbers,
    epochs: Sequence[float] | npt.NDArray[np.float64] | None = None,
    n: int | None = None,
    untrained: bool = False,
) -> LayerFate:
    """Return what became of each unit of a layer, from how often it fired at each step.

    Parameters
    ----------
    fired
        On how many samples each unit fired, or whether it did on any, ``(step, unit)``; NaN, or
        masked, where that is not known.
    steps, epochs
        The number of each step, rising, and its epoch, NaN where it has none.
    n
        How many samples the units were looked at on at each step, the fewest where that differs;
        None where it is not known.
    untrained
        Whether the first step is of before the training.

    Raises
    ------
    InputError
        When the arrays do not go together.
    """
    counts = np.ma.filled(np.ma.masked_array(fired, dtype=np.float64), np.nan)
    numbers = np.asarray(steps, np.int64)
    of_epochs = np.full(len(numbers), np.nan) if epochs is None else np.asarray(epochs, np.float64)
    if not len(numbers):
        raise InputError(f"The fate of {address!r} needs a step at least: there are none.")
    if counts.ndim != 2 or numbers.shape != (len(counts),) or of_epochs.shape != numbers.shape:
        raise InputError(
            f"The fate of {address!r} needs (step, unit), a step and an epoch for each row: these "
            f"are {counts.shape}, {numbers.shape} and {of_epochs.shape}."
        )
    if (np.diff(numbers) <= 0).any():
        raise InputError(f"The fate of {address!r} needs steps in their order, each once.")
    states = np.full(counts.shape, UNKNOWN, np.uint8)
    states[counts == 0] = SILENT
    states[counts > 0] = FIRES
    return LayerFate(address, states, _events(states), numbers, of_epochs, n, untrained)


def _events(states: Codes) -> Codes:
    """Return what came about at each step, by what was known of each unit before."""
    known = states != UNKNOWN
    numbers = np.arange(len(states), dtype=np.int32)[:, None]
    latest = np.maximum.accumulate(np.where(known, numbers, -1), axis=0)  # that is known
    previous = np.vstack([np.full_like(latest[:1], -1), latest[:-1]])
    before = np.take_along_axis(states, np.maximum(previous, 0), axis=0)
    before = np.where(previous < 0, UNKNOWN, before)
    fired = np.logical_or.accumulate(states == FIRES, axis=0)
    has_fired = np.vstack([np.zeros_like(fired[:1]), fired[:-1]])
    events = np.full(states.shape, NONE, np.uint8)
    again = (states == FIRES) & (before == SILENT)
    events[again] = np.where(has_fired[again], REVIVED, WOKE)
    events[(states == SILENT) & (before == FIRES)] = DIED
    return events


def _last_known(states: Codes) -> Codes:
    """Return what each unit was when it was seen last."""
    known = states != UNKNOWN
    last = len(states) - 1 - known[::-1].argmax(axis=0)
    return np.asarray(states[last, np.arange(states.shape[1])])


def rarity(n: int | None) -> str:
    """Return what follows of a unit that fired on none of n samples; empty where nothing does.

    With a certainty of 95 %: the rule of three.
    """
    if n is None or n <= _LEAST:
        return ""
    return f"on fewer than 3/{n:,} of such data, {300 / n:.2g} % (with a certainty of 95 %)"
