"""A prefix of whatever fsspec reaches as the place of a store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from layerscope.core.errors import InputError, LayerscopeError, MissingDependencyError, OutputError
from layerscope.core.table import size_text
from layerscope.recordings.store.folder import taken_over
from layerscope.recordings.store.limits import MOST_DOCUMENT
from layerscope.recordings.store.sentences import first_line
from layerscope.recordings.store.written import BEGUN, CLAIM, is_file


class Remote:
    """A prefix of a file system that fsspec knows; there a key is put whole or not at all."""

    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise MissingDependencyError(
                "fsspec is not installed: pip install 'layerscope[record]'."
            ) from error
        self.name = url.rstrip("/")
        with _in_one_sentence(self.name):
            self._files, self._root = fsspec.core.url_to_fs(self.name)
        self._token = b""

    def _path(self, key: str) -> str:
        return f"{self._root.rstrip('/')}/{key}"

    def get(self, key: str, most: int = MOST_DOCUMENT) -> bytes | None:
        data = self._bytes(key, None, most + 1)
        if data is not None and len(data) > most:
            raise InputError(
                f"{self.name} is a damaged recording: {key} has more than {size_text(most)}, "
                "which are the most."
            )
        return data

    def part(self, key: str, start: int, length: int) -> bytes | None:
        return self._bytes(key, start, None if start < 0 else start + length)

    def has(self, key: str) -> bool:
        with _in_one_sentence(self.name):
            self._files.invalidate_cache()
            return bool(self._files.exists(self._path(key)))

    def put(self, key: str, data: bytes, *, sync: bool = True) -> None:
        del sync  # what is there is there
        with _in_one_sentence(self.name):
            self._files.pipe_file(self._path(key), data)

    def remove(self, key: str) -> None:
        with _in_one_sentence(self.name):
            try:
                self._files.rm_file(self._path(key))
            except FileNotFoundError:
                return

    def clear(self) -> tuple[str, ...]:
        keys = self.names()
        # The root first: without it this is a run that was begun, and in nobody's way.
        for key in sorted(filter(is_file, keys), key=lambda key: "/" in key):
            if key not in BEGUN:
                self.remove(key)
        return tuple(key for key in keys if not is_file(key))

    def names(self) -> list[str]:
        with _in_one_sentence(self.name):
            self._files.invalidate_cache()
            above = self._path("")
            return [path.removeprefix(above) for path in self._files.find(self._root)]

    def empty(self) -> bool:
        with _in_one_sentence(self.name):
            self._files.invalidate_cache()
            try:
                return not self._files.find(self._root)
            except FileNotFoundError:
                return True

    def sweep(self) -> None:
        """Do nothing: nothing is ever half written there."""

    def claim(self) -> None:
        self._token = uuid.uuid4().bytes
        self.put(CLAIM, self._token)

    def check_claim(self) -> None:
        there = self.get(CLAIM)
        if there is None:
            raise OutputError(f"{self.name} was moved or removed while it was recorded into.")
        if there != self._token:
            raise taken_over(self.name)

    def release(self) -> None:
        self._token = b""

    def _bytes(self, key: str, start: int | None, stop: int | None) -> bytes | None:
        with _in_one_sentence(self.name):
            try:
                self._files.invalidate_cache()
                return bytes(self._files.cat_file(self._path(key), start=start, end=stop))
            except FileNotFoundError:
                return None


@contextmanager
def _in_one_sentence(name: str) -> Iterator[None]:
    """Say in a sentence what a remote file system raises."""
    try:
        yield
    except (FileNotFoundError, LayerscopeError):
        raise
    except ImportError as error:
        raise MissingDependencyError(f"{name}: {first_line(error)}.") from error
    except Exception as error:  # each file system of fsspec has errors of its own
        raise OutputError(f"{name}: {first_line(error)}.") from error
