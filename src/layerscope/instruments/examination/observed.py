"""A survey that also notes what an examination asks for: inputs, answers, the first NaN's batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from layerscope.inputs import Prepared, sample_count
from layerscope.instruments.examination.look import (
    InputFigures,
    NetworkAnswers,
    answering_layer,
    class_numbers,
    function_of,
)
from layerscope.instruments.survey.building import SurveyBuilder
from layerscope.recordings.survey.sample_figures import SampleFigures

_BATCH = 64  #: samples that are kept for passes of their own
_MOST_ANSWERS = 20_000_000  #: values of answers that are kept, of the first samples


@dataclass(frozen=True)
class NumberedBatch:
    """A batch, and the number of its first sample."""

    value: Any
    first: int
    count: int


@dataclass
class ObservedBuilder(SurveyBuilder):
    """A survey in the making, watched."""

    batch: NumberedBatch | None = None  #: the first samples
    nonfinite: NumberedBatch | None = None  #: the first on which a value was not finite
    received: dict[str, InputFigures] = field(default_factory=dict)
    _answer: str | None = None
    _answers: list[Any] = field(default_factory=list)
    _labels: list[Any] = field(default_factory=list)

    def take(
        self, prepared: Prepared, first: int, given: Sequence[Any], paths: Sequence[str]
    ) -> None:
        """Run a batch, and add what it tells; as in a survey."""
        count = sample_count(prepared.value)
        if self.batch is None:
            self.batch = NumberedBatch(_first(prepared.value, _BATCH), first, min(count, _BATCH))
        for name, array in _arrays(prepared.value).items():
            self.received.setdefault(name, InputFigures()).add(array)
        super().take(prepared, first, given, paths)

    def _figures(self, prepared: Prepared, numbers: Any) -> Any:
        before = self.masked
        by_layer, axes = super()._figures(prepared, numbers)
        if self.masked and not before:
            self.nonfinite = NumberedBatch(prepared.value, int(numbers[0]), len(numbers))
        self._note_answers(by_layer)
        return by_layer, axes

    def _note_answers(self, by_layer: Mapping[str, SampleFigures]) -> None:
        assert self.network is not None
        if self._answer is None:
            layer = answering_layer(self.network, by_layer)  # type: ignore[arg-type]
            self._answer = "" if layer is None else layer.address
        if self._answer and sum(values.size for values in self._answers) < _MOST_ANSWERS:
            figures = by_layer[self._answer]
            self._answers.append(np.where(figures.count > 0, figures.mean, np.nan))

    def _label_numbers(self, given: Sequence[Any]) -> Any:
        numbers = super()._label_numbers(given)
        self._labels.append(numbers)
        return numbers

    def answers(self) -> NetworkAnswers | None:
        """Return what the network answered; None where no one layer answers with a vector."""
        if not self._answer or self.network is None or not self._answers:
            return None
        values = np.concatenate(self._answers)
        names = list(self.labels)
        labels = class_numbers(names, np.concatenate(self._labels), values.shape[1])[: len(values)]
        layer = self.network[self._answer]
        return NetworkAnswers(self._answer, values, labels, function_of(self.network, layer))


def _arrays(value: Any) -> dict[str, Any]:
    """Return the arrays of numbers that are an input, by their names or places."""
    if isinstance(value, Mapping):
        parts = list(value.items())
    elif isinstance(value, list | tuple):
        parts = [(str(i), part) for i, part in enumerate(value)]
    else:
        parts = [("", value)]
    return {name: array for name, part in parts if (array := _numbers(part)) is not None}


def _numbers(part: Any) -> Any:
    if hasattr(part, "detach"):
        part = part.detach().cpu()
        part = part.float() if str(part.dtype) == "torch.bfloat16" else part
    if not hasattr(part, "shape"):
        return None
    array = np.asarray(part)
    return array if array.dtype.kind in "fiub" else None


def _first(value: Any, count: int) -> Any:
    """Return the first samples of an input."""
    if isinstance(value, Mapping):
        return {name: _first(part, count) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_first(part, count) for part in value)
    return value[:count] if getattr(value, "ndim", 0) else value
