"""Chunks of many steps, of which memory holds the steps so far."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.store.chunks import decode_chunk
from layerscope.store.layout import Stored
from layerscope.store.tails import Tail

STORED = Stored("a", ("unit",), (4,), np.dtype(np.float32), np.nan)


def row(at: int) -> np.ndarray:
    return np.arange(4, dtype=np.float32) + at


def rows(data: bytes, stored: Stored = STORED) -> np.ndarray:
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


@pytest.mark.parametrize("steps", [1, 2, 5, 100])
def test_memory_is_taken_for_the_steps_so_far(steps: int) -> None:
    tail = Tail(STORED)
    assert tail.nbytes == 0
    for at in range(steps):
        tail.with_row(at, row(at))
    assert tail.nbytes <= 2 * steps * row(0).nbytes
