from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases.amounts import examples
from cases.stored_runs import IMAGE, ODD, SAMPLES, SCHEMA, arrays_of, go_on, recorded
from layerscope.core.errors import AddressError, InputError
from layerscope.recordings.store import StoreReader
from layerscope.recordings.store.quantize import dequantize, quantize

STEPS = 5


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "run.zarr"
    recorded(path, STEPS).close()
    return path


def whole(kind: str, address: str, name: str) -> np.ndarray:
    """All steps of a variable, as they are to come back."""
    steps = np.stack([arrays_of(i)[kind, address, name] for i in range(STEPS)])
    if address == "scaled":
        coded = [quantize(step, ("sample", "y", "x", "channel")) for step in steps]
        ends = [[np.expand_dims(end, (1, 2)) for end in step[1:]] for step in coded]
        return np.stack([dequantize(c[0], *e) for c, e in zip(coded, ends, strict=True)])
    return steps


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60))
@given(st.data())
def test_any_part_is_the_part_of_the_whole(run: Path, data: st.DataObject) -> None:
    reader = StoreReader.open(run)
    key = data.draw(st.sampled_from(list(arrays_of(0))))
    values = whole(*key)
    dims = ("step", *SCHEMA.variable(*key).dims)  # type: ignore[union-attr]
    index: dict[str, Any] = {}
    for dim, size in zip(dims, values.shape, strict=True):
        choice = st.one_of(st.integers(-size, size - 1), st.slices(size), st.none())
        drawn = data.draw(choice, label=dim)
        if drawn is not None:
            index[dim] = drawn
    expected = values[tuple(index.get(dim, slice(None)) for dim in dims)]
    np.testing.assert_array_equal(reader.read(*key, **index), expected)
    if not expected.size:  # xarray stumbles over slices that go backwards through nothing
        return
    lazily = reader.dataarray(*key).isel(index)
    assert lazily.shape == expected.shape
    np.testing.assert_array_equal(lazily.values, expected)


def test_types_are_those_described(run: Path) -> None:
    reader = StoreReader.open(run)
    for group in reader.schema.groups:
        for name, variable in group.variables.items():
            is_small = variable.scaled or variable.dtype == "float16"
            wanted = "float32" if is_small else variable.dtype
            assert reader.read(group.kind, group.address, name).dtype == wanted
            assert reader.dataarray(group.kind, group.address, name).dtype == wanted


def test_the_steps_carry_epoch_time_and_metrics(run: Path) -> None:
    reader = StoreReader.open(run)
    assert reader.schema == SCHEMA
    np.testing.assert_array_equal(reader.steps, [10, 12, 14, 16, 18])
    np.testing.assert_array_equal(reader.epochs, range(5))
    np.testing.assert_array_equal(reader.wall_times, 1.7e9 + np.arange(5))
    assert set(reader.metrics) == {"loss", "val/accuracy"}


def test_a_dataarray_is_lazy_and_labelled(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = StoreReader.open(run)
    asked: list[dict[str, Any]] = []
    read = StoreReader.read

    def watched(self: StoreReader, *names: str, **index: Any) -> np.ndarray:
        asked.append(index)
        return read(self, *names, **index)

    monkeypatch.setattr(StoreReader, "read", watched)
    array = reader.dataarray("activations", ODD)
    assert array.dims == ("step", "sample", "y", "x", "channel")
    assert array.name == ODD
    assert array.attrs == {"units": "1"}
    assert list(array.sample.values) == list(SAMPLES)
    assert array.wall_time.values[1] == np.datetime64("2023-11-14T22:13:21")
    one = array.sel(epoch=3).isel(channel=2)
    at = array.sel(step=16, sample="cat.png")
    assert not asked
    np.testing.assert_array_equal(one, arrays_of(3)["activations", ODD, "values"][..., 2])
    np.testing.assert_array_equal(at, arrays_of(3)["activations", ODD, "values"][0])
    assert (asked[0]["step"], asked[0]["channel"]) == (3, 2)


def test_inputs_have_no_steps(run: Path) -> None:
    reader = StoreReader.open(run)
    np.testing.assert_array_equal(reader.read("input", "image"), IMAGE)
    np.testing.assert_array_equal(
        reader.read("input", "image", sample=-1, y=slice(2)), IMAGE[2, :2]
    )
    assert reader.dataarray("input", "image").dims == ("sample", "y", "x", "channel")
    with pytest.raises(AddressError, match="values of 'image' has no axis 'step'"):
        reader.read("input", "image", step=0)


def test_what_is_not_there_is_said(run: Path) -> None:
    reader = StoreReader.open(run)
    for asked, index, message in [
        (("activations", "conv9"), {}, "no activations of 'conv9' were recorded; recorded: 'Block"),
        (("weights", "bias", "mean"), {}, "weights of 'bias' have no 'mean', but values, norm"),
        (("activations", "dense"), {"channel": 1}, "has no axis 'channel': step, sample, unit"),
        (("activations", "dense"), {"unit": 7}, "unit of 'dense' is 7: there are 7, counted from"),
        (("activations", "dense"), {"step": -6}, "step of 'dense' is -6: there are 5, counted"),
    ]:
        with pytest.raises(AddressError, match=message):
            reader.read(*asked, **index)


def test_a_run_is_followed_while_it_is_written(tmp_path: Path) -> None:
    with recorded(tmp_path, 0) as writer:
        reader = StoreReader.open(tmp_path)
        early = reader.dataarray("activations", "dense")
        assert early.shape == (0, 3, 7)
        assert not reader.refresh()
        for steps in range(1, 4):
            go_on(writer, steps)
            assert len(reader.steps) == steps - 1
            assert reader.refresh()
            assert not reader.refresh()
            got = reader.read("activations", "dense", step=-1)
            np.testing.assert_array_equal(
                got, arrays_of(steps - 1)["activations", "dense", "values"]
            )
    assert not reader.refresh()
    assert early.values.shape == (0, 3, 7)


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: there is no recording\.$"):
        StoreReader.open(tmp_path / "nowhere")
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"is no recording of layerscope: that is a folder"):
        StoreReader.open(tmp_path)
    with pytest.raises(
        InputError, match=r"mine\.txt is no recording of layerscope: that is a folder"
    ):
        StoreReader.open(tmp_path / "mine.txt")
    (tmp_path / "zarr.json").write_text('{"zarr_format":3,"node_type":"group","attributes":{}}')
    with pytest.raises(InputError, match="is a Zarr store, but no recording of layerscope"):
        StoreReader.open(tmp_path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    recorded(tmp_path, 1).close()
    root = json.loads((tmp_path / "zarr.json").read_text())
    root["attributes"]["layerscope"]["format"] = 99
    (tmp_path / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(InputError, match=r"newer layerscope \(format 99; this one knows 2 and"):
        StoreReader.open(tmp_path)


@pytest.mark.parametrize("key", ["zarr.json", "about/zarr.json", "step/c.0"])
@pytest.mark.parametrize("left", [0, 0.5])
def test_a_damaged_run_is_said_in_a_sentence(tmp_path: Path, key: str, left: float) -> None:
    recorded(tmp_path, 1).close()
    data = (tmp_path / key).read_bytes()
    (tmp_path / key).write_bytes(data[: int(len(data) * left)])
    with pytest.raises(InputError, match="is a damaged recording") as said:
        StoreReader.open(tmp_path)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("address", [ODD, "dense", "scaled"])
def test_a_damaged_chunk_is_said_in_a_sentence(tmp_path: Path, address: str) -> None:
    recorded(tmp_path, 1).close()
    for path in tmp_path.glob("activations.*/values/c.*"):
        path.write_bytes(path.read_bytes()[:-20])
    reader = StoreReader.open(tmp_path)
    with pytest.raises(InputError, match="values can't be read, it is damaged or out") as said:
        reader.read("activations", address)
    assert "\n" not in str(said.value)
