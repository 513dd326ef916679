"""Values that float16 does not hold, at whatever step they come."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.amounts import examples
from layerscope.core.errors import OutputError
from layerscope.recordings.store import ArrayGroup, Schema, StoreReader, Variable, Writer
from layerscope.recordings.store.places import Folder
from layerscope.recordings.store.wide import TOO_LARGE, TOO_SMALL, fits_half

MAPS = ("sample", "y", "x", "channel")
KEYS = {
    "small": Variable(("sample", "unit"), (2, 5), "float16"),  # many steps in a chunk
    "large": Variable(MAPS, (2, 20, 20, 16), "float16"),  # a shard for each step
    "eight": Variable(MAPS, (2, 6, 6, 3), "uint8", scaled=True),
    "whole": Variable(MAPS, (2, 6, 6, 3), "float32"),
}
SCHEMA = Schema(
    (
        *(ArrayGroup("activations", name, {"values": v}) for name, v in KEYS.items()),
        # Side by side in one array.
        *(
            ArrayGroup("weights", name, {"values": Variable(("unit",), (4,), "float16")})
            for name in ("bias", "other")
        ),
    )
)


def truth(step: int, scale: float, odd: bool) -> dict[tuple[str, str, str], np.ndarray]:
    rng = np.random.default_rng(step)
    arrays = {}
    for group in SCHEMA.groups:
        values = (rng.normal(size=group.variables["values"].shape) * scale).astype(np.float32)
        values[0] = np.maximum(values[0], 0)
        if odd:
            flat = values.reshape(-1)
            flat[0], flat[1], flat[-1] = np.nan, np.inf, -np.inf
        arrays[group.kind, group.address, "values"] = values
    return arrays


def agree(there: np.ndarray, wanted: np.ndarray, variable: Variable) -> None:
    """What docs/store.md promises of each precision."""
    assert there.dtype == np.float32
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(there[~finite], wanted[~finite])
    there, wanted = np.where(finite, there, 0), np.where(finite, wanted, 0)
    if variable.scaled:
        bound = (wanted.max(axis=(1, 2)) - wanted.min(axis=(1, 2)))[:, None, None] / 503
    elif variable.dtype == "float16":
        size = np.abs(wanted)
        bound = np.maximum(size * 2.0**-11, 2.0**-25) if size.max() >= TOO_SMALL else np.zeros(())
    else:
        bound = np.zeros(())
    assert (np.abs(there.astype(np.float64) - wanted) <= bound).all()
    assert (there[wanted == 0] == 0).all() or variable.scaled


SCALES = st.lists(
    st.tuples(st.floats(-8, 8).map(lambda power: 10.0**power), st.booleans()),
    min_size=1,
    max_size=6,
)


@pytest.mark.slow
@settings(max_examples=examples(25), deadline=None)
@given(SCALES, st.integers(0, 6), st.data())
def test_values_of_any_scale_at_any_step_come_back(
    scales: list[tuple[float, bool]], again: int, data: st.DataObject
) -> None:
    steps = [truth(i, *scale) for i, scale in enumerate(scales)]
    with TemporaryDirectory() as folder:
        writer = Writer.create(f"{folder}/run", SCHEMA, sync=False)
        watching = StoreReader.open(f"{folder}/run")
        for i, arrays in enumerate(steps):
            if i == again:  # as after a crash
                writer.close()
                writer = Writer.resume(f"{folder}/run", SCHEMA, sync=False)
            writer.append(i, wall_time=0, arrays=arrays)
        writer.close()
        assert watching.refresh()
        for reader in (watching, StoreReader.open(f"{folder}/run")):
            for key, first in steps[0].items():
                variable = SCHEMA.variable(*key)
                assert variable is not None
                there = reader.read(*key)
                assert there.shape == (len(steps), *first.shape)
                for i, arrays in enumerate(steps):
                    agree(there[i], arrays[key], variable)
                part = data.draw(st.slices(len(steps)))
                np.testing.assert_array_equal(reader.read(*key, step=part), there[part])
                lazily = reader.dataarray(*key)
                assert lazily.dtype == np.float32
                np.testing.assert_array_equal(lazily.values, there)


def values(scale: float) -> dict[Any, np.ndarray]:
    return truth(0, scale, False)


LARGE = ("activations", "large", "values")


def test_once_wide_it_stays_so_and_what_was_before_stays_where_it_is(tmp_path: Path) -> None:
    with Writer.create(tmp_path / "run", SCHEMA) as writer:
        for step, scale in enumerate((1, 1e6, 1)):
            assert writer.is_wide(LARGE) == (step > 1)
            writer.append(step, wall_time=0, arrays=values(scale))
        assert not writer.is_wide(("activations", "whole", "values"))
    with Writer.resume(tmp_path / "run", SCHEMA) as writer:
        assert writer.is_wide(LARGE)
    reader = StoreReader.open(tmp_path / "run")
    np.testing.assert_array_equal(reader.read(*LARGE, step=2), values(1)[LARGE])
    np.testing.assert_array_equal(
        reader.read(*LARGE, step=0), values(1)[LARGE].astype(np.float16).astype(np.float32)
    )


def test_others_read_it_without_layerscope(tmp_path: Path) -> None:
    with Writer.create(tmp_path / "run", SCHEMA) as writer:
        for step, scale in enumerate((1, 1e6)):
            writer.append(step, wall_time=0, arrays=values(scale))
    tree = xr.open_datatree(tmp_path / "run", engine="zarr")
    layer = tree["activations.large"]
    maps = layer["values"].astype("float32").fillna(layer["values_wide"])
    np.testing.assert_array_equal(maps, StoreReader.open(tmp_path / "run").read(*LARGE))
    assert layer["values_wide"].attrs == {"from_position": 1}


def test_a_recording_of_format_1_goes_on(tmp_path: Path) -> None:
    Writer.create(tmp_path, SCHEMA).close()
    with Writer.resume(tmp_path, SCHEMA) as writer:
        writer.append(0, wall_time=0, arrays=values(1))
    root = json.loads((tmp_path / "zarr.json").read_text())
    root["attributes"]["layerscope"]["format"] = 1
    (tmp_path / "zarr.json").write_text(json.dumps(root))
    before = StoreReader.open(tmp_path).read(*LARGE)
    with Writer.resume(tmp_path, SCHEMA) as writer:
        writer.append(1, wall_time=0, arrays=values(1e6))
    reader = StoreReader.open(tmp_path)
    np.testing.assert_array_equal(reader.read(*LARGE)[:1], before)
    np.testing.assert_array_equal(reader.read(*LARGE, step=1), values(1e6)[LARGE])
    document = json.loads((tmp_path / "zarr.json").read_text())
    assert document["attributes"]["layerscope"]["format"] == 2


def test_a_step_that_fails_while_it_widens_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Folder.put

    def full(self: Folder, key: str, data: bytes, *, sync: bool = True) -> None:
        if key == "zarr.json":
            raise OSError(28, "No space left on device")
        put(self, key, data, sync=sync)

    writer = Writer.create(tmp_path, SCHEMA)
    writer.append(0, wall_time=0, arrays=values(1))
    monkeypatch.setattr(Folder, "put", full)
    with pytest.raises(OutputError, match="No space left"):
        writer.append(1, wall_time=0, arrays=values(1e6))
    assert len(StoreReader.open(tmp_path).steps) == 1
    monkeypatch.undo()
    writer.append(1, wall_time=0, arrays=values(1))
    writer.close()
    there = StoreReader.open(tmp_path).read(*LARGE)
    for step in there:
        agree(step, values(1)[LARGE], KEYS["large"])


def test_what_a_killed_writer_began_to_widen_is_removed(tmp_path: Path) -> None:
    writer = Writer.create(tmp_path, SCHEMA)
    writer.append(0, wall_time=0, arrays=values(1))
    committed = (tmp_path / "zarr.json").read_bytes()
    writer.append(1, wall_time=0, arrays=values(1e6))
    writer.close()
    (tmp_path / "zarr.json").write_bytes(committed)  # as a kill before the commit leaves it
    with Writer.resume(tmp_path, SCHEMA) as writer:
        writer.append(1, wall_time=0, arrays=values(1))
    assert not [path for path in tmp_path.rglob("*") if "_wide" in str(path) and path.is_file()]
    agree(StoreReader.open(tmp_path).read(*LARGE, step=1), values(1)[LARGE], KEYS["large"])


@pytest.mark.parametrize(
    ("largest", "fits"),
    [
        (0, True),
        (1, True),
        (65_504, True),
        (np.nextafter(np.float32(TOO_LARGE), np.float32(0)), True),
        (TOO_LARGE, False),
        (TOO_SMALL, True),
        (TOO_SMALL / 2, False),
    ],
)
def test_what_float16_holds(largest: float, fits: bool) -> None:
    for sign in (1, -1):
        array = np.array([0, largest * sign, np.nan, np.inf], np.float32)
        assert fits_half(array) is fits
        with np.errstate(over="ignore"):
            assert np.isfinite(array[:2].astype(np.float16)).all() or not fits
    assert fits_half(np.array([np.nan, np.inf]))
    assert fits_half(np.zeros((0, 3), np.float32))
