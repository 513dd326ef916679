"""What a step that failed, and was tried again, must not change; and what ends a script."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("zarr")

from sklearn.neural_network import MLPClassifier

from cases.forked_runs import Program
from layerscope.core.errors import LayerscopeError, OutputError
from layerscope.instruments.record import session
from layerscope.instruments.record.recorder import Recorder
from layerscope.recordings.run import open_run
from layerscope.recordings.store import StoreReader, Writer
from layerscope.recordings.store.folder import Folder

X = np.random.default_rng(0).random((32, 4))
Y = (X.sum(1) > 2).astype(int)


def network() -> Any:
    mlp = MLPClassifier((3,), random_state=0)
    mlp.partial_fit(X, Y, classes=[0, 1])
    return mlp


class Disk:
    """A disk that can be full."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.full = False
        put = Folder.put

        def refusing(folder: Folder, key: str, data: bytes, *, sync: bool = True) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            put(folder, key, data, sync=sync)

        patch.setattr(Folder, "put", refusing)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def train(place: Path, disk: Disk, *, fails: bool) -> tuple[Any, ...]:
    """Four steps, of which the third outgrows float16, has a new metric, and may fail at first."""
    mlp = network()
    recorder = Recorder(place, mlp, probe=X[:4], quiet=True, steps=5)
    for step in range(4):
        if step:
            mlp.partial_fit(X, Y)
        if step == 2:
            mlp.coefs_[0] = mlp.coefs_[0] * 1e5
            recorder.flush()
            disk.full = fails
        recorder.snap(step, **({"late": 1.0} if step == 2 else {}))
        if disk.full:
            with pytest.raises(OutputError, match="step 2 will be tried again"):
                recorder.flush()
            disk.full = False
        recorder.flush()
    recorder.close()
    reader, run = StoreReader.open(place), open_run(place)
    found = {
        (*key, str(step)): reader.read(*key, step=step)
        for group in reader.schema.groups
        if group.kind != "input"
        for key in ((group.kind, group.address, name) for name in group.variables)
        for step in range(4)
    }
    return run.steps.tolist(), run.notes, run.metrics["late"].tolist(), found


def test_a_step_that_was_tried_again_is_as_if_it_had_not_failed(tmp_path: Path, disk: Disk) -> None:
    steps, notes, late, values = train(tmp_path / "well", disk, fails=False)
    again = train(tmp_path / "ill", disk, fails=True)
    assert (steps, notes) == again[:2]
    np.testing.assert_array_equal(late, again[2])
    assert values.keys() == again[3].keys()
    for key, value in values.items():
        np.testing.assert_array_equal(value, again[3][key], err_msg=str(key))


def test_a_step_that_is_written_is_never_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlp = network()
    recorder = Recorder(tmp_path / "run", mlp, probe=X[:4], quiet=True, steps=5)
    recorder.snap(0)
    recorder.flush()
    with monkeypatch.context() as patched:
        patched.setattr(session.Encoder, "written", lambda *_: 1 / 0)  # after the commit
        recorder.snap(1)
        with pytest.raises(ZeroDivisionError):
            recorder.flush()
    recorder.snap(2)
    recorder.close()
    assert open_run(tmp_path / "run").steps.tolist() == [0, 1, 2]


def test_a_snap_that_raised_may_be_repeated(tmp_path: Path, disk: Disk) -> None:
    recorder = Recorder(tmp_path / "run", network(), probe=X[:4], quiet=True, steps=9, every=2)
    recorder.snap(0)
    recorder.flush()
    disk.full = True
    recorder.snap(2)
    with pytest.raises(OutputError, match="step 2 will be tried again"):
        recorder.flush()
    for step in (3, 4):  # also where the step is none of those that are recorded
        with pytest.raises(OutputError, match="step 2 will be tried again"):
            recorder.snap(step)
    disk.full = False
    assert recorder.snap(4)
    recorder.close()
    assert open_run(tmp_path / "run").steps.tolist() == [0, 2, 4]


def test_steps_that_failed_spend_no_budget(tmp_path: Path, disk: Disk) -> None:
    recorder = Recorder(tmp_path / "run", network(), probe=X[:4], quiet=True, budget=100_000)
    recorder.snap(0)
    recorder.flush()
    disk.full = True
    recorder.snap(1)
    with pytest.raises(OutputError):
        recorder.flush()
    for step in range(2, 300):
        with pytest.raises(OutputError):
            recorder.snap(step)
    disk.full = False
    assert recorder.snap(300)
    recorder.close()
    assert open_run(tmp_path / "run").steps.tolist() == [0, 1, 300]
    assert not any("only every" in note for note in recorder.notes)


def test_a_recording_is_found_where_it_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with Recorder("run.zarr", network(), probe=X[:4], quiet=True, steps=3) as recorder:
        recorder.snap(0)
        os.chdir("elsewhere")
        recorder.snap(1)
    assert open_run(tmp_path / "run.zarr").steps.tolist() == [0, 1]


def test_folders_of_others_are_not_taken_for_what_was_begun(tmp_path: Path) -> None:
    import zarr

    for name in ("about", "weights", "sample"):
        array = zarr.create_array(f"{tmp_path}/{name}", shape=(4,), dtype="f4")
        array[:] = 1
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for options in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(LayerscopeError):
            Recorder(tmp_path, network(), probe=X[:4], quiet=True, steps=3, **options)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_a_killed_step_left_of_a_metric_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlp = network()
    recorder = Recorder(tmp_path / "run", mlp, probe=X[:4], quiet=True, steps=9, weights=False)
    recorder.snap(0)
    recorder.flush()
    put = Folder.put

    def killed(folder: Folder, key: str, data: bytes, *, sync: bool = True) -> None:
        if key == "zarr.json":
            raise KeyboardInterrupt  # nothing of it is undone, as by a kill
        put(folder, key, data, sync=sync)

    with monkeypatch.context() as patched:
        patched.setattr(Folder, "put", killed)
        patched.setattr(Writer, "_is_claimed", lambda _: False)
        recorder.snap(1, late=42.0)
        with pytest.raises(KeyboardInterrupt):
            recorder.flush()
        with pytest.raises(KeyboardInterrupt):
            recorder.close()
    writer = Writer.resume(tmp_path / "run", sync=False)
    for step in range(1, 1030):
        metrics = {"late": 1.0} if step > 1024 else {}
        writer.append(step, wall_time=0, metrics=metrics, arrays={})
    writer.close()
    late = open_run(tmp_path / "run").metrics["late"]
    assert np.isnan(late[:1025]).all()
    assert (late[1025:] == 1).all()


@pytest.mark.parametrize("name", ["settings", "kept", "provenance", "notes", "plan"])
@pytest.mark.parametrize("how", ["absent", "null"])
def test_attributes_that_are_not_there(name: str, how: str, tmp_path: Path) -> None:
    mlp = network()
    with Recorder(tmp_path / "run", mlp, probe=X[:4], quiet=True, steps=3) as recorder:
        recorder.snap(0)
    path = tmp_path / "run/about/zarr.json"
    document = json.loads(path.read_text())
    attributes = document["attributes"]["schema"]["attrs"]
    attributes[name] = None
    if how == "absent":
        del attributes[name]
    path.write_text(json.dumps(document))
    try:
        with Recorder(
            tmp_path / "run", mlp, probe=X[:4], quiet=True, steps=3, resume=True
        ) as recorder:
            recorder.snap(1)
    except LayerscopeError as error:
        assert "\n" not in str(error)  # noqa: PT017  (either is right)


SCRIPT = """
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore")
import numpy as np
from sklearn.neural_network import MLPClassifier
from layerscope.instruments.record.recorder import Recorder
from layerscope.recordings.store.folder import Folder

X = np.random.default_rng(0).random((32, 4))
mlp = MLPClassifier((3,), random_state=0).partial_fit(X, (X.sum(1) > 2).astype(int), classes=[0, 1])

def begin(name):
    return Recorder(f"{sys.argv[1]}/{name}", mlp, probe=X[:4], quiet=True, steps=9)
"""
ENDS = {
    "a thread trains on when the main one has ended": """
rec = begin("a")
def train():
    for step in range(5):
        time.sleep(0.2)
        rec.snap(step)
threading.Thread(target=train).start()
""",
    "one recorder's fault is not another's": """
bad, rec = begin("bad"), begin("a")
for step in range(4):
    rec.snap(step)
put = Folder.put
def slow(folder, key, data, *, sync=True):
    if folder.name.endswith("bad"):
        raise MemoryError
    time.sleep(0.05)
    put(folder, key, data, sync=sync)
Folder.put = slow
bad.snap(0)
rec.snap(4)
""",
    "nobody reads what is said": """
bad, rec = begin("bad"), begin("a")
put = Folder.put
def full(folder, key, data, *, sync=True):
    if folder.name.endswith("bad"):
        raise OSError(28, "No space left on device")
    put(folder, key, data, sync=sync)
Folder.put = full
bad.snap(0)
for step in range(5):
    rec.snap(step)
reading, writing = os.pipe()
os.close(reading)
os.dup2(writing, 2)
if len(sys.argv) > 2:
    os.kill(os.getpid(), signal.SIGTERM)
""",
}


@pytest.mark.parametrize("way", ENDS)
def test_all_steps_are_there_when_a_script_has_ended(
    way: str, scripts: Program, tmp_path: Path
) -> None:
    done = scripts.run(SCRIPT + ENDS[way], tmp_path)
    assert done.returncode in (0, 120), done.stderr  # 120: stderr could not be flushed
    assert open_run(tmp_path / "a").steps.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_a_signal_ends_a_process_whatever_becomes_of_what_is_said(
    scripts: Program, tmp_path: Path
) -> None:
    done = scripts.run(SCRIPT + ENDS["nobody reads what is said"], tmp_path, "x")
    assert done.returncode == -signal.SIGTERM
    assert open_run(tmp_path / "a").steps.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_a_handler_that_hands_on_comes_to_its_own_work(scripts: Program, tmp_path: Path) -> None:
    script = """
rec = begin("a")
ours = signal.getsignal(signal.SIGTERM)
def theirs(number, frame):
    ours(number, frame)
    print("checkpoint saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, theirs)
for step in range(5):
    rec.snap(step)
os.kill(os.getpid(), signal.SIGTERM)
"""
    done = scripts.run(SCRIPT + script, tmp_path)
    assert (done.returncode, done.stdout) == (0, "checkpoint saved\n"), done.stderr
    assert open_run(tmp_path / "a").steps.tolist() == [0, 1, 2, 3, 4]
