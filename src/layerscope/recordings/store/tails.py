"""Chunks of many steps: the last one is kept in memory and written again with every step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.recordings.store.array_layout import GrowingArray, coordinate
from layerscope.recordings.store.chunks import decode_chunk, encode_chunk
from layerscope.recordings.store.limits import most_compressed
from layerscope.recordings.store.places import Folder, Remote


class Tail:
    """The last chunk of an array. What it holds of committed steps never changes.

    In memory are the rows of the steps so far: a recording of thousands of layers has as many
    tails, and whole chunks of all of them would take more than what is recorded.
    """

    def __init__(self, stored: GrowingArray) -> None:
        self._stored = stored
        self._rows = self._filled(0)
        self.begun = False  #: whether there is such a chunk in the store

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return self._rows.nbytes

    def load(self, chunk: bytes | None, at: int) -> None:
        """Take over the chunk in which step ``at``, counted from 0, is to be the next."""
        count = at % self._stored.steps
        self._rows = self._filled(count)
        if chunk is not None:
            self.begun = True
            whole = (self._stored.steps, *self._stored.shape)
            self._rows[:] = decode_chunk(chunk, whole, self._stored.dtype)[:count]

    def with_row(self, at: int, row: npt.NDArray[Any] | None) -> bytes:
        """Return the chunk with this row for step ``at``; without one, the step holds nothing."""
        within = at % self._stored.steps
        if within == 0:
            self._rows = self._filled(0)
        if within >= len(self._rows):
            longer = self._filled(min(2 * within + 1, self._stored.steps))
            longer[: len(self._rows)] = self._rows
            self._rows = longer
        self._rows[within] = self._stored.fill if row is None else row
        whole = self._filled(self._stored.steps)
        whole[: within + 1] = self._rows[: within + 1]
        return encode_chunk(whole, self._stored.dtype)

    def forget(self) -> None:
        """Keep no rows: they are loaded again before the next one is added."""
        self._rows = self._filled(0)

    def _filled(self, count: int) -> npt.NDArray[Any]:
        stored = self._stored
        return np.full((count, *stored.shape), stored.fill, stored.dtype)


def read_numbers(where: Folder | Remote, stored: GrowingArray, count: int) -> npt.NDArray[Any]:
    """Return the first ``count`` rows of an array of numbers.

    Raises
    ------
    InputError
        When a chunk of them is absent or damaged.
    """
    return np.concatenate([np.empty(0, stored.dtype), *_chunks(where, stored, count)])[:count]


def read_steps(where: Folder | Remote, count: int) -> npt.NDArray[np.int64]:
    """Return the numbers of the first ``count`` steps.

    Raises
    ------
    InputError
        When a chunk of them is absent or damaged, or they do not rise.
    """
    stored = coordinate("step")
    chunks = [np.empty(0, np.int64)]
    for at, chunk in enumerate(_chunks(where, stored, count)):
        # Each one before the next is read: a store may claim any number of steps.
        chunks.append(chunk[: count - at * stored.steps])
        numbers = np.concatenate([chunks[-2][-1:], chunks[-1]])
        if (numbers[1:] <= numbers[:-1]).any():
            raise InputError(
                f"{where.name} is a damaged recording: the numbers of its steps do not rise."
            )
    return np.concatenate(chunks)


def _chunks(where: Folder | Remote, stored: GrowingArray, count: int) -> Iterator[npt.NDArray[Any]]:
    for at in range(0, count, stored.steps):
        key = stored.chunk_key(at)
        data = where.get(key, most_compressed(stored.steps * stored.dtype.itemsize))
        try:
            yield decode_chunk(data or b"", (stored.steps,), stored.dtype)
        except (ValueError, RuntimeError):
            raise InputError(f"{where.name} is a damaged recording: {key} can't be read.") from None
