"""Work that takes long: one piece of each kind at a time, watched and cancelled from the page."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from layerscope.core.errors import InputError, LayerscopeError
from layerscope.core.foreign_errors import error_text

_MOST_WAITING = 8  #: of one kind
_REMEMBERED = 64  #: jobs that have ended
_PATIENCE = 120.0  #: seconds: browsers ask once a minute for a page that is out of sight

Report = dict[str, Any]
#: What a job does: it is given a function to report to, which returns True when it is to end.
Work = Callable[[Callable[[Report], bool]], Report]


class TooManyError(LayerscopeError):
    """More work waits than will be done in good time."""

    status = 503


@dataclass
class Job:
    """One piece of work: ``state`` is waiting, running, done, cancelled or failed.

    ``report`` is what it has reported last, or in the end returned.
    """

    number: int
    kind: str
    key: str
    work: Work = field(repr=False)
    asked: float
    state: str = "waiting"
    report: Report = field(default_factory=dict)
    error: str = ""
    cancelled: bool = False


class Jobs:
    """The jobs of a page, by number; what nobody asks for any more is given up.

    Each kind has a thread of its own for as long as there is work of it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self._waiting: dict[str, deque[Job]] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._last = 0
        self._ended = False

    def start(self, kind: str, key: str, work: Work) -> Job:
        """Begin a job, or return the one that is begun for the same key.

        Raises
        ------
        TooManyError
            When too many of its kind wait already.
        """
        with self._lock:
            for job in self._jobs.values():
                unfinished = job.state in ("waiting", "running") and not job.cancelled
                if unfinished and (job.kind, job.key) == (kind, key):
                    job.asked = self._clock()
                    return job
            waiting = self._waiting.setdefault(kind, deque())
            if self._ended or len(waiting) >= _MOST_WAITING:
                raise TooManyError(
                    f"{len(waiting)} others wait to be made already: try again when one is done."
                )
            self._last += 1
            job = Job(self._last, kind, key, work, self._clock())
            self._jobs[job.number] = job
            self._forget()
            waiting.append(job)
            if kind not in self._threads:
                name = f"layerscope {kind}"
                thread = threading.Thread(target=self._run, args=(kind,), name=name, daemon=True)
                self._threads[kind] = thread
                thread.start()
            return job

    def get(self, number: int) -> Job:
        """Return a job, which somebody still asks for.

        Raises
        ------
        InputError
            When there is none of this number.
        """
        with self._lock:
            if number not in self._jobs:
                raise InputError(f"There is no job {number} any more: start it again.")
            job = self._jobs[number]
            job.asked = self._clock()
            return job

    def cancel(self, number: int) -> Job:
        """End a job with what there is of it; one that waits is not begun."""
        job = self.get(number)
        with self._lock:
            job.cancelled = True
            if job.state == "waiting":
                self._waiting[job.kind].remove(job)
                job.state = "cancelled"
        return job

    def end(self) -> None:
        """Give up all jobs: the page is closed."""
        with self._lock:
            self._ended = True
            for job in self._jobs.values():
                job.cancelled = True

    def join(self, seconds: float | None = None) -> None:
        """Return when no job is at work; sooner where one takes longer than so many seconds."""
        for thread in list(self._threads.values()):
            thread.join(seconds)

    def _run(self, kind: str) -> None:
        while True:
            with self._lock:
                if not self._waiting[kind]:
                    del self._threads[kind]
                    return
                job = self._waiting[kind].popleft()
                job.state = "cancelled" if self._given_up(job) else "running"
            if job.state == "running":
                self._do(job)

    def _do(self, job: Job) -> None:
        def report(progress: Report) -> bool:
            job.report = progress
            return self._given_up(job)

        try:
            job.report = job.work(report)
            job.state = "cancelled" if job.cancelled else "done"
        except LayerscopeError as error:
            job.error, job.state = str(error), "failed"
        # The model's own code, which may raise anything: the page says what.
        except Exception as error:  # noqa: BLE001
            job.error, job.state = f"It can't be made: {error_text(error)}.", "failed"

    def _given_up(self, job: Job) -> bool:
        if self._clock() - job.asked > _PATIENCE:
            job.cancelled = True
        return job.cancelled

    def _forget(self) -> None:
        ended = [j.number for j in self._jobs.values() if j.state not in ("waiting", "running")]
        for number in ended[: max(0, len(ended) - _REMEMBERED)]:
            del self._jobs[number]
