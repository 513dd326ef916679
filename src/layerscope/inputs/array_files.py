"""Arrays in files, ``.npy`` and ``.npz``: never a pickle, never more than there is memory for."""

from __future__ import annotations

import os
import re
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.core.files import check_array, kind_of, most_unpacked
from layerscope.core.table import size_text
from layerscope.inputs.memory import free_memory

Array = npt.NDArray[Any]

SUFFIXES = (".npy", ".npz")

#: ``file.npz:name``, one array of several.
_MEMBER = re.compile(r"(?P<file>.+\.npz):(?P<member>[^:]+)", re.IGNORECASE)

#: What NumPy and zipfile raise for files that are damaged, or something else.
_DAMAGED = (OSError, ValueError, EOFError, TypeError, KeyError, IndexError, SyntaxError,
            OverflowError, MemoryError, NotImplementedError, RuntimeError, AttributeError,
            struct.error, tokenize.TokenError, zlib.error, zipfile.BadZipFile)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ArrayFile:
    """Where an array, or several, are to be read from."""

    path: Path
    member: str | None = None  #: which array of a ``.npz`` file

    @property
    def is_archive(self) -> bool:
        """Whether it may hold several arrays."""
        return self.path.suffix.lower() == ".npz"


def array_file(x: Any) -> ArrayFile | None:
    """Return the array file that a path or ``file.npz:name`` names; None for anything else."""
    if not isinstance(x, str | Path):
        return None
    if Path(x).suffix.lower() in SUFFIXES:
        return ArrayFile(Path(x))
    # A file that is there is a file, whatever its name.
    match = None if os.path.isfile(x) else _MEMBER.fullmatch(str(x))  # noqa: PTH113  (any text)
    return ArrayFile(Path(match["file"]), match["member"]) if match else None


def load_array(file: ArrayFile, *, lazily: bool = False) -> Array:
    """Read the one array that is meant.

    With ``lazily`` a ``.npy`` file is read when and where the array is.

    Raises InputError when there is no such file or array, several are there, it holds objects, or
    more than fits into memory.
    """
    _check_there(file.path)
    if file.is_archive:
        arrays = members(file.path)
        return _read_member(file.path, _member(file, arrays))
    try:
        with file.path.open("rb") as stream:
            if stream.read(2) == b"PK":  # which np.load would open, whatever its name
                raise ValueError("it is a .npz archive under another name")
            stream.seek(0)
            check_array(stream, file.path.stat().st_size)
        loaded: Array = np.load(file.path, mmap_mode="r", allow_pickle=False)
    except _DAMAGED as error:
        raise _unreadable(file.path, error) from error
    if lazily:
        return loaded
    check_size(str(file.path), loaded.nbytes)
    return np.array(loaded)


def members(path: Path) -> list[str]:
    """Return the names of the arrays in a ``.npz`` file, in order."""
    _check_there(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
    except _DAMAGED as error:
        raise _unreadable(path, error) from error
    if not names:
        raise InputError(f"{str(path)!r} holds no arrays.")
    return list(dict.fromkeys(names))


def load_members(path: Path, names: list[str]) -> dict[str, Array]:
    """Read several arrays of a ``.npz`` file."""
    return {name: _read_member(path, name) for name in names}


def _member(file: ArrayFile, names: list[str]) -> str:
    if file.member is None:
        if len(names) == 1:
            return names[0]
        raise InputError(
            f"{str(file.path)!r} holds {len(names)} arrays, {_listed(names)}: name one, as in "
            f"{f'{file.path}:{names[0]}'!r}."
        )
    if file.member not in names:
        raise InputError(
            f"{str(file.path)!r} has no array {file.member!r}: it holds {_listed(names)}."
        )
    return file.member


def _read_member(path: Path, name: str) -> Array:
    what = f"{path}:{name}"
    try:
        with zipfile.ZipFile(path) as archive:
            held = set(archive.namelist())
            info = archive.getinfo(f"{name}.npy" if f"{name}.npy" in held else name)
            _check_unpacked(path, info.file_size)
            with archive.open(info) as stream:
                promised = check_array(stream, info.file_size)
                check_size(what, promised)
            with archive.open(info) as stream:
                # read_array has no annotations of its own for a stream of a zip archive.
                return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
    except InputError:
        raise
    except _DAMAGED as error:
        raise _unreadable(path, error) from error


def _check_there(path: Path) -> None:
    kind = kind_of(path)
    if kind is None:
        raise InputError(f"There is no file {str(path)!r}.")
    if kind != "file":
        raise InputError(f"{str(path)!r} is no regular file.")


def _check_unpacked(path: Path, nbytes: int) -> None:
    size = path.stat().st_size
    if nbytes > most_unpacked(size):
        raise InputError(
            f"{str(path)!r} has {size_text(size)}, and one of its arrays would unpack to "
            f"{size_text(nbytes)}: save it as a .npy file, which is read as it is."
        )


def check_size(what: str, nbytes: int) -> None:
    """Raise InputError for what would take more than half of the memory that is free."""
    free = free_memory()
    if free is not None and nbytes > free // 2:
        raise InputError(
            f"{what!r} holds {size_text(nbytes)}, and {size_text(free)} of memory are free, "
            "of which half may be taken: pass a part of it."
        )


def _unreadable(path: Path, why: object) -> InputError:
    reason = " ".join(str(why).split()).rstrip(".")[:200]
    if "object" in reason.lower():
        reason = "it holds Python objects, and to read those can run any code"
    return InputError(
        f"{str(path)!r} can't be read as a {path.suffix.lower()} file of numbers ({reason})."
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(map(repr, names[:8])) + more
