from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from cases.stored_runs import IMAGE, ODD, SAMPLES, SCHEMA, arrays_of, go_on, recorded
from layerscope.core.errors import InputError, OutputError
from layerscope.recordings.store import ArrayGroup, Schema, StoreReader, Variable, Writer, holds_run
from layerscope.recordings.store.places import Folder


def holds_exactly(url: object, steps: int) -> None:
    """The first ``steps`` steps, whole, and nothing else."""
    reader = StoreReader.open(str(url))
    assert list(reader.steps) == [10 + 2 * i for i in range(steps)]
    for (kind, address, name), first in arrays_of(0).items():
        there = reader.read(kind, address, name)
        assert there.shape == (steps, *first.shape)
        for i in range(steps):
            wanted = arrays_of(i)[kind, address, name]
            if address == "scaled":
                np.testing.assert_allclose(there[i], wanted, atol=wanted.max() / 500)
            else:
                np.testing.assert_array_equal(there[i], wanted)


def test_every_step_comes_back(tmp_path: Path) -> None:
    with recorded(tmp_path / "run.zarr", 4) as writer:
        assert writer.steps == [10, 12, 14, 16]
        holds_exactly(tmp_path / "run.zarr", 4)
    holds_exactly(tmp_path / "run.zarr", 4)


@pytest.mark.parametrize("name", ["\x1b[31m\u202e", "a\0", "caf\udce9.png", "\ud800", "\n\t"])
def test_any_text_is_a_name(tmp_path: Path, name: str) -> None:
    values = Variable(("sample", "unit"), (2, 3), "float32")
    mean = Variable(("unit",), (3,), "float32")
    group = ArrayGroup("activations", name, {"values": values, "mean": mean})
    arrays = {("activations", name, "values"): np.ones((2, 3)),
              ("activations", name, "mean"): np.ones(3)}  # fmt: skip
    with Writer.create(tmp_path, Schema((group,), (name, "b"), {"notes": [name]})) as writer:
        writer.note(name)
        writer.append(0, wall_time=0, metrics={name: 1.0}, arrays=arrays)
    with Writer.resume(tmp_path) as writer:
        writer.append(1, wall_time=1, arrays=arrays)
    reader = StoreReader.open(tmp_path)
    assert reader.schema.samples == (name, "b")
    assert reader.notes == (name,)
    assert list(reader.metrics) == [name]
    assert reader.read("activations", name).sum() == 12
    assert list(zarr.open_group(tmp_path, mode="r")["sample"][:])[1] == "b"


def test_what_append_returns_is_the_number_of_bytes(tmp_path: Path) -> None:
    key = ("activations", ODD, "values")
    with recorded(tmp_path, 0) as writer:
        full = writer.append(0, wall_time=0, arrays=arrays_of(0))
        blank = arrays_of(0) | {key: np.zeros((3, 40, 40, 9))}
        assert full > writer.append(1, wall_time=0, arrays=blank) > 1000


def test_a_number_that_64_bits_can_t_hold_is_refused(tmp_path: Path) -> None:
    with recorded(tmp_path, 0) as writer:
        with pytest.raises(OutputError, match="step 9223372036854775808 can't be stored"):
            writer.append(2**63, wall_time=0, arrays=arrays_of(0))
        writer.append(2**63 - 1, wall_time=0, arrays=arrays_of(0))
    assert StoreReader.open(tmp_path).steps.tolist() == [2**63 - 1]


def test_resuming_goes_on(tmp_path: Path) -> None:
    recorded(tmp_path, 3).close()
    with Writer.resume(tmp_path, SCHEMA) as writer:
        assert writer.steps == [10, 12, 14]
        go_on(writer, 5)
    with Writer.resume(tmp_path) as writer:
        go_on(writer, 6)
    holds_exactly(tmp_path, 6)


def test_resuming_removes_what_was_not_finished(tmp_path: Path) -> None:
    """As a writer leaves it that was killed just before its commit."""
    with recorded(tmp_path, 2):
        committed = (tmp_path / "zarr.json").read_bytes()
    with Writer.resume(tmp_path) as writer:
        go_on(writer, 3)
    (tmp_path / "zarr.json").write_bytes(committed)
    (tmp_path / "step/partial.zarr.json").write_bytes(committed[:10])
    holds_exactly(tmp_path, 2)
    # Values left out are NaN, and not what the unfinished step had.
    with Writer.resume(tmp_path) as writer:
        whole = {("activations", "Dense", "values"): np.zeros((3, 7))}
        writer.append(14, wall_time=0, arrays=whole)
    reader = StoreReader.open(tmp_path)
    for key in arrays_of(0).keys() - whole.keys():
        assert np.isnan(reader.read(*key, step=2)).all(), key
    assert not list(tmp_path.rglob("partial.*"))


def test_nothing_is_replaced_without_being_told(tmp_path: Path) -> None:
    recorded(tmp_path / "run", 1).close()
    with pytest.raises(OutputError, match=r"run holds a recording already: resume=True goes on"):
        recorded(tmp_path / "run", 0)
    with pytest.raises(OutputError, match="holds something else than a recording"):
        recorded(tmp_path, 0, overwrite=True)
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(OutputError, match="holds something else than a recording"):
        recorded(file, 0, overwrite=True)
    assert file.read_text() == "mine"
    recorded(tmp_path / "run", 2, overwrite=True).close()
    holds_exactly(tmp_path / "run", 2)


def test_a_beginning_that_was_cut_short_is_in_nobody_s_way(tmp_path: Path) -> None:
    recorded(tmp_path, 0).close()
    (tmp_path / "zarr.json").unlink()
    assert not holds_run(tmp_path)
    with pytest.raises(InputError, match="was begun, but ended before"):
        Writer.resume(tmp_path)
    recorded(tmp_path, 1).close()
    assert holds_run(tmp_path)


def test_other_layers_are_refused(tmp_path: Path) -> None:
    recorded(tmp_path, 1).close()
    other = Schema(SCHEMA.groups[1:], SAMPLES)
    with pytest.raises(OutputError, match="can't be gone on with: it holds activations of"):
        Writer.resume(tmp_path, other)


def test_numbers_of_steps_rise(tmp_path: Path) -> None:
    with recorded(tmp_path, 2) as writer:
        for step in (12, 3):
            with pytest.raises(OutputError, match=f"step {step} can't follow step 12"):
                writer.append(step, wall_time=0, arrays=arrays_of(0))


def test_arrays_that_are_not_described_are_refused(tmp_path: Path) -> None:
    with recorded(tmp_path, 1) as writer:
        for arrays, message in [
            ({("weights", "nosuch", "norm"): 1}, r"norm of 'nosuch' \(weights\) is not in the run"),
            ({("input", "image", "values"): IMAGE}, r"values of 'image' \(input\) is not in the"),
            ({("weights", "bias", "values"): np.ones(3)}, r"has the shape \(3,\); the run holds"),
            ({}, "values of 'Dense' is missing; only what can be NaN may be left out"),
        ]:
            with pytest.raises(OutputError, match=message):
                writer.append(50, wall_time=0, arrays=arrays)
        go_on(writer, 2)
    holds_exactly(tmp_path, 2)


def test_inputs_are_wanted_as_described(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="values of input 'image' are not given"):
        Writer.create(tmp_path, SCHEMA)
    with pytest.raises(OutputError, match=r"input 'image' has the shape \(2,\)"):
        Writer.create(tmp_path, SCHEMA, constants={"image": np.ones(2)})
    recorded(tmp_path, 0).close()


def test_a_closed_writer_says_so(tmp_path: Path) -> None:
    writer = recorded(tmp_path, 1)
    writer.close()
    writer.close()
    with pytest.raises(OutputError, match="is closed: resume it to go on"):
        go_on(writer, 2)


def test_a_newer_writer_takes_over(tmp_path: Path) -> None:
    old = recorded(tmp_path, 1)
    new = Writer.resume(tmp_path)
    with pytest.raises(OutputError, match="another recorder has taken it over"):
        go_on(old, 2)
    go_on(new, 3)
    fresh = recorded(tmp_path, 0, overwrite=True)
    with pytest.raises(OutputError, match="another recorder has taken it over"):
        go_on(new, 4)
    go_on(fresh, 2)
    fresh.close()
    holds_exactly(tmp_path, 2)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
def test_two_processes_do_not_write_at_once(tmp_path: Path) -> None:
    code = "import sys; from layerscope.recordings.store import Writer; Writer.resume(sys.argv[1])"
    with recorded(tmp_path, 1):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
        )
    assert "another process is recording into it" in done.stderr
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_a_write_that_fails_leaves_the_run_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Folder.put
    writer = recorded(tmp_path, 3)
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    for refused in ("step/c.0", "zarr.json", "activations.scaled/values/c.3.0.0.0.0"):

        def fails(self: Folder, key: str, data: bytes, *, sync: bool = True) -> None:
            if key == refused:  # noqa: B023
                raise OSError(28, "No space left on device")
            put(self, key, data, sync=sync)

        monkeypatch.setattr(Folder, "put", fails)
        with pytest.raises(OutputError, match="can't be written: No space left on device"):
            go_on(writer, 4)
        monkeypatch.setattr(Folder, "put", put)
        assert {path for path in tmp_path.rglob("*") if path.is_file()} == files
        holds_exactly(tmp_path, 3)
    go_on(writer, 5)
    writer.close()
    holds_exactly(tmp_path, 5)


def test_an_error_after_the_commit_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Folder.put

    def fails(self: Folder, key: str, data: bytes, *, sync: bool = True) -> None:
        put(self, key, data, sync=sync)
        if key == "zarr.json":
            raise OSError(5, "Input/output error")

    writer = recorded(tmp_path, 1)
    monkeypatch.setattr(Folder, "put", fails)
    with pytest.raises(OutputError, match="can't be written: Input/output error"):
        go_on(writer, 2)
    monkeypatch.setattr(Folder, "put", put)
    holds_exactly(tmp_path, 2)
    go_on(writer, 3)
    holds_exactly(tmp_path, 3)
    writer.close()


def test_metrics_may_come_late_and_stay_away(tmp_path: Path) -> None:
    with recorded(tmp_path, 3) as writer:
        writer.append(99, wall_time=0, arrays=arrays_of(0))
    with Writer.resume(tmp_path) as writer:
        writer.append(100, wall_time=0, metrics={"loss": math.inf, "": 1}, arrays=arrays_of(0))
    metrics = StoreReader.open(tmp_path).metrics
    nan = math.nan
    np.testing.assert_array_equal(metrics["loss"], [1, 1 / 2, 1 / 3, nan, math.inf])
    np.testing.assert_array_equal(metrics["val/accuracy"], [nan, nan, 0.2, nan, nan])
    np.testing.assert_array_equal(metrics[""], [nan, nan, nan, nan, 1])


@pytest.mark.slow
def test_many_small_steps_share_files(tmp_path: Path) -> None:
    dense = ArrayGroup(
        "activations", "d", {"values": Variable(("sample", "unit"), (2, 4), "float32")}
    )
    values = np.arange(8, dtype=np.float32).reshape(2, 4)
    key = ("activations", "d", "values")
    with Writer.create(tmp_path, Schema((dense,)), sync=False) as writer:
        for i in range(2100):
            writer.append(i, wall_time=i, metrics={"n": i}, arrays={key: values + i})
            if i == 1500:
                early = sum(path.is_file() for path in tmp_path.rglob("*"))
    assert sum(path.is_file() for path in tmp_path.rglob("*")) - early <= 10
    with Writer.resume(tmp_path) as writer:
        writer.append(2100, wall_time=0, arrays={key: values + 2100})
    reader = StoreReader.open(tmp_path)
    np.testing.assert_array_equal(reader.steps, np.arange(2101))
    steps = np.arange(2101, dtype=np.float32)
    np.testing.assert_array_equal(reader.read(*key, sample=1, unit=2), steps + 6)


def test_an_older_format_is_read_but_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path, 2).close()
    root = json.loads((tmp_path / "zarr.json").read_text())
    root["attributes"]["layerscope"]["format"] = 0
    (tmp_path / "zarr.json").write_text(json.dumps(root))
    holds_exactly(tmp_path, 2)
    with pytest.raises(OutputError, match="is of format 0, which this version reads but does not"):
        Writer.resume(tmp_path)


def test_notes_come_with_the_next_step_or_the_end(tmp_path):
    url = tmp_path / "run.zarr"
    schema = Schema(
        (ArrayGroup("activations", "a", {"mean": Variable(("unit",), (2,), "float32")}),)
    )
    key = ("activations", "a", "mean")
    with Writer.create(url, schema) as writer:
        writer.append(0, wall_time=0.0, arrays={key: np.zeros(2, np.float32)})
        writer.note("fewer steps from here on")
        assert StoreReader.open(str(url)).notes == ()
        writer.append(1, wall_time=1.0, arrays={key: np.zeros(2, np.float32)})
        assert StoreReader.open(str(url)).notes == ("fewer steps from here on",)
        writer.note("stopped early")
        writer.note("stopped early")
    assert StoreReader.open(str(url)).notes == ("fewer steps from here on", "stopped early")
    with Writer.resume(url, schema) as writer:
        writer.append(2, wall_time=2.0, arrays={key: np.zeros(2, np.float32)})
    assert StoreReader.open(str(url)).notes == ("fewer steps from here on", "stopped early")
    assert StoreReader.open(str(url)).steps.tolist() == [0, 1, 2]
