"""Folders, globs and lists of files: which files they are, in which order, by which names."""

from __future__ import annotations

import functools
import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerscope.core.errors import InputError
from layerscope.inputs.array_files import SUFFIXES, array_file, load_array
from layerscope.inputs.named import is_named
from layerscope.inputs.number_files import NUMBERS, is_number_file
from layerscope.inputs.pixels import formats

#: How many files are a batch, and how many are read at once.
CHUNK = 32


@dataclass(frozen=True, slots=True)
class Files:
    """Files that are samples of one input."""

    paths: tuple[str, ...]
    names: tuple[str, ...]  #: of the files; with their folders where two have the same
    notes: tuple[str, ...] = ()  #: what was left out
    strict: bool = False  #: whether one that can't be read is an error; else it is skipped

    def __len__(self) -> int:
        return len(self.paths)

    def samples(self) -> int:
        """Count the samples that they hold; a file that can't be read counts as one."""
        return sum(map(_samples, self.paths))


def files_of(x: Any) -> Files | None:
    """Return the files that a folder, a glob or a list of paths names; None for anything else.

    A list is strict: whoever lists files by name wants each of them. A few images are no ``Files``,
    but one batch.

    Raises InputError when there are none.
    """
    if isinstance(x, Files):
        return x
    if isinstance(x, list | tuple) and x and all(map(_is_path, x)):
        # A few images are one batch; folders, arrays and many images are not.
        many = len(x) > CHUNK or any(map(_is_several, x))
        return listed(x, strict=True) if many else None
    if not _is_path(x) or not _is_many(x):
        return None
    paths, notes = _expanded(x)
    return _files(paths, notes, strict=False)


def listed(items: Sequence[str | Path], *, strict: bool = False) -> Files:
    """Return the files that several paths, folders and globs name together.

    Raises InputError when one of them is not there.
    """
    paths: list[str] = []
    notes: list[str] = []
    for item in items:
        if _is_many(item):
            more, left_out = _expanded(item)
            paths += more
            notes += left_out
        else:
            file = array_file(item)
            if not Path(item if file is None else file.path).exists():
                raise InputError(f"There is no file {str(item)!r}.")
            paths.append(str(item))
    return _files(paths, notes, strict)


def natural(name: str) -> list[int | str]:
    """Return a key that sorts ``9.png`` before ``10.png``."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]


def _files(paths: Sequence[str], notes: Sequence[str], strict: bool) -> Files:
    return Files(tuple(paths), _names(paths), tuple(notes), strict)


def _is_path(x: Any) -> bool:
    return isinstance(x, str | Path) and not is_named(x)


def _is_several(x: str | Path) -> bool:
    """Return whether it may hold several samples, or such that are no pixels."""
    return _is_many(x) or array_file(x) is not None or is_number_file(x)


def _is_many(x: str | Path) -> bool:
    """Return whether it is a folder, or a glob; a file of that very name wins over a glob."""
    path = Path(x)
    try:
        return path.is_dir() or (glob.has_magic(str(x)) and not path.exists())
    except (OSError, ValueError):  # too long for a path, or with a null character
        return False


def _expanded(x: str | Path) -> tuple[list[str], list[str]]:
    """Return the images and arrays in a folder or of a glob, sorted, and what was left out."""
    where = Path(x)
    try:
        if where.is_dir():
            files = [path for path in where.iterdir() if not path.name.startswith(".")]
        else:
            # Path.glob would want the folder and the pattern apart.
            files = [Path(match) for match in glob.iglob(str(x), recursive=True)]  # noqa: PTH207
        files = [path for path in files if path.is_file()]
    except OSError as error:
        raise InputError(f"{str(x)!r} can't be read ({error.strerror}).") from error
    opened = [path for path in files if path.suffix.lower() in readable()]
    if not opened:
        raise InputError(_nothing_in(where, len(files)))
    others = len(files) - len(opened)
    notes = [f"{x}: {others} other files are no images or arrays"] if others > 1 else []
    if others == 1:
        notes = [f"{x}: 1 other file is no image or array"]
    return [str(path) for path in sorted(opened, key=lambda path: natural(str(path)))], notes


def _nothing_in(where: Path, others: int) -> str:
    if not where.is_dir():
        content = f"{others} files, none of them an image or an array" if others else "no file"
        return f"The glob {str(where)!r} finds {content}."
    if any(path.is_dir() and not path.name.startswith(".") for path in where.iterdir()):
        return (
            f"The folder {str(where)!r} holds no images or arrays of its own: pass "
            f"{str(where / '*' / '*')!r} for those in its folders."
        )
    return f"The folder {str(where)!r} holds no images or arrays."


@functools.cache
def readable() -> frozenset[str]:
    """Return the suffixes of images that are opened, of arrays, sounds and tables."""
    from PIL import Image

    known = Image.registered_extensions()
    images = {suffix for suffix, kind in known.items() if kind in formats()}
    return frozenset(images | {*SUFFIXES, *NUMBERS})


def _names(paths: Sequence[str]) -> tuple[str, ...]:
    short = [Path(path).name for path in paths]
    if len(set(short)) == len(set(paths)):
        return tuple(short)
    folders = os.path.commonpath([Path(path).absolute().parent for path in paths])
    return tuple(Path(path).absolute().relative_to(folders).as_posix() for path in paths)


def _samples(path: str) -> int:
    file = array_file(path)
    if file is None:
        return 1
    try:
        shape = load_array(file, lazily=True).shape
    except InputError:
        return 1
    return shape[0] if len(shape) > 1 else 1
