"""What frameworks say of themselves on stderr, kept off it; all else that they say stays.

TensorFlow's C++ side tells on stderr of oneDNN, of CUDA that is not there and of instructions that
the processor has, whatever ``TF_CPP_MIN_LOG_LEVEL`` says: the first lines come before it is read.
So the file descriptor is that of a pipe, and a process that does nothing else passes on what is no
chatter: also the last words of a process that crashes, which a thread of it would not.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_STDERR = 2
_CHATTER = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|[IW]\d{4} \d\d:\d\d:\d+\.\d+ "  # absl, of TensorFlow and XLA: I0000 00:00:1795829317.896
    rb"|E\d{4} \d\d:\d\d:\d+\.\d+ .*(cuInit|Unable to register cu|computation_placer)"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IW] (tensorflow|external|xla|third_party)/"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: E .*(cuInit|Unable to register cu)"
    rb"|To enable the following instructions: "
)


@contextmanager
def without_chatter() -> Iterator[None]:
    """Keep what frameworks say of themselves off stderr, where this system can.

    Who has set ``TF_CPP_MIN_LOG_LEVEL`` wants to see it all.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or not _can_be_filtered():
        yield
        return
    # TensorFlow's C++ side reads it when it is loaded.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    sys.stderr.flush()
    stderr, python = os.dup(_STDERR), sys.stderr
    readable, writable = os.pipe()
    if os.fork() == 0:
        os.close(writable)
        _pass_on(readable, stderr)
    os.close(readable)
    os.dup2(writable, _STDERR)
    os.close(writable)
    try:
        # What Python itself writes goes past the pipe: a progress bar is no line.
        with open(
            stderr, "w", 1, encoding=python.encoding, errors="backslashreplace", closefd=False
        ) as sys.stderr:
            yield
    finally:
        sys.stderr = python
        os.dup2(stderr, _STDERR)
        os.close(stderr)


def _can_be_filtered() -> bool:
    """Return whether there is a stderr, and a way to have a process beside this one."""
    with suppress(AttributeError, OSError, ValueError):  # none, or none with a file descriptor
        return hasattr(os, "fork") and sys.stderr.fileno() == _STDERR
    return False


def _pass_on(readable: int, stderr: int) -> None:
    """Write all lines but chatter on stderr until there are no more, and end the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command
    with suppress(OSError), os.fdopen(readable, "rb") as lines:
        for line in lines:
            if not _CHATTER.match(line):
                os.write(stderr, line)
    os._exit(0)
