"""Others read a run without layerscope; warnings are errors here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from cases.stored_runs import IMAGE, ODD, SAMPLES, arrays_of, go_on, recorded
from layerscope.recordings.store.array_layout import group_name


@pytest.fixture(params=["closed", "being written", "killed"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    writer = recorded(tmp_path / "run.zarr", 3)
    if request.param == "closed":
        writer.close()
    if request.param == "killed":
        root = tmp_path / "run.zarr" / "zarr.json"
        committed = root.read_bytes()
        go_on(writer, 4)
        root.write_bytes(committed)
    return tmp_path / "run.zarr"


def test_xarray_opens_the_tree(run: Path) -> None:
    tree = xr.open_datatree(run, engine="zarr")
    name = group_name("activations", ODD)
    assert tree[name].attrs == {"kind": "activations", "address": ODD}
    values = tree[name].to_dataset()["values"]
    assert values.dims == ("step", "sample", "y", "x", "channel")
    assert list(values.step.values) == [10, 12, 14]
    assert list(values.sample.values) == list(SAMPLES)
    np.testing.assert_array_equal(
        values.sel(step=12, sample="cat.png"), arrays_of(1)["activations", ODD, "values"][0]
    )
    np.testing.assert_array_equal(tree["input.image/values"], IMAGE)
    assert {"epoch", "wall_time"} <= set(tree.coords)
    assert tree.wall_time.dtype.kind == "M"


def test_xarray_opens_a_group(run: Path) -> None:
    with xr.open_zarr(run, group="activations", chunks=None) as statistics:
        dense = statistics["mean"].isel(place=(statistics.place_address == "dense").values)
        np.testing.assert_array_equal(dense[2], arrays_of(2)["activations", "dense", "mean"])
        np.testing.assert_array_equal(dense.place_unit, range(7))
    with xr.open_zarr(run, group="weights", chunks=None) as weights:
        np.testing.assert_array_equal(
            weights["norm"].sel(address="bias"),
            [arrays_of(i)["weights", "bias", "norm"] for i in range(3)],
        )
    with xr.open_zarr(run, group="metrics", chunks=None) as metrics:
        named = {array.attrs["name"]: array for array in metrics.values()}
        np.testing.assert_array_equal(named["loss"], [1, 1 / 2, 1 / 3])
        np.testing.assert_array_equal(named["val/accuracy"], [np.nan, np.nan, 0.2])


def test_scaled_maps_are_a_line_of_xarray(run: Path) -> None:
    with xr.open_zarr(run, group="activations.scaled", chunks=None) as maps:
        values = maps.values_low + (maps.values_high - maps.values_low) * maps["values"] / 252
        wanted = arrays_of(1)["activations", "scaled", "values"]
        got = values.isel(step=1).transpose(..., "channel")
        np.testing.assert_allclose(got, wanted, atol=wanted.max() / 500)


def test_zarr_opens_it(run: Path) -> None:
    group = zarr.open(run, mode="r")
    assert isinstance(group, zarr.Group)
    array = group["activations.dense/values"]
    assert isinstance(array, zarr.Array)
    assert array.metadata.dimension_names == ("step", "sample", "unit")
    np.testing.assert_array_equal(array[-1], arrays_of(2)["activations", "dense", "values"])
    paths = {path for path, _ in group.members(max_depth=None)}
    assert {"step", "epoch", "wall_time", "sample", "metrics/loss", "weights/norm"} <= paths


def test_a_closed_run_needs_no_consolidated_metadata(tmp_path: Path) -> None:
    recorded(tmp_path, 3).close()
    alone = zarr.open_group(tmp_path, mode="r", use_consolidated=False)
    together = zarr.open_group(tmp_path, mode="r")
    paths = dict(alone.members(max_depth=None))
    assert paths.keys() - {"about"} == dict(together.members(max_depth=None)).keys()
    dense = zarr.open_array(tmp_path / "activations.dense" / "values", mode="r")
    assert dense.shape == (3, 3, 7)
