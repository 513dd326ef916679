"""A local folder as the place of a store: plain files, none of them reached through a link."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layerscope.core.errors import InputError, OutputError
from layerscope.core.table import size_text
from layerscope.recordings.store.limits import MOST_DOCUMENT
from layerscope.recordings.store.plain_files import Inside, NotPlainError, inside
from layerscope.recordings.store.written import (
    BEGUN,
    CLAIM,
    is_file,
    is_folder,
    is_partial,
    partial_name,
)

_PLAIN = "a recording is a folder of plain files"


class Folder:
    """A local folder.

    A chunk that is new is written and synced where it belongs, since nobody looks for it before
    the commit; documents, and what is there already, are put in place by renaming. So no file that
    is there is ever written into, be it shared with another folder by a hard link.
    """

    def __init__(self, path: Path, *, sync: bool = True) -> None:
        self.name = str(path)
        self.path = path.absolute()  # also where the process goes to another folder
        self._sync = sync
        self._claim: int | None = None
        self._folder: os.stat_result | None = None
        self._token = b""

    def get(self, key: str, most: int = MOST_DOCUMENT) -> bytes | None:
        with self._reading(key) as file:
            if file is None:
                return None
            size = os.fstat(file).st_size
            if size > most:
                raise InputError(
                    f"{self.name} is a damaged recording: {key} has {size_text(size)}, where "
                    f"{size_text(most)} are the most."
                )
            return _read(file, size)

    def part(self, key: str, start: int, length: int) -> bytes | None:
        with self._reading(key) as file:
            if file is None:
                return None
            size = os.fstat(file).st_size
            start += size if start < 0 else 0
            if start < 0 or start + length > size:  # before memory is taken
                return b""
            os.lseek(file, start, os.SEEK_SET)
            return _read(file, length)

    def has(self, key: str) -> bool:
        return self._stat(key) is not None

    def put(self, key: str, data: bytes, *, sync: bool = True) -> None:
        sync = sync and self._sync
        folder, _, name = key.rpartition("/")
        with self._writing(), inside(self.path, folder, make=True) as home:
            if name == "zarr.json" or not _created(home, name, data, sync):
                # Beside the claim: on the same disk, and in nobody's listing.
                partial = partial_name(key)
                with inside(self.path, "step", make=True) as beside:
                    beside.unlink(partial)
                    _created(beside, partial, data, sync)
                    beside.replace(partial, home, name)
            if sync:
                home.sync()

    def remove(self, key: str) -> None:
        folder, _, name = key.rpartition("/")
        with self._writing():
            try:
                with inside(self.path, folder) as home:
                    home.unlink(name)
            except FileNotFoundError:
                return

    def clear(self) -> tuple[str, ...]:
        with self._writing():
            files, folders, others = self._listed()
            # The root first: without it this is a run that was begun, and in nobody's way.
            for key in sorted(files, key=lambda key: "/" in key):
                if key not in BEGUN:
                    self.remove(key)
            for path in reversed(folders):
                above, _, name = path.rpartition("/")
                with inside(self.path, above) as home, inside(self.path, path) as folder:
                    if not folder.names():
                        home.remove_folder(name)
        return tuple(others)

    def names(self) -> list[str]:
        files = (path for path in self.path.rglob("*") if path.is_symlink() or not path.is_dir())
        return [path.relative_to(self.path).as_posix() for path in files]

    def empty(self) -> bool:
        if self.path.exists() and not self.path.is_dir():
            return False
        return all(path.is_dir() and not path.is_symlink() for path in self.path.rglob("*"))

    def sweep(self) -> None:
        with self._writing(), inside(self.path, "step", make=True) as home:
            for name in filter(is_partial, home.names()):
                home.unlink(name)

    def claim(self) -> None:
        """Take a lock that the system drops when this process ends, however it ends."""
        self._make_root()
        with self._writing(), inside(self.path, "step", make=True) as home:
            file = home.open("claim", os.O_RDWR | os.O_CREAT)
            if not _locked(file):
                os.close(file)
                raise OutputError(f"{self.name}: another process is recording into it.")
            if os.fstat(file).st_nlink > 1:  # somebody else's file, too
                file = _anew(home, file)
            self._token = uuid.uuid4().bytes
            try:
                os.write(file, self._token)
                self._folder = self._root_stat()
            except BaseException:  # on a full disk: the lock is not to stay
                os.close(file)
                raise
            self._claim = file

    def check_claim(self) -> None:
        if self._claim is None:
            raise OutputError(f"{self.name}: this writer was closed.")
        if not _is_same(self._root_stat(), self._folder):
            raise OutputError(self._gone())
        mine, there = os.fstat(self._claim), self._stat(CLAIM)
        if there is None:
            raise OutputError(f"{self.name}: {CLAIM} was removed.")
        if not _is_same(mine, there):
            raise taken_over(self.name)
        # Within one process a lock stops nobody: a newer writer leaves its own token.
        os.lseek(self._claim, 0, os.SEEK_SET)
        if os.read(self._claim, 16) != self._token:
            raise taken_over(self.name)

    def release(self) -> None:
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def _make_root(self) -> None:
        """Make the folder, and have the disk keep that it is there."""
        missing = [path for path in (self.path, *self.path.parents) if not path.exists()]
        self.path.mkdir(parents=True, exist_ok=True)
        for path in missing:
            if self._sync:
                with inside(path.parent) as above:
                    above.sync()

    def _root_stat(self) -> os.stat_result | None:
        try:
            return self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _gone(self) -> str:
        """Say what became of the folder that this writer began with."""
        instead = "something else has taken its place" if self.path.exists() else "it is gone"
        text = f"{self.name} was moved or removed while it was recorded into: {instead}"
        try:  # Linux knows the name of a file that is open
            now = Path(f"/proc/self/fd/{self._claim}").readlink()
        except OSError:
            return f"{text}."
        if now.exists():
            return f"{text}, and what is recorded is at {str(now.parent.parent)!r}."
        return f"{text}."

    def _stat(self, key: str) -> os.stat_result | None:
        folder, _, name = key.rpartition("/")
        try:
            with inside(self.path, folder) as home:
                return home.stat(name)
        except (FileNotFoundError, NotADirectoryError, NotPlainError):
            return None

    def _listed(self) -> tuple[list[str], list[str], list[str]]:
        """Return what layerscope wrote: files, and folders from the outermost; and what it did not.

        Raises NotPlainError where a link has the name of either.
        """
        files: list[str] = []
        folders: list[str] = []
        others: list[str] = []
        to_see = [""]
        for path in to_see:  # grows as folders are found
            with inside(self.path, path) as here:
                for name in here.names():
                    below = f"{path}/{name}" if path else name
                    known = here.stat(name)
                    is_plain = known is not None and stat.S_ISREG(known.st_mode)
                    if known is not None and stat.S_ISDIR(known.st_mode) and is_folder(below):
                        folders.append(below)
                        to_see.append(below)
                    elif is_file(below) and is_plain:
                        files.append(below)
                    elif known is not None and (is_file(below) or is_folder(below)):
                        raise NotPlainError(f"{below} is no plain file or folder")
                    else:
                        others.append(below)
        return files, folders, others

    @contextmanager
    def _reading(self, key: str) -> Iterator[int | None]:
        """Open a file; None where it is absent. Raises InputError where it is not plain."""
        folder, _, name = key.rpartition("/")
        try:
            with inside(self.path, folder) as home:
                file = home.open(name, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            yield None
            return
        except NotPlainError as error:
            raise InputError(f"{self.name} can't be opened: {error}; {_PLAIN}.") from None
        try:
            yield file
        finally:
            os.close(file)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except NotPlainError as error:
            raise OutputError(
                f"{self.name} can't be written: {error}; {_PLAIN}, and nothing is written beyond."
            ) from None


def taken_over(name: str) -> OutputError:
    """Return the error of a writer whose place another one has claimed."""
    return OutputError(f"{name}: another recorder has taken it over.")


def _is_same(one: os.stat_result | None, other: os.stat_result | None) -> bool:
    """Return whether both are the same file or folder, and there."""
    return one is not None and other is not None and os.path.samestat(one, other)


def _created(home: Inside, name: str, data: bytes, sync: bool) -> bool:
    """Write a new file, and return whether there was none; one that is there stays as it is."""
    try:
        file = home.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return False
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        if sync:
            os.fsync(file)
    finally:
        os.close(file)
    return True


def _anew(home: Inside, file: int) -> int:
    """Replace a claim that is shared by a hard link by one of this folder alone."""
    name = partial_name(CLAIM)
    home.unlink(name)
    new = home.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    _locked(new)
    home.replace(name, home, "claim")
    os.close(file)
    return new


def _read(file: int, length: int) -> bytes:
    parts = []
    while length > 0:
        part = os.read(file, length)
        if not part:
            break
        parts.append(part)
        length -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _locked(file: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
