"""What ``layerscope look`` saw: printed as a table, or as JSON, and written as files of figures."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from layerscope.core.console import say
from layerscope.core.files import OutputFolder
from layerscope.core.text import spreadsheet_cell
from layerscope.interfaces.cli.tables import json_lines, summary_csv, summary_table

if TYPE_CHECKING:
    from layerscope.instruments.summary import Row
    from layerscope.recordings.answers import Answer
    from layerscope.recordings.recording import Recording

_ANSWERED = 10  #: samples whose answers are printed one by one
_ANSWER_FIELDS = ("sample", "output", "unit", "name", "value", "probability")


class Answered(NamedTuple):
    """What the network answered to one sample."""

    sample: str
    answers: tuple[Answer, ...]

    @property
    def text(self) -> str:
        """The answers in words."""
        from layerscope.recordings.answers import answer_text

        return answer_text(self.answers)


@dataclass(slots=True)
class Looked:
    """The figures, answers and words of a look, as they come."""

    network: str = ""
    scope: str = ""  #: which samples the figures are of, in words
    rows: Sequence[Row] = ()
    notes: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def answer(
        self, acts: Recording, classes: Sequence[str], *, only: int | None = None, begin: int = 0
    ) -> None:
        """Add what the network answered to each sample, or only to one of them.

        ``begin`` is how many samples there were before those of the recording.
        """
        from layerscope.recordings.answers import answers

        count = max((acts.axes(address).get("sample", 1) for address in acts), default=0)
        for sample in range(count) if only is None else [only]:
            name = acts.samples[sample] if sample < len(acts.samples) else None
            answered = answers(acts, sample, classes)
            if answered:
                self.answered.append(Answered(name or f"sample {begin + sample}", tuple(answered)))

    def write(self, output: OutputFolder) -> None:
        """Write the figures, and what was answered to every sample."""
        output.write_text("summary.csv", summary_csv(self.rows, self._of_outputs()))
        if self.answered:
            output.write_text("answers.csv", _answers_csv(self.answered))

    def show(self, output: OutputFolder, *, as_json: bool = False) -> None:
        """Print it all."""
        if as_json:
            say(*json_lines(self._as_json(output)))
            return
        more = len(self.answered) > _ANSWERED
        say(
            *(f"Advice: {line}" for line in self.advice),
            *(f"Note: {note}" for note in self.notes),
            *summary_table(self.rows),
            f"Minimum, mean, maximum and blank channels are {self.scope}.",
            *(f"Answer to {one.sample}: {one.text}" for one in self.answered[:_ANSWERED]),
            *[f"answers.csv has the answers to all {len(self.answered)} samples."] * more,
            *self.left_out,
        )

    def _of_outputs(self) -> dict[str, str]:
        """Return what stands in the row of each output."""
        by_output: dict[str, list[tuple[str, tuple[Answer, ...]]]] = {}
        for one in self.answered:
            for output in dict.fromkeys(answer.output for answer in one.answers):
                of_output = tuple(answer for answer in one.answers if answer.output == output)
                by_output.setdefault(output, []).append((one.sample, of_output))
        return {output: _together(each) for output, each in by_output.items()}

    def _as_json(self, output: OutputFolder) -> dict[str, Any]:
        return {
            "network": self.network,
            "scope": self.scope,
            "layers": [{**asdict(row), "blank_share": row.blank_share} for row in self.rows],
            "answers": [
                dict(zip(_ANSWER_FIELDS, values, strict=True)) for values in _values(self.answered)
            ],
            "notes": self.notes,
            "advice": self.advice,
            "left_out": self.left_out,
            "written": str(output.path),
        }


def _together(answered: Sequence[tuple[str, tuple[Answer, ...]]]) -> str:
    """Return the answers to some samples in one cell; of many, how often each class was first."""
    from layerscope.recordings.answers import answer_text

    if len(answered) == 1:
        return answer_text(answered[0][1])
    if len(answered) <= _ANSWERED:
        return "; ".join(f"{sample}: {answer_text(answers)}" for sample, answers in answered)
    if not all(answers[0].name or answers[0].probability for _, answers in answered):
        return ""  # numbers, which answers.csv has
    first = (max(answers, key=lambda a: a.value) for _, answers in answered)
    counts = Counter(answer.name or str(answer.unit) for answer in first)
    return ", ".join(f"{name} × {count}" for name, count in counts.most_common())


def _values(answered: Iterable[Answered]) -> Iterable[tuple[Any, ...]]:
    for one in answered:
        for answer in one.answers:
            value = answer.value if math.isfinite(answer.value) else None
            yield (
                one.sample, answer.output, answer.unit, answer.name, value, answer.probability,
            )  # fmt: skip


def _answers_csv(answered: Sequence[Answered]) -> str:
    """Return one row for each value of each answer; no cell is a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_ANSWER_FIELDS)
    for values in _values(answered):
        writer.writerow(map(spreadsheet_cell, values))
    return text.getvalue()
