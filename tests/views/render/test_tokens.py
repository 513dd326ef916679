"""Tokens, and vectors, that are images: a map for each channel, what comes first above it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.recordings import VECTOR, named, recording
from layerscope import across, pages, sheet
from layerscope.core.errors import ViewError
from layerscope.views.render.palette import GROUND, LEVELS
from layerscope.views.render.select_maps import choose, reshapes

SEQUENCE = ("sample", "position", "channel")


def tokens(before: int, height: int = 3, width: int = 4, channels: int = 2) -> np.ndarray:
    """Return tokens that count: of channel 0 from 0, of channel 1 from 1000."""
    count = np.arange(before + height * width, dtype=np.float64)
    return np.stack([count + 1000 * i for i in range(channels)], axis=1)[None]


@given(st.integers(0, 16))
def test_the_first_tokens_stand_above_the_image(before: int) -> None:
    acts = recording({"l": named(tokens(before), SEQUENCE)})
    chosen = choose(acts, "l", reshape=(3, 4))
    assert chosen.labels == ["0", "1"]
    assert chosen.image_shape == (3, 4)
    image = np.arange(before, before + 12).reshape(3, 4)
    assert (chosen.maps[0, -3:] == image).all()
    assert (chosen.maps[1, -3:] == image + 1000).all()
    if before:
        above = chosen.maps[0, : -(-before // 4)].ravel()
        assert (above[:before] == np.arange(before)).all()
        assert chosen.apart is not None
        assert chosen.apart.sum() == chosen.apart.size - before - 12
    else:
        assert chosen.apart is None


def test_what_is_between_is_the_ground_and_has_no_part_in_the_range() -> None:
    acts = recording({"l": named(tokens(1), SEQUENCE)})
    panel = sheet(acts, "l", reshape=(3, 4), scale="unit")
    pixels = panel.pixels(0)
    assert pixels.shape == (5, 4)
    assert pixels[0].tolist() == [0, GROUND, GROUND, GROUND]
    assert (pixels[1] == GROUND).all()
    assert pixels[2, 0] == round((LEVELS - 1) / 12)
    assert panel.header["tiles"][1]["range"] == [1000, 1012]
    assert panel.header["note"] == "the first token stands above the 3 × 4 others"
    assert len(sheet(acts, "l:1", reshape=(3, 4))) == 1


def test_the_same_in_across_and_pages() -> None:
    layers = {"a": named(tokens(1), SEQUENCE), "b": named(tokens(5), SEQUENCE)}
    acts = recording(layers, image=named(np.arange(12.0)[None], VECTOR))
    labels = [tile["label"] for tile in across(acts, 1, reshape=(3, 4)).header["tiles"]]
    assert labels == ["input (12)", "a (3, 4)", "b (3, 4)"]
    (page,) = pages(acts, reshape=(3, 4), min_size=(3, 4))
    assert [tile["label"] for tile in page.header["tiles"]] == [
        "input (12)", "a (13, 2), mean of 2", "b (17, 2), mean of 2",
    ]  # fmt: skip


@pytest.mark.parametrize("positions", [11, 29])
def test_other_numbers_of_positions_are_refused(positions: int) -> None:
    array = named(np.zeros((1, positions, 2)), SEQUENCE)
    assert not reshapes(array, (3, 4))
    with pytest.raises(ViewError, match="for tokens"):
        sheet(recording({"l": array}), "l", reshape=(3, 4))


def test_which_values_are_reshaped() -> None:
    assert reshapes(named(np.zeros((1, 12)), VECTOR), (3, 4))
    assert not reshapes(named(np.zeros((1, 13)), VECTOR), (3, 4))
    assert not reshapes(named(np.zeros((1, 3, 4)), ("sample", "query", "key")), (3, 4))
    assert not reshapes(named(np.zeros((1, 12)), VECTOR), None)
