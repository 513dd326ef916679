from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.core.errors import ViewError
from layerscope.views.render import text
from layerscope.views.render.grid import (
    LABEL,
    Heading,
    Tile,
    arrange,
    check_columns,
    for_values,
    magnification,
)
from layerscope.views.render.panel import Panel

HEADING = Heading("conv (5, 5, 3)", "conv", "one range: 0 … 1", "layer", (0.0, 1.0))


def grid(tiles: list[Tile], heading: Heading = HEADING, **more: Any) -> Panel:
    given_ = {"columns": None, "palette": "viridis", "ground": "dark", "provenance": dict}
    return arrange(tiles, heading, **{**given_, **more})


def tile(height: int, width: int, label: str = "0", **more: Any) -> Tile:
    size = height * width
    return Tile(np.arange(size, dtype=np.uint8).reshape(height, width), label, **more)


TILES = st.lists(
    st.builds(
        tile,
        st.integers(1, 9),
        st.integers(1, 9),
        st.sampled_from(["", "0", "127", "3·12", "conv (26, 26)"]),
        magnify=st.integers(1, 5),
    ),
    min_size=1,
    max_size=20,
)


@given(TILES, st.none() | st.integers(1, 25), st.integers(1, 2), st.sampled_from(["", "3 blank"]))
def test_every_tile_has_a_place_of_its_own(
    tiles: list[Tile], columns: int | None, group: int, note: str
) -> None:
    heading = Heading("title", "conv", "scale", "layer", (0.0, 1.0), note)
    panel = grid(tiles, heading, columns=columns, group=group)
    header = panel.header
    assert len(panel) == len(tiles)
    taken = np.zeros(header["size"][::-1], int)
    x, y, w, h = header["bar"]
    taken[y : y + h, x : x + w] += 1
    for own, placed in zip(tiles, header["tiles"], strict=True):
        x, y, w, h = placed["box"]
        assert (w, h) == own.size  # the aspect ratio is the map's own
        assert (taken[y : y + h, x : x + w]).shape == (h, w)  # inside the picture
        taken[y : y + h, x : x + w] += 1
        # Its label, above it.
        above = text.line_height(LABEL) + 1
        width = text.width(own.label, LABEL)
        assert taken[y - above : y - 1, x : x + width].shape == (above - 1, width)
        taken[y - above : y - 1, x : x + width] += 1
    assert taken.max() == 1


@given(TILES, st.integers(1, 25))
def test_tiles_go_in_rows_of_as_many_columns_as_asked_for(tiles: list[Tile], columns: int) -> None:
    placed = grid(tiles, columns=columns).header["tiles"]
    rows = [list(row) for _, row in itertools.groupby(placed, lambda p: p["box"][1])]
    lengths = [min(columns, len(tiles) - i) for i in range(0, len(tiles), columns)]
    assert [len(row) for row in rows] == lengths
    for row in rows:
        assert [p["box"][0] for p in row] == [p["box"][0] for p in rows[0][: len(row)]]


@given(TILES)
def test_pixels_come_back_as_they_were(tiles: list[Tile]) -> None:
    panel = grid(tiles)
    for i, own in enumerate(tiles):
        assert (panel.pixels(i) == own.pixels).all()
    assert len(panel.buffers["pixels"]) == sum(own.pixels.size for own in tiles)


def test_colours_come_back_too() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    panel = grid([tile(2, 2), Tile(pixels), tile(3, 1)])
    assert [p["format"] for p in panel.header["tiles"]] == ["index", "rgb", "index"]
    assert (panel.pixels(1) == pixels).all()
    assert (panel.pixels(2) == [[0], [1], [2]]).all()


@given(TILES)
def test_the_header_is_json(tiles: list[Tile]) -> None:
    header = grid(tiles).header
    assert json.loads(json.dumps(header, allow_nan=False)) == header


def test_sixteen_to_a_row_fewer_where_they_are_wide() -> None:
    assert grid([tile(1, 1)] * 50).header["columns"] == 16
    assert grid([tile(1, 1)] * 5).header["columns"] == 5
    wide = Tile(np.zeros((1, 400), np.uint8))
    panel = grid([wide] * 50)
    assert panel.header["columns"] == 6
    assert panel.header["size"][0] <= 2600
    assert grid([Tile(np.zeros((1, 4000), np.uint8))] * 3).header["columns"] == 1


def test_groups_stay_on_one_row() -> None:
    assert grid([tile(1, 1)] * 50, group=2).header["columns"] == 16
    assert grid([tile(1, 1)] * 50, group=2, columns=3).header["columns"] == 6


@given(st.integers(1, 500), st.integers(1, 500))
def test_maps_are_enlarged_in_whole_steps_towards_the_target(height: int, width: int) -> None:
    times = magnification((height, width), 64)
    assert 1 <= times <= 24
    if times > 1:
        assert times * max(height, width) <= 64
    if times < 24:
        assert (times + 1) * max(height, width) > 64


def test_values_are_written_to_one_decimal_in_cells_that_hold_them() -> None:
    values = np.array([[0.04, -12.25], [1000, 3]])
    written = for_values(tile(2, 2), values)
    assert written.texts == ("0.0", "-12.2", "1000.0", "3.0")
    assert written.magnify >= max(text.width(t, LABEL) for t in written.texts)
    assert written.magnify >= text.line_height(LABEL)


@pytest.mark.parametrize("columns", [0, -1, 1.5, "3", True])
def test_columns_are_a_whole_number(columns: Any) -> None:
    with pytest.raises(ViewError, match=r"columns=.*: pass a whole number from 1\."):
        grid([tile(1, 1)], columns=columns)


def test_columns_may_be_numpys() -> None:
    assert check_columns(np.int64(3)) == 3
    assert type(check_columns(np.int64(3))) is int
    assert check_columns(None) is None


def test_nothing_to_draw() -> None:
    with pytest.raises(ViewError, match="'conv' has nothing to draw: its shape is empty"):
        grid([])


@pytest.mark.parametrize("wrong", [{"palette": "virids"}, {"ground": "blue"}])
def test_unknown_colours_are_refused_before_anything_is_drawn(wrong: dict[str, str]) -> None:
    with pytest.raises(ViewError, match="There is no"):
        grid([tile(1, 1)], **wrong)
