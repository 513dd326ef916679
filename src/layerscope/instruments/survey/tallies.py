"""A summary over data that come some at a time, and where among them one sample is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from layerscope.core.errors import InputError
from layerscope.core.suggestions import did_you_mean
from layerscope.inputs import Feed, Prepared, sample_count
from layerscope.instruments.passes import Passes
from layerscope.instruments.summary import Row, Tally, merged, tallies
from layerscope.recordings.recording import Recording


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some of the samples, and what the network made of them."""

    prepared: Prepared
    recording: Recording
    begin: int  #: how many samples there were before

    def position(self, sample: int | str) -> int | None:
        """Return where a sample is in this chunk; None where it is in another."""
        if isinstance(sample, str):
            names = self.recording.samples
            return names.index(sample) if sample in names else None
        at = sample - self.begin
        return at if 0 <= at < self.count else None

    @property
    def count(self) -> int:
        """How many samples it has."""
        return sample_count(self.prepared.value)


@dataclass(slots=True)
class DataSummary:
    """The summary of a network's layers over data, as far as they were run."""

    passes: Passes
    feed: Feed
    name: str = ""  #: of the network, once it was run
    samples: int = 0  #: that were run
    tallies: list[Tally] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)  #: of the recordings, each once, in order
    complete: bool = False  #: whether all of the data were run

    def chunks(self) -> Iterator[Chunk]:
        """Run the network on the data, and yield each chunk once it is part of the summary.

        A chunk is let go of before the next pass, where nobody else holds it.

        Raises InputError, AddressError, ModelError and what the model itself raises.
        """
        for prepared in self.passes.inputs():
            recording = self.passes.record(prepared)
            these = tallies(recording)
            self.tallies = merged(self.tallies, these) if self.tallies else these
            self.name = recording.network.name
            self.notes |= dict.fromkeys(recording.notes)
            chunk = Chunk(prepared, recording, self.samples)
            del prepared, recording
            self.samples += chunk.count
            yield chunk
            del chunk
        self.complete = True

    @property
    def opened(self) -> int:
        """How many files or batches were read."""
        return self.feed.opened

    @property
    def count(self) -> int | None:
        """How many files or batches there are, where that is known."""
        return self.feed.count

    @property
    def rows(self) -> list[Row]:
        """The figures of each layer."""
        return [tally.row for tally in self.tallies]

    @property
    def scope(self) -> str:
        """What the figures are about."""
        if self.complete:
            return f"for all {self.samples} samples given"
        of = "" if self.count is None else f" of {self.count}"
        return (
            f"for the first {self.samples} samples: it was stopped after {self.opened}{of} "
            f"{self.feed.unit}"
        )

    def check_sample(self, sample: int | str) -> None:
        """Raise InputError, before anything is run, for a sample that is not among the files."""
        names = self.feed.names
        if isinstance(sample, int):
            count = self.feed.samples()
            if count is not None and sample >= count:
                raise InputError(f"There is no sample {sample}: there are {count}, counted from 0.")
        elif sample.partition("[")[0] not in names and sample not in names:
            if not names:
                raise InputError(f"There is no sample {sample!r}: they have no names, so count.")
            hint = did_you_mean(sample, names, most=2) or "none is so named."
            raise InputError(f"There is no file {sample!r} among the {len(names)}: {hint}")
