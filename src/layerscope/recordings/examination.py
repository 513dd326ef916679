"""What an examination of a network comes to: findings, each with its figures, words and picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from layerscope.core.display import Pictured
from layerscope.core.text import message

State = Literal["found", "clean", "not checked"]
Severity = Literal["failing", "notable"]
Array = npt.NDArray[Any]

#: What is more likely the cause of the others comes first.
_CAUSES = (
    "nan", "softmax-twice", "loss-mismatch", "input-scale", "start-loss", "dying", "silent",
    "saturation", "batch-norm", "running-statistics", "gradients", "exploding", "vanishing",
    "frozen", "still", "slow", "duplicates", "rank", "constant", "guessing", "same-class",
)  # fmt: skip
_ORDER = {("found", "failing"): 0, ("found", "notable"): 1, ("clean", None): 2}


@dataclass(frozen=True, eq=False)
class FindingChart:
    """The numbers that a finding's picture is made of.

    ``form`` says what ``labels`` are: the names of ``layers``, the numbers of ``units``, or
    ``steps``; of ``maps`` each series is ``(y, x, channel)``.
    """

    form: Literal["layers", "units", "steps", "maps"]
    title: str
    series: Mapping[str, Array]
    labels: Sequence[Any] = ()
    value: str = ""  #: what the numbers are
    logarithmic: bool = False
    marked: Sequence[Any] = ()  #: the labels that the finding is about


@dataclass(frozen=True, eq=False)
class ExaminationFinding(Pictured):
    """What one check has to say of a layer, of some of its units, or of the whole network."""

    kind: str  #: as ``--fail-on`` takes it: ``dying``, ``nan``
    state: State
    headline: str  #: one sentence: what, and where
    layer: str | None = None  #: an address; None where it is about the network
    units: tuple[int, ...] = ()
    severity: Severity | None = None  #: None unless it is found
    step: int | None = None  #: at which it came about
    figures: Mapping[str, Any] = field(default_factory=dict)
    samples: int | None = None  #: that the figures are over
    normal: str = ""  #: what was normal for this network
    means: str = ""  #: what it may mean, and what it can't
    advice: str = ""  #: what to try
    chart: FindingChart | None = None

    @property
    def words(self) -> str:
        """All that is to be said of it, in sentences."""
        return message(" ".join(filter(None, self._sentences())))

    def _sentences(self) -> tuple[str, ...]:
        return (self.headline, self.normal, self.means, self.advice)

    def to_json(self) -> dict[str, Any]:
        """Return it as numbers, strings, lists and dicts."""
        return {
            "kind": self.kind,
            "state": self.state,
            "severity": self.severity,
            "layer": self.layer,
            "units": list(self.units),
            "step": self.step,
            "samples": self.samples,
            "figures": {name: _plain(value) for name, value in self.figures.items()},
            "headline": self.headline,
            "words": self.words,
        }

    def __str__(self) -> str:
        return self.words

    def __repr__(self) -> str:
        how = self.state if self.severity is None else self.severity
        return message(f"<{self.kind}, {how}: {self.headline}>")


class ExaminationReport:
    """The findings of an examination, the gravest first.

    Attributes
    ----------
    findings : tuple of ExaminationFinding
        Of every check: what it found, or that all is clean, or why it was not checked.
    subject : str
        What was examined, in words.
    samples : int or None
        Over how many samples.
    notes : tuple of str
        What a reader should know.
    """

    def __init__(
        self,
        findings: Iterable[ExaminationFinding],
        *,
        subject: str,
        samples: int | None,
        notes: Sequence[str] = (),
    ) -> None:
        self.findings = tuple(sorted(findings, key=_gravity))
        self.subject = subject
        self.samples = samples
        self.notes = tuple(notes)

    @property
    def found(self) -> tuple[ExaminationFinding, ...]:
        """What was found."""
        return tuple(finding for finding in self.findings if finding.state == "found")

    @property
    def failing(self) -> tuple[ExaminationFinding, ...]:
        """What was found that is grave."""
        return tuple(finding for finding in self.found if finding.severity == "failing")

    def of_kind(self, kind: str) -> tuple[ExaminationFinding, ...]:
        """Return the findings of one check."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    def to_json(self) -> dict[str, Any]:
        """Return it as numbers, strings, lists and dicts."""
        return {
            "subject": self.subject,
            "samples": self.samples,
            "notes": list(self.notes),
            "findings": [finding.to_json() for finding in self.findings],
        }

    def __str__(self) -> str:
        return "\n".join(self.lines())

    __repr__ = __str__

    def lines(self) -> list[str]:
        """Return it as lines of text: what was found in full, the rest in a line each kind."""
        of = "" if self.samples is None else f", on {self.samples:,} samples"
        lines = [message(f"Examined {self.subject}{of}")]
        alike: dict[tuple[Any, ...], list[ExaminationFinding]] = {}
        for finding in self.found:
            alike.setdefault((finding.severity, finding.kind, finding.means), []).append(finding)
        for (severity, kind, means), findings in alike.items():
            lines += ["", message(f"{severity}: {kind}")]
            for finding in findings:
                lines.append(message(f"  {finding.headline} {finding.normal}".rstrip()))
            lines += [
                message(f"  {sentence}") for sentence in (means, findings[0].advice) if sentence
            ]
        if not self.found:
            lines += ["", "Nothing was found."]
        clean = [f.kind for f in self.findings if f.state == "clean"]
        if clean:
            lines += ["", message(f"Checked and clean: {', '.join(clean)}.")]
        reasons: dict[str, list[str]] = {}
        for finding in self.findings:
            if finding.state == "not checked":
                reasons.setdefault(finding.headline, []).append(finding.kind)
        if reasons:
            lines += ["", "Not checked:"]
            lines += [message(f"  {', '.join(kinds)}: {why}") for why, kinds in reasons.items()]
        return [*lines, *(message(f"Note: {note}") for note in self.notes)]


def _gravity(finding: ExaminationFinding) -> tuple[int, int]:
    kind = _CAUSES.index(finding.kind) if finding.kind in _CAUSES else len(_CAUSES)
    return _ORDER.get((finding.state, finding.severity), 3), kind


def _plain(value: Any) -> Any:
    """Return a figure as JSON has it; what is not finite as text."""
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in np.asarray(value).tolist()]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
