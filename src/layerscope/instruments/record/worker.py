"""Writing beside the training: one thread, and no more before it than fits two bounds."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from layerscope.core.console import report
from layerscope.core.errors import InputError, LayerscopeError, OutputError
from layerscope.instruments.record import endings

#: How many jobs may wait or run: as many steps are lost, at most, by a process that is killed.
JOBS = 2

Job = Callable[[], object]

_TAKEN_OVER = (
    "This recorder has ended, with every step it had: another one has gone on with its recording, "
    "or replaced it."
)


class Worker:
    """Runs jobs one after another in a thread of its own.

    Each job has a size in bytes, and ``str`` of a job is what it writes. Where there would be more
    than ``JOBS`` of them, or more than ``bound`` bytes, :meth:`put` waits; a job larger than that
    is taken when no other is there. A job that failed is kept, with what waits behind it, and
    tried again whenever a :meth:`put` or a :meth:`wait` comes, which raises when it fails again:
    once there is room on the disk, nothing is missing.

    ``at_end`` is called when all have run, or failed for good. ``place`` is where it writes, as
    ``store.places.same_place`` tells places apart: see ``endings.end_those_at``.

    In a process that was forked from the one that made it, nothing is written, and nothing waited
    for: its thread is not there.
    """

    def __init__(self, bound: int, at_end: Job = lambda: None, place: str = "") -> None:
        self.place = place
        self._process = os.getpid()
        self._bound = bound
        self._at_end = at_end
        self._jobs: deque[tuple[Job, int]] = deque()  #: the first one is running, or failed
        self._changed = threading.Condition()
        self._wake: SimpleQueue[None] = SimpleQueue()  #: something for the thread to look at
        self._error: BaseException | None = None
        self._lost: BaseException | None = None  #: why some were never written
        self._ending = False
        self._ended = False
        self._says_lost = False
        self._because = _TAKEN_OVER
        # As a daemon it would be stopped amid a write; where nobody can end it in time, it must be.
        self._thread = threading.Thread(
            target=self._run,
            name="layerscope-recorder",
            daemon=not hasattr(threading, "_register_atexit"),
        )
        endings.opened(self)
        try:
            self._thread.start()
        except BaseException:  # interrupted: nobody would end it
            endings.ended(self)
            self.end_soon()
            raise

    @property
    def failed(self) -> bool:
        """Whether the last attempt to write failed."""
        return self._error is not None

    @property
    def elsewhere(self) -> bool:
        """Whether it is another process, from which this one was forked, that it belongs to."""
        return os.getpid() != self._process

    def make_room(self, nbytes: int) -> None:
        """Wait until a job of this size would be taken at once.

        Raises OutputError when an earlier one can't be written, or :meth:`end` was called.
        """
        self.check_here()
        with self._changed:
            self._wait_for_room(nbytes)

    def put(self, job: Job, nbytes: int) -> None:
        """Hand over a job, and wait while too much is waiting.

        Raises OutputError when an earlier one can't be written, or :meth:`end` was called.
        """
        self.check_here()
        with self._changed:
            self._wait_for_room(nbytes)
            self._jobs.append((job, nbytes))
            self._wake.put(None)

    def check(self) -> None:
        """Try again what failed. Raises OutputError when it fails again."""
        if self.failed:
            self.wait()

    def wait(self) -> None:
        """Return when every job has run. Raises OutputError when one can't be written."""
        self.check_here()
        with self._changed:
            self._write_again()
            self._raise_failed()

    def end(self) -> None:
        """Return when every job has run, and ``at_end`` after them.

        What could not be written by now is lost. Raises OutputError then, once.
        """
        if self.elsewhere:
            return
        with self._changed:
            self._end()
            self._changed.wait_for(lambda: self._ended)
            lost, self._lost = self._lost, None
        endings.ended(self)
        if lost is not None:
            raise self._in_words(lost)

    def end_unasked(self, because: str = "") -> None:
        """End it where nobody is there to catch an error: it is reported on stderr.

        ``because`` is what is said of it to who has more to record.
        """
        self._because = because or self._because
        try:
            self.end()
        except Exception as error:  # noqa: BLE001  (one recorder's fault is not another's)
            report(f"layerscope: {type(error).__name__ if not str(error) else error}")

    def end_soon(self) -> None:
        """End it without waiting: for a finalizer.

        It may run in any thread, amid anything: in the one that writes, or in one that that waits
        for. So it takes no lock.
        """
        self._says_lost = self._ending = True
        self._error = None
        self._wake.put(None)

    def drain(self, seconds: float, *, end: bool) -> str:
        """Write what there is, for so many seconds; with ``end``, end then.

        Returns what was not written.
        """
        with self._changed:
            if end:
                self._end()
                done = self._changed.wait_for(lambda: self._ended, seconds)
            else:
                done = self._write_again(seconds)
            return "" if done and not self._jobs else self._waiting()

    def check_here(self) -> None:
        """Raise InputError in a process that was forked from the one that made it."""
        if self.elsewhere:
            raise InputError(
                "This process was forked from the one that records: only that one can add steps. "
                "Make the Recorder in the process that trains."
            )

    def _wait_for_room(self, nbytes: int) -> None:
        if self.failed:
            self._write_again()
        self._changed.wait_for(lambda: self.failed or self._ending or self._has_room(nbytes))
        self._raise_failed()
        if self._ending:
            raise OutputError(self._because)

    def _has_room(self, nbytes: int) -> bool:
        held = sum(size for _, size in self._jobs)
        return not self._jobs or (len(self._jobs) < JOBS and held + nbytes <= self._bound)

    def _write_again(self, seconds: float | None = None) -> bool:
        """Wait until all is written, or an attempt has failed; whether that took no longer."""
        self._try_again()
        return self._changed.wait_for(lambda: self.failed or self._ended or not self._jobs, seconds)

    def _end(self) -> None:
        self._ending = True
        self._try_again()

    def _try_again(self) -> None:
        if not self._ended:
            self._error = None
        self._wake.put(None)

    def _waiting(self) -> str:
        return " and ".join(str(job) for job, _ in self._jobs)

    def _raise_failed(self) -> None:
        if self._error is not None:
            raise self._in_words(self._error)

    def _in_words(self, error: BaseException) -> BaseException:
        """Return what failed as a sentence, with what follows from it."""
        if not isinstance(error, LayerscopeError | OSError):
            return error
        why = str(error).rstrip(".")
        if not isinstance(error, LayerscopeError):
            reason = error.strerror or " ".join(str(error).split())
            why = f"The recording can't be written ({reason})"
        if self._jobs:
            lost = "were lost" if len(self._jobs) > 1 else "was lost"
            so = lost if self._ended else "will be tried again"
            why = f"{why}. Of this recording {self._waiting()} {so}"
        sentence = OutputError(f"{why}.")
        sentence.__cause__ = error
        return sentence

    def _run(self) -> None:
        while (job := self._next()) is not None:
            error: BaseException | None = None
            try:
                job()
            except BaseException as failed:  # noqa: BLE001  (raised where the caller is)
                error = failed
            del job  # what it holds is large
            with self._changed:
                self._error = error
                if error is None:
                    self._jobs.popleft()
                self._changed.notify_all()
        error = self._error
        try:
            self._at_end()
        except BaseException as failed:  # noqa: BLE001  (raised where the caller is)
            error = error or failed
        with self._changed:
            self._lost, self._ended = error, True
            self._changed.notify_all()
        if self._says_lost:  # nobody else would
            self.end_unasked()

    def _next(self) -> Job | None:
        """Wait for the job to run next; None when it is time to end."""
        while True:
            with self._changed:
                if self._jobs and not self.failed:
                    return self._jobs[0][0]
                if self._ending:  # one that fails while it is ended is not tried for ever
                    return None
            self._wake.get()
