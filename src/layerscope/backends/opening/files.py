"""What all kinds of files share: is it there, is it whole, is it safe to unpack, what is wrong."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from layerscope.core.errors import ModelError
from layerscope.core.files import kind_of, most_unpacked
from layerscope.core.suggestions import did_you_mean

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Request:
    """A file that is to be opened, and the arguments of ``load_model``."""

    path: Path
    architecture: Any = None  #: a model, ``package.module:Class(args)``, or a JSON file
    custom_objects: dict[str, Any] = field(default_factory=dict)
    imports: tuple[str, ...] = ()  #: modules to import once the backend is chosen
    backend: str | None = None
    trust: bool = False


def start_of(path: Path, count: int = 64) -> bytes:
    """Read the first bytes of a file.

    Raises ModelError when there is none, it is a folder, it may not be read, or it is empty.
    """
    kind = kind_of(path)
    if kind is None:
        raise ModelError(no_such_file(path, "look at its name again."))
    if kind == "folder":
        raise ModelError(f"{str(path)!r} is a folder, not a {path.suffix or 'model'} file.")
    if kind == "device":
        raise ModelError(f"{str(path)!r} is no regular file.")
    if not os.access(path, os.R_OK):
        raise ModelError(f"{str(path)!r} can't be read: permission denied.")
    with path.open("rb") as file:
        start = file.read(count)
    if not start:
        raise ModelError(f"{str(path)!r} is empty.")
    return start


def no_such_file(path: Path, otherwise: str) -> str:
    """Say that a file is not there: a name in its folder like it, or ``otherwise``."""
    try:
        names = [other.name for other in path.parent.iterdir()]
    except (OSError, ValueError):  # no folder, one that may not be read, or no name at all
        names = []
    hint = did_you_mean(path.name, names, most=1, write=lambda name: repr(str(path.parent / name)))
    return f"There is no file {str(path)!r}: {hint or otherwise}"


def check_archive(path: Path, kind: str) -> None:
    """Raise ModelError unless the file is a whole zip archive that is safe to unpack.

    ``kind`` is what it should have been: ``".keras file"``.
    """
    start = start_of(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    # What zipfile raises for archives that are damaged, or of a kind that it does not know.
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError) as error:
        damage = "truncated or damaged" if start.startswith(ZIP) else f"no {kind}"
        raise ModelError(f"{str(path)!r} is {damage}: it is not a whole zip archive.") from error
    for member in members:
        parts = {*PurePosixPath(member.filename).parts, *PureWindowsPath(member.filename).parts}
        absolute = member.filename.startswith(("/", "\\")) or PureWindowsPath(member.filename).drive
        if absolute or ".." in parts:
            raise ModelError(
                f"{str(path)!r} is no {kind}: its member {member.filename!r} would be written "
                "outside the folder that it is unpacked to."
            )
    unpacked = sum(member.file_size for member in members)
    if unpacked > most_unpacked(path.stat().st_size):
        raise ModelError(
            f"{str(path)!r} is no {kind}: its {path.stat().st_size:,} bytes would unpack to "
            f"{unpacked:,}."
        )
