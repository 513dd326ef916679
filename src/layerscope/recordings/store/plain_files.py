"""Files below a folder: plain ones in plain folders, reached without following a link.

A recording may come from a stranger, and what lies in it may change while it is open. So a name
is looked up in a folder that is held open, one after the other, and never by a path that a link
could lead astray. Only the recording's folder itself may be a link: that is the user's choice.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

#: Where the system lacks these, each name is looked at before it is used.
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
#: A pipe must not keep us waiting for whoever writes into it.
_ALWAYS = _NOFOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_BY_DESCRIPTOR = bool(_NOFOLLOW and _DIRECTORY) and os.open in os.supports_dir_fd


class NotPlainError(Exception):
    """A link, a device, a pipe: nothing that layerscope has written; the text says what."""


@dataclass(frozen=True)
class Inside:
    """A folder that is held open where the system can; its files go by their names."""

    path: Path
    descriptor: int | None

    def open(self, name: str, flags: int) -> int:
        """Open a plain file; the descriptor is the caller's to close.

        Raises NotPlainError where it is something else, FileNotFoundError where it is absent.
        """
        self._refuse_link(name)
        try:
            file = os.open(self._at(name), flags | _ALWAYS, 0o666, dir_fd=self.descriptor)
        except OSError:
            self._refuse_other(name)
            raise
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise NotPlainError(f"{name} is no plain file")
        return file

    def stat(self, name: str) -> os.stat_result | None:
        """Return what is known of a name, without following it; None where it is absent."""
        try:
            return os.stat(self._at(name), dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def make_folder(self, name: str) -> None:
        """Make a folder, if it is not there."""
        try:
            os.mkdir(self._at(name), dir_fd=self.descriptor)
        except FileExistsError:
            return

    def unlink(self, name: str) -> None:
        """Remove a file, or a link itself, if it is there."""
        try:
            os.unlink(self._at(name), dir_fd=self.descriptor)
        except FileNotFoundError:
            return

    def remove_folder(self, name: str) -> None:
        """Remove a folder that is empty."""
        os.rmdir(self._at(name), dir_fd=self.descriptor)

    def names(self) -> list[str]:
        """Return what lies in it."""
        with os.scandir(self.path if self.descriptor is None else self.descriptor) as entries:
            return sorted(entry.name for entry in entries)

    def replace(self, name: str, other: Inside, new: str) -> None:
        """Give a file another name, in another folder; what had that name is gone."""
        os.replace(
            self._at(name),
            other._at(new),
            src_dir_fd=self.descriptor,
            dst_dir_fd=other.descriptor,
        )

    def sync(self) -> None:
        """Have the disk keep the names of new files."""
        if self.descriptor is not None:
            os.fsync(self.descriptor)

    def _at(self, name: str) -> str:
        return name if self.descriptor is not None else str(self.path / name)

    def _refuse_link(self, name: str) -> None:
        if not _NOFOLLOW:
            self._refuse_other(name)

    def _refuse_other(self, name: str) -> None:
        there = self.stat(name)
        if there is not None and not stat.S_ISREG(there.st_mode):
            link = stat.S_ISLNK(there.st_mode)
            raise NotPlainError(f"{name} is {'a link' if link else 'no plain file'}")


@contextmanager
def inside(root: Path, folders: str = "", *, make: bool = False) -> Iterator[Inside]:
    """Open a folder below another one: ``"activations.conv/values"``, or the other one itself.

    Raises NotPlainError where one of them is a link; FileNotFoundError where one is absent and
    not to be made; NotADirectoryError where one is a file.
    """
    here = Inside(root, _open_folder(root, None) if _BY_DESCRIPTOR else None)
    try:
        for name in folders.split("/") if folders else ():
            below = _below(here, name, make)
            _close(here)
            here = below
        yield here
    finally:
        _close(here)


def _below(here: Inside, name: str, make: bool) -> Inside:
    there = here.stat(name)
    if there is None and make:
        here.make_folder(name)
        here.sync()
    elif there is not None and stat.S_ISLNK(there.st_mode):
        raise NotPlainError(f"{name} is a link")
    path = here.path / name
    if here.descriptor is None:
        if not stat.S_ISDIR(path.stat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        return Inside(path, None)
    # The system refuses a link that has come since.
    return Inside(path, _open_folder(name, here.descriptor))


def _open_folder(path: Path | str, within: int | None) -> int:
    flags = os.O_RDONLY | _DIRECTORY | (0 if within is None else _NOFOLLOW)
    return os.open(path, flags, dir_fd=within)


def _close(here: Inside) -> None:
    if here.descriptor is not None:
        os.close(here.descriptor)
