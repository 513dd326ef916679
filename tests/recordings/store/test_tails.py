"""Chunks of many steps, of which memory holds the steps so far."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.core.errors import OutputError
from layerscope.recordings.store import ArrayGroup, Schema, Variable, Writer, steps
from layerscope.recordings.store.array_layout import GrowingArray
from layerscope.recordings.store.chunks import decode_chunk
from layerscope.recordings.store.folder import Folder
from layerscope.recordings.store.tails import Tail

STORED = GrowingArray("a", ("unit",), (4,), np.dtype(np.float32), np.nan)


def row(at: int) -> np.ndarray:
    return np.arange(4, dtype=np.float32) + at


def rows(data: bytes, stored: GrowingArray = STORED) -> np.ndarray:
    return decode_chunk(data, (stored.steps, *stored.shape), stored.dtype)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 30))
def test_a_chunk_holds_every_row_so_far(there: list[bool], since: int) -> None:
    tail, wanted = Tail(STORED), np.full((STORED.steps, 4), np.nan, np.float32)
    for at, is_there in enumerate(there, since):  # of an array that came late, too
        data = tail.with_row(at, row(at) if is_there else None)
        if is_there:
            wanted[at] = row(at)
        np.testing.assert_array_equal(rows(data), wanted)
    again = Tail(STORED)
    again.load(data, since + len(there) - 1)  # whose last step was not committed
    wanted[since + len(there) - 1] = 7
    np.testing.assert_array_equal(
        rows(again.with_row(since + len(there) - 1, np.full(4, 7, np.float32))), wanted
    )


def test_it_begins_anew_with_the_next_chunk() -> None:
    tail = Tail(STORED)
    for at in range(STORED.steps + 1):
        data = tail.with_row(at, row(at))
    found = rows(data)
    np.testing.assert_array_equal(found[0], row(STORED.steps))
    assert np.isnan(found[1:]).all()


@pytest.mark.parametrize("count", [1, 2, 5, 100])
def test_memory_is_taken_for_the_steps_so_far(count: int) -> None:
    tail = Tail(STORED)
    assert tail.nbytes == 0
    for at in range(count):
        tail.with_row(at, row(at))
    assert tail.nbytes <= 2 * count * row(0).nbytes


FILES = Schema(
    (
        ArrayGroup(
            "activations", "a", {"values": Variable(("sample", "unit"), (2, 40), "float32")}
        ),
        ArrayGroup(
            "activations", "b", {"values": Variable(("sample", "unit"), (3, 500), "float16")}
        ),
    )
)


def record(place: Path, count: int, resumed: int) -> dict[str, bytes]:
    """Write steps, one of which fails at first, and go on in the middle; the files there are."""
    writer = Writer.create(place, FILES, sync=False)
    for step in range(count):
        if step == resumed:
            writer.close()
            writer = Writer.resume(place, FILES, sync=False)
        rng = np.random.default_rng(step)
        arrays = {
            (group.kind, group.address, "values"): rng.random(variable.shape).astype(np.float32)
            * np.float32(1 if step < 7 else 1e6)  # more than float16 holds, from then on
            for group in FILES.groups
            for variable in group.variables.values()
            if (group.address, step) != ("a", 3)
        }
        with pytest.MonkeyPatch.context() as patched:
            if step == 8:
                patched.setattr(Folder, "put", refuse_to_commit)
                with pytest.raises(OutputError, match="not now"):
                    writer.append(step, wall_time=0, metrics={"late": 1.0}, arrays=arrays)
        writer.append(step, wall_time=0, metrics={"late": 1.0} if step > 4 else {}, arrays=arrays)
    writer.close()
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in sorted(place.rglob("*"))
        if path.is_file() and path.name != "claim"
    }


PUT = Folder.put


def refuse_to_commit(folder: Folder, key: str, data: bytes, *, sync: bool = True) -> None:
    if key == "zarr.json":
        raise OutputError("not now")
    PUT(folder, key, data, sync=sync)


@pytest.mark.parametrize("resumed", [1, 5, 9, 60])
def test_what_is_read_again_is_what_was_kept(
    resumed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = record(tmp_path / "kept", 60, resumed)
    monkeypatch.setattr(steps, "_KEPT", 0)
    assert record(tmp_path / "read", 60, resumed) == kept


def test_a_chunk_that_was_removed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_KEPT", 0)
    writer = Writer.create(tmp_path / "run", FILES)
    writer.append(0, wall_time=0, arrays={})
    (tmp_path / "run/step/c.0").unlink()
    with pytest.raises(OutputError, match=r"run: step/c.0 was removed while it was recorded into"):
        writer.append(1, wall_time=0, arrays={})
