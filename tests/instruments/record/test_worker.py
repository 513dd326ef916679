"""The thread that writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from layerscope.core.errors import OutputError
from layerscope.instruments.record.endings import end_those_at
from layerscope.instruments.record.worker import JOBS, Worker


def test_jobs_run_in_order_beside_the_caller() -> None:
    ran: list[int] = []
    worker = Worker(100, at_end=lambda: ran.append(-1))

    def job(i: int) -> Callable[[], object]:
        return lambda: ran.append(i) or threading.current_thread()

    for i in range(20):
        worker.put(job(i), 1)
    worker.wait()
    assert ran == list(range(20))
    worker.end()
    worker.end()
    assert ran == [*range(20), -1]


def test_past_the_bound_the_caller_waits() -> None:
    gate = threading.Event()
    worker = Worker(10)
    worker.put(gate.wait, 6)
    put = threading.Thread(target=worker.put, args=(lambda: None, 6))
    put.start()
    put.join(0.2)
    assert put.is_alive()
    gate.set()
    put.join(10)
    assert not put.is_alive()
    worker.put(lambda: None, 1000)  # larger than the bound: taken when no other is there
    worker.end()


def test_room_is_there_when_what_was_taken_has_run() -> None:
    gate = threading.Event()
    worker = Worker(10)
    worker.put(gate.wait, 6)
    worker.make_room(4)
    waiting = threading.Thread(target=worker.make_room, args=(6,))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    gate.set()
    waiting.join(10)
    assert not waiting.is_alive()
    worker.make_room(1000)
    worker.end()


class Disk:
    """Jobs that write to a disk which may be full."""

    def __init__(self) -> None:
        self.full = False
        self.written: list[int] = []

    def job(self, number: int) -> Callable[[], object]:
        disk = self

        class Step:
            def __call__(self) -> None:
                if disk.full:
                    raise OSError(28, "No space left on device")
                disk.written.append(number)

            def __str__(self) -> str:
                return f"step {number}"

        return Step()


SAID = r"can't be written \(No space left on device\)\. Of this recording "


def test_what_failed_is_raised_until_it_is_written_and_then_nothing_is_missing() -> None:
    disk = Disk()
    worker = Worker(10, at_end=lambda: disk.written.append(-1))
    worker.put(disk.job(0), 1)
    worker.wait()
    disk.full = True
    worker.put(disk.job(1), 1)
    for _ in range(2):
        with pytest.raises(OutputError, match=SAID + "step 1 will be tried again"):
            worker.wait()
        with pytest.raises(OutputError, match=SAID + "step 1 will be tried again"):
            worker.put(disk.job(2), 1)
    disk.full = False
    worker.put(disk.job(3), 1)
    worker.wait()
    assert disk.written == [0, 1, 3]
    worker.end()
    assert disk.written == [0, 1, 3, -1]


def test_what_fails_to_the_end_is_said_once_and_all_else_is_put_away() -> None:
    disk = Disk()
    disk.full = True
    worker = Worker(10, at_end=lambda: disk.written.append(-1))
    worker.put(disk.job(1), 1)
    with pytest.raises(OutputError, match=SAID + "step 1 was lost"):
        worker.end()
    disk.full = False
    worker.end()
    worker.end_unasked()
    assert disk.written == [-1]
    with pytest.raises(OutputError, match=SAID + "step 1 was lost"):
        worker.put(disk.job(2), 1)
    with pytest.raises(OutputError, match=SAID + "step 1 was lost"):
        worker.wait()


def test_an_error_at_the_end_is_said() -> None:
    def fails() -> None:
        raise OSError(5, "Input/output error")

    worker = Worker(10, at_end=fails)
    worker.put(lambda: None, 1)
    with pytest.raises(OutputError, match=r"\(Input/output error\)\.$"):
        worker.end()
    assert worker.elsewhere is False


def test_a_fault_of_ours_comes_out_as_it_is() -> None:
    worker = Worker(10)
    worker.put(lambda: {}["absent"], 1)
    with pytest.raises(KeyError, match="absent"):
        worker.wait()
    with pytest.raises(KeyError, match="absent"):
        worker.end()


def test_no_more_than_two_jobs_wait_or_run() -> None:
    gate, taken = threading.Event(), []
    worker = Worker(10**9)

    def put() -> None:
        for number in range(5):
            worker.put(gate.wait, 1)
            taken.append(number)

    putting = threading.Thread(target=put)
    putting.start()
    putting.join(0.3)
    assert len(taken) == JOBS == 2
    gate.set()
    putting.join(10)
    worker.end()
    assert len(taken) == 5


def test_one_that_is_collected_ends_wherever_that_is_and_says_what_it_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended: list[int] = []
    worker = Worker(10, at_end=lambda: ended.append(-1))

    def fails() -> None:
        # Amid the writing, in a thread that the writing waits for.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(worker.end_soon).result()
        raise OSError(5, "Input/output error")

    worker.put(fails, 1)
    worker._thread.join(10)
    assert ended == [-1]
    assert "was lost" in capsys.readouterr().err


def test_another_ends_those_at_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[int] = []

    def fails() -> None:
        raise OutputError("a: another recorder has taken it over.")

    here, _taken, there = (
        Worker(10, end, place)
        for end, place in ((lambda: ran.append(-1), "a"), (fails, "a"), (lambda: None, "b"))
    )
    here.put(lambda: time.sleep(0.1) or ran.append(1), 1)
    end_those_at("a")
    assert ran == [1, -1]
    assert capsys.readouterr().err == "layerscope: a: another recorder has taken it over.\n"
    with pytest.raises(OutputError, match="This recorder has ended, with every step it had"):
        here.put(lambda: None, 1)
    here.end()
    there.put(lambda: ran.append(2), 1)
    there.end()
    assert ran == [1, -1, 2]
