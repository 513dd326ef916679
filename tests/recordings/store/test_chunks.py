"""What is encoded here, zarr's own codecs decode."""

from __future__ import annotations

import math

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cases.amounts import examples
from layerscope.recordings.store import array_layout as layout
from layerscope.recordings.store.array_layout import ArrayLayout, GrowingArray
from layerscope.recordings.store.chunks import decode_chunk, encode_chunk, encode_shard
from layerscope.recordings.store.metadata import Documents


def stored(values: np.ndarray, dims: tuple[str, ...]) -> GrowingArray:
    return GrowingArray("a", dims, values.shape, values.dtype, 0.0)


def read_by_zarr(array: GrowingArray, data: bytes) -> np.ndarray:
    documents = Documents(ArrayLayout({"a": array}, {}, {}, {}))
    keys = {**documents.members(1), array.chunk_key(0): data}
    store = {key: zarr.core.buffer.cpu.Buffer.from_bytes(value) for key, value in keys.items()}
    return np.asarray(zarr.open_array(zarr.storage.MemoryStore(store), path="a", mode="r")[0])


@settings(max_examples=examples(30))
@given(
    st.sampled_from(["float32", "float16", "uint8", "int64"]).flatmap(
        lambda dtype: arrays.arrays(dtype, st.tuples(*[st.integers(1, 9)] * 3))
    ),
    st.integers(1, 200),
)
def test_zarr_reads_a_shard(values: np.ndarray, least: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "STEPS_CHUNK", 0)
        patch.setattr(layout, "INNER_LEAST", least)
        patch.setattr(layout, "INNER_MOST", 4 * least)
        array = stored(values, ("sample", "x", "channel"))
        if array.sharded:
            data = encode_shard(values, array.inner, array.dtype, array.fill)
        else:
            data = encode_chunk(values, array.dtype)
        np.testing.assert_array_equal(read_by_zarr(array, data), values)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_channel_is_a_chunk_of_its_own_in_large_maps(order: str) -> None:
    values = np.asarray(np.random.default_rng(0).normal(size=(2, 50, 50, 3)), order=order)
    array = stored(values, ("sample", "y", "x", "channel"))
    assert array.steps == 1
    assert array.inner == (2, 50, 50, 1)
    data = encode_shard(values, array.inner, array.dtype, math.nan)
    np.testing.assert_array_equal(read_by_zarr(array, data), values)


def test_float16_is_infinite_beyond_its_range() -> None:
    values = np.array([1e6, -1e6, 1], np.float32)
    half = np.dtype(np.float16)
    decoded = decode_chunk(encode_chunk(values, half), (3,), half)
    np.testing.assert_array_equal(decoded, [np.inf, -np.inf, 1])


def test_a_damaged_chunk_is_noticed() -> None:
    with pytest.raises((ValueError, RuntimeError)):
        decode_chunk(b"nonsense", (3,), np.dtype(np.float32))
