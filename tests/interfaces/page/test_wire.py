"""Panels as bytes: what is read back by the words of its docstring is what was written."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.interfaces.page.wire import packed_parts, plain_json

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def unpacked(data):
    """The header and buffers, read step by step."""
    (length,) = struct.unpack("<I", data[:4])
    text = json.loads(data[4 : 4 + length].decode("utf-8"), parse_constant=pytest.fail)
    start = 4 + length
    while start % 8:
        assert data[start] == 0
        start += 1
    buffers = {}
    for name, (offset, size) in text["buffers"].items():
        assert (start + offset) % 8 == 0  # where a typed array may begin
        buffers[name] = data[start + offset : start + offset + size]
    assert len(data) % 8 == 0
    return text["header"], buffers


def plain(value):
    """What JSON has for a value: nothing where it is no finite number."""
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


@given(
    st.dictionaries(st.text(max_size=9), values, max_size=5),
    st.dictionaries(st.text(max_size=9), st.binary(max_size=40), max_size=4),
)
def test_what_is_packed_is_unpacked(header, buffers):
    header = {"kind": "stack", **header}
    assert unpacked(packed_parts(header, buffers)) == (plain(header), buffers)


def test_numpys_numbers_and_tuples_are_plain():
    given_ = {"a": np.float32(0.5), "b": (np.int64(3), 4), 5: np.bool_(True), "c": float("nan")}
    assert plain_json(given_) == '{"a":0.5,"b":[3,4],"5":true,"c":null}'


def test_numpys_numbers_that_are_none_are_null():
    assert plain_json([np.float32("nan"), np.float64("inf"), np.float32("-inf")]) == (
        "[null,null,null]"
    )


def test_half_a_letter_travels():
    assert unpacked(packed_parts({"title": "\ud800"}, {}))[0] == {"title": "\ud800"}
