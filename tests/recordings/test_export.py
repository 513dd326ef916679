from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cases.recordings import maps, named, recording
from cases.runs import learner
from layerscope.core.errors import InputError, MissingDependencyError, OutputError
from layerscope.core.text import printable_lines
from layerscope.recordings import export as module

RUN = [
    "activations-01-conv", "activations-02-dense", "weights-03-conv_kernel",
    "weights-04-dense_kernel", "input-05-input",
]  # fmt: skip


def test_npz_holds_what_the_run_holds(tmp_path: Path) -> None:
    run = learner()
    written = run.export(tmp_path)
    assert [path.name for path in written] == [*(f"{name}.npz" for name in RUN), "recording.json"]
    with np.load(written[0]) as file:
        assert (file["values"] == run["conv"].values).all()
        assert list(file["axes"]) == ["step", "sample", "y", "x", "channel"]
        assert (file["zeros"] == run.statistic("conv", "zeros")).all()
        assert file["step"].tolist() == [0, 1, 2, 3, 4]
        assert file["epoch"].tolist() == [0, 1, 2, 3, 4]
    with np.load(written[2]) as file:
        assert (file["values"] == run.weights["conv/kernel"].values).all()
        assert file["norm"].shape == (5,)
    with np.load(written[4]) as file:
        assert (file["values"] == run.input.values).all()


def test_what_belongs_to_which_file_is_said(tmp_path: Path) -> None:
    learner().export(tmp_path)
    about = json.loads((tmp_path / "recording.json").read_text(encoding="utf-8"))
    assert about["steps"] == [0, 1, 2, 3, 4]
    assert about["metrics"]["val_loss"] == [0.9, 0.5, 0.2, 0.4, 0.6]
    assert about["samples"] == ["a.png", "b.png", "c.png"]
    assert about["provenance"] == {"model": "abc"}
    assert about["network"]["name"] == "learner"
    first = about["files"][0]
    assert (first["file"], first["address"]) == ("activations-01-conv.npz", "conv")
    assert first["arrays"][0]["shape"] == [5, 3, 6, 8, 4]


def test_json(tmp_path: Path) -> None:
    run = learner()
    written = run.export(tmp_path, format="json")
    held = json.loads(written[0].read_text(encoding="utf-8"))
    assert held["address"] == "conv"
    assert held["epoch"] == [0, 1, 2, 3, 4]
    values = np.array(held["values"]["data"], np.float32)
    assert (values == run["conv"].values).all()
    change = json.loads(written[2].read_text(encoding="utf-8"))["change"]["data"]
    assert change[0] is None


def test_netcdf(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    run = learner()
    written = run.export(tmp_path, format="netcdf")
    with xr.open_dataset(written[0]) as held:
        assert held["values"].dims == ("step", "sample", "y", "x", "channel")
        assert (held["values"] == run["conv"].values).all()
        assert held.step.values.tolist() == [0, 1, 2, 3, 4]
        assert held.attrs["address"] == "conv"


def test_netcdf_has_no_half_precision(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    half = np.arange(6, dtype=np.float16).reshape(2, 3)
    acts = recording({"dense": named(half, ("sample", "unit"))})
    (path, _) = acts.export(tmp_path, format="netcdf")
    with xr.open_dataset(path) as held:
        assert held["values"].dtype == np.float32
        assert (held["values"] == half).all()


def test_netcdf_that_nothing_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install h5netcdf"):
        learner().export(tmp_path, format="netcdf")


def test_a_single_moment_and_weights_alone(tmp_path: Path) -> None:
    acts = recording({"a": maps(2), "names": named(np.array(["x"]), ("sample",))}, image=maps(3))
    written = acts.export(tmp_path / "acts")
    assert [p.name for p in written[:-1]] == ["values-01-a.npz", "input-02-input.npz"]
    with np.load(written[0]) as file:
        assert (file["values"] == acts["a"].values).all()
        assert "step" not in file
    weights = learner().weights.export(tmp_path / "weights")
    assert [path.name.partition("-")[0] for path in weights[:-1]] == ["weights", "weights", "input"]


def test_values_are_read_a_step_at_a_time(tmp_path: Path) -> None:
    run = learner()
    run.export(tmp_path)
    steps = [a[3] for a in run._reader.asked if a[1:3] == ("conv", "values")]
    assert steps == [slice(0, 0), 0, 1, 2, 3, 4]


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not empty: name another, or pass overwrite=True"):
        learner().export(tmp_path)
    learner().export(tmp_path, overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert not list(tmp_path.glob(".part-*"))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="can't be written"):
        learner().export(tmp_path / "file")


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="format='csv': pass 'npz', 'json', 'netcdf'"):
        learner().export(tmp_path, format="csv")
    assert list(tmp_path.iterdir()) == []
    assert module.FORMATS == ("npz", "json", "netcdf")


def test_statistics_have_the_axis_of_the_units_they_are_of(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    run = learner()
    written = run.export(tmp_path, format="netcdf")
    with xr.open_dataset(written[0]) as held:
        assert held["mean"].dims == ("step", "channel")
        assert (held["values"] * held["mean"]).shape == held["values"].shape
        assert held.wall_time.dtype.kind == "M"
        assert held.wall_time.values[0] == np.datetime64("2023-11-14T22:13:20")
    with xr.open_dataset(written[1]) as held:
        assert held["mean"].dims == ("step", "unit")


@pytest.mark.parametrize("folder", [None, 3, ""])
def test_what_is_no_folder(folder: object) -> None:
    with pytest.raises(InputError, match="pass the name of a folder"):
        learner().export(folder)  # type: ignore[arg-type]


HOSTILE = [
    "a\x1b[31m",
    "\ud800",
    "nul",
    "../../x",
    "a/b",
    "a_b",
    "A_B",
    "x" * 1_000,
    "卷积",
    "\x00",
]


@pytest.mark.parametrize("form", ["npz", "json", "netcdf"])
def test_names_of_strangers(tmp_path: Path, form: str) -> None:
    if form == "netcdf":
        pytest.importorskip("scipy")
    acts = recording({name: maps(1, 2, 2, 1) for name in HOSTILE}, samples=["\ud800\x7f", "b"])
    *written, about = acts.export(tmp_path / "out", format=form)
    assert len({path.name.lower() for path in written}) == len(HOSTILE)
    assert {path.parent for path in written} == {tmp_path / "out"}
    assert all(len(path.name.encode()) < 120 for path in written)
    text = about.read_text(encoding="utf-8")
    assert printable_lines(text) == text
    told = json.loads(text)
    assert [file["address"] for file in told["files"]] == HOSTILE
    assert told["samples"] == ["\ud800\x7f", "b"]
    if form == "json":
        assert [json.loads(path.read_text())["address"] for path in written] == HOSTILE


def test_only_what_gets_much_smaller_is_compressed(tmp_path: Path) -> None:
    random = np.random.default_rng(0).normal(size=(2, 4, 5000)).astype("float32")
    values = {"noise": random, "sparse": np.where(random > 2, random, 0)}
    arrays = {
        name: named(array, ("sample", "position", "channel")) for name, array in values.items()
    }
    recording(arrays).export(tmp_path / "out")
    kinds = {}
    for name, expected in values.items():
        (path,) = (tmp_path / "out").glob(f"values-*-{name}.npz")
        np.testing.assert_array_equal(np.load(path)["values"], expected)
        with zipfile.ZipFile(path) as archive:
            kinds[name] = archive.getinfo("values.npy").compress_type
    assert kinds["noise"] == zipfile.ZIP_STORED
    assert kinds["sparse"] == zipfile.ZIP_DEFLATED
