"""However a process ends, what its recorders have taken is written before: by what ends it.

- It runs to its end, or an error ends it: threads are waited for, and with them the writing.
- SIGTERM, as sent by ``docker stop``, Slurm and Kubernetes, or SIGHUP, as sent where a terminal is
  closed: what has been taken is written, for ``SECONDS`` at most, and then whatever would have
  happened without us does happen: the handler that was there before is called.
- A process that was forked (a DataLoader's worker) has the recorders of the one that it was forked
  from in its memory, but neither their threads nor their lock: it leaves them alone.
"""

from __future__ import annotations

import concurrent.futures.thread  # its own end must be registered before ours
import os
import signal
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any, Protocol

#: How long a process that is asked to end goes on writing. ``docker stop`` waits 10 seconds before
#: it kills, Kubernetes and Slurm 30.
SECONDS = 5.0

#: What asks a process to end, and ends it unless there is a handler.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Writing(Protocol):
    """What may have steps to write when the process ends."""

    place: str

    def end_unasked(self, because: str = "") -> None: ...
    def drain(self, seconds: float, *, end: bool) -> str: ...


#: By identity. It is copied at one go, since threads change it, and signals come at any moment.
_OPEN: dict[int, Writing] = {}

_OVER = (
    "The script has ended, and with it the recording: wait for the thread that trains, or close "
    "the recorder in it."
)


def opened(writing: Writing) -> None:
    """See to it that what it takes is written, however this process ends."""
    _OPEN[id(writing)] = writing
    _listen()


def ended(writing: Writing) -> None:
    """Note that it has nothing to write any more."""
    _OPEN.pop(id(writing), None)
    if not _OPEN:
        _stop_listening()


def end_those_at(place: str) -> None:
    """End those that still write there: a notebook's, say, whose training was interrupted.

    What they had taken is written when this returns, or said on stderr.
    """
    for writing in tuple(_OPEN.values()):
        if writing.place == place:
            writing.end_unasked()


def say_at_once(sentence: str) -> None:
    """Say it on stderr, also from within a signal, which may have come amid another sentence."""
    with suppress(OSError):  # who reads it may have been ended before
        os.write(2, f"layerscope: {sentence}\n".encode(errors="backslashreplace"))


class _Handler:
    """What is called when a signal comes; knows what would have been called without us."""

    def __init__(self, previous: Any) -> None:
        self.previous = previous
        self._process = os.getpid()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        # A handler that came after ours and hands on to it has work of its own to do after that.
        ends = self.previous is signal.SIG_DFL and signal.getsignal(number) is self
        try:
            if os.getpid() == self._process:
                _drain(f"of {signal.Signals(number).name}", ends)
        finally:
            if ends:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)  # so that whoever asks sees what ended it
            elif callable(self.previous):
                self.previous(number, frame)


#: Until when is written after a signal, while that is done: further ones give no more time.
_until: float | None = None


def _drain(since: str, ends: bool) -> None:
    """Write what there is, for ``SECONDS`` at most, and say what could not be written."""
    global _until
    first, until = _until is None, _until or time.monotonic() + SECONDS
    _until = until
    try:
        for writing in tuple(_OPEN.values()):
            left = writing.drain(max(0.0, until - time.monotonic()), end=ends)
            if left:
                say_at_once(f"{left} could not be written within {SECONDS:g} s {since}.")
    finally:
        if first:
            _until = None


def _listen() -> None:
    # Elsewhere Python lets nobody handle signals.
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        there = signal.getsignal(number)
        # None is a handler that is not Python's, and could not be called.
        if there is not None and there is not signal.SIG_IGN and not isinstance(there, _Handler):
            signal.signal(number, _Handler(there))


def _stop_listening() -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # then it stays, and hands every signal on
    for number in SIGNALS:
        there = signal.getsignal(number)
        if isinstance(there, _Handler):
            signal.signal(number, there.previous)


def _write_the_rest() -> None:
    """Have all written, when the main thread has come to its end."""
    if _OPEN:
        _wait_for_threads()
    for writing in tuple(_OPEN.values()):
        try:
            writing.end_unasked(_OVER)
        except KeyboardInterrupt:
            _drain("after Ctrl-C", True)


def _wait_for_threads() -> None:
    """Wait for threads that may train, as Python would do after this.

    Not for those of a pool: they end when the pool is told to, which is after this, too.
    """
    pools = getattr(concurrent.futures.thread, "_threads_queues", {})
    for thread in threading.enumerate():
        is_here = thread in (threading.current_thread(), threading.main_thread())
        is_ours = thread.name.startswith("layerscope-")
        if not (is_here or is_ours or thread.daemon or thread in pools):
            thread.join()


def _leave_alone() -> None:
    """Leave alone, in a process just forked, whoever is open: it is another process's."""
    _OPEN.clear()
    _stop_listening()


# A script that ends in an error, or without closing its recording, still has its last steps
# written. ``atexit`` comes too late for that: threads can't be started any more by then, and the
# store starts some.
_before_threads_end: Any = getattr(threading, "_register_atexit", None)
if _before_threads_end is not None:
    _before_threads_end(_write_the_rest)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_alone)
