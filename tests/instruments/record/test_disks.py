"""A disk that is full, slow, read-only, or gone, and a recording that is: nothing is silent."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("zarr")

from cases.disks import fill, small_disk
from cases.forked_runs import Program
from layerscope.core.errors import OutputError
from layerscope.instruments.record.recorder import Recorder
from layerscope.recordings.run import open_run

X = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)


@pytest.fixture(scope="module")
def model() -> Any:
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 4 * 2**20) as folder:
        yield folder


def begun(place: Path, model: Any) -> Recorder:
    """A recording with the steps 0 and 1."""
    recorder = Recorder(place, model, probe=X, steps=20, quiet=True)
    recorder.snap(0, loss=0.0)
    recorder.snap(1, loss=1.0)
    recorder.flush()
    return recorder


def fails(recorder: Recorder, step: int, reason: str) -> None:
    """A step can't be written, and each thing that is asked for says so."""
    recorder.snap(step, loss=float(step))
    for ask in (recorder.flush, lambda: recorder.snap(step + 1), recorder.flush):
        with pytest.raises(OutputError, match=reason) as raised:
            ask()
        assert f"step {step} will be tried again" in str(raised.value)
        assert "\n" not in str(raised.value)


def goes_on(recorder: Recorder, place: Path) -> None:
    """What was kept is there, and so is what comes."""
    recorder.snap(9, loss=9.0)
    recorder.close()
    run = open_run(place)
    assert run.steps.tolist() == [0, 1, 2, 9]
    np.testing.assert_array_equal(run.metrics["loss"], run.steps)
    assert np.isfinite(run["dense" if "dense" in run else next(iter(run))]).all()


def test_a_full_disk(disk: Path, model: Any) -> None:
    recorder = begun(disk / "run.zarr", model)
    rest = fill(disk)
    fails(recorder, 2, "No space left on device; the steps before are whole")
    assert open_run(disk / "run.zarr").steps.tolist() == [0, 1]
    rest.unlink()
    goes_on(recorder, disk / "run.zarr")


#: How a script may end after a step that can't be written; what it exits with.
ENDS = {
    "runs to its end": ("", 0),
    "closes": ("rec.close()", 1),
    "drops it": ("del rec; import gc; gc.collect()", 0),
    "takes it over": ("rest.unlink(); Recorder(place, model, probe=x, resume=True)", 0),
    "ends in an error": ("raise SystemExit(5)", 5),
}


@pytest.mark.slow
@pytest.mark.parametrize("ends", ENDS)
def test_a_step_that_was_lost_is_said_however_a_script_ends(
    ends: str, scripts: Program, disk: Path
) -> None:
    code, status = ENDS[ends]
    script = f"""
import sys, numpy as np
from pathlib import Path
from sklearn.neural_network import MLPRegressor
from cases.disks import fill
from layerscope.instruments.record.recorder import Recorder
place, x = Path(sys.argv[1]), np.ones((1, 3), np.float32)
model = MLPRegressor(hidden_layer_sizes=(2,)).partial_fit(np.eye(3), [0, 1, 2])
rec = Recorder(place, model, probe=x, quiet=True)
rec.snap(0)
rec.flush()
rest = fill(place.parent)
rec.snap(1)
while not rec._session._worker.failed:
    pass
{code}
"""
    place = str(disk / "run.zarr")
    done = scripts.run(script, place)
    assert done.returncode == status, done.stderr
    if ends == "takes it over":  # there was room by then
        assert open_run(place).steps.tolist() == [0, 1]
    else:
        assert "No space left on device" in done.stderr
        assert "step 1 was lost" in done.stderr


def test_a_disk_that_becomes_read_only(
    tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = begun(tmp_path / "run.zarr", model)
    there = os.open

    def refuse(path: str, flags: int, *args: int, **options: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, "Read-only file system", path)
        return there(path, flags, *args, **options)

    with monkeypatch.context() as patched:  # as after an error of the disk: files stay open
        patched.setattr(os, "open", refuse)
        fails(recorder, 2, "Read-only file system; the steps before are whole")
    goes_on(recorder, tmp_path / "run.zarr")


def test_a_disk_that_vanishes(disk: Path, model: Any) -> None:
    recorder = begun(disk / "run.zarr", model)
    subprocess.run(["umount", "-l", str(disk)], check=True)
    fails(recorder, 2, "was moved or removed while it was recorded into: it is gone")
    with pytest.raises(OutputError, match="step 2 was lost"):
        recorder.close()
    assert list(disk.iterdir()) == []


def test_a_recording_that_is_moved_away_and_back(tmp_path: Path, model: Any) -> None:
    place, away = tmp_path / "run.zarr", tmp_path / "away.zarr"
    recorder = begun(place, model)
    place.rename(away)
    fails(recorder, 2, "was moved or removed .* it is gone")
    assert not place.exists()
    assert open_run(away).steps.tolist() == [0, 1]
    away.rename(place)
    goes_on(recorder, place)


def _empty_folder(place: Path, model: Any) -> None:
    place.mkdir()


def _other_recording(place: Path, model: Any) -> None:
    begun(place, model).close()


@pytest.mark.parametrize("instead", [_empty_folder, _other_recording])
def test_a_recording_that_is_replaced(
    instead: Callable[[Path, Any], None], tmp_path: Path, model: Any
) -> None:
    place, away = tmp_path / "run.zarr", tmp_path / "away.zarr"
    recorder = begun(place, model)
    place.rename(away)
    # Not by a Recorder at that name: it would end this one.
    instead(tmp_path / "other.zarr", model)
    (tmp_path / "other.zarr").rename(place)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    fails(recorder, 2, "something else has taken its place")
    with pytest.raises(OutputError, match="step 2 was lost"):
        recorder.close()
    assert {p: p.read_bytes() for p in place.rglob("*") if p.is_file()} == before
    assert open_run(away).steps.tolist() == [0, 1]


def test_a_recording_that_is_removed(tmp_path: Path, model: Any) -> None:
    recorder = begun(tmp_path / "run.zarr", model)
    shutil.rmtree(tmp_path / "run.zarr")
    fails(recorder, 2, "was moved or removed .* it is gone")
    with pytest.raises(OutputError, match="step 2 was lost"):
        recorder.close()
    assert not (tmp_path / "run.zarr").exists()


@pytest.mark.slow
def test_a_slow_disk_makes_the_training_wait(
    tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = begun(tmp_path / "run.zarr", model)
    gate, taken = threading.Event(), []
    there = os.fsync

    def sync(file: int) -> None:
        gate.wait(60)
        there(file)

    monkeypatch.setattr(os, "fsync", sync)

    def trains() -> None:
        for step in range(2, 9):
            recorder.snap(step)
            taken.append(step)

    training = threading.Thread(target=trains)
    training.start()
    training.join(1)
    assert training.is_alive()
    assert len(taken) <= 2
    gate.set()
    training.join(60)
    recorder.close()
    assert open_run(tmp_path / "run.zarr").steps.tolist() == list(range(9))
