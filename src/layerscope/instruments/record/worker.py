"""Writing beside the training: one thread, and no more in its queue than fits a bound."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from layerscope.errors import LayerscopeError, OutputError

#: Recordings that may have steps to write when the interpreter ends.
_OPEN: weakref.WeakSet[Worker] = weakref.WeakSet()


class Worker:
    """Runs jobs one after another in a thread of its own.

    Each job has a size in bytes. Where those that are waiting or running would exceed ``bound``,
    :meth:`put` waits; a job larger than that is taken when no other is there. After a job that
    failed no other runs, and what it raised comes out of the next :meth:`put` or :meth:`wait`.
    ``at_end`` is called when all have run, unless one failed. ``place`` is where it writes, as
    ``store.places.same_place`` tells places apart: see :func:`end_those_at`.
    """

    def __init__(
        self, bound: int, at_end: Callable[[], object] = lambda: None, place: str = ""
    ) -> None:
        self.place = place
        self._bound = bound
        self._at_end = at_end
        self._ended = False
        self._pool = ThreadPoolExecutor(1, "layerscope-recorder")
        self._changed = threading.Condition()
        self._held = 0
        self._error: BaseException | None = None
        _OPEN.add(self)

    @property
    def failed(self) -> bool:
        """Whether a job failed."""
        return self._error is not None

    def put(self, job: Callable[[], object], nbytes: int) -> None:
        """Hand over a job, and wait while too much is waiting.

        Raises OutputError when an earlier one could not be written, or :meth:`end` was called.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._held == 0 or self._held + nbytes <= self._bound or self.failed
            )
            self._check()
            if self._ended:
                raise OutputError(
                    "This recorder has ended, with every step it had: another one has gone on with "
                    "its recording, or replaced it."
                )
            self._held += nbytes
            future = self._pool.submit(self._run, job)
        future.add_done_callback(lambda done: self._done(done, nbytes))

    def wait(self) -> None:
        """Return when every job has run. Raises OutputError when one could not be written."""
        with self._changed:
            self._changed.wait_for(lambda: self._held == 0)
            self._check()

    def end(self) -> None:
        """Return when every job has run, and ``at_end`` after them; raises what that raises."""
        with self._changed:
            self._ended = True
        self._pool.shutdown(wait=True)
        if self in _OPEN:
            _OPEN.discard(self)
            if not self.failed:
                self._at_end()

    def end_unasked(self) -> None:
        """The same, where nobody is there to catch an error: it is said on stderr."""
        try:
            self.end()
        except (LayerscopeError, OSError) as error:
            print(f"layerscope: {error}", file=sys.stderr)  # noqa: T201

    def _run(self, job: Callable[[], object]) -> None:
        if not self.failed:
            job()

    def _done(self, done: Future[None], nbytes: int) -> None:
        with self._changed:
            self._held -= nbytes
            self._error = self._error or done.exception()
            self._changed.notify_all()

    def _check(self) -> None:
        if isinstance(self._error, LayerscopeError):
            raise self._error
        if isinstance(self._error, OSError):
            reason = self._error.strerror or " ".join(str(self._error).split())
            raise OutputError(
                f"The recording can't be written any more ({reason}): the steps written so far "
                "are whole, and open."
            ) from self._error
        if self._error is not None:
            raise self._error


def end_those_at(place: str) -> None:
    """End the workers that still write there: a notebook's, say, whose training was interrupted.

    What they had taken is written when this returns.
    """
    for worker in list(_OPEN):
        if worker.place == place:
            worker.end_unasked()


def _write_the_rest() -> None:
    for worker in list(_OPEN):
        worker.end_unasked()


# A script that ends in an error, or without closing its recording, still has its last steps
# written. ``atexit`` comes too late for that: threads can't be started any more by then, and the
# store starts some.
_before_threads_end: Any = getattr(threading, "_register_atexit", None)
if _before_threads_end is not None:
    _before_threads_end(_write_the_rest)
