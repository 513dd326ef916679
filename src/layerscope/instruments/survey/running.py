"""A survey on this machine: the data through the model, kept at checkpoints, and gone on with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerscope.core.errors import OutputError
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.progress import Bar
from layerscope.inputs import Feed, Prepared, sample_count
from layerscope.instruments.survey.building import SurveyBuilder
from layerscope.instruments.survey.data import Data
from layerscope.recordings.survey.store import (
    SurveyProgress,
    is_begun,
    is_survey,
    read_survey,
    write_survey,
)
from layerscope.recordings.survey.survey import Survey

CHECKPOINT_SAMPLES = 20_000


@dataclass
class SurveyRun:
    """A survey that is being made."""

    builder: SurveyBuilder
    feed: Feed  #: the data, batch by batch
    data: Data
    first: int
    to: str | os.PathLike[str] | None
    made_with: dict[str, Any]
    file: tuple[int, int] = (0, 0)  #: where among files to go on
    _saved: int = 0  #: how many samples the checkpoint on disk has

    @property
    def done(self) -> int:
        """How many samples are behind."""
        return self.builder.count

    def claim(self, *, resume: bool, overwrite: bool) -> None:
        """Take the folder to write to; go on with what is there. Raises OutputError, InputError."""
        assert self.to is not None
        digest = self.builder.passes.backend.digest
        kept = claimed(self.to, self.made_with, digest, resume=resume, overwrite=overwrite)
        if kept is None:
            return
        before, progress = kept
        self.builder.go_on(before)
        self._saved, self.file = progress.samples, progress.file
        self.builder.notes.pop(stopped_note(self.done, self.to), None)
        self.feed.skip(self.done, self.file)

    def run(self, shown: bool | None) -> Survey:
        """Run the data through the model."""
        feed, builder, interrupted = self.feed, self.builder, False
        builder.provenance = {"model": builder.passes.backend.digest()}
        with Bar("Surveying", feed.count or 0, shown=shown) as bar:
            try:
                for prepared in builder.passes.inputs():
                    with in_one_sentence():
                        self._take(prepared)
                    bar.show(feed.opened, feed.count or 0, f"{self.done:,} samples")
                    if self.to is not None and self.done - self._saved >= CHECKPOINT_SAMPLES:
                        self.save(complete=False)
            except KeyboardInterrupt:
                if not self.done:
                    raise
                interrupted = True
        builder.notes |= dict.fromkeys(feed.notes)
        if interrupted:
            builder.notes[stopped_note(self.done, self.to)] = None
        return builder.result() if self.to is None else self.save(complete=not interrupted)

    def _take(self, prepared: Prepared) -> None:
        """Add what a batch tells."""
        labels = self.data.labels_of(prepared, self.done, sample_count(prepared.value))
        paths = getattr(getattr(self.feed, "files", None), "paths", ())
        self.builder.take(prepared, self.first + self.done, labels, paths)
        self.builder.unreadable |= getattr(self.feed, "unreadable", {})
        if prepared.files:
            number, row = prepared.files[-1]
            self.file = (number, row + 1)

    def save(self, *, complete: bool) -> Survey:
        """Write a checkpoint, and return what it holds."""
        assert self.to is not None
        progress = SurveyProgress(self.done, self.file, complete, self.made_with)
        result = self.builder.result()
        write_survey(self.to, result, progress)
        self._saved = self.done
        return result


def claimed(
    to: str | os.PathLike[str],
    made_with: Mapping[str, Any],
    digest: Callable[[], str],
    *,
    resume: bool,
    overwrite: bool,
) -> tuple[Survey, SurveyProgress] | None:
    """Return the survey to go on with, of what is kept at ``to``; None to begin anew.

    Raises OutputError for anything else that is there, InputError for a survey that is damaged.
    """
    where = Path(to)
    if overwrite or not where.exists():
        return None
    name = str(to)
    if not is_survey(where):
        if where.is_dir() and (is_begun(where) or not any(where.iterdir())):
            return None
        raise OutputError(
            f"{name!r} is there already, and is no survey: name another, or pass overwrite=True."
        )
    if not resume:
        raise OutputError(
            f"There is a survey {name!r} already: name another, or pass overwrite=True."
        )
    before, progress = read_survey(where)
    if before.provenance.get("model") != digest():
        raise OutputError(
            f"The survey {name!r} is of a model with other weights: name another, or pass "
            "overwrite=True."
        )
    apart = [k for k, v in made_with.items() if progress.settings.get(k) != v]
    if apart:
        raise OutputError(
            f"The survey {name!r} was begun with another {apart[0]}, "
            f"{progress.settings.get(apart[0])} instead of {made_with[apart[0]]}: name another, or "
            "pass overwrite=True."
        )
    return before, progress


def stopped_note(samples: int, to: str | os.PathLike[str] | None) -> str:
    """Return what a survey's notes have to say of one that was interrupted."""
    again = "; the same call goes on from there" if to is not None else ""
    return f"it was stopped after {samples:,} samples{again}"
