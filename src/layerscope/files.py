"""A file that is there whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layerscope.errors import OutputError


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
