"""Samples that come some at a time: files, the batches of a loader, the parts of an array."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from layerscope.core.errors import InputError


@dataclass(frozen=True, slots=True)
class Prepared:
    """An input, ready for a backend."""

    value: Any  #: an array, or a list, tuple or dict of them, in the framework's own layout
    notes: tuple[str, ...] = field(default=())  #: what was done to it
    samples: tuple[str, ...] = ()  #: the names of its samples; empty where they have none
    pixels: bool = False  #: whether it is images for one input, which ``input_range`` applies to
    labels: tuple[str | int, ...] = ()  #: of its samples, where the data have any
    files: tuple[tuple[int, int], ...] = ()  #: of each sample: its file's number, its row in it


class Feed(Protocol):
    """Samples some at a time: iterate over it once.

    Meanwhile ``opened`` counts the files or batches that were read, of ``count`` in all, None where
    that is not known; and ``notes`` says what was done to those.
    """

    unit: str  #: what is counted: ``files`` or ``batches``
    opened: int

    @property
    def count(self) -> int | None:
        """How many there are to be opened."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the files are called, where it is files."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done so far."""

    def samples(self) -> int | None:
        """Return how many samples there are; None where only the end will tell."""

    def skip(self, samples: int, file: tuple[int, int]) -> None:
        """Begin behind so many samples; of files, at a row of one of them, by its number."""
        ...

    def __iter__(self) -> Iterator[Prepared]: ...


class Slices:
    """An input's samples, ``size`` at a time, up to ``limit``.

    Its arrays are cut along the first axis; ``fit`` makes each part what the model accepts.
    """

    unit = "batches"
    names: tuple[str, ...] = ()

    def __init__(
        self, x: Any, fit: Callable[[Any], Prepared], size: int | None, limit: int | None
    ) -> None:
        self.opened = 0
        self.notes: tuple[str, ...] = ()
        self._x, self._fit = x, fit
        whole = sample_count(x)
        self._total = whole if limit is None else min(whole, limit)
        self._whole = whole
        self._size = size or self._total
        self._begin = 0

    @property
    def count(self) -> int:
        """How many batches there are."""
        return -(-self._total // self._size) if self._size else 1

    def samples(self) -> int:
        """Return how many samples there are."""
        return self._total

    def skip(self, samples: int, file: tuple[int, int]) -> None:
        """Begin behind so many samples."""
        self._begin = samples

    def __iter__(self) -> Iterator[Prepared]:
        for begin in range(self._begin, max(self._total, 1), max(self._size, 1)):
            end = min(begin + self._size, self._total)
            part = self._fit(_cut(self._x, slice(begin, end), self._whole))
            self.notes = self.notes or part.notes
            self.opened += 1
            yield replace(part, notes=())


def sample_count(x: Any) -> int:
    """Return how many samples an input holds: the length of the first array in it, else 1."""
    for array in arrays_in(x):
        if array.shape:
            return int(array.shape[0])
    return 1


def arrays_in(x: Any) -> Iterator[Any]:
    """Yield the arrays, tensors and tables in an input, in order."""
    if isinstance(x, Mapping):
        x = list(x.values())
    if isinstance(x, list | tuple):
        for item in x:
            yield from arrays_in(item)
    elif hasattr(x, "shape"):
        yield x


def first_samples(x: Any, most: int) -> Any:
    """Return the first samples of an input."""
    return _cut(x, slice(0, most), sample_count(x))


def samples_from(x: Any, first: int) -> Any:
    """Return the samples of an input from one on."""
    count = sample_count(x)
    return _cut(x, slice(first, count), count)


def can_be_cut(x: Any) -> bool:
    """Return whether an input is arrays along whose first axis its samples lie."""
    return any(array.shape for array in arrays_in(x))


def _cut(x: Any, part: slice, length: int) -> Any:
    """Return some of the samples: of each array that is as long as the first; the rest as it is."""
    if isinstance(x, Mapping) and not hasattr(x, "iloc"):
        return {key: _cut(value, part, length) for key, value in x.items()}
    if isinstance(x, list | tuple):
        parts = [_cut(item, part, length) for item in x]
        if hasattr(x, "_fields"):  # a NamedTuple
            return type(x)(*parts)
        return tuple(parts) if isinstance(x, tuple) else parts
    shape = getattr(x, "shape", None)
    if not shape or shape[0] != length:
        return x
    return x.iloc[part] if hasattr(x, "iloc") else x[part]


def check_size(batch_size: Any, samples: Any) -> None:
    """Raise InputError for a size of batches or a number of samples that is none."""
    for name, given in (("batch_size", batch_size), ("samples", samples)):
        whole = isinstance(given, int | np.integer) and not isinstance(given, bool)
        if given is not None and (not whole or given < 1):
            raise InputError(f"{name}={given!r}: pass a whole number from 1 up.")
