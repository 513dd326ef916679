"""Where a store's bytes go: a local folder, or anything that fsspec knows by URL."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from layerscope.errors import MissingDependencyError, OutputError

#: Not a key of Zarr, and within an array, where nobody lists what lies there.
CLAIM = "step/claim"


class Place(Protocol):
    """Bytes by key. What ``put`` returns from is there, whole, also after a power cut."""

    name: str

    def get(self, key: str) -> bytes | None:
        """What lies under the key, or None."""

    def put(self, key: str, data: bytes, *, sync: bool = True) -> None:
        """Put all of it or none: whoever reads sees what was there before, or this."""

    def remove(self, key: str) -> None:
        """Remove the key, if it is there."""

    def clear(self) -> None:
        """Remove everything."""

    def empty(self) -> bool:
        """Whether nothing is there."""

    def sweep(self) -> None:
        """Remove what a writer that was killed left half written."""

    def claim(self) -> None:
        """Become the one that writes here."""

    def check_claim(self) -> None:
        """Raise OutputError where another writer has come."""

    def release(self) -> None:
        """Write no more."""


def place(url: str | os.PathLike[str], *, sync: bool = True) -> Folder | Remote:
    """The place of a URL; without ``://``, and with ``file://``, it is a local folder."""
    text = os.fspath(url)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if "://" in text:
        return Remote(text)
    return Folder(Path(text).expanduser(), sync=sync)


def same_place(url: str | os.PathLike[str]) -> str:
    """A text that is the same for each way to write the same place."""
    text = os.fspath(url).removeprefix("file://")
    return text.rstrip("/") if "://" in text else os.path.realpath(Path(text).expanduser())


class Folder:
    """A local folder.

    A chunk that is new is written and synced where it belongs, since nobody looks for it before
    the commit; documents, and what is there already, are put in place by renaming.
    """

    def __init__(self, path: Path, *, sync: bool = True) -> None:
        self.name = str(path)
        self.path = path
        self._sync = sync
        self._claim: int | None = None
        self._folder: os.stat_result | None = None
        self._token = b""

    def get(self, key: str) -> bytes | None:
        try:
            return (self.path / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put(self, key: str, data: bytes, *, sync: bool = True) -> None:
        sync = sync and self._sync
        path = self.path / key
        renamed = key.endswith("zarr.json") or path.exists()
        target = self._partial(key) if renamed else path
        try:
            self._write(target, path, data, sync)
        except FileNotFoundError:
            self._make_folder(target.parent)
            self._make_folder(path.parent)
            self._write(target, path, data, sync)
        if sync:
            _sync_folder(path.parent)

    def _partial(self, key: str) -> Path:
        # Beside the claim: on the same disk, and in nobody's listing.
        return self.path / "step" / f"partial.{key.replace('/', '.')}"

    def _make_folder(self, folder: Path) -> None:
        """Make it, and have the disk keep that it is there."""
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for path in missing:
            if self._sync:
                _sync_folder(path.parent)

    def _write(self, target: Path, path: Path, data: bytes, sync: bool) -> None:
        file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
            if sync:
                os.fsync(file)
        finally:
            os.close(file)
        if target != path:
            target.replace(path)

    def remove(self, key: str) -> None:
        (self.path / key).unlink(missing_ok=True)

    def clear(self) -> None:
        # What tells that this was a run goes last: being killed here must leave nothing in the way.
        for path in sorted(self.path.iterdir(), key=lambda path: path.name == "about"):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def empty(self) -> bool:
        if self.path.exists() and not self.path.is_dir():
            return False
        return all(path.is_dir() and not path.is_symlink() for path in self.path.rglob("*"))

    def sweep(self) -> None:
        for path in (self.path / "step").glob("partial.*"):
            path.unlink(missing_ok=True)

    def claim(self) -> None:
        """A lock that the system drops when this process ends, however it ends."""
        path = self.path / CLAIM
        self._make_folder(path.parent)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if not _locked(file):
            os.close(file)
            raise OutputError(f"{self.name}: another process is recording into it.")
        self._token = uuid.uuid4().bytes
        os.write(file, self._token)
        self._claim = file
        self._folder = self.path.stat()

    def check_claim(self) -> None:
        if self._claim is None:
            raise OutputError(f"{self.name}: this writer was closed.")
        mine = os.fstat(self._claim)
        if not _is_same(self.path, self._folder):
            raise OutputError(self._gone())
        if not _is_same(self.path / CLAIM, mine):
            newer = (self.path / CLAIM).exists()
            raise _taken(self.name) if newer else OutputError(f"{self.name}: {CLAIM} was removed.")
        # Within one process a lock stops nobody: a newer writer leaves its own token.
        os.lseek(self._claim, 0, os.SEEK_SET)
        if os.read(self._claim, 16) != self._token:
            raise _taken(self.name)

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

    def release(self) -> None:
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None


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
        with _said(self.name):
            self._files, self._root = fsspec.core.url_to_fs(self.name)
        self._token = b""

    def _path(self, key: str) -> str:
        return f"{self._root.rstrip('/')}/{key}"

    def get(self, key: str) -> bytes | None:
        with _said(self.name):
            try:
                self._files.invalidate_cache()
                return bytes(self._files.cat_file(self._path(key)))
            except FileNotFoundError:
                return None

    def put(self, key: str, data: bytes, *, sync: bool = True) -> None:
        del sync  # what is there is there
        with _said(self.name):
            self._files.pipe_file(self._path(key), data)

    def remove(self, key: str) -> None:
        with _said(self.name):
            try:
                self._files.rm_file(self._path(key))
            except FileNotFoundError:
                return

    def clear(self) -> None:
        with _said(self.name):
            self._files.invalidate_cache()
            for path in self._files.find(self._root):
                self._files.rm_file(path)

    def empty(self) -> bool:
        with _said(self.name):
            self._files.invalidate_cache()
            try:
                return not self._files.find(self._root)
            except FileNotFoundError:
                return True

    def sweep(self) -> None:
        """Nothing is ever half written there."""

    def claim(self) -> None:
        self._token = uuid.uuid4().bytes
        self.put(CLAIM, self._token)

    def check_claim(self) -> None:
        if self.get(CLAIM) != self._token:
            raise _taken(self.name)

    def release(self) -> None:
        self._token = b""


def _is_same(path: Path, known: os.stat_result | None) -> bool:
    """Whether this is still the file or the folder that it was."""
    try:
        return known is not None and os.path.samestat(path.stat(), known)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _sync_folder(folder: Path) -> None:
    """Have the disk keep the names of new files, too."""
    if os.name == "nt":  # Windows opens no folders
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


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


def _taken(name: str) -> OutputError:
    return OutputError(f"{name}: another recorder has taken it over.")


@contextmanager
def _said(name: str) -> Iterator[None]:
    """Say in a sentence what a remote file system raises."""
    try:
        yield
    except FileNotFoundError:
        raise
    except ImportError as error:
        raise MissingDependencyError(f"{name}: {first_line(error)}.") from error
    except Exception as error:  # each file system of fsspec has errors of its own
        raise OutputError(f"{name}: {first_line(error)}.") from error


def first_line(error: BaseException) -> str:
    """What an error says, in one line without a full stop."""
    text = str(error) if not isinstance(error, OSError) else error.strerror or str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0].rstrip(".")
