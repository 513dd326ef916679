"""Files: written whole or not at all, and read in bounds."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

from layerscope.core.errors import OutputError

#: A file below 10 MB may unpack to so much; a larger one to so many times its own size.
_SMALL, _UNPACKED, _RATIO = 10_000_000, 256_000_000, 100


def most_unpacked(size: int) -> int:
    """How many bytes a file of this size may unpack to: what claims more is made to fill memory.

    What is unpacked becomes arrays of wider types and copies of those on its way into a network, so
    that a small file has to be bounded well below what memory there is.
    """
    return _UNPACKED if size < _SMALL else max(_UNPACKED, _RATIO * size)


def check_array(stream: IO[bytes], size: int) -> int:
    """Read the header of a ``.npy`` file of so many bytes; returns how many its values take.

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
    """What a path leads to; ``device`` is whatever is no regular file, None what is not there.

    Unlike ``Path.is_file`` it raises nothing for a name too long for the system.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return None
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "device"


def check_free(path: Path, *, overwrite: bool = False) -> None:
    """Raise OutputError when there is such a file already, and it is not to be replaced."""
    if path.is_dir():
        raise OutputError(f"{str(path)!r} is a folder: name a file.")
    if path.exists() and not overwrite:
        raise OutputError(
            f"There is a file {str(path)!r} already: name another, or pass overwrite=True."
        )


@contextmanager
def whole(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """A name to write to; when the block ends, and not when it raises, it becomes ``path``.

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
        said = error.strerror or str(error)
        raise OutputError(f"{str(path)!r} can't be written ({said}).") from error
    finally:
        part.unlink(missing_ok=True)
