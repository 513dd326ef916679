"""The process in which files are opened: a File a line comes in, a Report a line goes out.

``python -m hostile.child FOLDER OUTSIDE`` works in ``FOLDER``, the only one that it may write to.
"""

from __future__ import annotations

import os
import platform
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hostile.files import File, Report
from hostile.guard import (
    GIGABYTE,
    MOST_BYTES,
    MOST_SECONDS,
    Guard,
    at_most,
    forget_peak,
    memory,
    peak,
    seconds_used,
)
from hostile.users import WAYS
from layerscope.core.errors import LayerscopeError

#: Above what it may take, so that what takes too much is seen to and not hidden by an error.
_HARD_BYTES, _HARD_SECONDS = 3 * MOST_BYTES, 2 * MOST_SECONDS
#: What libraries say when they were given no memory.
_DENIED = ("bad_alloc", "can't allocate memory", "cannot allocate", "unable to allocate",
           "out of memory", "resource_exhausted", "failed to allocate")  # fmt: skip


def main() -> None:
    """Open what is named on stdin, until there is no more."""
    own, outside = Path(sys.argv[1]), Path(sys.argv[2])
    out = os.fdopen(os.dup(1), "w", buffering=1)
    # What the frameworks print would stand between the reports.
    quiet = os.open(own / "printed.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.chdir(own)
    _warm_up()
    guard = Guard(own, outside, [])
    for line in sys.stdin:
        out.write(report(File.of(line), guard).line())


def _warm_up() -> None:
    """Let libraries do what they do once on every machine: ask the system who it is."""
    import matplotlib.font_manager

    platform.processor()
    assert matplotlib.font_manager.fontManager.ttflist


def report(file: File, guard: Guard) -> Report:
    """Open one file, and say what came of it."""
    forget_peak()
    before, start = memory(), seconds_used()
    opened, message = True, ""
    faults: list[str] = []
    with guard.watching(Path(file.path), Path(file.architecture or file.path)) as seen:
        try:
            with at_most(_HARD_BYTES, _HARD_SECONDS):
                WAYS[file.way](file)
        except LayerscopeError as error:
            opened, message = False, str(error)
            faults += _denied(error)
            if not message.strip() or "\n" in message.strip():
                faults.append(f"no sentence: {message!r}")
        # Whatever it is, it is a fault, and the next file is to be opened.
        except BaseException as error:  # noqa: BLE001
            opened = False
            faults.append("traceback: " + _where(error))
    faults += seen
    gained, seconds = peak() - before, seconds_used() - start
    if gained > MOST_BYTES:
        faults.append(f"took {gained / GIGABYTE:.1f} GiB")
    if seconds > MOST_SECONDS:
        faults.append(f"took {seconds:.0f} s of the processor")
    if file.opens is not None and opened != file.opens:
        faults.append("was opened" if opened else f"was refused: {message}")
    return Report(opened, message, tuple(faults), seconds, gained)


def _denied(error: BaseException) -> Iterator[str]:
    """Whether a sentence hides that more memory was asked for than there is."""
    cause: Any = error
    while cause is not None:
        text = str(cause).lower()
        if isinstance(cause, MemoryError) or any(word in text for word in _DENIED):
            yield f"asked for more memory than there is: {str(cause)[:200]}"
            return
        cause = cause.__cause__ or cause.__context__


def _where(error: BaseException) -> str:
    """The error, and the last lines of ours and of others that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/layerscope/" in frame.filename][-1:]
    last = [frame for frame in frames[-1:] if frame not in ours]
    places = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in (*ours, *last)]
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text} at {' > '.join(places)}"


if __name__ == "__main__":
    main()
