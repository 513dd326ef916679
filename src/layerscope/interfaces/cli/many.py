"""Looking at much data: pictures of one sample, a summary over all, some at a time in memory."""

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
    from layerscope.inputs import Feed
    from layerscope.instruments.passes import Passes
    from layerscope.instruments.survey.tallies import DataSummary


def look_at_feed(passes: Passes, feed: Feed, output: OutputFolder, how: LookOptions) -> None:
    """Write the pictures of one sample and the summary over all; print the summary.

    Stopped in the middle, it writes and prints the summary of what was run until then.

    Raises InputError when there is no such sample.
    """
    from layerscope.instruments.survey.tallies import DataSummary

    wanted = how.sample or 0
    summary = DataSummary(passes, feed)
    summary.check_sample(wanted)
    looked = Looked()
    drawn = False
    try:
        with Bar("Running the model", summary.count or 0) as bar:
            for chunk in each_in_one_sentence(summary.chunks()):
                acts = chunk.recording
                if not chunk.begin:
                    with bar.hidden():
                        looked.advice += input_advice(passes, chunk.prepared, acts)
                position = chunk.position(wanted)
                if position is not None and not drawn:
                    with bar.hidden():
                        pictures = write_pictures(acts, output, replace(how, sample=position))
                        looked.left_out += pictures
                    drawn = True
                    if how.sample is not None:
                        looked.answer(acts, how.classes or (), only=position)
                if how.sample is None:
                    looked.answer(acts, how.classes or (), begin=chunk.begin)
                bar.show(summary.opened)
                del chunk, acts  # not beside those of the next pass
    except KeyboardInterrupt:
        if summary.samples:
            _show(summary, looked, output, how)
        raise
    if not drawn:
        raise InputError(f"There is no sample {wanted!r}: there are {summary.samples}.")
    _show(summary, looked, output, how)


def _show(summary: DataSummary, looked: Looked, output: OutputFolder, how: LookOptions) -> None:
    """Write and print the summary as it stands."""
    looked.network = summary.name
    looked.scope = summary.scope
    looked.rows = summary.rows
    looked.notes += [*summary.feed.notes, *summary.notes]
    looked.write(output)
    looked.show(output, as_json=how.json)
