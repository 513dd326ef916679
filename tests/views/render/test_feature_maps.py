from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cases.recordings import kernel, maps, named, recording, weights
from cases.visualizations import IMAGES, UNITS, coloured, growing, stripes, visualization
from layerscope import across, pages, sheet
from layerscope.core.errors import AddressError, LayerscopeError, ViewError
from layerscope.recordings.visualization import FeatureVisualization, Grade
from layerscope.views.render.palette import LEVELS, NAN, SPECIAL
from layerscope.views.render.panel import Panel

RNG = np.random.default_rng(0)


def grey(size: int = 6, units: tuple[int, ...] = UNITS) -> FeatureVisualization:
    """One input, values from 0 to 1."""
    values = RNG.random((size, size, 1, len(units))).astype(np.float32)
    return visualization({"deep": named(values, IMAGES, units=units)}, input_range=(0, 1))


def labels(panel: Panel) -> list[str]:
    """The labels without the grades, which are a line of their own."""
    return [tile["label"].partition("\n")[0] for tile in panel.header["tiles"]]


def grades(panel: Panel) -> list[str]:
    return [tile["label"].partition("\n")[2] for tile in panel.header["tiles"]]


def bytes_of(values: Any, low: float, high: float) -> np.ndarray:
    """The slow obvious version: a value's share of a range, in 255ths."""
    share = (np.asarray(values, float) - low) / (high - low)
    return np.clip(np.rint(255 * share), 0, 255).astype(np.uint8)


def test_three_inputs_are_colours_on_the_range_of_the_input() -> None:
    panel = sheet(coloured(), "deep")
    assert labels(panel) == ["3", "42", "57"]
    for i, tile in enumerate(panel.header["tiles"]):
        assert (tile["format"], tile["range"], tile["blank"]) == ("rgb", [-1, 1], False)
        assert (panel.pixels(i) == bytes_of(stripes()[..., i], -1, 1)).all()
    assert panel.header["title"] == "feature visualization of deep (12, 12, 3)"
    assert panel.header["scale"]["text"] == "in colour, the input's range: -1 … 1"
    assert panel.header["scale"]["mode"] == "input"
    assert panel.provenance() == {"model": "abc"}


def test_a_unit_is_found_by_its_number() -> None:
    panel = sheet(coloured(), "deep:42")
    assert labels(panel) == ["42"]
    assert (panel.pixels(0) == sheet(coloured(), "deep").pixels(1)).all()
    assert panel.header["title"] == "feature visualization of deep:42 (12, 12, 3)"


def test_zero_is_no_grey_where_the_range_does_not_say_so() -> None:
    dark = coloured(input_range=(0, 255))
    assert sheet(dark, "deep").pixels(0).max() <= 1


def test_each_image_by_its_own_range() -> None:
    images = stripes() * np.array([1, 0.5, 0.1], np.float32)
    features = visualization({"deep": named(images, IMAGES, units=UNITS)}, input_range=(-1, 1))
    panel = sheet(features, "deep", scale="unit")
    for i in range(3):
        low, high = float(images[..., i].min()), float(images[..., i].max())
        assert panel.header["tiles"][i]["range"] == [low, high]
        near = panel.pixels(i).astype(int) - bytes_of(images[..., i], low, high)
        assert np.abs(near).max() <= 1
    assert panel.header["scale"]["text"] == "in colour, each map on its own range"
    assert (
        sheet(features, "deep", scale="input").pixels(0) == bytes_of(images[..., 0], -1, 1)
    ).all()


@pytest.mark.parametrize(
    ("how", "low", "high"),
    [
        ({"scale": (-0.5, 0.25)}, -0.5, 0.25),
        ({"limits": (-2, 2)}, -2, 2),
        ({"limits": "half"}, -0.5, 0.5),
        ({"scale": "layer"}, float(stripes().min()), float(stripes().max())),
        ({"scale": "network"}, float(stripes().min()), float(stripes().max())),
    ],
)
def test_other_scales_of_colours(how: dict[str, Any], low: float, high: float) -> None:
    panel = sheet(coloured(), "deep", **how)
    near = panel.pixels(1).astype(int) - bytes_of(stripes()[..., 1], low, high)
    assert np.abs(near).max() <= 1


def test_zscore_is_that_of_all_colours_of_an_image() -> None:
    image = stripes()[..., 1].astype(float)
    panel = sheet(coloured(), "deep", scale="zscore")
    expected = np.clip((image - image.mean()) / image.std() * 64 + 128, 0, 255)
    assert np.abs(panel.pixels(1) - expected).max() <= 1


def test_a_flat_image_stays_flat_and_is_marked() -> None:
    images = stripes()
    images[..., 1] = 0.5
    images[0, 0, :, 1] += 1e-8
    features = visualization({"deep": named(images, IMAGES, units=UNITS)}, input_range=(-1, 1))
    panel = sheet(features, "deep", scale="unit")
    assert len(np.unique(panel.pixels(1))) == 1
    assert panel.header["note"] == "1 of 3 constant"
    assert panel.png()


def test_nan_has_its_colour_and_is_counted() -> None:
    images = stripes()
    images[2, 3, 1, 0] = np.nan
    features = visualization({"deep": named(images, IMAGES, units=UNITS)}, input_range=(-1, 1))
    panel = sheet(features, "deep")
    assert tuple(panel.pixels(0)[2, 3]) == SPECIAL[NAN]
    assert panel.header["note"] == "1 values are NaN or infinite"


def test_one_input_is_grey() -> None:
    features = grey()
    panel = sheet(features, "deep")
    assert panel.header["palette"] == "gray"
    assert (panel.header["scale"]["low"], panel.header["scale"]["high"]) == (0, 1)
    assert panel.header["scale"]["text"] == "the input's range: 0 … 1"
    exact = features["deep:42"].values[..., 0] * (LEVELS - 1)
    assert np.abs(panel.pixels(1) - exact).max() <= 0.51
    assert sheet(features, "deep", palette="viridis").header["palette"] == "viridis"
    assert sheet(recording({"conv": maps(2)}), "conv").header["palette"] == "viridis"


def test_of_many_inputs_each_is_a_map_and_none_is_dropped() -> None:
    values = RNG.random((5, 4, 6, 2)).astype(np.float32)
    features = visualization({"deep": named(values, IMAGES, units=(7, 9))}, input_range=(0, 1))
    panel = sheet(features, "deep")
    assert labels(panel) == [f"{unit}·{i}" for unit in (7, 9) for i in range(6)]
    assert panel.header["columns"] == 6
    exact = values[:, :, 2, 1] * (LEVELS - 1)
    assert np.abs(panel.pixels(6 + 2) - exact).max() <= 0.51
    assert labels(sheet(features, "deep:9")) == [f"9·{i}" for i in range(6)]


def test_vectors_are_rows_or_images() -> None:
    images = grey(4)
    axes = ("input", "channel")
    flat = named(images["deep"].values.reshape(16, 3), axes, units=UNITS)
    vectors = visualization({"deep": flat}, input_range=(0, 1))
    rows, shaped = sheet(vectors, "deep"), sheet(vectors, "deep", reshape=(4, 4))
    assert labels(rows) == labels(shaped) == ["3", "42", "57"]
    assert rows.header["columns"] == 1
    for i in range(3):
        assert rows.pixels(i).shape == (1, 16)
        assert (shaped.pixels(i) == sheet(images, "deep").pixels(i)).all()
        assert (shaped.pixels(i).ravel() == rows.pixels(i).ravel()).all()
    assert (sheet(vectors, "deep:57", reshape=(4, 4)).pixels(0) == shaped.pixels(2)).all()


def test_a_vector_may_be_an_image_in_colour() -> None:
    axes = ("input", "channel")
    flat = named(stripes().reshape(12 * 12 * 3, 3), axes, units=UNITS)
    vectors = visualization({"deep": flat}, input_range=(-1, 1))
    panel = sheet(vectors, "deep", reshape=(12, 12, 3))
    assert (panel.pixels(2) == sheet(coloured(), "deep").pixels(2)).all()


def test_sequences_are_matrices_and_volumes_slices() -> None:
    values = RNG.random((7, 4, 2))
    axes = ("position", "input", "channel")
    sequence = visualization({"deep": named(values, axes, units=(1, 5))}, input_range=(0, 1))
    panel = sheet(sequence, "deep")
    assert labels(panel) == ["1", "5"]
    assert np.abs(panel.pixels(1) - values[..., 1] * (LEVELS - 1)).max() <= 0.51
    cube = named(RNG.random((2, 5, 4, 1, 2)), ("z", *IMAGES), units=(1, 5))
    volume = visualization({"deep": cube}, input_range=(0, 1))
    assert labels(sheet(volume, "deep")) == ["1·0", "1·1", "5·0", "5·1"]


def batch() -> FeatureVisualization:
    images = np.stack([stripes(), stripes() / 2])
    axes = ("sample", *IMAGES)
    return visualization({"deep": named(images, axes, units=UNITS)}, input_range=(-1, 1))


def test_of_several_images_for_one_objective_all_are_drawn() -> None:
    panel = sheet(batch(), "deep")
    assert labels(panel) == ["3·0", "3·1", "42·0", "42·1", "57·0", "57·1"]
    assert panel.header["columns"] == 2
    assert (panel.pixels(3) == bytes_of(stripes()[..., 1] / 2, -1, 1)).all()
    one = sheet(batch(), "deep", sample=1)
    assert labels(one) == ["3", "42", "57"]
    assert (one.pixels(1) == panel.pixels(3)).all()
    with pytest.raises(ViewError, match=r"There is no sample 2: there are 2, counted from 0\."):
        sheet(batch(), "deep", sample=2)


def test_without_an_address_all_images_are_drawn() -> None:
    assert labels(sheet(coloured())) == ["3", "42", "57"]
    several = visualization(
        {
            "deep:42@7,7": named(stripes(1), IMAGES),
            "conv + deep": named(stripes(1), IMAGES),
            "deep": named(stripes(), IMAGES, units=UNITS),
        },
        input_range=(-1, 1),
    )
    panel = sheet(several)
    assert labels(panel) == ["deep:42@7,7", "conv + deep", "deep:3", "deep:42", "deep:57"]
    assert panel.header["title"] == "feature visualizations (12, 12, 3)"
    assert (panel.pixels(4) == sheet(several, "deep:57").pixels(0)).all()
    alone = sheet(several, "deep:42@7,7")
    assert labels(alone) == [""]
    assert alone.header["title"] == "feature visualization of deep:42@7,7 (12, 12, 3)"


def test_at_a_step() -> None:
    panel = sheet(growing(), "deep:3", step=9)
    assert (panel.pixels(0) == bytes_of(stripes()[..., 0] * np.float32(9 / 20), -1, 1)).all()
    assert (sheet(growing(), "deep").pixels(1) == sheet(coloured(), "deep").pixels(1)).all()


def test_values_are_those_of_each_input() -> None:
    panel = sheet(coloured(), "deep:42", values=True)
    assert labels(panel) == ["42·0", "42·1", "42·2"]
    written = panel.header["tiles"][1]["texts"]
    assert list(written) == [f"{v:z.1f}" for v in stripes()[:, :, 1, 1].ravel()]


def test_a_unit_through_the_layers() -> None:
    features = visualization(
        {
            "conv": named(stripes(), IMAGES, units=(1, 3, 5)),
            "deep": named(stripes(), IMAGES, units=UNITS),
            "conv + deep": named(stripes(1), IMAGES),
        },
        input_range=(-1, 1),
    )
    panel = across(features, 3)
    assert labels(panel) == ["conv (12, 12)", "deep (12, 12)"]
    assert (panel.pixels(0) == bytes_of(stripes()[..., 1], -1, 1)).all()
    assert (panel.pixels(1) == bytes_of(stripes()[..., 0], -1, 1)).all()
    assert across(grey(), 42).header["palette"] == "gray"
    with pytest.raises(
        ViewError, match=r"No image was made for a unit 7: there are those of 1, 3, 5, 42"
    ):
        across(features, 7)


ACTS = recording(
    {"deep": maps(60), "logits": named([np.arange(60.0)], ("sample", "unit")), "few": maps(2)}
)


@pytest.mark.parametrize("address", ["deep", "logits"])
def test_each_image_stands_before_the_map_of_its_unit(address: str) -> None:
    features = visualization({address: named(stripes(), IMAGES, units=UNITS)}, input_range=(-1, 1))
    panel, alone = sheet(ACTS, address, features=features), sheet(ACTS, address)
    assert labels(panel) == ["3", "", "42", "", "57", ""]
    for i, unit in enumerate(UNITS):
        assert (panel.pixels(2 * i) == bytes_of(stripes()[..., i], -1, 1)).all()
        assert (panel.pixels(2 * i + 1) == alone.pixels(unit)).all()
    assert panel.header["note"].endswith("57 without an image left out")
    assert "; images in colour, the input's range: -1 … 1" in panel.header["scale"]["text"]
    one = sheet(ACTS, f"{address}:42", features=features)
    assert len(one) == 2
    assert (one.pixels(0) == panel.pixels(2)).all()


def test_grey_images_are_grey_beside_maps_in_colours() -> None:
    features = grey()
    panel = sheet(ACTS, "deep:42", features=features)
    image, seen = features.image("deep:42")[..., 0], panel.pixels(0)
    assert panel.header["palette"] == "viridis"
    assert (seen[..., 0] == seen[..., 1]).all()
    assert (seen[..., 0] == seen[..., 2]).all()
    assert np.abs(seen[..., 0] - 255 * image).max() <= 2
    assert panel.header["tiles"][1]["format"] == "index"


def test_vectors_beside_maps_are_given_a_shape() -> None:
    axes = ("input", "channel")
    flat = named(RNG.random((16, 3)), axes, units=UNITS)
    features = visualization({"logits": flat}, input_range=(0, 1))
    panel = sheet(ACTS, "logits", features=features, reshape=(4, 4))
    assert panel.pixels(0).shape == (4, 4, 3)


def test_image_kernel_and_map_of_a_unit_together() -> None:
    own = weights({"deep": {"deep/kernel": kernel(3, 60)}})
    panel = sheet(ACTS, "deep", features=coloured(), kernels=own)
    assert labels(panel) == ["3", "", "", "42", "", "", "57", "", ""]
    assert panel.header["columns"] % 3 == 0
    assert (panel.pixels(3) == sheet(own, "deep/kernel").pixels(42)).all()
    assert (panel.pixels(4) == sheet(coloured(), "deep").pixels(1)).all()
    images = sheet(coloured(), "deep", kernels=own)
    assert labels(images) == ["3", "", "42", "", "57", ""]
    assert (images.pixels(2) == panel.pixels(3)).all()


def two_shapes() -> FeatureVisualization:
    images = {"conv": stripes(1, 4), "deep": stripes(1, 5)}
    return visualization({name: named(own, IMAGES) for name, own in images.items()})


@pytest.mark.parametrize(
    ("draw", "kind", "message"),
    [
        (lambda: pages(coloured()), ViewError, "A passage follows one input through the layers"),
        (lambda: sheet(coloured(), "deep:4"), AddressError, "There is no image of 'deep:4'"),
        (lambda: sheet(coloured(), "input"), AddressError, "This recording holds no input"),
        (lambda: sheet(two_shapes()), ViewError, "not of one shape: name one of 'conv', 'deep'"),
        (
            lambda: sheet(coloured(), "deep", reshape=(4, 4)),
            ViewError,
            "'deep' is an image already: reshape= is for networks that take vectors",
        ),
        (
            lambda: sheet(
                visualization({"deep": named(np.zeros((16, 1)), ("input", "channel"))}),
                reshape=(3, 5),
            ),
            ViewError,
            r"reshape=\(3, 5\) has 15 places, and the images of 'deep' have 16 values",
        ),
        (lambda: sheet(ACTS, "deep", scale="input"), ViewError, "scale='input' is none: pass"),
        (
            lambda: sheet(ACTS, "deep", features=ACTS),
            ViewError,
            r"features= takes what features\(model, …\) returned, not a Recording",
        ),
        (
            lambda: sheet(ACTS, "few", features=coloured()),
            ViewError,
            "features= holds no images of units of 'few': there are 'deep'",
        ),
        (
            lambda: sheet(ACTS, "deep:5", features=coloured()),
            ViewError,
            "features= holds images of 'deep' for 3, 42, 57: none of them is drawn",
        ),
    ],
)
def test_what_can_not_be_drawn(
    draw: Callable[[], object], kind: type[LayerscopeError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        draw()


def test_a_grade_stands_on_the_tile() -> None:
    assert grades(sheet(coloured(), "deep")) == ["1.6 × samples", "3.2 × samples", "4.8 × samples"]
    assert grades(sheet(coloured(), "deep:42")) == ["3.2 × samples"]
    assert grades(sheet(coloured())) == grades(sheet(coloured(), "deep"))
    assert grades(sheet(growing(), "deep", step=9)) == ["", "", ""]  # of the last step alone
    assert grades(sheet(growing(), "deep", step=20))[0] == "1.6 × samples"
    given = [
        Grade("deep:3", -0.5, -1.0, None, "the unit never fired"),
        Grade("deep:42", float("nan"), 0.0),
        Grade("deep:57", 0.5, 0.5, None, "it did not rise"),
    ]
    panel = sheet(coloured(grades=given), "deep")
    assert grades(panel) == ["never fired", "not finite", "did not rise"]
    plain = [Grade("deep:3", 12.345, 1.0), Grade("deep:57", 2.0, 1.0, -1.0)]
    assert grades(sheet(coloured(grades=plain), "deep")) == ["reaches 12.3", "", "reaches 2"]


def test_an_image_alone_has_its_grade_for_a_label() -> None:
    image = {"conv + deep": named(stripes(1), IMAGES)}
    panel = sheet(visualization(image, grades=[Grade("conv + deep", 3.0, 1.0)]))
    assert panel.header["tiles"][0]["label"] == "reaches 3"
