"""Work that takes long: one piece of each kind at a time, watched and cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from layerscope.core.errors import InputError, ModelError
from layerscope.interfaces.server.jobs import Job, Jobs, Report, TooManyError


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Stepping:
    """Work that goes on by a step whenever the test lets it."""

    def __init__(self) -> None:
        self.go, self.seen = threading.Semaphore(0), threading.Semaphore(0)
        self.begun = threading.Event()

    def __call__(self, report: Callable[[Report], bool]) -> Report:
        self.begun.set()
        for step in range(1, 100):
            self.go.acquire()
            ended = report({"step": step})
            self.seen.release()
            if ended:
                break
        return {"last": step}

    def step(self) -> None:
        self.go.release()
        self.seen.acquire()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(clock: Clock) -> Iterator[Jobs]:
    made = Jobs(clock)
    yield made
    made.end()
    made.join()


def finished(jobs: Jobs, job: Job) -> Job:
    jobs.join()
    return jobs.get(job.number)


def test_a_job_reports_and_returns(jobs: Jobs) -> None:
    work = Stepping()
    job = jobs.start("image", "a", work)
    work.begun.wait()
    assert jobs.get(job.number).state == "running"
    work.step()
    assert jobs.get(job.number).report == {"step": 1}
    jobs.cancel(job.number)
    work.step()
    assert finished(jobs, job).state == "cancelled"
    assert job.report == {"last": 2}


def test_one_of_a_kind_at_a_time_and_kinds_beside_one_another(jobs: Jobs) -> None:
    first, second, other = Stepping(), Stepping(), Stepping()
    jobs.start("image", "a", first)
    waiting = jobs.start("image", "b", second)
    jobs.start("survey", "a", other)
    first.begun.wait()
    other.begun.wait()
    assert waiting.state == "waiting"
    assert not second.begun.is_set()
    for work in (first, second, other):
        work.go.release(99)
    assert finished(jobs, waiting).state == "done"


def test_the_same_is_not_begun_twice(jobs: Jobs) -> None:
    work = Stepping()
    job = jobs.start("image", "a", work)
    assert jobs.start("image", "a", Stepping()) is job
    work.begun.wait()
    assert jobs.start("image", "a", Stepping()) is job
    work.go.release(99)
    jobs.join()
    again = Stepping()
    again.go.release(99)
    assert jobs.start("image", "a", again) is not job


def test_no_more_wait_than_will_be_done(jobs: Jobs) -> None:
    work = Stepping()
    jobs.start("image", "first", work)
    work.begun.wait()
    waiting = [jobs.start("image", str(i), lambda report: {}) for i in range(8)]
    with pytest.raises(TooManyError, match="8 others wait to be made already"):
        jobs.start("image", "one more", lambda report: {})
    jobs.cancel(waiting[3].number)
    assert waiting[3].state == "cancelled"
    last = jobs.start("image", "one more", lambda report: {})
    work.go.release(99)
    assert finished(jobs, last).state == "done"
    assert [job.state for job in waiting] == ["done"] * 3 + ["cancelled"] + ["done"] * 4


def test_what_nobody_asks_for_any_more_is_given_up(jobs: Jobs, clock: Clock) -> None:
    left, looked_at, waiting = Stepping(), Stepping(), Stepping()
    job = jobs.start("image", "a", left)
    left.begun.wait()
    after = jobs.start("image", "b", looked_at)
    never = jobs.start("image", "c", waiting)
    clock.now = 121
    jobs.get(after.number)
    left.step()
    looked_at.begun.wait()
    assert job.state == "cancelled"
    looked_at.go.release(99)
    assert finished(jobs, after).state == "done"
    assert never.state == "cancelled"
    assert not waiting.begun.is_set()


def test_errors_are_sentences_and_the_next_goes_on(jobs: Jobs) -> None:
    def refuses(report: Callable[[Report], bool]) -> Report:
        raise ModelError("It computes no gradients.")

    def breaks(report: Callable[[Report], bool]) -> Report:
        raise ZeroDivisionError("division by zero")

    made = [jobs.start("image", str(i), work) for i, work in enumerate((refuses, breaks))]
    good = jobs.start("image", "good", lambda report: {"fine": True})
    assert finished(jobs, good).report == {"fine": True}
    assert [job.state for job in made] == ["failed", "failed"]
    assert made[0].error == "It computes no gradients."
    assert made[1].error == "It can't be made: ZeroDivisionError: division by zero."


def test_jobs_that_ended_are_forgotten_in_time(jobs: Jobs) -> None:
    first = jobs.start("image", "0", lambda report: {})
    jobs.join()
    for i in range(1, 70):
        last = jobs.start("image", str(i), lambda report: {})
        jobs.join()
    assert jobs.get(last.number).state == "done"
    with pytest.raises(InputError, match=f"no job {first.number} any more"):
        jobs.get(first.number)


def test_the_end_of_the_page_is_the_end_of_its_jobs(clock: Clock) -> None:
    jobs = Jobs(clock)
    work = Stepping()
    job = jobs.start("image", "a", work)
    waiting = jobs.start("image", "b", lambda report: {})
    work.begun.wait()
    jobs.end()
    work.step()
    jobs.join()
    assert (job.state, waiting.state) == ("cancelled", "cancelled")
    with pytest.raises(TooManyError):
        jobs.start("image", "c", lambda report: {})
