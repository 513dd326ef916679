"""Looking at many files: pictures of one, a summary over all of them, some at a time in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from layerscope.core.errors import InputError
from layerscope.core.files import OutputFolder
from layerscope.core.foreign_errors import each_in_one_sentence
from layerscope.core.progress import Bar
from layerscope.interfaces.cli.looked import Looked
from layerscope.interfaces.cli.pictures import (
    LookOptions,
    input_advice,
    write_pictures,
)

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
    looked = Looked()
    drawn: Recording | None = None
    try:
        with Bar("Running the model", summary.count) as bar:
            for chunk in each_in_one_sentence(summary.chunks()):
                acts = chunk.recording
                if not chunk.begin:
                    with bar.hidden():
                        looked.advice += input_advice(passes, chunk.prepared, acts)
                position = chunk.position(wanted)
                if position is not None and drawn is None:
                    with bar.hidden():
                        pictures = write_pictures(acts, output, replace(how, sample=position))
                        looked.left_out += pictures
                    drawn = acts
                    if how.sample is not None:
                        looked.answer(acts, how.classes or (), only=position)
                if how.sample is None:
                    looked.answer(acts, how.classes or (), begin=chunk.begin)
                bar.show(summary.opened)
    except KeyboardInterrupt:
        if summary.samples:
            _show(summary, looked, output, how)
        raise
    if drawn is None:
        raise InputError(f"There is no sample {wanted!r}: there are {summary.samples}.")
    _show(summary, looked, output, how)
    return drawn


def _show(summary: FilesSummary, looked: Looked, output: OutputFolder, how: LookOptions) -> None:
    """Write and print the summary as it stands."""
    looked.network = summary.name
    looked.scope = summary.scope
    looked.rows = summary.rows
    looked.notes += [*summary.files.notes, *summary.notes]
    looked.write(output)
    looked.show(output, as_json=how.json)
