"""The folder that a command writes: claimed before anything is computed, filled file by file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from layerscope.core.errors import OutputError
from layerscope.core.text import file_stem


@dataclass(frozen=True, slots=True)
class Output:
    """A folder that may be written to; get one by :meth:`claim`."""

    folder: Path

    @classmethod
    def claim(
        cls, folder: str | Path, *, force: bool = False, option: str | None = "--out"
    ) -> Output:
        """The folder, which ``option`` names; it is made when the first file is written.

        Raises OutputError when it holds something and ``force`` is not given, or can't be written.
        """
        folder = Path(folder)
        another = f"name another with {option}" if option else "name another"
        try:
            if folder.is_dir() and any(folder.iterdir()) and not force:
                raise OutputError(
                    f"The folder {str(folder)!r} is not empty: {another}, or pass "
                    "--force to replace the files of the same names."
                )
            there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
            with tempfile.TemporaryFile(dir=there):
                pass  # only this shows that it can be written
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(
                f"The folder {str(folder)!r} can't be written ({error.strerror}): {another}."
            ) from error
        return cls(folder)

    def write(self, name: str, save: Callable[[Path], object]) -> Path:
        """Have ``save`` write a file, and put it in its place when it is whole.

        Raises OutputError when the disk does not take it.
        """
        path, part = self.folder / name, self.folder / f".part-{name}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save(part)
            part.replace(path)
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"{str(path)!r} can't be written ({error.strerror}).") from error
        finally:
            part.unlink(missing_ok=True)
        return path

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file."""
        return self.write(name, lambda path: path.write_text(text, encoding="utf-8", newline=""))


def claim_file(name: str, kinds: Sequence[str], *, force: bool = False) -> Path:
    """The file of that name, where it may be written.

    Raises OutputError when its name ends in none of ``kinds``, it is there already and ``force`` is
    not given, or its folder is not there or can't be written.
    """
    path = Path(name)
    if path.suffix.lower() not in kinds:
        raise OutputError(f"{name!r} ends in none of {', '.join(kinds)}: name a file that does.")
    if path.is_dir():
        raise OutputError(f"{name!r} is a folder: name a file.")
    if path.exists() and not force:
        raise OutputError(f"There is a file {name!r} already: name another, or pass --force.")
    try:
        with tempfile.TemporaryFile(dir=path.absolute().parent):
            pass  # only this shows that it can be written
    except OSError as error:
        raise OutputError(f"{name!r} can't be written ({error.strerror}).") from error
    return path


def file_name(number: int, count: int, address: str) -> str:
    """``03-conv2d.png``: safe in any file system and URL, unique by its number, never too long."""
    width = max(2, len(str(count)))
    return f"{number:0{width}d}-{safe(address)}.png"


def safe(name: str) -> str:
    """The name as a file may have it, or ``model``: see :func:`layerscope.core.text.file_stem`."""
    return file_stem(name, "model")
