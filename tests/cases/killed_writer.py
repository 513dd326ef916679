"""A process that has writers killed, again and again, and looks at what they leave.

Usage: ``python killed_writer.py FOLDER KILLS SEED [exact]``. Each writer is a process of its own,
forked here, before any thread: it begins a run or goes on with the one that is there, appends
steps, closes, goes on, until a SIGKILL ends it: after a random time, or, with ``exact``, in the
middle of its n-th write, fsync or rename, in turn of a run that begins and of one of two steps.
From 200 kills on n is each number in turn; below that, chance draws it. Prints a line of JSON for
each kill; what is wrong with a store ends the process.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np

import layerscope.recordings.store.reader
import layerscope.recordings.store.writer  # noqa: F401  (imported before forking, for speed)
from layerscope.core.errors import InputError
from layerscope.recordings.store import ArrayGroup, Schema, StoreReader, Variable, Writer, holds_run

SCHEMA = Schema(
    (
        ArrayGroup(
            "activations",
            "conv/..",
            {
                "values": Variable(("sample", "y", "x", "channel"), (2, 24, 24, 16), "float32"),
                "mean": Variable(("channel",), (16,), "float32"),
            },
        ),
        ArrayGroup(
            "activations", "dense", {"values": Variable(("sample", "unit"), (2, 5), "float16")}
        ),
        ArrayGroup(
            "activations",
            "scaled",
            {"values": Variable(("sample", "y", "x", "channel"), (2, 50, 50, 8), "uint8", True)},
        ),
        ArrayGroup("weights", "kernel", {"norm": Variable((), (), "float32")}),
        ArrayGroup("input", "x", {"values": Variable(("sample", "unit"), (2, 3), "float32")}),
    ),
    ("first", "second"),
)
INPUT = np.arange(6, dtype=np.float32).reshape(2, 3)


def arrays_of(step: int) -> dict[tuple[str, str, str], np.ndarray]:
    """What step ``step`` holds: the same whenever one asks."""
    rng = np.random.default_rng(step)
    arrays = {
        (group.kind, group.address, name): np.maximum(
            rng.normal(size=variable.shape), 0, dtype=np.float32
        ).astype(np.float32 if variable.scaled else variable.dtype)
        for group in SCHEMA.groups
        if group.kind != "input"
        for name, variable in group.variables.items()
    }
    if step >= 2:  # more than float16 holds
        key = ("activations", "dense", "values")
        arrays[key] = arrays[key].astype(np.float32) * 1e6 + 1e6
    return arrays


def metrics_of(step: int) -> dict[str, float]:
    return {"loss": 1 / (1 + step)} | ({"late": float(step)} if step >= 3 else {})


def put_step(writer: Writer, step: int) -> None:
    writer.append(
        step, epoch=step / 2, wall_time=step, metrics=metrics_of(step), arrays=arrays_of(step)
    )


def write(folder: Path, report: int) -> None:
    """Write until killed; reports what it does, and each step that is finished."""
    while True:
        if holds_run(folder):
            os.write(report, b"resume\n")
            writer = Writer.resume(folder, SCHEMA)
        else:
            os.write(report, b"create\n")
            writer = Writer.create(folder, SCHEMA, constants={"x": INPUT})
        for _ in range(3):
            step = len(writer.steps)
            os.write(report, b"append\n")
            put_step(writer, step)
            os.write(report, f"{step}\n".encode())
        os.write(report, b"close\n")
        writer.close()


def die_at(count: int) -> None:
    """Have this process kill itself in its ``count``-th operation on a file."""
    left = [count]
    write_there, sync_there, replace_there = os.write, os.fsync, os.replace

    def due() -> bool:
        left[0] -= 1
        return left[0] < 0

    def write(file: int, data: bytes) -> int:
        if len(data) > 16 and due():  # reports and claims are shorter
            write_there(file, bytes(data)[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write_there(file, data)

    def sync(file: int) -> None:
        if due():
            os.kill(os.getpid(), signal.SIGKILL)
        sync_there(file)

    def replace(*paths: str, **folders: int | None) -> None:
        if due():
            os.kill(os.getpid(), signal.SIGKILL)
        replace_there(*paths, **folders)

    os.write, os.fsync, os.replace = write, sync, replace  # type: ignore[assignment]


def look(folder: Path, finished: int) -> dict[str, int]:
    """Check every step of what is there, with ``finished`` steps known to be."""
    try:
        reader = StoreReader.open(folder)
    except InputError:
        assert finished == 0, f"{finished} steps were finished, and there is no run"
        Writer.create(folder, SCHEMA, constants={"x": INPUT}).close()  # nothing is in the way
        shutil.rmtree(folder)
        return {"steps": 0}
    steps = len(reader.steps)
    assert list(reader.steps) == list(range(steps))
    assert finished <= steps <= finished + 1, f"{finished} finished, {steps} there"
    for key in arrays_of(0):
        there = reader.read(*key)
        for step in range(steps):
            wanted = arrays_of(step)[key]
            if key[1] == "scaled":
                np.testing.assert_allclose(there[step], wanted, atol=wanted.max() / 500)
            else:
                np.testing.assert_array_equal(there[step], wanted, err_msg=f"{key}, step {step}")
    for name, values in reader.metrics.items():
        wanted = [metrics_of(step).get(name, np.nan) for step in range(steps)]
        np.testing.assert_array_equal(values, wanted, err_msg=name)
    np.testing.assert_array_equal(reader.epochs, np.arange(steps) / 2)
    np.testing.assert_array_equal(reader.read("input", "x"), INPUT)
    return {"steps": steps}


def forked(work: object, *arguments: object) -> int:
    """Start a process that does this work and nothing after it."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            work(*arguments)  # type: ignore[operator]
            code = 0
        except BaseException:  # noqa: BLE001  (the process ends here: nobody else would say it)
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return process


def kill_one(folder: Path, delay: float | None, operation: int) -> list[str]:
    """Start a writer and have it killed; what it reported."""
    reading, writing = os.pipe()

    def work() -> None:
        os.close(reading)
        if delay is None:
            die_at(operation)
        write(folder, writing)

    process = forked(work)
    os.close(writing)
    if delay is not None:
        select.select([reading], [], [], 60)  # from its first sign of life
        time.sleep(delay)
        os.kill(process, signal.SIGKILL)
    with os.fdopen(reading) as pipe:
        said = pipe.read().split()
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status), f"the writer ended by itself: {status}"
    return said


def two_steps(folder: Path) -> None:
    """A run that nobody has killed yet."""
    with Writer.create(folder, SCHEMA, constants={"x": INPUT}) as writer:
        for step in range(2):
            put_step(writer, step)


def main(folder: Path, kills: int, seed: int, exact: bool) -> None:
    chance = random.Random(seed)
    finished = 0
    for number in range(kills):
        # Every few kills anew, so that beginning a run is often among what is killed.
        if exact or number % 4 == 0:
            shutil.rmtree(folder, ignore_errors=True)
            finished = 0
        if exact and number % 2:
            os.waitpid(forked(two_steps, folder), 0)
            finished = 2
        operation = number // 2 if kills >= 200 else chance.randrange(120)
        said = kill_one(folder, None if exact else chance.uniform(0, 0.3), operation)
        finished = max([finished, *(int(word) + 1 for word in said if word.isdigit())])
        phase = next((word for word in reversed(said) if not word.isdigit()), "start")
        line = {"kill": number, "phase": phase, "finished": finished}
        sys.stdout.write(f"{json.dumps(line)}\n")
        sys.stdout.flush()
        reading, writing = os.pipe()

        def see(known: int = finished, to: int = writing) -> None:
            os.write(to, json.dumps(look(folder, known)).encode())

        _, status = os.waitpid(forked(see), 0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            told = pipe.read()
        if status:
            raise SystemExit(f"kill {number} in {phase}: the store is not as it should be")
        finished = json.loads(told)["steps"]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] == ["exact"])
