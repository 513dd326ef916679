"""A summary over many files, chunk by chunk, and where among them one sample is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from layerscope.core.errors import InputError
from layerscope.core.suggestions import did_you_mean
from layerscope.inputs import Batches, Prepared
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
        names = self.recording.samples
        if isinstance(sample, str):
            return names.index(sample) if sample in names else None
        at = sample - self.begin
        return at if 0 <= at < len(names) else None


@dataclass(slots=True)
class FilesSummary:
    """The summary of a network's layers over many files, as far as they were run."""

    passes: Passes
    files: Batches
    name: str = ""  #: of the network, once it was run
    samples: int = 0  #: that were run
    tallies: list[Tally] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)  #: of the recordings, each once, in order

    def chunks(self) -> Iterator[Chunk]:
        """Run the network on the files, and yield each chunk once it is part of the summary.

        Raises InputError, AddressError, ModelError and what the model itself raises.
        """
        for prepared in self.passes.inputs():
            recording = self.passes.record(prepared)
            these = tallies(recording)
            self.tallies = merged(self.tallies, these) if self.tallies else these
            self.name = recording.network.name
            self.notes |= dict.fromkeys(recording.notes)
            begin = self.samples
            self.samples += len(recording.samples)
            yield Chunk(prepared, recording, begin)

    @property
    def opened(self) -> int:
        """How many files were opened."""
        return self.files.opened

    @property
    def count(self) -> int:
        """How many files there are."""
        return len(self.files.files)

    @property
    def rows(self) -> list[Row]:
        """The figures of each layer."""
        return [tally.row for tally in self.tallies]

    @property
    def scope(self) -> str:
        """What the figures are about."""
        if self.opened == self.count:
            return f"for all {self.samples} samples given"
        return (
            f"for the first {self.samples} samples: it was stopped after {self.opened} of "
            f"{self.count} files"
        )

    def check_sample(self, sample: int | str) -> None:
        """Raise InputError, before anything is run, for a sample that is not among the files."""
        names = self.files.files.names
        if isinstance(sample, int):
            count = self.files.files.samples()
            if sample >= count:
                raise InputError(f"There is no sample {sample}: there are {count}, counted from 0.")
        elif sample.partition("[")[0] not in names and sample not in names:
            hint = did_you_mean(sample, names, most=2) or "none is so named."
            raise InputError(f"There is no file {sample!r} among the {len(names)}: {hint}")
