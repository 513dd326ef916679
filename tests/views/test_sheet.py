from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.recordings import MAPS, VECTOR, kernel, maps, named, recording
from layerscope import sheet
from layerscope.core.errors import AddressError, ViewError
from layerscope.views.render import palette

ACTS = recording(
    {
        "conv": maps(5),
        "dense": named([[0.0, 1, 2, 3], [3, 2, 1, 0]], VECTOR),
        "other": named([[-8.0], [8]], VECTOR),
    },
    image=maps(3),
)
WEIGHTS = recording(
    {
        "one/kernel": kernel(1, 4),
        "colour/kernel": kernel(3, 4),
        "deep/kernel": kernel(7, 4),
        "wide/kernel": kernel(64, 32),
        "coefs_0": named(np.linspace(-1, 2, 24).reshape(12, 2), ("input", "unit")),
    }
)


def labels(panel: Any) -> list[str]:
    return [tile["label"] for tile in panel.header["tiles"]]


@given(
    st.integers(1, 70), st.integers(1, 6), st.integers(1, 6), st.none() | st.integers(1, 80)
)  # fmt: skip
def test_no_channel_is_dropped(channels: int, height: int, width: int, columns: int | None) -> None:
    acts = recording({"conv": maps(channels, height, width)})
    panel = sheet(acts, "conv", columns=columns)
    assert labels(panel) == [str(i) for i in range(channels)]
    taken = np.zeros(panel.header["size"][::-1], bool)
    for tile in panel.header["tiles"]:
        x, y, w, h = tile["box"]
        assert tile["shape"] == [height, width]
        assert w * height == h * width
        assert w % width == h % height == 0
        assert taken[y : y + h, x : x + w].shape == (h, w)
        assert not taken[y : y + h, x : x + w].any()
        taken[y : y + h, x : x + w] = True
    if columns is not None:
        assert panel.header["columns"] == min(columns, channels)


def test_a_layer() -> None:
    panel = sheet(ACTS, "conv", sample=1)
    values = ACTS["conv"].values[1].astype(float)
    low, high = values.min(), values.max()
    for i in range(5):
        exact = (values[..., i] - low) / (high - low) * (palette.LEVELS - 1)
        assert np.abs(panel.pixels(i) - exact).max() <= 0.51
    header = panel.header
    assert header["title"] == "conv (5, 7, 5)"
    assert header["labels"] == "channel"
    assert header["scale"]["mode"] == "layer"
    assert header["scale"]["low"] == pytest.approx(low)
    assert header["scale"]["high"] == pytest.approx(high)
    assert header["tiles"][0]["range"] == pytest.approx([low, high])


@pytest.mark.parametrize("scale", ["unit", "layer", "network", "zscore", (-1, 1)])
@pytest.mark.parametrize("address", ["conv", "dense", "input", "conv:2", "conv:2@0,0", None])
def test_headers_are_json(address: str | None, scale: Any) -> None:
    panel = sheet(ACTS, address, scale=scale, columns=np.int64(2))  # type: ignore[arg-type]
    assert json.loads(json.dumps(panel.header, allow_nan=False)) == panel.header


def test_the_networks_range_is_that_of_the_sample() -> None:
    header = sheet(ACTS, "dense", scale="network").header
    assert (header["scale"]["low"], header["scale"]["high"]) == (-8, 3)
    assert sheet(ACTS, "dense", scale="network", sample=1).header["scale"]["high"] == 8


@pytest.mark.parametrize("scale", ["unit", "zscore"])
def test_where_maps_have_ranges_of_their_own_there_is_no_colour_bar(scale: str) -> None:
    header = sheet(ACTS, "conv", scale=scale).header
    assert header["scale"]["low"] is header["scale"]["high"] is None
    assert len({tuple(tile["range"]) for tile in header["tiles"]}) == 5
    assert sheet(ACTS, "conv:1", scale=scale).header["scale"]["low"] is not None


def test_blank_maps_are_marked_and_counted() -> None:
    values = np.abs(maps(4).values)
    values[0, :, :, 1], values[0, :, :, 3] = 0.5, 0
    values[0, 0, 0, 0] = np.nan
    acts = recording({"conv": named(values, MAPS)})
    header = sheet(acts, "conv").header
    assert [tile["blank"] for tile in header["tiles"]] == [False, False, False, True]
    note = "1 of 4 blank, 1 of 4 constant, 1 values are NaN or infinite"
    assert header["note"] == note
    assert sheet(acts, "conv:1").header["note"] == "constant"
    assert sheet(acts, "conv:3").header["note"] == "blank"
    assert sheet(acts, "conv", sample=1).header["note"] == ""
    # Where values may be negative, zero is one of them.
    values[0, 1, 1, 0] = -1
    assert sheet(acts, "conv").header["note"] == note.replace(
        "1 of 4 blank, 1 of 4 constant", "2 of 4 constant"
    )


def test_a_single_value_is_written_and_drawn_on_its_layer_s_range() -> None:
    values = np.array([[0.0, 0.25, 1.0]])
    acts = recording({"dense": named(values, VECTOR), "pooled": named(values[:, None, None], MAPS)})
    for layer in ("dense", "pooled"):
        panel = sheet(acts, f"{layer}:1")
        assert panel.header["tiles"][0]["texts"] == ["0.25"]
        assert panel.pixels(0).ravel().tolist() == [round(0.25 * (palette.LEVELS - 1))]
        assert panel.header["scale"]["text"] == "its layer's range: 0 … 1"
        assert sheet(acts, f"{layer}:0").header["tiles"][0]["texts"] == ["0"]
    texts = [tile["texts"] for tile in sheet(acts, "pooled").header["tiles"]]
    assert texts == [["0"], ["0.25"], ["1"]]
    lone = recording({"out": named(np.array([[0.7310586]]), VECTOR)})
    assert sheet(lone, "out").header["tiles"][0]["texts"] == ["0.731"]
    assert sheet(lone, "out").png()


def test_the_winner_of_a_log_softmax_is_not_blank() -> None:
    values = np.array([[0.0, -40, -90]])
    header = sheet(recording({"out": named(values, VECTOR)}), "out").header
    assert [tile["blank"] for tile in header["tiles"]] == [False] * 3
    assert header["note"] == ""


@pytest.mark.parametrize("count", [1, 10, 128])
def test_short_vectors_are_cells(count: int) -> None:
    acts = recording({"dense": named(np.arange(count, dtype=float)[None], VECTOR)})
    panel = sheet(acts, "dense")
    assert labels(panel) == [str(i) for i in range(count)]
    assert panel.header["labels"] == "unit"
    assert panel.header["columns"] == min(count, 16)
    drawn = [int(panel.pixels(i)[0, 0]) for i in range(count)]
    assert drawn == sorted(drawn)
    # A lone value is written: on a range of itself it has no colour.
    assert (drawn[0], drawn[-1]) == ((0, 238) if count > 1 else (palette.MARK, palette.MARK))


@pytest.mark.parametrize(("count", "last"), [(129, "128–128"), (512, "448–511")])
def test_long_vectors_are_rows(count: int, last: str) -> None:
    acts = recording({"dense": named(np.arange(count, dtype=float)[None], VECTOR)})
    panel = sheet(acts, "dense")
    assert labels(panel)[0] == "0–63"
    assert labels(panel)[-1] == last
    assert panel.header["columns"] == 1
    drawn = np.concatenate([panel.pixels(i)[0] for i in range(len(panel))])
    assert len(drawn) == count
    assert (np.diff(drawn.astype(int)) >= 0).all()


def test_volumes_have_a_row_of_slices_for_each_channel() -> None:
    volume = named(
        np.random.default_rng(0).random((1, 4, 5, 6, 3)), ("sample", "z", "y", "x", "channel")
    )
    panel = sheet(recording({"conv3d": volume}), "conv3d", scale=(0, 1))
    assert panel.header["columns"] == 4
    assert labels(panel) == [f"{channel}·{z}" for channel in range(3) for z in range(4)]
    assert np.abs(panel.pixels(6) - 238 * volume.values[0, 2, :, :, 1]).max() <= 0.51


def test_matrices_and_attention() -> None:
    matrix = named(np.random.default_rng(0).random((1, 50, 75)), ("sample", "position", "channel"))
    heads = named(np.random.default_rng(0).random((1, 8, 9, 9)), ("sample", "head", "query", "key"))
    acts = recording({"lstm": matrix, "mha": heads})
    assert sheet(acts, "lstm").header["tiles"][0]["shape"] == [50, 75]
    panel = sheet(acts, "mha")
    assert (labels(panel), panel.header["labels"]) == ([str(i) for i in range(8)], "head")


def test_an_input_in_colour() -> None:
    panel = sheet(ACTS)
    assert [tile["format"] for tile in panel.header["tiles"]] == ["rgb"]
    values = ACTS.input.values[0].astype(float)
    exact = (values - values.min()) / (values.max() - values.min()) * 255
    assert np.abs(panel.pixels(0) - exact).max() <= 0.51
    assert panel.header["scale"]["text"].startswith("red, green and blue: ")
    given_ = sheet(ACTS, limits=(-1, 1))
    assert given_.header["scale"]["text"] == "red, green and blue: -1 … 1"
    assert np.abs(given_.pixels(0) - np.clip((values + 1) / 2 * 255, 0, 255)).max() <= 0.51


def test_what_is_not_finite_in_a_coloured_picture() -> None:
    values = maps(3).values.copy()
    values[0, 0, 0, 1], values[0, 2, 3, 0] = np.nan, np.inf
    panel = sheet(recording({}, image=named(values, MAPS)))
    special = (panel.pixels(0) == palette.SPECIAL[palette.NAN]).all(axis=-1)
    assert np.argwhere(special).tolist() == [[0, 0], [2, 3]]
    assert panel.header["note"] == "2 values are NaN or infinite"
    everywhere = sheet(recording({}, image=named(np.full((1, 2, 2, 3), np.nan), MAPS)))
    json.dumps(everywhere.header, allow_nan=False)


def test_kernels_are_one_tile_per_channel_and_input() -> None:
    assert labels(sheet(WEIGHTS, "one/kernel")) == ["0", "1", "2", "3"]
    colour = sheet(WEIGHTS, "colour/kernel")
    assert labels(colour) == ["0", "1", "2", "3"]
    assert {tile["format"] for tile in colour.header["tiles"]} == {"rgb"}
    deep = sheet(WEIGHTS, "deep/kernel")
    assert labels(deep) == [f"{c}·{i}" for c in range(4) for i in range(7)]
    assert deep.header["columns"] == 7


def test_kernels_in_colour_have_a_grey_zero() -> None:
    values = np.zeros((1, 1, 3, 2), np.float32)
    values[0, 0, :, 1] = -1, 0, 0.5
    weights = recording({"conv/kernel": named(values, ("y", "x", "input", "channel"))})
    panel = sheet(weights, "conv/kernel")
    assert panel.pixels(0).ravel().tolist() == [128] * 3
    assert panel.pixels(1).ravel().tolist() == [0, 128, 191]
    half = sheet(weights, "conv/kernel", limits="half")
    assert half.pixels(1).ravel().tolist() == [0, 128, 255]
    values[...] = 0
    assert sheet(weights, "conv/kernel").pixels(1).ravel().tolist() == [128] * 3


def test_many_kernels_are_joined_and_none_is_dropped() -> None:
    panel = sheet(WEIGHTS, "wide/kernel")  # 2,048 of 3 by 3
    assert labels(panel) == [str(i) for i in range(32)]
    for i in range(32):
        pixels = panel.pixels(i)
        assert pixels.shape == (8 * 4 - 1, 8 * 4 - 1)
        assert (pixels < palette.LEVELS).sum() == 64 * 9
    apart = sheet(WEIGHTS, "wide/kernel:3")
    assert len(apart) == 64
    # The kernel of input 9 lies in the second row, second from the left.
    low, high = panel.header["scale"]["low"], panel.header["scale"]["high"]
    exact = (WEIGHTS["wide/kernel"].values[:, :, 9, 3] - low) / (high - low) * 238
    assert np.abs(panel.pixels(3)[4:7, 4:7] - exact).max() <= 0.51


def test_dense_kernels_as_images_with_half_the_limits() -> None:
    panel = sheet(WEIGHTS, "coefs_0", reshape=(3, 4), limits="half")
    assert labels(panel) == ["0", "1"]
    assert (panel.header["scale"]["low"], panel.header["scale"]["high"]) == (-1, 1)
    values = WEIGHTS["coefs_0"].values[:, 1].reshape(3, 4)
    assert np.abs(panel.pixels(1) - np.clip((values + 1) / 2 * 238, 0, 238)).max() <= 0.51
    given_ = sheet(WEIGHTS, "coefs_0", reshape=(3, 4), limits=(0, 1)).header["scale"]
    assert (given_["mode"], given_["low"], given_["high"]) == ("limits", 0, 1)


@pytest.mark.parametrize(
    ("recorded", "address"),
    [(ACTS, "conv"), (ACTS, "conv:3"), (ACTS, "dense"), (ACTS, "input"), (ACTS, "conv:1@2,3"),
     (WEIGHTS, "colour/kernel"), (WEIGHTS, "deep/kernel"), (WEIGHTS, "wide/kernel")],
)  # fmt: skip
def test_values_are_written_in_their_cells(recorded: Any, address: str) -> None:
    panel = sheet(recorded, address, values=True)
    array = recorded[address]
    values = array.isel(sample=0) if "sample" in array.dims else array
    texts = [text for tile in panel.header["tiles"] for text in tile["texts"]]
    assert sorted(texts) == sorted(f"{value:z.1f}" for value in values.values.ravel())
    assert all(len(t["texts"]) == t["shape"][0] * t["shape"][1] for t in panel.header["tiles"])
    assert len({t["box"][2] // t["shape"][1] for t in panel.header["tiles"]}) == 1


def test_long_vectors_with_values() -> None:
    acts = recording({"dense": named(np.arange(200.0)[None], VECTOR)})
    tiles = sheet(acts, "dense", values=True).header["tiles"]
    assert [text for tile in tiles for text in tile["texts"]] == [f"{i}.0" for i in range(200)]


def test_too_many_values_to_write() -> None:
    acts = recording({"conv": maps(100, 20, 20)})
    with pytest.raises(
        ViewError, match=r"'conv' has 40,000 values: values=True writes up to 20,000"
    ):
        sheet(acts, "conv", values=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": "units"}, "scale='units' is none: pass 'unit', 'layer'"),
        ({"scale": (3, 1)}, r"scale=\(3, 1\) is none"),
        ({"limits": "quarter"}, r"limits='quarter': pass 'half', or \(low, high\)"),
        ({"limits": "layer"}, "limits='layer': pass 'half'"),
        ({"limits": (1, 0)}, r"limits=\(1, 0\): pass 'half'"),
        ({"palette": "virids"}, "no palette 'virids': did you mean 'viridis'"),
        ({"ground": "blue"}, "no ground 'blue'"),
        ({"columns": 0}, r"columns=0: pass a whole number from 1\."),
        ({"sample": 2}, "There is no sample 2: there are 2, counted from 0"),
    ],
)
@pytest.mark.parametrize("address", ["conv", "input"])
def test_bad_arguments(address: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ViewError, match=message):
        sheet(ACTS, address, **arguments)


def test_bad_addresses() -> None:
    with pytest.raises(AddressError, match="There is no layer 'cnov': did you mean 'conv'"):
        sheet(ACTS, "cnov")
    with pytest.raises(AddressError, match="'conv' has 5 along channel, counted from 0: 5 is not"):
        sheet(ACTS, "conv:5")


def test_the_values_of_a_long_vector_stand_in_cells_of_one_size() -> None:
    """Whatever is in a row of it: rows are enlarged alike, and lie below one another."""
    for seed in range(5):
        drawn = np.random.default_rng(seed)
        values = drawn.normal(size=(2, 324)) * 10.0 ** drawn.integers(-3, 4, (2, 324))
        panel = sheet(recording({"out": named(values, VECTOR)}), "out", values=True, sample=1)
        sizes = {tile["box"][2] // tile["shape"][1] for tile in panel.header["tiles"]}
        assert len(sizes) == 1
        assert panel.png()


@pytest.mark.parametrize("shape", [(1, 0, 5, 3), (1, 4, 5, 0), (1, 0, 0, 0)])
def test_nothing_to_draw(shape: tuple[int, ...]) -> None:
    acts = recording({"conv": named(np.zeros(shape), MAPS)})
    with pytest.raises(ViewError, match=r"conv \(.*\) has nothing to draw: its shape is empty"):
        sheet(acts, "conv")


def test_looking_changes_nothing() -> None:
    acts = recording({"conv": maps(4)}, image=maps(3))
    before = acts["conv"].values.copy()
    for scale in ("unit", "layer", "network", "zscore"):
        sheet(acts, "conv", scale=scale).png()
    assert (acts["conv"].values == before).all()
    assert not acts["conv"].values.flags.writeable
