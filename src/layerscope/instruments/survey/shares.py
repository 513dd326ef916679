"""Data in shares, which workers read by themselves, and again where one was lost with a worker."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs import Batches, Feed, Files, InputSettings, Prepared, sample_count
from layerscope.inputs import batches as batches_of
from layerscope.inputs.batches import FilesRead
from layerscope.inputs.feeds import arrays_in
from layerscope.instruments.survey.data import Data

_NOTICED = 0.1  #: seconds until a thread that waits for room sees that nobody wants more


@dataclass(frozen=True, slots=True)
class ShareRead:
    """A share, as a worker has read it."""

    batches: Sequence[Prepared]
    files: FilesRead | None = None  #: what was done to files
    paths: Sequence[str] = ()  #: of these

    @property
    def count(self) -> int:
        """How many samples it has."""
        return sum(sample_count(prepared.value) for prepared in self.batches)


class Share(Protocol):
    """Samples that follow one another."""

    @property
    def nbytes(self) -> int:
        """What is held for it until its samples are part of a survey; 0 where it is files."""

    @property
    def begin(self) -> int:
        """The number of its first file; 0 where it is no files."""

    def read(self, specs: Sequence[InputSpec], settings: InputSettings, batch: int) -> ShareRead:
        """Read it. Raises InputError where it can't be read, or does not fit."""

    def labels_of(self, prepared: Prepared, names: Sequence[str]) -> list[Any]:
        """Return the labels that samples came with; ``names`` are those of numbers."""


@dataclass(frozen=True, slots=True)
class FileShare:
    """Some files, or rows of one."""

    files: Files
    begin: int = 0
    row: int = 0  #: where in the first of them it begins
    most: int | None = None  #: samples that are taken
    labels: Mapping[int, str] = field(default_factory=dict)  #: of its files, counted from 0
    nbytes: int = 0

    def read(self, specs: Sequence[InputSpec], settings: InputSettings, batch: int) -> ShareRead:
        """Read the files; those that can't be read are part of what was done to them."""
        feed = batches_of(self.files, specs, settings, chunk=batch, limit=self.most)
        feed.skip(0, (0, self.row))
        taken: list[Prepared] = []
        try:
            taken += feed
        except InputError:
            if self.files.strict or len(feed.unreadable) < len(self.files):
                raise
        return ShareRead(taken, feed.files_read, self.files.paths)

    def labels_of(self, prepared: Prepared, names: Sequence[str]) -> list[Any]:
        """Return the labels that the samples' folders are."""
        return [self.labels.get(number) for number, _ in prepared.files]


@dataclass(frozen=True, slots=True)
class BatchShare:
    """A batch that was read where the survey was asked for."""

    prepared: Prepared
    begin: int = 0

    @property
    def nbytes(self) -> int:
        """What the batch takes."""
        return sum(getattr(array, "nbytes", 0) for array in arrays_in(self.prepared.value))

    def read(self, specs: Sequence[InputSpec], settings: InputSettings, batch: int) -> ShareRead:
        """Return the batch."""
        return ShareRead([self.prepared])

    def labels_of(self, prepared: Prepared, names: Sequence[str]) -> list[Any]:
        """Return the labels that came with the batch."""
        count = sample_count(prepared.value)
        return Data(None, names=names).labels_of(prepared, 0, count)


def shares_of(feed: Feed, data: Data, batch: int, start: tuple[int, int]) -> Iterator[Share]:
    """Yield data in shares of about a batch, from ``start`` on: a file, and a row in it."""
    if not isinstance(feed, Batches):
        for prepared in feed:
            yield BatchShare(prepared)
        return
    files, (number, row) = feed.files, start
    while number < len(files):
        held = _part(files, number, number + 1).samples()
        if held > 1 or row:  # an array: its rows, some at a time
            while row < held:
                yield _share(feed.files, data, number, number + 1, row, min(batch, held - row))
                row += batch
            number, row = number + 1, 0
            continue
        stop = number + 1
        while stop < min(number + batch, len(files)) and _part(files, stop, stop + 1).samples() < 2:
            stop += 1
        yield _share(files, data, number, stop)
        number = stop


def _share(
    files: Files, data: Data, begin: int, stop: int, row: int = 0, most: int | None = None
) -> FileShare:
    labels = {i - begin: data.by_file[i] for i in range(begin, stop) if i in data.by_file}
    return FileShare(_part(files, begin, stop), begin, row, most, labels)


def _part(files: Files, begin: int, stop: int) -> Files:
    return Files(files.paths[begin:stop], files.names[begin:stop], (), files.strict)


class SharesAhead:
    """Shares that a thread gets ready, some ahead of those that were taken."""

    def __init__(self, shares: Iterable[Share], held: Callable[[Share], Any], ahead: int) -> None:
        self.is_over = False  #: whether all were taken
        self._shares, self._held = shares, held
        self._ready: queue.Queue[Any] = queue.Queue(max(1, ahead))
        self._closed = threading.Event()
        # A daemon, lest a process waits for data that nobody wants any more.
        self._thread = threading.Thread(target=self._fill, name="layerscope-shares", daemon=True)
        self._thread.start()

    def take(self) -> tuple[Any, int] | None:
        """Return the next share, as workers are handed it, and what is held for it; None if none.

        Raises what reading the data has raised.
        """
        if self.is_over or self._ready.empty():
            return None
        one = self._ready.get()
        if isinstance(one, tuple):
            return one
        self.is_over = True
        if one is not None:
            raise one
        return None

    def wait(self, seconds: float) -> None:
        """Wait until a share is ready, for so long at most."""
        end = time.monotonic() + seconds
        while self._ready.empty() and time.monotonic() < end:
            time.sleep(seconds / 10)

    def close(self) -> None:
        """Stop getting them ready."""
        self._closed.set()

    def _fill(self) -> None:
        try:
            for share in self._shares:
                if not self._put((self._held(share), share.nbytes)):
                    return
        # Raised again where the share is wanted, whatever it is.
        except BaseException as error:  # noqa: BLE001
            self._put(error)
        else:
            self._put(None)

    def _put(self, one: Any) -> bool:
        while not self._closed.is_set():
            try:
                self._ready.put(one, timeout=_NOTICED)
            except queue.Full:
                continue
            return True
        return False
