"""Looking at many files: pictures of one, a summary over all of them, some at a time in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from layerscope.core.console import say
from layerscope.core.errors import InputError
from layerscope.core.files import OutputFolder
from layerscope.core.foreign_errors import in_one_sentence
from layerscope.core.progress import Bar
from layerscope.core.suggestions import did_you_mean
from layerscope.interfaces.cli.look import Look, advised, write_pictures
from layerscope.interfaces.cli.tables import summary_csv, summary_table

if TYPE_CHECKING:
    from layerscope.inputs import Batches
    from layerscope.instruments.passes import Passes
    from layerscope.instruments.summary import Tally
    from layerscope.recordings.recording import Recording


@dataclass
class _Seen:
    """What has been seen so far."""

    samples: int = 0
    tallies: list[Tally] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)  #: each once, in order
    left_out: list[str] = field(default_factory=list)
    drawn: Recording | None = None  #: the chunk that holds the sample of the pictures


def look_at_files(passes: Passes, files: Batches, output: OutputFolder, how: Look) -> Recording:
    """Write the pictures of one sample and the summary over all; print the summary.

    Stopped in the middle, it writes and prints the summary of what it has seen until then. Returns
    the chunk that holds the sample.

    Raises InputError when there is no such sample.
    """
    wanted = how.sample or 0
    _check_sample(wanted, files)
    seen = _Seen()
    try:
        with Bar("Running the model", len(files.files)) as bar:
            for prepared in passes.inputs():
                with in_one_sentence():
                    acts = passes.record(prepared)
                if not seen.samples:
                    with bar.hidden():
                        advice = advised(passes, prepared, acts)
                    seen.notes |= {f"Advice: {one}": None for one in advice}
                _add(seen, acts)
                position = _position(wanted, acts, seen.samples)
                if position is not None and seen.drawn is None:
                    with bar.hidden():
                        seen.left_out += write_pictures(acts, output, replace(how, sample=position))
                    seen.drawn = acts
                seen.samples += len(acts.samples)
                bar.show(files.opened)
    except KeyboardInterrupt:
        if seen.samples:
            _write(seen, files, output)
        raise
    if seen.drawn is None:
        raise InputError(f"There is no sample {wanted!r}: there are {seen.samples}.")
    _write(seen, files, output)
    return seen.drawn


def _check_sample(wanted: int | str, files: Batches) -> None:
    """Raise InputError, before anything is run, for a sample that is not among the files."""
    names = files.files.names
    if isinstance(wanted, int):
        count = files.files.samples()
        if wanted >= count:
            raise InputError(f"There is no sample {wanted}: there are {count}, counted from 0.")
    elif wanted.partition("[")[0] not in names and wanted not in names:
        hint = did_you_mean(wanted, names, most=2) or "none is so named."
        raise InputError(f"There is no file {wanted!r} among the {len(names)}: {hint}")


def _position(wanted: int | str, acts: Recording, before: int) -> int | None:
    """Where the sample is in this chunk; None where it is in another."""
    if isinstance(wanted, str):
        return acts.samples.index(wanted) if wanted in acts.samples else None
    return wanted - before if before <= wanted < before + len(acts.samples) else None


def _add(seen: _Seen, acts: Recording) -> None:
    from layerscope.instruments.summary import merged, tallies

    these = tallies(acts)
    seen.tallies = merged(seen.tallies, these) if seen.tallies else these
    seen.notes |= {f"Note: {note}": None for note in acts.notes}


def _write(seen: _Seen, files: Batches, output: OutputFolder) -> None:
    rows = [tally.row for tally in seen.tallies]
    output.write_text("summary.csv", summary_csv(rows))
    count, opened = len(files.files), files.opened
    over = f"all {seen.samples} samples given"
    if opened < count:
        over = f"the first {seen.samples} samples: it was stopped after {opened} of {count} files"
    say(
        *(f"Note: {note}" for note in files.notes),
        *seen.notes,
        *summary_table(rows),
        f"Minimum, mean, maximum and blank channels are for {over}.",
        *seen.left_out,
    )
