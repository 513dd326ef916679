"""The one way of words to a terminal: whatever goes there is harmless to it.

A test holds the rest of the package to it: nothing else prints.
"""

from __future__ import annotations

import sys
import warnings
from contextlib import suppress
from typing import TextIO

from layerscope.core.text import one_line, printable


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


def _write(stream: TextIO, lines: list[str]) -> None:
    """Write lines, with escapes for letters that the stream's encoding does not have."""
    text = "".join(f"{line}\n" for line in lines)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
