"""Surveys of one network at several moments of its training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from layerscope.core.text import message
from layerscope.recordings.survey.survey import Survey

if TYPE_CHECKING:
    from layerscope.recordings.fates import Fates


@dataclass(frozen=True, slots=True)
class SurveyedMoment:
    """One of the moments: the survey, and what is known of when it was."""

    name: str  #: of the checkpoint's file
    survey: Survey
    epoch: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


class SurveySeries(Mapping[int, Survey]):
    """Surveys of one network on the same data, by the number of the step, in order.

    ``series[10]`` is the survey at step 10; ``series.moments`` says of each step which file it was,
    its epoch and its metrics; ``series.fate()`` what became of every unit from one to the next.
    """

    def __init__(self, moments: Mapping[int, SurveyedMoment]) -> None:
        self.moments = {step: moments[step] for step in sorted(moments)}

    def __getitem__(self, step: int) -> Survey:
        return self.moments[step].survey

    def __iter__(self) -> Iterator[int]:
        return iter(self.moments)

    def __len__(self) -> int:
        return len(self.moments)

    @property
    def steps(self) -> Sequence[int]:
        """The numbers of the steps."""
        return tuple(self.moments)

    def fate(self) -> Fates:
        """Return which units were born silent, woke, died and revived, between which steps."""
        from layerscope.recordings.survey.fates import fates_of_surveys

        known = self.moments.values()
        epochs = {s: m.epoch for s, m in self.moments.items() if m.epoch is not None}
        names = dict.fromkeys(name for moment in known for name in moment.metrics)
        metrics = {
            name: np.array([moment.metrics.get(name, np.nan) for moment in known]) for name in names
        }
        return fates_of_surveys(dict(self), epochs=epochs, metrics=metrics)

    def __str__(self) -> str:
        lines = [message(f"Surveys at {len(self)} steps")]
        for step, moment in self.moments.items():
            when = "" if moment.epoch is None else f", epoch {moment.epoch:g}"
            lines.append(message(f"step {step}{when}: {moment.name}, {self[step].count:,} samples"))
        return "\n".join(lines)

    __repr__ = __str__
