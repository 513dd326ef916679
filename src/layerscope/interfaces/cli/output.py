"""Where a command writes: its folder or file, claimed before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from layerscope.core.errors import OutputError
from layerscope.core.files import OutputFolder, check_free, check_writable
from layerscope.core.text import file_stem

_CONSENT = "pass --force"


def claim_folder(
    folder: str | Path, *, force: bool = False, option: str | None = "--out"
) -> OutputFolder:
    """Return the folder that ``option`` names, which is made when the first file is written.

    Raises OutputError when it holds something and ``force`` is not given, or can't be written.
    """
    return output_folder(folder, option).claim(overwrite=force)


def output_folder(folder: str | Path, option: str | None = "--out") -> OutputFolder:
    """Return a folder whose errors speak of the shell's options; it may hold anything yet."""
    another = f"name another with {option}" if option else "name another"
    return OutputFolder(Path(folder), another, _CONSENT)


def claim_file(name: str, kinds: Sequence[str], *, force: bool = False) -> Path:
    """Return the file of that name, where it may be written.

    Raises OutputError when its name ends in none of ``kinds``, it is there already and ``force`` is
    not given, or its folder is not there or can't be written.
    """
    path = Path(name)
    if path.suffix.lower() not in kinds:
        raise OutputError(f"{name!r} ends in none of {', '.join(kinds)}: name a file that does.")
    check_free(path, overwrite=force, consent=_CONSENT)
    try:
        check_writable(path.absolute().parent)
    except OSError as error:
        raise OutputError(f"{name!r} can't be written ({error.strerror}).") from error
    return path


def file_name(number: int, count: int, address: str) -> str:
    """Return ``03-conv2d.png``: safe in file systems and URLs, unique, never too long."""
    width = max(2, len(str(count)))
    return f"{number:0{width}d}-{safe(address)}.png"


def safe(name: str) -> str:
    """Return the name as a file may have it, or ``model``."""
    return file_stem(name, "model")
