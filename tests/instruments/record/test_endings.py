"""However a process ends, what was taken is written; a process that was forked leaves it alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from layerscope.instruments.record import endings
from layerscope.instruments.record.worker import Worker

#: A worker with two slow jobs waiting.
BUSY = """
import os, signal, sys, threading, time
from layerscope.instruments.record import endings
from layerscope.instruments.record.worker import Worker

def say(*words):
    print(*words, flush=True)

class Step:
    def __init__(self, number, seconds=0.2):
        self.number, self.seconds = number, seconds
    def __call__(self):
        time.sleep(self.seconds)
        say("written", self.number, os.getpid() == MAIN)
    def __str__(self):
        return f"step {self.number}"

MAIN = os.getpid()
worker = Worker(10, at_end=lambda: say("ended", os.getpid() == MAIN))
worker.put(Step(1), 1)
worker.put(Step(2), 1)
"""
ALL = ["written 1 True", "written 2 True", "ended True"]


def run(script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", BUSY + script]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    return done.stdout.splitlines()


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


#: What a forked process may do to end, and what its status is then.
CHILDREN = {
    "leaves by os._exit": ("os._exit(7)", 7),
    "runs to its end": ("sys.exit(7)", 7),
    "ends in an error": ("raise ZeroDivisionError", 1),
    "drops it": ("del worker; import gc; gc.collect(); sys.exit(7)", 7),
    "ends it": ("worker.end(); worker.end_unasked(); sys.exit(7)", 7),
    "ends those at its place": ("endings.end_those_at(''); sys.exit(7)", 7),
    "writes by a worker of its own": (
        "w = Worker(9, at_end=lambda: os.write(2, b'OWN')); w.put(Step(3, 0), 1); w.end(); "
        "sys.exit(7)",
        7,
    ),
    "is told to end": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", -signal.SIGTERM),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process can be forked here")
@pytest.mark.parametrize("child", CHILDREN)
def test_a_forked_process_neither_writes_nor_waits(child: str) -> None:
    code, status = CHILDREN[child]
    script = f"""
process = os.fork()
if process == 0:
    {code}
_, status = os.waitpid(process, 0)
assert os.waitstatus_to_exitcode(status) == {status}, status
worker.end()
"""
    done = run(script)
    assert done.returncode == 0, done.stderr
    assert [line for line in lines(done) if line != "written 3 False"] == ALL, done.stderr
    assert ("OWN" in done.stderr) == ("own" in child)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process can be forked here")
def test_a_forked_process_can_add_nothing() -> None:
    script = """
from layerscope.core.errors import InputError
process = os.fork()
if process == 0:
    for call in (lambda: worker.put(Step(3), 1), worker.wait):
        try:
            call()
        except InputError as error:
            assert "This process was forked from the one that records" in str(error)
        else:
            os._exit(1)
    os._exit(0)
assert os.waitpid(process, 0)[1] == 0
"""
    done = run(script)
    assert done.returncode == 0, done.stderr
    assert lines(done) == ALL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process can be forked here")
@pytest.mark.parametrize("pool", ["Pool(2)", "ProcessPoolExecutor(2)"])
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_pools_of_processes_leave_it_alone(pool: str, method: str, tmp_path: Path) -> None:
    script = (
        BUSY.partition("MAIN =")[0]
        + f"""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
if __name__ == "__main__":
    MAIN = os.getpid()
    worker = Worker(10, at_end=lambda: say("ended", os.getpid() == MAIN))
    worker.put(Step(1), 1)
    worker.put(Step(2), 1)
    context = multiprocessing.get_context({method!r})
    with {
            pool.replace("(2)", "(2, mp_context=context)")
            if "Executor" in pool
            else "context." + pool
        } as pool:
        assert list(pool.map(abs, [-1, -2])) == [1, 2]
    say("pool is gone")
    worker.end()
"""
    )
    path = tmp_path / "script.py"
    path.write_text(script)
    command = [sys.executable, "-W", "ignore", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(lines(done)) == sorted([*ALL, "pool is gone"])


#: Which handler was there before; what is printed after the steps, and how the process ends.
HANDLERS = {
    "none": ("", ["ended True"], -signal.SIGTERM),
    "one that goes on": (
        "signal.signal(signal.SIGTERM, lambda number, frame: say('mine', number))",
        ["mine 15", "goes on", "ended True"],
        0,
    ),
    "one that exits": (
        "signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(4))",
        ["ended True"],
        4,
    ),
    "ignored": (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        ["ended True"],
        0,
    ),
}


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
@pytest.mark.parametrize("handler", HANDLERS)
def test_a_process_that_is_told_to_end_writes_first(handler: str) -> None:
    code, after, status = HANDLERS[handler]
    before, _, rest = BUSY.partition("MAIN =")
    script = f"""{before}
{code}
MAIN ={rest}
os.kill(os.getpid(), signal.SIGTERM)
say("goes on")
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    printed = [line for line in lines(done) if handler != "ignored" or line != "goes on"]
    assert printed == [*ALL[:2], *after]
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_another_handler_may_come_between_two_of_ours() -> None:
    done = run("""
ours = signal.getsignal(signal.SIGTERM)
def theirs(number, frame):
    say("theirs")
    ours(number, frame)
    sys.exit(3)  # their own way to end
signal.signal(signal.SIGTERM, theirs)
other = Worker(10, at_end=lambda: say("other"))
os.kill(os.getpid(), signal.SIGTERM)
""")
    assert done.returncode == 3, done.stderr
    assert lines(done)[:3] == [*ALL[:2], "theirs"]
    assert sorted(lines(done)[3:]) == ["ended True", "other"]


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_a_disk_that_is_too_slow_for_the_time_there_is() -> None:
    done = run("""
endings.SECONDS = 0.5
worker.put(Step(3, 60), 1)
worker.put(Step(4, 60), 1)
os.kill(os.getpid(), signal.SIGTERM)
""")
    assert done.returncode == -signal.SIGTERM
    assert lines(done) == ALL[:2]
    said = "layerscope: step 3 and step 4 could not be written within 0.5 s of SIGTERM.\n"
    assert done.stderr == said


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_handlers_are_as_before_when_nothing_is_open() -> None:
    before = {number: signal.getsignal(number) for number in endings.SIGNALS}
    first, second = Worker(1), Worker(1)
    if threading.current_thread() is threading.main_thread():
        assert signal.getsignal(signal.SIGTERM) is not before[signal.SIGTERM]
    first.end()
    second.end()
    assert {number: signal.getsignal(number) for number in endings.SIGNALS} == before
