"""Where a store's bytes go: a local folder, or anything that fsspec knows by URL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from layerscope.core.errors import InputError
from layerscope.recordings.store.folder import Folder
from layerscope.recordings.store.limits import MOST_DOCUMENT
from layerscope.recordings.store.remote import Remote
from layerscope.recordings.store.sentences import first_line

__all__ = ["ByteStore", "Folder", "Remote", "first_line", "place", "same_place"]

#: How fsspec, too, writes that a path is one of this machine.
_LOCAL = ("file://", "local://")


class ByteStore(Protocol):
    """Bytes by key. What ``put`` returns from is there, whole, also after a power cut.

    Keys come from the layout that a schema has, never from a store's own metadata.
    """

    name: str

    def get(self, key: str, most: int = MOST_DOCUMENT) -> bytes | None:
        """Return what lies under the key, or None.

        Raises InputError where it has more bytes than ``most``, or is no plain file.
        """

    def part(self, key: str, start: int, length: int) -> bytes | None:
        """Return so many bytes of a key, from ``start`` on, or the last ones: ``-length``.

        None where it is absent, fewer where it has not as many. Raises as ``get`` does.
        """

    def has(self, key: str) -> bool:
        """Return whether anything lies under the key."""

    def put(self, key: str, data: bytes, *, sync: bool = True) -> None:
        """Put all of it or none: whoever reads sees what was there before, or this.

        Raises OutputError where that would write through a link.
        """

    def remove(self, key: str) -> None:
        """Remove the key, if it is there."""

    def clear(self) -> tuple[str, ...]:
        """Remove what layerscope writes, but what tells that a run is begun; return what is left.

        Raises OutputError, before anything is removed, where a link has such a name.
        """

    def names(self) -> list[str]:
        """Return the keys of all that is there, whoever put it."""

    def empty(self) -> bool:
        """Return whether nothing is there."""

    def sweep(self) -> None:
        """Remove what a writer that was killed left half written."""

    def claim(self) -> None:
        """Claim the place as the one that writes here."""

    def check_claim(self) -> None:
        """Raise OutputError where another writer has come, or the folder has gone."""

    def release(self) -> None:
        """Write no more."""


def place(url: str | os.PathLike[str], *, sync: bool = True) -> Folder | Remote:
    """Return the place of a URL; without ``://``, and with ``file://``, it is a local folder."""
    text = _without_scheme(url)
    if "\0" in text:
        raise InputError(f"{text!r}: no file or folder has such a name.")
    if "://" in text:
        return Remote(text)
    return Folder(Path(text).expanduser(), sync=sync)


def same_place(url: str | os.PathLike[str]) -> str:
    """Return a text that is the same for each way to write the same place."""
    text = _without_scheme(url)
    return text.rstrip("/") if "://" in text else os.path.realpath(Path(text).expanduser())


def _without_scheme(url: str | os.PathLike[str]) -> str:
    text = os.fspath(url)
    for scheme in _LOCAL:
        text = text.removeprefix(scheme)
    return text
