"""What a page asks with: which sample, which step, and what it is to be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from layerscope.core.architecture import counterparts
from layerscope.core.errors import InputError
from layerscope.core.text import shown_name
from layerscope.instruments.weights import weights
from layerscope.recordings.finding import moment_text
from layerscope.views.explorer.moment import Against, Moment

if TYPE_CHECKING:
    from layerscope.interfaces.page.subject import PageSubject


_NAMED = 3  #: units that are named where something is compared


@dataclass(frozen=True)
class Query:
    """Which moment of which model is looked at, and what else a panel is told."""

    sample: int = 0
    step: int | None = None
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def silenced(self) -> tuple[str, ...]:
        """The units that are looked at the network without."""
        return tuple(dict.fromkeys(filter(None, self.words.get("without", "").split("\n"))))

    @classmethod
    def of(cls, words: Mapping[str, str]) -> Query:
        """Read a query as a page sends it.

        Raises
        ------
        InputError
            When a number is none.
        """
        step = words.get("step", "")
        sample = whole("sample", words.get("sample") or "0")
        return cls(sample, whole("step", step) if step else None, words)


def whole(name: str, text: str) -> int:
    """Return the number that a query gives for a name.

    Raises
    ------
    InputError
        When it is none.
    """
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise InputError(f"{name}={text[:40]!r} is no number: pass a whole one, 0 or more.")
    return int(text)


def against_of(subject: PageSubject, query: Query, moment: Moment) -> Against | None:
    """Return what a query compares its moment with: ``sample:3``, ``step:5`` or ``model:1``.

    Or ``intact``, where it looks at the network without some units.

    Raises
    ------
    InputError
        When it is none of these, or there is no such thing.
    """
    word = query.words.get("against", "")
    if not word:
        return None
    kind, _, text = word.partition(":")
    if word == "intact":
        if not query.silenced:
            return None
        there = subject.plain_moment(replace(query, words={**query.words, "without": ""}))
        names = ", ".join(map(shown_name, query.silenced[:_NAMED]))
        more = len(query.silenced) - _NAMED
        without = f"without {names}" + (f" and {more} more" if more > 0 else "")
        return Against(there, (without, "intact"))
    if kind not in ("sample", "step", "model"):
        raise InputError(f"against={word[:40]!r}: pass sample:3, step:5, model:1 or intact.")
    number = whole(kind, text)
    if kind == "sample":
        there = subject.plain_moment(replace(query, sample=number))
        return Against(there, _both_called(subject, query, number))
    if kind == "step":
        return _other_step(subject, query, number)
    return _other_model(subject, query, moment)


def _both_called(subject: PageSubject, query: Query, other: int) -> tuple[str, str]:
    """Return what two samples are called; also when they were seen, where that differs.

    One that was recorded is shown at some step of the training, any other as the network is now.
    """
    both = query.sample, other
    first, second = (_called(subject, sample) for sample in both)
    run = subject.run
    if run is None or len({sample < subject.recorded for sample in both}) == 1:
        return first, second
    then = moment_text(run, run.position(query.step))
    one, two = (then if sample < subject.recorded else "now" for sample in both)
    return f"{first}, {one}", f"{second}, {two}"


def _called(subject: PageSubject, sample: int) -> str:
    """Return what a sample is called: by its number, or, given by hand, by its name."""
    further = sample - subject.recorded
    by_hand = subject.samples is not None and further in subject.samples.editions
    return subject.names[sample] if by_hand else f"sample {sample}"


def _other_step(subject: PageSubject, query: Query, step: int) -> Against:
    run = subject.run
    if run is None or query.sample >= subject.recorded:
        raise InputError(
            f"Sample {query.sample} was not recorded over steps: compare it with another sample."
        )
    there = subject.plain_moment(replace(query, step=step))
    first, second = (moment_text(run, run.position(number)) for number in (query.step, step))
    return Against(there, (first, second))


def _other_model(subject: PageSubject, query: Query, moment: Moment) -> Against:
    other = subject.against
    if other is None:
        raise InputError("There is no other model here: open the page with one to compare.")
    if query.sample < subject.recorded:
        raise InputError(
            f"Sample {query.sample} was recorded, and the other model was not run on it: choose "
            "a sample that was not."
        )
    recording, row = other.recording(query.sample - subject.recorded)
    there = replace(
        moment, activations=recording, sample=row, load_weights=lambda: weights(other.model)
    )
    addresses = counterparts(moment.activations.network, recording.network)
    return Against(there, ("model 0", "model 1"), addresses)
