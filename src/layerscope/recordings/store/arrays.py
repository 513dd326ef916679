"""Reading an array out of the files of its chunks: by the layout, not by what metadata say.

What lies in a store is data, and may be anyone's. An array's shape, type and chunks follow from the
schema; the codecs are the one that layerscope writes with. So no metadata can name another codec,
and no chunk become more than a chunk.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError, LayerscopeError
from layerscope.recordings.store.array_layout import Grid
from layerscope.recordings.store.chunks import (
    ABSENT,
    INDEX_CHECKSUM,
    INDEX_ENTRY,
    decode_chunk,
    shard_index,
)
from layerscope.recordings.store.limits import Ledger, most_compressed
from layerscope.recordings.store.places import Folder, Remote
from layerscope.recordings.store.sentences import first_line

Slices = tuple[slice, ...]
Array = npt.NDArray[Any]
_SMALL = 2**20  # bytes of a result for which threads are not worth their start
_REMOTE_THREADS = 16  # they wait for the network, not for a processor


@dataclass(frozen=True)
class _Piece:
    """A part of one axis within one chunk: which chunk, where in it, where in the result."""

    chunk: int
    source: slice
    target: slice


def read_array(
    where: Folder | Remote, grid: Grid, index: Slices, ledger: Ledger | None = None
) -> Array:
    """Return the part of an array that these slices, which rise, pick.

    Raises
    ------
    InputError
        When a chunk of it is damaged, or its files hold far less than the array is large.
    """
    ledger = ledger or Ledger(f"{where.name}: {grid.path}")
    shape = tuple(len(range(s.start, s.stop, s.step)) for s in index)
    try:
        values = np.empty(shape, grid.dtype)
    except (ValueError, MemoryError):
        raise InputError(
            f"{where.name}: {grid.path} is too large to be read at once: read a part of it, such "
            "as one step."
        ) from None
    if not values.size:
        return values
    axes = [list(_pieces(*pair)) for pair in zip(index, grid.outer, strict=True)]
    reader = _Reader(where, grid, ledger)

    def fill(pieces: tuple[_Piece, ...]) -> None:
        parts: tuple[Any, ...] = (
            *(piece.target for piece in pieces),
            ...,
        )  # a view also of what has no axes
        target = values[parts]
        reader.fill(target, grid.key(p.chunk for p in pieces), tuple(p.source for p in pieces))

    _for_each(fill, product(*axes), values.nbytes > _SMALL, where)
    return values


class _Reader:
    """Fills parts of a result from the files of one array."""

    def __init__(self, where: Folder | Remote, grid: Grid, ledger: Ledger) -> None:
        self._where, self._grid, self._ledger = where, grid, ledger

    def fill(self, target: Array, key: str, source: Slices) -> None:
        """Fill it from one file: a chunk, or a shard of many."""
        try:
            if self._grid.inner is None:
                self._fill_from_chunk(target, key, source)
            else:
                self._fill_from_shard(target, key, source, self._grid.inner)
        except LayerscopeError:
            raise
        except (ValueError, RuntimeError, OSError) as error:
            raise InputError(
                f"{self._where.name}: {self._grid.path} can't be read, it is damaged or out of "
                f"reach ({key.rpartition('/')[2]}: {first_line(error)})."
            ) from error

    def _fill_from_chunk(self, target: Array, key: str, source: Slices) -> None:
        grid = self._grid
        nbytes = math.prod(grid.outer) * grid.dtype.itemsize
        data = self._where.get(key, most_compressed(nbytes))
        if data is None:
            self._leave_out(target)
            return
        self._ledger.enter(len(data), nbytes)
        target[...] = decode_chunk(data, grid.outer, grid.dtype)[source]

    def _fill_from_shard(
        self, target: Array, key: str, source: Slices, inner: tuple[int, ...]
    ) -> None:
        counts = [n // c for n, c in zip(self._grid.outer, inner, strict=True)]
        length = math.prod(counts) * INDEX_ENTRY + INDEX_CHECKSUM
        tail = self._where.part(key, -length, length)
        if tail is None:
            self._leave_out(target)
            return
        places = shard_index(tail)
        axes = [list(_pieces(*pair)) for pair in zip(source, inner, strict=True)]
        wanted = list(product(*axes))
        numbers = [
            int(np.ravel_multi_index([p.chunk for p in pieces], counts)) for pieces in wanted
        ]
        chunks = self._chunks(key, [tuple(map(int, places[n])) for n in numbers], inner)
        for pieces, chunk in zip(wanted, chunks, strict=True):
            into = target[tuple(p.target for p in pieces)]
            if chunk is None:
                self._leave_out(into)
            else:
                values = decode_chunk(chunk, inner, self._grid.dtype)
                into[...] = values[tuple(p.source for p in pieces)]

    def _chunks(
        self, key: str, places: list[tuple[int, ...]], inner: tuple[int, ...]
    ) -> Iterator[bytes | None]:
        """Read the bytes of chunks within a shard: in one go where they lie together."""
        nbytes = math.prod(inner) * self._grid.dtype.itemsize
        there = [(start, length) for start, length in places if start != ABSENT]
        if any(length > most_compressed(nbytes) or start >= 2**63 for start, length in there):
            raise ValueError("its index is damaged")
        first = min((start for start, _ in there), default=0)
        end = max((start + length for start, length in there), default=0)
        together = b""
        if len(there) > 1 and end - first <= 2 * sum(length for _, length in there):
            together = self._where.part(key, first, end - first) or b""
        for start, length in places:
            if start == ABSENT:
                yield None
                continue
            self._ledger.enter(length, nbytes)
            if together:
                yield together[start - first : start - first + length]
            else:
                yield self._where.part(key, start, length) or b""

    def _leave_out(self, target: Array) -> None:
        """Fill what is not there as the layout says: NaN, of what was left out of a step."""
        if not self._grid.optional:
            raise ValueError("it is missing")
        self._ledger.enter(0, target.nbytes)
        target[...] = self._grid.fill


def _pieces(index: slice, chunk: int) -> Iterator[_Piece]:
    """Yield how a slice, which rises, lies over the chunks of an axis."""
    for number in range(index.start // chunk, -(-index.stop // chunk)):
        begins = number * chunk
        before = max(0, -(-(begins - index.start) // index.step))  # how many lie in earlier chunks
        first = index.start + before * index.step
        stop = min(index.stop, begins + chunk)
        count = len(range(first, stop, index.step))
        if count:
            source = slice(first - begins, stop - begins, index.step)
            yield _Piece(number, source, slice(before, before + count))


def _for_each(
    work: Callable[[tuple[_Piece, ...]], None],
    items: Iterator[tuple[_Piece, ...]],
    is_large: bool,
    where: Folder | Remote,
) -> None:
    """Do it for each of them; in threads where that is worth it, which end before this returns."""
    jobs = list(items)
    threads = min(4, os.cpu_count() or 1) if isinstance(where, Folder) else _REMOTE_THREADS
    if len(jobs) == 1 or threads == 1 or (isinstance(where, Folder) and not is_large):
        for job in jobs:
            work(job)
        return
    with ThreadPoolExecutor(min(threads, len(jobs)), "layerscope-read") as pool:
        futures = [pool.submit(work, job) for job in jobs]
        try:
            for future in futures:
                future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            raise
