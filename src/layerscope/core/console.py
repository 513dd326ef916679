"""The one way of words to a terminal: whatever goes there is harmless to it.

A test holds the rest of the package to it: nothing else prints.
"""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import suppress
from typing import Any, TextIO

from layerscope.core.text import cell_width, one_line, printable

#: What stands for our own letters where a stream does not have them.
_PLAIN = {"─": "-", "×": "x", "–": "-", "…": "...", "→": "->", "±": "+-", "²": "2", "’": "'"}


def say(*lines: str) -> None:
    """Print lines on stdout, each argument on one."""
    _write(sys.stdout, [printable(line) for line in lines])


def report(sentence: str) -> None:
    """Print a sentence on stderr, at once: also where that is a file which somebody follows."""
    # There may be none, as in a program without a terminal; it may be closed, or a pipe whose
    # reader has gone: whoever reports goes on all the same.
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            _write(sys.stderr, [one_line(sentence)])
            sys.stderr.flush()


def warn(sentence: str, *, stacklevel: int = 1) -> None:
    """Warn of what may have gone wrong, at the caller's line; who expects it may filter it."""
    warnings.warn(one_line(sentence), stacklevel=stacklevel + 1)


def is_watched() -> bool:
    """Return whether someone sees a line that is written again and again."""
    with suppress(AttributeError, ValueError):  # there is no stderr, or it is closed
        return in_notebook() or sys.stderr.isatty()
    return False


def room() -> int | None:
    """Return how many columns stdout has; None where it is no terminal, and ``COLUMNS`` not set."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    with suppress(AttributeError, OSError, ValueError):  # there is no stdout, or no terminal
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    return None


def in_notebook() -> bool:
    """Return whether this is a cell of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return type(shell).__name__ == "ZMQInteractiveShell"


class LiveLine:
    """A line that is written again and again, until it is gone.

    On stderr; in a notebook it is an output of the cell, of which the last state is kept: each line
    that were printed would stay in the file.
    """

    def __init__(self) -> None:
        self._line = ""
        self._output: Any = None  #: of a notebook

    def write(self, line: str) -> None:
        """Write a line over the one before it, and leave the cursor at its end."""
        if line == self._line:
            return
        before, self._line = self._line, line
        if in_notebook():
            self._show(printable(line))
        elif sys.stderr is not None:
            blanks = " " * (cell_width(before) - cell_width(line))
            text = _encodable(sys.stderr, printable(line))
            with suppress(OSError, ValueError):  # as in report()
                sys.stderr.write(f"\r{text}{blanks}\r{text}" if blanks else f"\r{text}")
                sys.stderr.flush()

    def _show(self, text: str) -> None:
        shown = {"text/plain": text}
        if self._output is None:
            display = sys.modules["IPython"].display.display
            self._output = display(shown, raw=True, display_id=True)
        else:
            self._output.update(shown, raw=True)


def can_write(letters: str) -> bool:
    """Return whether a live line can have these letters."""
    if in_notebook():
        return True
    return sys.stderr is not None and _encodable(sys.stderr, letters) == letters


def _write(stream: TextIO, lines: list[str]) -> None:
    """Write lines, each with its end."""
    stream.write(_encodable(stream, "".join(f"{line}\n" for line in lines)))


def _encodable(stream: TextIO, text: str) -> str:
    """Return the text with plainer letters, or escapes, for what the stream's encoding has not."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    with suppress(UnicodeEncodeError):
        text.encode(encoding)
        return text
    has = {letter: _has(encoding, letter) for letter in _PLAIN}
    plain = "".join(_PLAIN[letter] if not has.get(letter, True) else letter for letter in text)
    return plain.encode(encoding, "backslashreplace").decode(encoding)


def _has(encoding: str, letter: str) -> bool:
    return letter.encode(encoding, "replace").decode(encoding) == letter
