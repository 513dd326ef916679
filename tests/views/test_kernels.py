from __future__ import annotations

import numpy as np
import pytest

from cases.recordings import VECTOR, kernel, maps, named, recording, weights
from layerscope import sheet
from layerscope.core.errors import ViewError
from layerscope.views.render.palette import LEVELS, table

ACTS = recording(
    {"conv": maps(4), "conv#2": maps(4), "deep": maps(6, 40, 40), "dense": named([[1.0]], VECTOR)}
)
WEIGHTS = weights(
    {
        "conv": {"conv/kernel": kernel(3, 4), "conv/bias": named(np.zeros(4), ("unit",))},
        "deep": {"deep/kernel": kernel(5, 6)},
        "dense": {"dense/kernel": named(np.zeros((4, 1)), ("input", "unit"))},
    }
)


@pytest.mark.parametrize("address", ["conv", "conv#2"])
def test_each_kernel_stands_before_the_map_that_it_makes(address: str) -> None:
    panel = sheet(ACTS, address, kernels=WEIGHTS)
    alone, kernels = sheet(ACTS, address), sheet(WEIGHTS, "conv/kernel")
    assert len(panel) == 8
    assert [tile["label"] for tile in panel.header["tiles"]] == [
        "0", "", "1", "", "2", "", "3", "",
    ]  # fmt: skip
    for i in range(4):
        assert (panel.pixels(2 * i) == kernels.pixels(i)).all()
        assert (panel.pixels(2 * i + 1) == alone.pixels(i)).all()
        left, right = panel.header["tiles"][2 * i : 2 * i + 2]
        assert left["box"][1] == right["box"][1]
    assert "; kernels in colour: -" in panel.header["scale"]["text"]
    assert panel.header["scale"]["text"].endswith(", zero is grey")


def test_kernels_of_many_inputs_are_one_tile_with_all_of_them() -> None:
    panel = sheet(ACTS, "deep", kernels=WEIGHTS, columns=2, palette="viridis")
    assert panel.header["columns"] == 4
    low, high = panel.header["tiles"][0]["range"]
    values = WEIGHTS["deep/kernel"].values
    for channel in range(6):
        pixels = panel.pixels(2 * channel)
        assert (pixels < LEVELS).sum() == 5 * 9
        for i in range(5):
            row, column = divmod(i, 3)
            part = pixels[4 * row : 4 * row + 3, 4 * column : 4 * column + 3]
            exact = (values[:, :, i, channel] - low) / (high - low) * (LEVELS - 1)
            assert np.abs(part - exact).max() <= 0.51


def test_kernels_of_both_signs_have_zero_in_the_middle_unless_a_palette_is_asked_for() -> None:
    plain = sheet(ACTS, "deep", kernels=WEIGHTS)
    asked = sheet(ACTS, "deep", kernels=WEIGHTS, palette="diverging")
    colours = table("diverging", "dark")
    for channel in range(6):
        expected = colours[asked.pixels(2 * channel)]
        np.testing.assert_array_equal(plain.pixels(2 * channel), expected)
    assert "zero in the middle" in plain.header["scale"]["text"]
    np.testing.assert_array_equal(plain.pixels(1), sheet(ACTS, "deep").pixels(0))


def test_one_unit_with_its_kernel() -> None:
    panel = sheet(ACTS, "conv:2", kernels=WEIGHTS)
    assert len(panel) == 2
    assert (panel.pixels(0) == sheet(WEIGHTS, "conv/kernel").pixels(2)).all()


def test_kernels_are_found_by_their_layer_whatever_their_names() -> None:
    own = {"conv.bias": named(np.zeros(4), ("unit",)), "conv.weight": kernel(3, 4)}
    assert len(sheet(ACTS, "conv", kernels=weights({"conv": own}))) == 8


def test_kernels_that_are_not_finite() -> None:
    values = kernel(3, 4).values.copy()
    values[0, 0, 0, 0] = np.nan
    own = {"conv/kernel": named(values, ("y", "x", "input", "channel"))}
    assert len(sheet(ACTS, "conv", kernels=weights({"conv": own})).png()) > 0


@pytest.mark.parametrize("address", ["dense", "input", "conv"])
def test_layers_without_a_kernel(address: str) -> None:
    acts = recording({"dense": named([[1.0]], VECTOR), "conv": maps(4)}, image=maps(1))
    dense = weights({"dense": {"dense/kernel": named(np.zeros((4, 1)), ("input", "unit"))}})
    message = f"These weights hold no convolution kernel of '{address}': kernels= is for layers"
    with pytest.raises(ViewError, match=message):
        sheet(acts, address, kernels=dense)


def test_weights_of_another_model() -> None:
    other = weights({"conv": {"conv/kernel": kernel(3, 7)}})
    with pytest.raises(ViewError, match="'conv/kernel' makes 7 maps, 'conv' has 4: these weights"):
        sheet(ACTS, "conv", kernels=other)
