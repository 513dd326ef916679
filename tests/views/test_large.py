"""Layers of very many units, and very long ones: drawn whole, in a picture that opens."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from cases.recordings import MAPS, VECTOR, named, recording
from layerscope import sheet
from layerscope.core.errors import ViewError
from layerscope.views.render.palette import LEVELS
from layerscope.views.render.panel import Panel

SEQUENCE = ("sample", "position", "channel")


def drawn(values: np.ndarray, axes: tuple[str, ...]) -> Panel:
    return sheet(recording({"l": named(values, axes)}), "l")


def levels(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return ((values - low) * ((LEVELS - 1) / (high - low)) + 0.5).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("side", [2, 7])
def test_a_sheet_of_65536_channels_is_no_tower(side: int) -> None:
    maps = np.arange(65_536 * side**2, dtype=np.float32).reshape(1, 65_536, side, side)
    panel = drawn(np.moveaxis(maps, 1, -1), MAPS)
    assert len(panel) == 65_536
    width, height = panel.header["size"]
    assert max(width, height) < 1.2 * min(width, height)
    assert width * height < 2**27
    boxes = np.array([tile["box"] for tile in panel.header["tiles"]])
    assert len(np.unique(boxes[:, :2], axis=0)) == 65_536
    assert (np.abs(panel.pixels(65_535).astype(int) - (LEVELS - 1)) <= 1).all()


@pytest.mark.parametrize("count", [4097, 16_384, 16_385, 50_000, 1_000_000])
def test_long_vectors_are_blocks_with_every_unit(count: int) -> None:
    values = np.random.default_rng(0).permutation(count).astype(np.float32)
    panel = drawn(values[None], VECTOR)
    cells = np.concatenate([panel.pixels(i).ravel() for i in range(len(panel))])
    assert (np.abs(cells.astype(int) - levels(values)) <= 1).all()
    for i, tile in enumerate(panel.header["tiles"]):
        start, stop = map(int, tile["label"].split("–"))
        assert stop - start + 1 == panel.pixels(i).size
    assert max(panel.header["size"]) < 4000


def test_sequences_of_very_many_channels_fit_a_screen_and_lose_no_extreme() -> None:
    values = np.random.default_rng(0).random((8, 100_000), np.float32)
    panel = drawn(values[None], SEQUENCE)
    shown, whole = panel.pixels(0).astype(int), levels(values)
    assert len(panel) == 1
    for extreme in (np.min, np.max):
        assert (np.abs(extreme(shown, axis=1) - extreme(whole, axis=1)) <= 1).all()
    assert panel.header["positions"] == 100_000
    assert max(panel.header["size"]) < 2_000


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "axes"), [((1, 1, 1, 65_536), MAPS), ((1, 1_000_000), VECTOR)])
def test_an_svg_of_a_large_picture_embeds_it(
    tmp_path: Path, shape: tuple[int, ...], axes: tuple[str, ...]
) -> None:
    panel = drawn(np.ones(shape, np.float32), axes)
    text = panel.save(tmp_path / "l.svg").read_text(encoding="utf-8")
    assert re.findall(r"<(\w+)", text) == ["svg", "title", "desc", "image"]
    assert len(text) < 2 * len(panel.png())


@pytest.mark.slow
def test_a_figure_of_a_large_picture_has_few_artists_and_a_size_that_can_be_drawn() -> None:
    panel = drawn(np.ones((1, 1, 1, 65_536), np.float32), MAPS)
    figure = panel.figure()
    axes = figure.axes[0]
    assert len(axes.images) == 1
    assert len(axes.get_xticks()) <= 64
    assert len(axes.get_yticks()) <= 64
    assert max(figure.get_size_inches()) * 300 < 2**16


@pytest.mark.slow
def test_a_picture_that_nothing_would_open_is_refused_in_a_sentence() -> None:
    maps = np.broadcast_to(np.float32(1), (1, 5000, 4000, 20))
    with pytest.raises(ViewError, match=r"would have .* pixels; the most are 65,535 a side"):
        drawn(maps, MAPS)


@pytest.mark.parametrize("length", [16_000, 17_000])
def test_a_dead_map_is_marked_and_counted_once_also_where_it_is_cut(length: int) -> None:
    maps = np.random.default_rng(0).random((1, length, 3, 4)).astype(np.float32)
    maps[..., 2] = 0
    panel = drawn(maps, MAPS)
    assert "1 of 4 " in panel.header["note"]
