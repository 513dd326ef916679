"""Panels as bytes: what is read back by the words of its docstring is what was written."""

from __future__ import annotations

import gzip
import json
import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cases.packed_panels import unpacked
from layerscope.interfaces.page import assets
from layerscope.interfaces.page.wire import USUAL, packed, packed_parts, plain_json, squeezed
from layerscope.views.render.stack import Stack, stack_panel

numbers = arrays.arrays("<f4", st.integers(0, 20))

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


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
    header = {"kind": "lines", **header}
    data = packed_parts(header, buffers)
    assert unpacked(data) == (plain(header), buffers)
    assert gzip.decompress(squeezed(data)) == data


@given(numbers, numbers, st.binary(max_size=40))
def test_numbers_sent_by_the_weight_of_their_bytes_come_back(low, high, pixels):
    buffers = {"pixels": pixels, "low": low.tobytes(), "high": high.tobytes()}
    header = {**USUAL["stack"], "kind": "stack", "note": "a note", "labels": ["a", "b"]}
    data = packed_parts(header, buffers)
    assert unpacked(data) == (header, buffers)
    assert len(packed_parts(USUAL["stack"] | {"kind": "stack"}, {})) < 70
    for level in (1, 6):
        assert gzip.decompress(squeezed(data, level)) == data


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 5), st.just(20))))
def test_rows_sent_as_differences_come_back(pixels):
    tile = {"shape": list(pixels.shape[1:]), "format": "index"}
    for header in (
        {**USUAL["stack"], "kind": "stack", "shape": list(pixels.shape)},
        {"kind": "maps", "tiles": [tile] * len(pixels)},
    ):
        buffers = {"pixels": pixels.tobytes()}
        assert unpacked(packed_parts(header, buffers)) == (header, buffers)


def test_large_maps_of_an_image_are_shorter_by_their_rows():
    y, x = np.mgrid[:60, :60]
    pixels = (40 * np.sin(x / 9) + 2 * y).astype(np.uint8)[None].repeat(4, 0)
    header = {"kind": "stack", "shape": list(pixels.shape)}
    as_rows, plain_rows = (
        len(squeezed(packed_parts({**header, "kind": kind}, {"pixels": pixels.tobytes()})))
        for kind in ("stack", "other")
    )
    assert as_rows < plain_rows


def test_the_browser_knows_the_same_of_usual_headers():
    text = re.search(r"const USUAL = (\{.*?\n\});", assets.text("wire.js"), re.DOTALL)
    assert text is not None
    assert json.loads(text[1]) == USUAL


def test_a_layer_of_small_maps_takes_little_more_than_its_pixels():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(192, 8, 8)).astype(np.float32) * rng.gamma(2, size=(192, 1, 1))
    panel = stack_panel(Stack("a", "a (8, 8, 192)", maps.astype(np.float32), "maps", (), "channel"))
    sent = squeezed(packed(panel))
    assert len(sent) <= 1.1 * len(gzip.compress(panel.buffers["pixels"], 1))


def test_numpys_numbers_and_tuples_are_plain():
    given_ = {"a": np.float32(0.5), "b": (np.int64(3), 4), 5: np.bool_(True), "c": float("nan")}
    assert plain_json(given_) == '{"a":0.5,"b":[3,4],"5":true,"c":null}'


def test_numpys_numbers_that_are_none_are_null():
    assert plain_json([np.float32("nan"), np.float64("inf"), np.float32("-inf")]) == (
        "[null,null,null]"
    )


def test_half_a_letter_travels():
    assert unpacked(packed_parts({"title": "\ud800"}, {}))[0] == {"title": "\ud800"}
