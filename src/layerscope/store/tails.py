"""Chunks of many steps: the last one is kept in memory and written again with every step."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.errors import InputError
from layerscope.store.chunks import decode_chunk, encode_chunk
from layerscope.store.layout import Stored
from layerscope.store.places import Folder, Remote


class Tail:
    """The last chunk of an array. What it holds of committed steps never changes."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._rows = self._fresh()

    def load(self, chunk: bytes | None, at: int) -> None:
        """Take over the chunk in which step ``at``, counted from 0, is to be the next."""
        self._rows = self._fresh()
        if chunk is not None:
            self._rows[:] = decode_chunk(chunk, self._rows.shape, self._stored.dtype)
        self._rows[at % self._stored.steps :] = self._stored.fill

    def with_row(self, at: int, row: npt.NDArray[Any] | None) -> bytes:
        """The chunk with this row for step ``at``; without one, the step holds nothing."""
        within = at % self._stored.steps
        if within == 0:
            self._rows = self._fresh()
        self._rows[within] = self._stored.fill if row is None else row
        return encode_chunk(self._rows, self._stored.dtype)

    def _fresh(self) -> npt.NDArray[Any]:
        stored = self._stored
        return np.full((stored.steps, *stored.shape), stored.fill, stored.dtype)


def read_numbers(where: Folder | Remote, stored: Stored, count: int) -> npt.NDArray[Any]:
    """The first ``count`` rows of an array of numbers.

    Raises
    ------
    InputError
        When a chunk of them is absent or damaged.
    """
    found = [np.empty(0, stored.dtype)]
    for at in range(0, count, stored.steps):
        chunk = where.get(stored.chunk_key(at))
        try:
            found.append(decode_chunk(chunk or b"", (stored.steps,), stored.dtype))
        except (ValueError, RuntimeError):
            raise InputError(
                f"{where.name} is a damaged recording: {stored.chunk_key(at)} can't be read."
            ) from None
    return np.concatenate(found)[:count]
