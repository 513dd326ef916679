"""Files whose names mean something: to the shell, to the importer, to a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hostile.files import File

#: None of them may do what it says: a file that is there is a file.
NAMES = (
    "os:mkdir('canary')", "os:system", "subprocess:Popen('x')", "module:thing", "canary:run",
    "a:b", ":", "::", "a:", ":b", "pathlib:Path('canary').touch()", "os:getcwd", "builtins:exit()",
    "-x.npy", "--help", "--trust", "-", "--", "@file", "$(touch canary)", "`touch canary`",
    "a;touch canary", "a|b", "a&b", "*", "?", "[a]", "{a,b}", "~", "~root", "a\nb", "a\rb",
    "a\x1b[31mb", "a\tb", " ", " a ", "\\", "%s", "{0}", "é", "\u202egnp.exe", "zeros", "noise",
    "digits", "digits:7", "x.npz:a", "a" * 200, "...", "con", "NUL", "model.onnx:stream",
)  # fmt: skip
#: With endings, so that they are opened by what opens such files.
_ENDINGS = ("", ".keras", ".h5", ".json", ".pt", ".onnx", ".pkl", ".skops")


def files(folder: Path, outside: Path) -> Iterator[File]:
    """All of them, in turn, in Python and in the shell."""
    for number, name in enumerate(NAMES):
        ending = _ENDINGS[number % len(_ENDINGS)] if number % 3 == 2 else ""
        path = folder / (name + ending)
        path.write_bytes(b"x" * 10)
        for way in ("model", "shell", "here", "image"):
            what = f"a file called {path.name!r}, as {way}"
            yield File("names", what, str(path), way, opens=False)
        path.unlink()
