from __future__ import annotations

import gc
import os
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
import xarray as xr

from cases.stored_runs import ODD, SCHEMA, arrays_of, go_on, recorded
from layerscope.core.errors import InputError, LayerscopeError, OutputError
from layerscope.recordings.store import StoreReader, Writer
from layerscope.recordings.store.array_layout import group_name
from layerscope.recordings.store.places import Folder, place, same_place


@pytest.fixture(scope="module")
def s3() -> Iterator[None]:
    """A server that speaks S3, with a bucket called ``runs``; found through the environment."""
    pytest.importorskip("s3fs")
    servers = pytest.importorskip("moto.server")
    server = servers.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        files = fsspec.filesystem("s3")
        files.mkdir("runs")
        yield
        # Zarr's asynchronous file systems leave their sessions to the garbage collector.
        type(files).clear_instance_cache()
        del files
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
    server.stop()


@pytest.fixture(params=["memory", "s3", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        request.getfixturevalue("s3")
        return f"s3://runs/{uuid.uuid4()}/run.zarr"
    if request.param == "file":
        return f"file://{tmp_path}/run.zarr"
    return f"memory://{uuid.uuid4()}/run.zarr"


@pytest.mark.slow
def test_a_run_is_kept_anywhere(url: str) -> None:
    with pytest.raises(InputError, match="there is no recording"):
        StoreReader.open(url)
    writer = recorded(url, 2)
    reader = StoreReader.open(url)
    go_on(writer, 3)
    assert reader.refresh()
    writer.close()
    with Writer.resume(url, SCHEMA) as writer:
        go_on(writer, 4)
        assert reader.refresh()
    assert list(reader.steps) == [10, 12, 14, 16]
    for key in arrays_of(0).keys() - {("activations", "scaled", "values")}:
        for step in (0, 3):
            np.testing.assert_array_equal(reader.read(*key, step=step), arrays_of(step)[key])
    channel = reader.read("activations", ODD, channel=4)
    np.testing.assert_array_equal(channel[2], arrays_of(2)["activations", ODD, "values"][..., 4])
    with pytest.raises(OutputError, match="holds a recording already"):
        recorded(url, 0)
    recorded(url, 1, overwrite=True).close()
    assert len(StoreReader.open(url).steps) == 1


def test_a_newer_writer_takes_over_anywhere(url: str) -> None:
    old = recorded(url, 1)
    new = Writer.resume(url)
    with pytest.raises(OutputError, match="another recorder has taken it over"):
        go_on(old, 2)
    go_on(new, 2)
    new.close()


def test_xarray_opens_it_anywhere(url: str) -> None:
    recorded(url, 2).close()
    with xr.open_zarr(url, group=group_name("activations", ODD), chunks=None) as layer:
        np.testing.assert_array_equal(
            layer["values"][1], arrays_of(1)["activations", ODD, "values"]
        )


def test_what_can_t_be_reached_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(LayerscopeError, match="nosuch://a/b: Protocol not known: nosuch") as said:
        Writer.create("nosuch://a/b", SCHEMA)
    assert "\n" not in str(said.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file/run can't be written: Not a directory"):
        Writer.create(tmp_path / "file/run", SCHEMA)


def test_a_tilde_is_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", f"{os.sep}somewhere")
    monkeypatch.setenv("USERPROFILE", f"{os.sep}somewhere")
    there = place("~/run.zarr")
    assert isinstance(there, Folder)
    assert there.path == Path(f"{os.sep}somewhere") / "run.zarr"


def test_ways_to_write_the_same_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    there = same_place("run.zarr")
    for other in ("./run.zarr/", tmp_path / "run.zarr", f"file://{tmp_path}/run.zarr"):
        assert same_place(other) == there
    assert same_place("run2.zarr") != there
    assert same_place("s3://runs/a.zarr/") == same_place("s3://runs/a.zarr") != there


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="can't be written: Permission denied"):
        Writer.create(tmp_path / "run", SCHEMA)
