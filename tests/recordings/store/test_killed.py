"""Whatever ends a writer, every finished step is there, bit for bit.

``nox -s full`` kills 200 times each way; docs/store.md has the result.
"""

from __future__ import annotations

import collections
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cases import killed_writer
from cases.amounts import amount
from cases.disks import small_disk
from layerscope.core.errors import OutputError
from layerscope.recordings.store import ArrayGroup, Schema, StoreReader, Variable, Writer

KILLS = amount(12, full=200)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, for speed")
@pytest.mark.timeout(60 + 5 * KILLS)
@pytest.mark.parametrize("how", ["at random times", "within each operation"])
def test_a_killed_writer_leaves_every_finished_step(tmp_path: Path, how: str) -> None:
    exact = ["exact"] if how == "within each operation" else []
    command = [sys.executable, killed_writer.__file__, str(tmp_path / "run"), str(KILLS), "1"]
    done = subprocess.run([*command, *exact], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    kills = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(kills) == KILLS
    print(collections.Counter(kill["phase"] for kill in kills))  # noqa: T201


SIZE = 4 * 2**20
FILL = ("activations", "a", "values")
NOISE = Schema(
    (
        ArrayGroup(
            "activations", "a", {"values": Variable(("sample", "unit"), (1, 50_000), "float32")}
        ),
    )
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    with small_disk(tmp_path / "disk", SIZE) as folder:
        yield folder


def noise(step: int) -> np.ndarray:
    return np.random.default_rng(step).normal(size=(1, 50_000)).astype(np.float32)


def fill(writer: Writer, steps: range) -> None:
    for step in steps:
        writer.append(step, wall_time=step, metrics={"n": step}, arrays={FILL: noise(step)})


def test_a_full_disk_costs_only_the_step_that_did_not_fit(disk: Path) -> None:
    run = disk / "run.zarr"
    other = disk / "other"
    other.write_bytes(bytes(1_000_000))
    writer = Writer.create(run, NOISE)
    with pytest.raises(OutputError, match=f"can't be written: {os.strerror(errno.ENOSPC)}"):
        fill(writer, range(100))
    finished = len(writer.steps)
    assert finished > 5

    def holds(steps: int) -> None:
        reader = StoreReader.open(run)
        assert list(reader.steps) == list(range(steps))
        for step in range(steps):
            np.testing.assert_array_equal(reader.read(*FILL, step=step), noise(step))
        np.testing.assert_array_equal(reader.metrics["n"], np.arange(steps))

    holds(finished)
    # To the last byte: every write there is fails somewhere in its middle.
    free = os.statvfs(disk)
    with (disk / "rest").open("wb") as rest:
        rest.write(bytes(free.f_bavail * free.f_frsize))
    for _ in range(3):
        with pytest.raises(OutputError, match="can't be written"):
            writer.append(finished, wall_time=0, arrays={FILL: noise(0)})
    holds(finished)
    other.unlink()
    fill(writer, range(finished, finished + 2))
    holds(finished + 2)
    writer.close()
    holds(finished + 2)


def test_a_disk_too_small_for_the_beginning_is_said(disk: Path) -> None:
    free = os.statvfs(disk)
    (disk / "rest").write_bytes(bytes(free.f_bavail * free.f_frsize))
    with pytest.raises(OutputError, match=os.strerror(errno.ENOSPC)):
        Writer.create(disk / "run.zarr", NOISE)
    (disk / "rest").unlink()
    Writer.create(disk / "run.zarr", NOISE).close()
