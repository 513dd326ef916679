"""Many files, a batch at a time: never all of them in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs.ahead import made_ahead
from layerscope.inputs.array_files import array_file, load_array
from layerscope.inputs.arrays import fit_array
from layerscope.inputs.feeds import Prepared
from layerscope.inputs.images import FitImage, fit_image, grouped, stacked
from layerscope.inputs.number_files import fit_numbers, is_number_file
from layerscope.inputs.settings import Fitted, InputSettings
from layerscope.inputs.sources import CHUNK, Files

_FROM = re.compile(r"resized from \d+×\d+ to ")
#: How many ways of being made to fit are told apart by the size that images came in.
_WAYS = 3


@dataclass(frozen=True, slots=True)
class FilesRead:
    """What was done to files, to be added to what was done to others."""

    opened: int
    labels: tuple[str, ...]  #: of the samples, and what was done to each
    done: tuple[str, ...]
    read: tuple[str, ...]  #: what was done to sounds and tables
    unreadable: Mapping[str, str]


class Batches:
    """The batches of some files: iterate over it once.

    While it is iterated over, ``opened`` counts the files that were opened, and ``notes`` says what
    was done to those, and which were skipped as they can't be read.

    Raises InputError when none of the files can be read, or their samples do not fit together.
    """

    unit = "files"

    def __init__(
        self,
        files: Files,
        spec: InputSpec,
        settings: InputSettings,
        chunk: int = CHUNK,
        limit: int | None = None,
    ) -> None:
        self.files = files
        self.opened = 0
        self._limit = limit
        self._spec, self._settings = spec, settings
        self._chunk = chunk if limit is None else min(chunk, limit)
        self._labels: list[str] = []
        self._done: list[str] = []
        self._read: list[str] = []  #: what was done to sounds and tables
        self._begin = 0, 0  #: the file and the row in it to begin with
        self._left_behind = 0
        self.unreadable: dict[str, str] = {}  #: why a file was skipped, by its name

    @property
    def count(self) -> int:
        """How many files there are."""
        return len(self.files)

    @property
    def names(self) -> tuple[str, ...]:
        """What they are called."""
        return self.files.names

    def samples(self) -> int:
        """Return how many samples they hold; a file that can't be read counts as one."""
        held = self.files.samples()
        return held if self._limit is None else min(held, self._limit)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the files opened so far."""
        done = self._done
        if len(set(done)) > _WAYS:
            done = [_FROM.sub("resized to ", text) for text in done]
        skipped: tuple[str, ...] = ()
        if self.unreadable:
            count = len(self.unreadable)
            more = f" and {count - 3} more" if count > 3 else ""
            files = "1 file was" if count == 1 else f"{count} files were"
            reasons = " ".join(list(self.unreadable.values())[:3]).rstrip(".")
            skipped = (f"{files} skipped: {reasons}{more}",)
        read = self._read
        if len(read) > _WAYS:
            read = [*read[:_WAYS], f"and so on, for {len(read) - _WAYS} more files"]
        return (*self.files.notes, *read, *grouped(self._labels, done), *skipped)

    @property
    def files_read(self) -> FilesRead:
        """What was done to the files opened so far, for :meth:`add_read`."""
        labels, done, read = tuple(self._labels), tuple(self._done), tuple(self._read)
        return FilesRead(self.opened, labels, done, read, dict(self.unreadable))

    def add_read(self, part: FilesRead) -> None:
        """Note what was done to some of the files where somebody else read them."""
        self.opened += part.opened
        self._labels += part.labels
        self._done += part.done
        self._read += [note for note in part.read if note not in self._read]
        self.unreadable |= part.unreadable

    def skip(self, samples: int, file: tuple[int, int]) -> None:
        """Begin at a row of a file, by its number; so many samples are behind."""
        self._begin, self._left_behind = file, samples

    def __iter__(self) -> Iterator[Prepared]:
        left = None if self._limit is None else self._limit - self._left_behind
        if left is not None and left <= 0:
            return
        for batch in self._whole_batches():
            if left is not None and len(batch.samples) > left:
                batch = replace(
                    batch,
                    value=batch.value[:left],
                    samples=batch.samples[:left],
                    files=batch.files[:left],
                    notes=batch.notes[:left],
                )
            self._note(batch.samples, batch.notes)
            yield replace(batch, notes=())
            if left is not None:
                left -= len(batch.samples)
                if left <= 0:
                    return
        if not self._labels and self._begin == (0, 0):
            first = next(iter(self.unreadable.values()))
            raise InputError(f"None of the {len(self.files)} files can be read: {first}")

    def _whole_batches(self) -> Iterator[Prepared]:
        """Yield the batches; the notes of each are what was done to its samples, one by one."""
        images: list[FitImage] = []
        rows: list[_Rows] = []
        files: list[tuple[int, int]] = []  # of the images
        for number, name, path, image in self._ahead():
            self.opened += 1
            if isinstance(image, FitImage):
                if (number, 0) < self._begin:
                    continue
                yield from self._emptied(rows)
                images.append(FitImage(image.values, name, image.steps))
                files.append((number, 0))
            else:
                # Samples come in the order of the files, whatever is in them.
                if image is None and images:
                    yield self._stacked(images, files)
                    images, files = [], []
                try:
                    rows += self._numbers_in(number, name, path, image)
                except InputError as error:
                    if self.files.strict:
                        raise
                    self.unreadable[name] = str(error)
            if len(images) == self._chunk:
                yield self._stacked(images, files)
                images, files = [], []
            while sum(map(_count, rows)) >= self._chunk:
                yield self._joined(rows)
        if images:
            yield self._stacked(images, files)
        yield from self._emptied(rows)

    def _emptied(self, rows: list[_Rows]) -> Iterator[Prepared]:
        """Yield what is left of rows, batch by batch."""
        while rows:
            yield self._joined(rows)

    def _numbers_in(
        self, number: int, name: str, path: str, error: InputError | None
    ) -> list[_Rows]:
        """Return the samples of a file of numbers. Raises InputError when it can't be read."""
        if error is not None:
            raise error
        fitted = self._numbers(path) if is_number_file(path) else self._rows(path, name)
        row = self._begin[1] if number == self._begin[0] else 0
        return [
            _Rows(one.value[row:], one.samples[row:], number, row)
            for one in fitted
            if len(one.samples) > row
        ]

    def _ahead(self) -> Iterator[tuple[int, str, str, FitImage | InputError | None]]:
        """Yield each file's number, name and path, and its image, None where it holds numbers.

        The images of the next batch are read beside what is done with this one.
        """

        def image(path: str) -> FitImage | None:
            if array_file(path) or is_number_file(path):
                return None
            return fit_image(path, self._spec, self._settings, quiet=False)

        first = self._begin[0]
        names, paths = self.files.names[first:], self.files.paths[first:]
        made = made_ahead(paths, image, self._chunk)
        with closing(made):
            for number, (name, path, one) in enumerate(zip(names, paths, made, strict=True), first):
                if isinstance(one, BaseException) and not isinstance(one, InputError):
                    raise one
                yield number, name, path, one

    def _stacked(self, images: Sequence[FitImage], files: Sequence[tuple[int, int]]) -> Prepared:
        batch = stacked(images, self._settings)
        by = tuple(image.steps for image in images)
        return Prepared(batch.value, by, batch.samples, batch.pixels, files=tuple(files))

    def _numbers(self, path: str) -> list[Fitted]:
        """Return the samples of a sound or a table; what was done to it is noted now."""
        fitted = fit_numbers(path, self._spec, self._settings)
        self._read += [note for note in fitted.notes if note not in self._read]
        return [fitted]

    def _rows(self, path: str, name: str) -> list[Fitted]:
        """Return the samples of an array file, not read yet where that can wait."""
        file = array_file(path)
        if file is None:
            return []
        array = load_array(file, lazily=True)
        if array.ndim == 0:
            raise InputError(f"{path!r} holds a single number.")
        rank = len(self._spec.shape or ()) or array.ndim
        if array.ndim == rank - 1:  # one sample
            array = array[None]
        fit_array(array[:1], self._spec, name)  # says what is wrong with it
        names = tuple(f"{name}[{i}]" for i in range(len(array))) if len(array) > 1 else (name,)
        return [Fitted(array, samples=names)] if len(array) else []

    def _joined(self, rows: list[_Rows]) -> Prepared:
        """Return the next batch of these, which it takes off the list."""
        taken: list[npt.NDArray[Any]] = []
        names: list[str] = []
        steps: list[str] = []
        files: list[tuple[int, int]] = []
        while rows and len(names) < self._chunk:
            first = rows.pop(0)
            room = self._chunk - len(names)
            value, notes = fit_array(first.value[:room], self._spec, first.samples[0])
            taken.append(value)
            names += first.samples[:room]
            steps += ["; ".join(notes) or "as it is"] * len(value)
            files += [(first.file, first.row + i) for i in range(len(value))]
            if len(first.samples) > room:
                rows.insert(0, first.behind(room))
        shapes = {array.shape[1:] for array in taken}
        if len(shapes) > 1:
            raise InputError(
                f"The arrays differ in shape, {' and '.join(sorted(map(str, shapes))[:2])}: their "
                "samples can't be one batch."
            )
        return Prepared(np.concatenate(taken), tuple(steps), tuple(names), files=tuple(files))

    def _note(self, labels: Sequence[str], steps: Sequence[str]) -> None:
        self._labels += labels
        self._done += steps


@dataclass(frozen=True, slots=True)
class _Rows:
    """Samples of a file, from one of its rows on."""

    value: npt.NDArray[Any]
    samples: tuple[str, ...]
    file: int  #: its number
    row: int

    def behind(self, count: int) -> _Rows:
        """Return those behind so many."""
        return _Rows(self.value[count:], self.samples[count:], self.file, self.row + count)


def _count(rows: _Rows) -> int:
    return len(rows.samples)
