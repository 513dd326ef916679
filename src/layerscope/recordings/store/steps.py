"""The chunks of one step: encoded and put in threads, removed again where the step fails."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError, OutputError
from layerscope.recordings.store.array_layout import ArrayLayout, GrowingArray, Key, Slot
from layerscope.recordings.store.chunks import encode_chunk, encode_shard
from layerscope.recordings.store.limits import most_compressed
from layerscope.recordings.store.places import Folder, Remote
from layerscope.recordings.store.quantize import quantize
from layerscope.recordings.store.schema import Schema
from layerscope.recordings.store.tails import Tail
from layerscope.recordings.store.wide import fits_half, wide

Values = npt.NDArray[Any]
_REMOTE_THREADS = 16  # they wait for the network, not for a processor
#: Bytes of the last chunks of all arrays that are kept in memory. Where there are more in a folder,
#: they are read again at each step.
_KEPT = 8_000_000


class Steps:
    """Puts the chunks of steps, which are counted from 0."""

    def __init__(self, where: Folder | Remote, schema: Schema, layout: ArrayLayout) -> None:
        self._where = where
        self._described = {
            (group.kind, group.address, name): variable
            for group in schema.groups
            for name, variable in group.variables.items()
        }
        self._arrays: dict[str, GrowingArray] = {}
        self._slots = layout.slots
        self._tails: dict[str, Tail] = {}
        self._tail_bytes = 0
        self._wide: dict[str, GrowingArray] = {}  #: by the path of what they go on with
        for stored in layout.arrays.values():
            self.add(stored)
        threads = min(4, os.cpu_count() or 1) if isinstance(where, Folder) else _REMOTE_THREADS
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="layerscope-store")

    def add(self, stored: GrowingArray) -> None:
        """Add one more array; it holds nothing for the steps before."""
        self._arrays[stored.path] = stored
        if stored.steps > 1:
            self._tails[stored.path] = Tail(stored)
            self._tail_bytes += stored.steps * math.prod(stored.shape) * stored.dtype.itemsize

    def widen(self, path: str, since: int) -> GrowingArray:
        """Have an array go on as float32, from a step on; returns the new one."""
        self._wide[path] = wide(self._arrays[path], since)
        self.add(self._wide[path])
        return self._wide[path]

    def outgrown(self, arrays: Mapping[Key, Values]) -> list[str]:
        """Return the paths of the arrays of float16 that do not hold these values."""
        outgrown: dict[str, None] = {}
        for key, values in arrays.items():
            path = self._slots[key].path
            if self._arrays[path].dtype != np.float16 or path in self._wide:
                continue
            if getattr(values, "dtype", None) == np.float16:
                continue  # what is rounded when it is read need not be read for this
            if not fits_half(np.asarray(values)):
                outgrown[path] = None
        return list(outgrown)

    def is_wide(self, key: Key) -> bool:
        """Return whether values of this variable are kept as float32 by now, not as float16."""
        return self._slots[key].path in self._wide

    def check(self, arrays: Mapping[Key, Values]) -> None:
        """Raise OutputError where these are not what the schema describes."""
        for key, values in arrays.items():
            variable = self._described.get(key) if key in self._slots else None
            kind, address, name = key
            if variable is None:
                raise OutputError(f"{name} of {address!r} ({kind}) is not in the run's schema.")
            if np.shape(values) != variable.shape:
                raise OutputError(
                    f"{name} of {address!r} has the shape {np.shape(values)}; the run holds "
                    f"{variable.shape} ({', '.join(variable.dims)})."
                )
        for key in self._slots.keys() - arrays.keys():
            variable = self._described[key]
            if np.dtype(variable.dtype).kind != "f" and not variable.scaled:
                raise OutputError(
                    f"{key[2]} of {key[1]!r} is missing; only what can be NaN may be left out."
                )

    def put(self, at: int, arrays: Mapping[Key, Values], numbers: Mapping[str, float]) -> int:
        """Put a step: its arrays, and the numbers by the path of their array. Returns bytes."""
        rows: dict[str, Values] = {path: np.asarray(value) for path, value in numbers.items()}
        whole = {key: values for key, values in arrays.items() if self._slots[key].part is None}
        with np.errstate(over="ignore"):  # beyond float32 is infinite
            for key in arrays.keys() - whole.keys():
                slot = self._slots[key]
                path = self._path(slot)
                if path not in rows:
                    stored = self._arrays[path]
                    rows[path] = np.full(stored.shape, stored.fill, stored.dtype)
                rows[path][slot.part] = arrays[key]
        jobs: list[Callable[[], int]] = [
            partial(self._put_own, at, key, values) for key, values in whole.items()
        ]
        covered = {path for key in whole for path in self._slots[key].paths()} - self._wide.keys()
        covered |= {self._path(self._slots[key]) for key in whole}
        covered |= rows.keys()
        jobs += [partial(self._put_row, at, path, row) for path, row in rows.items()]
        # A chunk of many steps is always written, lest it keep what an attempt left in it.
        jobs += [partial(self._put_row, at, p, None) for p in self._tails.keys() - covered]
        return self._all(jobs)

    def put_keys(self, keys: Mapping[str, bytes], *, sync: bool = True) -> int:
        """Put these bytes by key; without ``sync``, a power cut may take them."""
        return self._all(partial(self._key, key, data, sync) for key, data in keys.items())

    def restore(self, at: int) -> None:
        """Take over a store in which ``at`` steps are committed; remove what is left of another."""
        self._where.sweep()
        self.undo(at)
        # Of arrays that were to come with the step that was not finished.
        narrow = [stored for stored in self._arrays.values() if stored.dtype == np.float16]
        beside = [wide(stored, at) for stored in narrow if stored.path not in self._wide]
        keys = [key for new in beside for key in (new.chunk_key(at), f"{new.path}/zarr.json")]
        self._all(partial(self._remove, key) for key in keys)

        tails = [path for path in self._tails if at % self._arrays[path].steps]
        self._all(partial(self._load, at, path) for path in tails)

    def undo(self, at: int) -> None:
        """Remove the chunks that begin with this step."""
        beginning = [s.chunk_key(at) for s in self._arrays.values() if at % s.steps == 0]
        self._all(partial(self._remove, key) for key in beginning)

    def remove_before(self, stored: GrowingArray, at: int) -> None:
        """Remove what a writer that was killed left of an array that comes with step ``at``.

        In the chunk that holds this step, the others are written anew.
        """
        chunks = [stored.chunk_key(i) for i in range(0, at, stored.steps)]
        self._all(partial(self._remove, key) for key in chunks)

    def stop(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _put_own(self, at: int, key: Key, values: Values) -> int:
        slot = self._slots[key]
        if slot.low is None or slot.high is None:
            return self._put_row(at, self._path(slot), values)
        codes, low, high = quantize(values, self._described[key].dims)
        written = self._put_row(at, slot.path, codes)
        return written + self._put_row(at, slot.low, low) + self._put_row(at, slot.high, high)

    def _path(self, slot: Slot) -> str:
        """Return the path of the array that holds a variable by now."""
        return self._wide[slot.path].path if slot.path in self._wide else slot.path

    def _put_row(self, at: int, path: str, row: Values | None) -> int:
        stored = self._arrays[path]
        if path in self._tails:
            data = self._with_row(at, path, row)
        elif row is None:
            return 0
        elif stored.sharded:
            data = encode_shard(np.asarray(row), stored.inner, stored.dtype, stored.fill)
        else:
            data = encode_chunk(np.asarray(row), stored.dtype)
        written = self._key(stored.chunk_key(at), data)
        if path in self._tails:
            self._tails[path].begun = True
        return written

    def _with_row(self, at: int, path: str, row: Values | None) -> bytes:
        """Return the last chunk of an array with one more row."""
        tail = self._tails[path]
        forgets = self._tail_bytes > _KEPT and isinstance(self._where, Folder)
        if forgets and tail.begun and at % self._arrays[path].steps and not self._load(at, path):
            raise OutputError(
                f"{self._where.name}: {self._arrays[path].chunk_key(at)} was removed while it was "
                "recorded into."
            )
        data = tail.with_row(at, row)
        if forgets:
            tail.forget()
        return data

    def _load(self, at: int, path: str) -> int:
        stored = self._arrays[path]
        key, nbytes = stored.chunk_key(at), math.prod(stored.shape) * stored.dtype.itemsize
        chunk = self._where.get(key, most_compressed(stored.steps * nbytes))
        try:
            self._tails[path].load(chunk, at)
        except (ValueError, RuntimeError):
            raise InputError(
                f"{self._where.name} is a damaged recording: {key} can't be read."
            ) from None
        return len(chunk or b"")

    def _remove(self, key: str) -> int:
        self._where.remove(key)
        return 0

    def _key(self, key: str, data: bytes, sync: bool = True) -> int:
        self._where.put(key, data, sync=sync)
        return len(data)

    def _all(self, jobs: Iterable[Callable[[], int]]) -> int:
        """Do all of it; the first error is raised when nothing is under way any more."""
        futures: list[Future[int]] = [self._pool.submit(job) for job in jobs]
        try:
            wait(futures)
        except BaseException:  # interrupted: nothing may go on behind the caller's back
            for future in futures:
                future.cancel()
            wait(futures)
            raise
        return sum(future.result() for future in futures)
