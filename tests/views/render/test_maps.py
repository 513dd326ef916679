"""Maps where there is little room for them: averages, in their places."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.views.render.grid import Heading, Tile, arrange
from layerscope.views.render.maps import thinned
from layerscope.views.render.palette import GROUND, LEVELS, MASKED, NAN
from layerscope.views.render.png import compose

HEADING = Heading("maps", "maps", "one range: 0 … 1", "layer", (0.0, 1.0))


def panel(*tiles):
    return arrange(tiles, HEADING, columns=None, palette="gray", ground="dark", provenance=dict)


def test_values_are_averaged_and_what_is_none_stays_where_it_is_alone():
    pixels = np.array(
        [[0, 10, NAN, 20, MASKED, MASKED], [20, 30, 40, 60, MASKED, MASKED]], np.uint8
    )
    small = thinned(panel(Tile(pixels, "a", 0.0, 1.0)), 2)
    assert small.pixels(0).tolist() == [[15, 40, MASKED]]
    assert small.header["thinned"] == 2
    assert "2 by 2 values of each map are averaged" in small.header["note"]


def test_colours_are_averaged_each_by_itself():
    pixels = np.array([[[0, 100, 200], [10, 50, 0]]], np.uint8)
    assert thinned(panel(Tile(pixels)), 2).pixels(0).tolist() == [[[5, 75, 100]]]


@pytest.mark.parametrize("times", [2, 3, 5, 40])
@pytest.mark.parametrize("magnify", [1, 3, 4])
def test_maps_stay_where_they_are_and_can_still_be_drawn(times, magnify):
    rng = np.random.default_rng(0)
    maps = [rng.integers(0, LEVELS, (24, 17), dtype=np.uint8) for _ in range(3)]
    whole = panel(
        *(Tile(pixels, str(i), 0.0, 1.0, False, magnify) for i, pixels in enumerate(maps))
    )
    small = thinned(whole, times)
    for before, after in zip(whole.header["tiles"], small.header["tiles"], strict=True):
        (x, y, width, height), (left, top, wide, high) = before["box"], after["box"]
        assert (left, top) == (x, y)
        assert wide <= width
        assert high <= height
        rows, columns = after["shape"]
        assert (wide % columns, high % rows) == (0, 0)
        assert wide // columns == high // rows
    canvas = compose(small)
    assert canvas.shape == compose(whole).shape
    assert (canvas != GROUND).any()


def test_cells_with_values_written_in_them_stay():
    tile = Tile(np.array([[0, 238]], np.uint8), "", 0.0, 1.0, False, 30, ("0.0", "1.0"))
    assert thinned(panel(tile), 2).pixels(0).tolist() == [[0, 238]]
