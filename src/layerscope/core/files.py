"""Files: written whole or not at all, and read in bounds."""

from __future__ import annotations

import math
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal

from layerscope.core.errors import OutputError

#: A file below 10 MB may unpack to so much; a larger one to so many times its own size.
_SMALL, _UNPACKED, _RATIO = 10_000_000, 256_000_000, 100


def most_unpacked(size: int) -> int:
    """Return how many bytes a file of this size may unpack to: more is made to fill memory.

    What is unpacked becomes arrays of wider types and copies of those on its way into a network, so
    that a small file has to be bounded well below what memory there is.
    """
    return _UNPACKED if size < _SMALL else max(_UNPACKED, _RATIO * size)


def check_array(stream: IO[bytes], size: int) -> int:
    """Read the header of a ``.npy`` file of so many bytes; return how many its values take.

    Raises ValueError unless it promises numbers, and as many of them as there are.
    """
    import numpy as np

    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, and to read those can run any code")
    # Of a type without bytes, a header could promise any number of values.
    count, held = math.prod(shape), size - stream.tell()
    promised = count * dtype.itemsize
    if min(shape, default=0) < 0 or promised > held or (count and not promised):
        raise ValueError(f"it promises {count:,} values of {dtype}, and holds {held:,} bytes")
    return promised


def kind_of(path: str | os.PathLike[str]) -> Literal["file", "folder", "device", None]:
    """Return what a path leads to; ``device`` is what is no regular file, None what is not there.

    Unlike ``Path.is_file`` it raises nothing for a name too long for the system.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return None
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "device"


def check_free(
    path: Path, *, overwrite: bool = False, consent: str = "pass overwrite=True"
) -> None:
    """Raise OutputError when there is such a file already, and it is not to be replaced."""
    if path.is_dir():
        raise OutputError(f"{str(path)!r} is a folder: name a file.")
    if path.exists() and not overwrite:
        raise OutputError(f"There is a file {str(path)!r} already: name another, or {consent}.")


@contextmanager
def whole(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a name to write to; when the block ends, and not when it raises, it becomes ``path``.

    Raises
    ------
    OutputError
        When there is such a file already and ``overwrite`` is not given, or it can't be written.
    """
    path = Path(path)
    part = path.with_name(f".part-{path.name}")
    check_free(path, overwrite=overwrite)
    try:
        part.touch()  # so that it fails now, and not after an hour of work
        yield part
        part.replace(path)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise _unwritable(repr(str(path)), error) from error
    finally:
        with suppress(OSError):  # its folder may be none, or have gone
            part.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """A folder that results are written to, each file whole or not at all.

    ``another`` and ``consent`` are how the caller's user names another folder, and says that files
    may be replaced; errors suggest them.
    """

    path: Path
    another: str = "name another"
    consent: str = "pass overwrite=True"

    def claim(self, *, overwrite: bool = False) -> OutputFolder:
        """Return the folder itself; it is made when the first file is written.

        Raises OutputError when it holds something and ``overwrite`` is not given, or can't be
        written.
        """
        name = f"The folder {str(self.path)!r}"
        try:
            if self.path.is_dir() and any(self.path.iterdir()) and not overwrite:
                raise OutputError(
                    f"{name} is not empty: {self.another}, or {self.consent} to replace the files "
                    "of the same names."
                )
            above = (self.path, *self.path.absolute().parents)
            check_writable(next(path for path in above if path.exists()))
        except OutputError:
            raise
        except OSError as error:
            raise _unwritable(name, error, f": {self.another}.") from error
        return self

    def within(self, name: str) -> OutputFolder:
        """Return a folder in this one."""
        return replace(self, path=self.path / name)

    @contextmanager
    def whole(self, name: str) -> Iterator[Path]:
        """Yield a name to write to; when the block ends, it becomes that file, in place of another.

        Raises OutputError when the disk does not take it.
        """
        path = self.path / name
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(repr(str(path)), error) from error
        with whole(path, overwrite=True) as part:
            yield part

    def write(self, name: str, save: Callable[[Path], object]) -> Path:
        """Have ``save`` write a file, and return its path; as :meth:`whole`."""
        with self.whole(name) as part:
            save(part)
        return self.path / name

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file, its lines as they are, and return its path."""
        return self.write(name, lambda path: path.write_text(text, encoding="utf-8", newline=""))


def check_writable(folder: Path) -> None:
    """Raise OSError unless a file can be made in the folder."""
    with tempfile.TemporaryFile(dir=folder):
        pass  # only this shows it


def _unwritable(name: str, error: OSError, end: str = ".") -> OutputError:
    """Return the error for what the system does not write."""
    return OutputError(f"{name} can't be written ({error.strerror or error}){end}")
