from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cases.networks import layer, wired
from cases.recordings import MAPS, VECTOR, maps, named, recording
from cases.visualizations import IMAGES, growing, stripes, visualization
from layerscope import sheet
from layerscope.core.axes import NamedArray
from layerscope.core.errors import ViewError
from layerscope.core.network import Network
from layerscope.recordings.recording import Recording
from layerscope.views.diagram import diagram
from layerscope.views.render.palette import GROUND, LEVELS, NAN
from layerscope.views.render.panel import Panel


def drawn(array: NamedArray, **options: Any) -> Panel:
    acts = recording({"conv": array})
    return diagram(acts.network, acts, **options)


def captions(picture: Panel) -> list[str]:
    return [text["text"] for text in picture.header["texts"] if text["anchor"] == "middle"]


def levels(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """The slow obvious version: each value's share of the range, in steps."""
    share = (np.clip(values.astype(np.float64), low, high) - low) / (high - low)
    return np.floor(share * (LEVELS - 1) + 0.5)


@pytest.mark.parametrize("sample", [0, 1])
@pytest.mark.parametrize("unit", [None, 0, 2])
def test_a_map_is_on_its_layer_s_range(sample: int, unit: int | None) -> None:
    array = maps(4)
    picture = drawn(array, sample=sample, unit=unit)
    values = np.asarray(array.values[sample])
    at = int(values.reshape(-1, 4).std(axis=0).argmax()) if unit is None else unit
    wanted = levels(values[..., at], float(values.min()), float(values.max()))
    assert np.abs(picture.pixels(0) - wanted).max() <= 1
    assert (picture.pixels(0) != wanted).mean() < 0.02  # ties in float32
    assert captions(picture) == [f"channel {at} of 4"]
    assert picture.header["tiles"][0]["range"] == pytest.approx((values.min(), values.max()))


@pytest.mark.parametrize("scale", ["unit", (-1.0, 2.0), "network", "zscore"])
def test_other_scales(scale: Any) -> None:
    array = maps(4)
    values = np.asarray(array.values[0, ..., 1], np.float64)
    low, high = {
        "unit": (values.min(), values.max()),
        "network": (array.values[0].min(), array.values[0].max()),
        "zscore": (values.mean() - 2 * values.std(), values.mean() + values.std() * 127 / 64),
    }.get(scale, scale)
    picture = drawn(array, unit=1, scale=scale)
    wanted = np.floor((values - low) / (high - low) * (LEVELS - 1) + 0.5).clip(0, LEVELS - 1)
    assert np.abs(picture.pixels(0) - wanted).max() <= 1


def test_channels_of_one_value_each_are_shown_all_together() -> None:
    values = np.linspace(0, 1, 10).reshape(1, 1, 1, 10)
    picture = drawn(named(values, MAPS))
    assert picture.pixels(0).shape == (1, 10)
    assert picture.pixels(0)[0].tolist() == sorted(picture.pixels(0)[0].tolist())
    assert captions(picture) == ["10 channels, largest 9"]


def test_a_channel_that_is_not_there_is_said() -> None:
    with pytest.raises(
        ViewError, match="There is no channel 7 in any layer: the most that one has"
    ):
        drawn(maps(2), unit=7)


def test_blank_maps_and_values_that_are_no_numbers() -> None:
    values = np.zeros((1, 4, 4, 2))
    picture = drawn(named(values, MAPS))
    assert captions(picture) == ["channel 0 of 2, blank"]
    assert picture.header["tiles"][0]["blank"]
    values = np.arange(32.0).reshape(1, 4, 4, 2)
    values[0, 1, 2, 0] = np.nan
    picture = drawn(named(values, MAPS), unit=0)
    assert picture.pixels(0)[1, 2] == NAN
    assert (picture.pixels(0) == NAN).sum() == 1
    assert not picture.header["tiles"][0]["blank"]


@pytest.mark.parametrize("count", [1, 10, 64, 65, 128, 2048, 100_000])
def test_vectors_show_every_unit(count: int) -> None:
    values = np.random.default_rng(count).normal(size=(1, count))
    picture = drawn(named(values, VECTOR))
    pixels = picture.pixels(0).ravel()
    low, high = (values.min(), values.max()) if count > 1 else (values.min() - 1, values.max())
    if count > 1:
        assert np.abs(pixels[:count] - levels(values[0], low, high)).max() <= 1
    assert (pixels[count:] == GROUND).all()
    assert len(pixels) - count < picture.pixels(0).shape[1]
    (caption,) = captions(picture)
    assert caption.split(",")[0] == ("1 unit" if count == 1 else f"{count} units")
    if 1 < count <= 1000:
        assert caption.endswith(f"largest {values.argmax()}")


@pytest.mark.parametrize("kind", [int, bool, np.uint8, np.float16])
def test_numbers_of_every_kind(kind: Any) -> None:
    picture = drawn(named(np.arange(10).reshape(1, 10).astype(kind), VECTOR))
    assert len(picture) == 1


def test_strings_and_nothing_have_no_picture() -> None:
    assert len(drawn(named([["cat", "dog"]], VECTOR))) == 0
    assert len(drawn(named(np.zeros((1, 0)), VECTOR))) == 0


def test_large_maps_are_means_of_blocks() -> None:
    values = np.random.default_rng(0).normal(size=(1, 600, 900, 1)).astype(np.float32)
    picture = drawn(named(values, MAPS))
    rows, columns = picture.pixels(0).shape
    assert max(rows, columns) < 400
    means = values[0, : rows * (600 // rows), :, 0].reshape(rows, 600 // rows, columns, -1)
    wanted = levels(means.mean(axis=(1, 3)), float(values.min()), float(values.max()))
    assert np.abs(picture.pixels(0) - wanted).max() <= 1


def edged(net: Network, **arrays: NamedArray) -> Recording:
    return Recording({k.replace("__", "/"): v for k, v in arrays.items()}, network=net)


def test_only_what_was_recorded_has_a_picture() -> None:
    net = wired([("a", "b"), ("b", "c")])
    picture = diagram(net, edged(net, b=maps(3)))
    assert [tile["label"] for tile in picture.header["tiles"]] == ["b"]
    (box,) = [box["box"] for box in picture.header["boxes"] if box["id"] == "b"]
    x, y, width, height = picture.header["tiles"][0]["box"]
    assert box[0] < x < x + width < box[0] + box[2]
    assert box[1] < y < y + height < box[1] + box[3]


def test_a_closed_block_shows_its_last_layer() -> None:
    net = wired([("x", "e/a"), ("e/a", "e/b"), ("e/b", "y")])
    picture = diagram(net, edged(net, e__a=maps(3), e__b=maps(5)), depth=0)
    assert captions(picture)[0].endswith("of 5")


def test_a_call_of_several_values_shows_the_first() -> None:
    names = ("lstm", "lstm[1]", "lstm[2]")
    net = Network("n", "none", (
        *(layer(name, "LSTM", inputs=("x",)) for name in names), layer("y", "Dense", inputs=names),
    ))  # fmt: skip
    arrays = {name: named(np.arange(5 + i)[None], VECTOR) for i, name in enumerate(names)}
    picture = diagram(net, Recording(arrays, network=net))
    assert captions(picture) == ["5 units, largest 4"]


@pytest.mark.parametrize("sample", [2, -1, True, "0", 1.0, None])
def test_a_sample_that_is_not_there(sample: Any) -> None:
    with pytest.raises(
        ViewError,
        match=r"There is no sample .*: (there are 2, counted|.* no names: count them) from 0\.",
    ):
        drawn(maps(3), sample=sample)


@pytest.mark.parametrize("unit", [-1, True, "2", 1.5])
def test_a_unit_that_is_none(unit: Any) -> None:
    with pytest.raises(ViewError, match="pass the number of a channel, counted from 0"):
        drawn(maps(3), unit=unit)


def test_the_palette_and_its_zero() -> None:
    values = np.linspace(-1, 3, 16).reshape(1, 4, 4, 1)
    picture = drawn(named(values, MAPS), palette="diverging")
    assert picture.header["palette"] == "diverging"
    assert picture.header["tiles"][0]["range"] == (-3, 3)


DEEP = Network("test", "none", (layer("deep", "Conv2D"),))


@pytest.mark.parametrize(("unit", "shown"), [(None, 3), (42, 42)])
def test_an_image_made_for_a_unit_stands_in_its_box(unit: int | None, shown: int) -> None:
    picture = diagram(DEEP, growing(), unit=unit)
    (tile,) = picture.header["tiles"]
    assert tile["range"] == (-1, 1)
    assert (picture.pixels(0) == sheet(growing(), f"deep:{shown}").pixels(0)).all()
    assert f"channel {shown}, one of 3 images" in captions(picture)
    whose = "one of its channels" if unit is None else "channel 42"
    notes = [text["text"] for text in picture.header["texts"]]
    assert f"in each box an image made for {whose}, drawn on the input's range" in notes


def test_a_unit_that_no_image_was_made_for() -> None:
    with pytest.raises(ViewError, match=r"No image was made for a unit 4: there are those of 3"):
        diagram(DEEP, growing(), unit=4)
    units = {"conv": (4,), "deep": (1,)}
    two = visualization({a: named(stripes(1), IMAGES, units=own) for a, own in units.items()})
    assert len(diagram(DEEP, two, unit=4).header["tiles"]) == 0


def test_images_of_other_objectives_stand_in_no_box() -> None:
    features = visualization({"conv + deep": named(stripes(1), IMAGES)})
    assert len(diagram(DEEP, features).header["tiles"]) == 0
    with pytest.raises(ViewError, match=r"No image was made for a unit 4: there is none\."):
        diagram(DEEP, features, unit=4)
