"""The thread that writes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from layerscope.errors import OutputError
from layerscope.instruments.record.worker import Worker, end_those_at


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


def test_a_failure_comes_out_once_as_a_sentence_and_nothing_runs_after_it() -> None:
    ran: list[int] = []
    worker = Worker(10, at_end=lambda: ran.append(-1))

    def fails() -> None:
        raise OSError(28, "No space left on device")

    worker.put(fails, 1)
    said = r"can't be written any more \(No space left on device\)"
    with pytest.raises(OutputError, match=said):
        worker.wait()
    with pytest.raises(OutputError, match=said):
        worker.put(lambda: ran.append(1), 1)
    worker.end()
    assert ran == []


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


def test_what_is_waiting_when_the_interpreter_ends_is_still_done() -> None:
    script = """
import time
from concurrent.futures import ThreadPoolExecutor
from layerscope.instruments.record.worker import Worker
worker = Worker(10, at_end=lambda: print("ended", flush=True))
def job():
    time.sleep(0.3)
    with ThreadPoolExecutor(1) as pool:  # as stores do
        print(pool.submit(lambda: "written").result(), flush=True)
worker.put(job, 1)
worker.put(job, 1)
raise SystemExit(3)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["written", "written", "ended"], done.stderr
    assert done.returncode == 3
