"""What a page is sent of receptive fields says of each position what the instrument says."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from layerscope.core.axes import NamedArray
from layerscope.core.network import Layer, Network
from layerscope.core.reads import Reads
from layerscope.core.receptive_field import field
from layerscope.core.windows import Window
from layerscope.recordings.recording import Recording
from layerscope.views.explorer.fields import FieldTables, fields_of

MAPS = ("sample", "y", "x", "channel")
ODD = Window(3, 2, before=1)
LAYERS: tuple[tuple[str, str, tuple[int, int, int], tuple[str, ...], Reads], ...] = (
    ("strided", "conv", (5, 4, 2), ("image",), Reads((ODD, ODD))),
    ("wide", "conv", (5, 4, 3), ("image",), Reads((Window(5, 2, before=2), Window(7, 2, 3)))),
    ("both", "concat", (5, 4, 5), ("strided", "wide"), Reads(joins=-1)),
    ("mirrored", "pad", (7, 6, 5), ("both",), Reads((Window(before=1, border="reflect"),) * 2)),
    ("resized", "resize", (9, 8, 5), ("both",), Reads((Window(way="nearest"),))),
    ("mean", "pool", (1, 1, 5), ("both",), Reads()),
    ("gated", "merge", (5, 4, 5), ("both", "mean"), Reads()),
    ("depth", "depthwise_conv", (5, 4, 10), ("both",), Reads((Window(3, before=1),))),
    ("summed", "add", (5, 4, 5), ("both", "gated"), Reads()),
    ("next", "conv", (5, 4, 2), ("both",), Reads((Window(3, before=1),))),
)


@pytest.fixture(scope="module")
def recording() -> Recording:
    rows = [Layer("image", "Input", "input", (None, 9, 8, 1), MAPS, kind="input")]
    arrays = {}
    for address, kind, shape, inputs, reads in LAYERS:
        known: Any = {"inputs": inputs, "kind": kind, "reads": reads}
        rows.append(Layer(address, "Any", shape=(None, *shape), axes=MAPS, **known))
        arrays[address] = NamedArray(np.zeros((1, *shape), np.float32), MAPS)
    inputs_ = {"image": NamedArray(np.zeros((1, 9, 8, 1), np.float32), MAPS)}
    network = Network("net", "none", tuple(rows))
    return Recording(arrays, network=network, inputs=inputs_)


def at(along: dict[str, Any], place: int, length: int) -> range:
    if "starts" in along:
        return range(along["starts"][place], along["stops"][place])
    start = along["offset"] + place * along["stride"]
    return range(max(start, 0), max(min(start + along["size"], length), 0))


@pytest.mark.parametrize("layer", [name for name, *_ in LAYERS])
def test_each_position_has_the_field_of_the_instrument(recording: Recording, layer: str) -> None:
    sent = json.loads(json.dumps(fields_of(recording, layer, "image")))
    _, rows, columns, channels = recording[layer].shape
    assert sent["lengths"] == [9, 8]
    for unit in range(channels):
        entry = next(each for each in sent["units"] if unit < each["to"])
        for y in range(rows):
            for x in range(columns):
                box = field(recording.network, f"{layer}:{unit}@{y},{x}")
                assert sent["because"] == (box.because or "")
                assert at(entry["along"][0], y, 9) == box.local.y
                assert at(entry["along"][1], x, 8) == box.local.x


def test_units_with_fields_of_their_own_are_told_apart(recording: Recording) -> None:
    sent = fields_of(recording, "mirrored", "image")
    assert sent is not None
    assert [entry["to"] for entry in sent["units"]] == [2, 5]
    strided = fields_of(recording, "strided", "image")
    assert strided is not None
    assert strided["units"][0]["along"] == [{"size": 3, "stride": 2, "offset": -1}] * 2


def test_tables_are_kept_for_one_network_and_one_size(recording: Recording) -> None:
    tables = FieldTables()
    first = tables.of(recording, "both", "image")
    assert tables.of(recording, "both", "image") is first
    assert first == fields_of(recording, "both", "image")
    fewer = Recording(
        {},
        network=Network("net", "none", recording.network.layers[:3]),
        inputs={"image": NamedArray(np.zeros((2, 9, 8, 1), np.float32), MAPS)},
    )
    assert tables.of(fewer, "both", "image") is None
    again = tables.of(recording, "both", "image")
    assert again == first
    assert again is not first


def test_what_lies_along_nothing_has_none(recording: Recording) -> None:
    assert fields_of(recording, "image", "mask") is None
    assert fields_of(recording, "nowhere", "image") is None
