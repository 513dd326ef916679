"""Looking at many files: pictures of one, a summary over all of them, some at a time in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from layerscope.core.console import say
from layerscope.core.errors import InputError
from layerscope.core.files import OutputFolder
from layerscope.core.foreign_errors import each_in_one_sentence
from layerscope.core.progress import Bar
from layerscope.interfaces.cli.pictures import (
    LookOptions,
    answer_lines,
    input_advice,
    write_pictures,
)
from layerscope.interfaces.cli.tables import summary_csv, summary_table

if TYPE_CHECKING:
    from layerscope.inputs import Batches
    from layerscope.instruments.passes import Passes
    from layerscope.instruments.survey.tallies import FilesSummary
    from layerscope.recordings.recording import Recording


def look_at_files(
    passes: Passes, files: Batches, output: OutputFolder, how: LookOptions
) -> Recording:
    """Write the pictures of one sample and the summary over all; print the summary.

    Stopped in the middle, it writes and prints the summary of what was run until then. Returns the
    recording of the chunk that holds the sample.

    Raises InputError when there is no such sample.
    """
    from layerscope.instruments.survey.tallies import FilesSummary

    wanted = how.sample or 0
    summary = FilesSummary(passes, files)
    summary.check_sample(wanted)
    advice: list[str] = []
    left_out: list[str] = []
    answered: list[str] = []
    drawn: Recording | None = None
    try:
        with Bar("Running the model", summary.count) as bar:
            for chunk in each_in_one_sentence(summary.chunks()):
                acts = chunk.recording
                if not chunk.begin:
                    with bar.hidden():
                        advice = input_advice(passes, chunk.prepared, acts)
                position = chunk.position(wanted)
                if position is not None and drawn is None:
                    with bar.hidden():
                        left_out += write_pictures(acts, output, replace(how, sample=position))
                    drawn = acts
                    if how.sample is not None:
                        answered += answer_lines(acts, replace(how, sample=position))
                if how.sample is None:
                    answered += answer_lines(acts, how, chunk.begin)
                bar.show(summary.opened)
    except KeyboardInterrupt:
        if summary.samples:
            _write(summary, output, advice, [*answered, *left_out])
        raise
    if drawn is None:
        raise InputError(f"There is no sample {wanted!r}: there are {summary.samples}.")
    _write(summary, output, advice, [*answered, *left_out])
    return drawn


def _write(
    summary: FilesSummary, output: OutputFolder, advice: Sequence[str], below: Sequence[str]
) -> None:
    """Write and print the summary as it stands."""
    output.write_text("summary.csv", summary_csv(summary.rows))
    say(
        *(f"Note: {note}" for note in summary.files.notes),
        *(f"Advice: {line}" for line in advice),
        *(f"Note: {note}" for note in summary.notes),
        *summary_table(summary.rows),
        f"Minimum, mean, maximum and blank channels are {summary.scope}.",
        *below,
    )
