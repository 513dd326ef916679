"""What goes along one axis: lines and strips in which no value is averaged away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cases.recordings import VECTOR, kernel, named, recording
from cases.runs import run_of
from layerscope import across, film, pages, sheet, timeline
from layerscope.views.render.palette import (
    GROUND,
    INK,
    LEVELS,
    MARK,
    NAN,
    NEGATIVE_INFINITY,
    POSITIVE_INFINITY,
)
from layerscope.views.render.panel import Panel
from layerscope.views.render.signals import is_signal, line

SEQUENCE = ("sample", "position", "channel")


def drawn(signal: Any, **how: Any) -> Panel:
    return sheet(recording({"l": named(np.asarray(signal)[None], SEQUENCE)}), "l", **how)


def spans(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last row of the line in each column."""
    inked = pixels == INK
    assert inked.any(axis=0).all()
    return inked.argmax(axis=0), len(pixels) - 1 - inked[::-1].argmax(axis=0)


@given(st.integers(2, 5000), st.integers(0, 9))
def test_a_line_reaches_the_least_and_the_largest_value_of_each_column(n: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=n)
    low, high = values.min(), values.max()
    pixels = line(values, low, high, 100, 61)
    width = pixels.shape[1]
    assert width == (100 if n > 100 else 100 // n * n)
    top, bottom = spans(pixels)
    rows = (high - values) / (high - low) * 60
    column = np.arange(n) * width // n if n <= width else None
    if column is None:
        starts = np.arange(width) * n // width
        least, most = np.minimum.reduceat(rows, starts), np.maximum.reduceat(rows, starts)
        assert (top <= least + 1).all()
        assert (bottom >= most - 1).all()
    else:
        times = width // n
        middles = column + times // 2
        assert (top[middles] <= rows + 1).all()
        assert (bottom[middles] >= rows - 1).all()
    # Neighbours touch: a line has no gaps.
    assert (top[1:] <= bottom[:-1] + 1).all()
    assert (bottom[1:] >= top[:-1] - 1).all()


def test_a_single_spike_among_many_values_is_seen() -> None:
    values = np.zeros((100_000, 1), np.float32)
    values[54_321] = 1
    panel = drawn(values)
    top, _ = spans(panel.pixels(0))
    assert np.flatnonzero(top == 0).tolist() == [54_321 * 960 // 100_000]
    assert panel.header["tiles"][0]["range"] == [0, 1]


def test_zero_is_marked_and_what_is_no_number_has_its_colour() -> None:
    values = np.array([1.0, np.nan, -1.0, np.inf, 0.5, -np.inf, *[0.25] * 30])
    panel = drawn(values[:, None])
    pixels = panel.pixels(0)
    times = pixels.shape[1] // len(values)
    for index, at, rows in ((NAN, 1, slice(-4, None)), (POSITIVE_INFINITY, 3, slice(0, 4)),
                            (NEGATIVE_INFINITY, 5, slice(-4, None))):  # fmt: skip
        assert (pixels[rows, at * times : (at + 1) * times] == index).all()
        assert (pixels == index).sum() == 4 * times
    assert (pixels == MARK).any()
    assert set(np.unique(pixels)) <= {
        GROUND, INK, MARK, NAN, POSITIVE_INFINITY, NEGATIVE_INFINITY,
    }  # fmt: skip
    assert "3 values are NaN or infinite" in panel.header["note"]


def test_few_channels_are_lines_below_one_another() -> None:
    panel = drawn(np.random.default_rng(0).normal(size=(1000, 12)))
    header = panel.header
    assert [tile["label"] for tile in header["tiles"]] == [str(i) for i in range(12)]
    assert len({tile["box"][0] for tile in header["tiles"]}) == 1
    assert header["positions"] == 1000
    assert header["note"].startswith("1,000 positions across, 2 to a pixel")
    assert max(header["size"]) < 1200


def test_lines_on_ranges_of_their_own_say_them() -> None:
    values = np.stack([np.linspace(0, 1, 50), np.linspace(-5, 5, 50)], axis=1)
    labels = [tile["label"] for tile in drawn(values, scale="unit").header["tiles"]]
    assert labels == ["0: 0 … 1", "1: -5 … 5"]


@given(st.integers(100, 4000), st.integers(17, 40))
def test_many_channels_are_a_strip_with_every_least_and_largest(length: int, count: int) -> None:
    values = np.random.default_rng(length).random((length, count))
    panel = drawn(values, scale=(0, 1))
    (tile,) = panel.header["tiles"]
    pixels = panel.pixels(0)
    assert pixels.shape == (count, min(length, 960))
    levels = (values.T * (LEVELS - 1) + 0.5).astype(np.uint8)
    assert (pixels.min(axis=1) == levels.min(axis=1)).all()
    assert (pixels.max(axis=1) == levels.max(axis=1)).all()
    assert panel.header["axes"] == ["channel", "position"]
    assert tile["box"][3] * 10 >= tile["box"][2]


def test_which_layers_are_signals() -> None:
    assert is_signal(32_000, 1)
    assert is_signal(50, 8)
    assert not is_signal(50, 75)
    assert not is_signal(28, 3)
    assert not is_signal(50, 32)


def test_a_short_sequence_of_many_channels_is_high_enough_to_be_seen() -> None:
    panel = drawn(np.random.default_rng(0).normal(size=(4, 128)))
    (tile,) = panel.header["tiles"]
    assert tile["shape"] == [4, 128]
    _, _, width, height = tile["box"]
    assert 600 < width < 1100
    assert width / 10 < height < width / 4


def test_values_are_written_in_cells_where_that_is_asked_for() -> None:
    panel = drawn(np.arange(80.0).reshape(40, 2), values=True)
    assert panel.header["tiles"][0]["shape"] == [40, 2]
    assert panel.header["tiles"][0]["texts"][3] == "3.0"


def test_a_long_vector_as_input_is_a_signal_unless_it_is_reshaped() -> None:
    acts = recording({"l": named(np.ones((1, 4)), VECTOR)}, image=named(np.ones((1, 1600)), VECTOR))
    assert sheet(acts, "input").header["positions"] == 1600
    assert sheet(acts, "input", reshape=(40, 40)).header["tiles"][0]["shape"] == [40, 40]


def test_the_features_of_a_table_are_written_in_their_cells() -> None:
    row = np.array([[0.5, -1, 1234.5]])
    acts = recording({"l": named(np.ones((1, 4)), VECTOR)}, image=named(row, VECTOR))
    written = [tile["texts"][0] for tile in sheet(acts, "input").header["tiles"]]
    assert written == ["0.5", "-1", "1.23e+03"]


def test_kernels_of_one_dimension_are_bars_from_zero() -> None:
    values = np.zeros((5, 1, 2))
    values[:, 0, 0] = [1, -1, 0, 0.5, np.nan]
    weights = recording({"conv/kernel": named(values, ("position", "input", "channel"))})
    pixels = sheet(weights, "conv/kernel", palette="diverging").pixels(0)
    height, width = pixels.shape
    bars = pixels[:, (np.arange(5) * width // 5) + 2]
    assert (bars[:, 0] == LEVELS - 1).sum() >= height // 2 - 1
    assert (bars[:, 1] == 0).sum() >= height // 2 - 1
    assert (bars[:, 3] < LEVELS).sum() == pytest.approx(height / 4, abs=2)
    assert (bars[:, 4] == NAN).any()
    assert set(np.unique(bars[:, 2])) == {GROUND, MARK}


def test_kernels_of_one_dimension_and_many_inputs_have_them_below_one_another() -> None:
    values = np.random.default_rng(0).normal(size=(5, 9, 3))
    panel = sheet(recording({"k": named(values, ("position", "input", "channel"))}), "k")
    assert [tile["shape"] for tile in panel.header["tiles"]] == [[9, 5]] * 3
    assert panel.header["note"] == "inputs down, positions across"


def test_a_channel_across_layers_and_pages_of_a_signal_fit_a_screen() -> None:
    rng = np.random.default_rng(0)
    acts = recording(
        {f"conv{i}": named(rng.normal(size=(1, 4000 >> i, 4 << i)), SEQUENCE) for i in range(4)},
        image=named(rng.normal(size=(1, 16_000, 1)), SEQUENCE),
    )
    panel = across(acts, 2)
    assert [t["label"] for t in panel.header["tiles"]][:2] == ["input (16000, 1)", "conv0 (4000)"]
    assert max(panel.header["size"]) < 1600
    (page,) = pages(acts)
    assert len(page) == 5
    assert max(page.header["size"]) < 1600


def test_figures_count_positions_and_name_the_ends_of_the_range() -> None:
    axes = drawn(np.linspace(-1, 1, 2000)[:, None]).figure().axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["-1", "1"]
    assert [label.get_text() for label in axes.get_xticklabels()][:3] == ["0", "200", "400"]
    assert axes.get_xlabel() == "position"


def test_a_kernel_in_two_dimensions_stays_as_it_was() -> None:
    panel = sheet(recording({"conv/kernel": kernel(2, 3)}), "conv/kernel")
    assert panel.header["positions"] == 0


@pytest.mark.parametrize("shape", [(1, 400), (400, 1)])
def test_maps_of_a_single_row_or_column_are_signals(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).random((1, *shape, 20))
    axes = ("sample", "y", "x", "channel")
    panel = sheet(recording({"l": named(values, axes)}), "l", scale=(0, 1))
    assert panel.header["axes"] == ["channel", "position"]
    levels = (values[0].reshape(400, 20).T * (LEVELS - 1) + 0.5).astype(np.uint8)
    assert (panel.pixels(0) == levels).all()
    few = sheet(recording({"l": named(values[..., :3], axes)}), "l")
    assert [tile["label"] for tile in few.header["tiles"]] == ["0", "1", "2"]
    assert few.header["positions"] == 400


def test_maps_of_one_column_are_a_strip_however_many_they_are() -> None:
    values = np.random.default_rng(0).normal(size=(1, 256, 1, 128)).astype(np.float32)
    panel = sheet(recording({"l": named(values, ("sample", "y", "x", "channel"))}), "l")
    (tile,) = panel.header["tiles"]
    assert tile["shape"] == [128, 256]
    assert "channels down, 256 positions across" in str(panel.header)


def test_channels_of_a_wide_matrix_share_pixels_and_lose_no_extreme() -> None:
    values = np.zeros((40, 6625), np.float32)
    values[7, 5000], values[9, 123] = 1, -1
    panel = drawn(values)
    assert panel.header["size"][0] < 1100
    assert "6,625 channels across, the least and the largest of 14 take turns" in str(panel.header)
    pixels = panel.pixels(0)
    assert (pixels == LEVELS - 1).any()
    assert (pixels == 0).any()
    assert panel.header["axes"] == ["position", "channel"]


def test_one_position_of_very_many_channels_is_a_line() -> None:
    panel = drawn(np.random.default_rng(0).normal(size=(1, 40_000)))
    assert panel.header["positions"] == 40_000
    assert max(panel.header["size"]) < 1100
    assert drawn(np.random.default_rng(0).normal(size=(1, 512))).header["positions"] == 0


def test_lines_over_time_fit_a_screen_and_have_no_bar_of_colours(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((5, 1, 400, 4)).astype(np.float32)
    run = run_of({"conv": (SEQUENCE, values)})
    panel = timeline(run, "conv")
    assert max(panel.header["size"]) < 1400
    assert panel.header["bar"] is None
    assert panel.header["scale"]["text"].startswith("one range: ")
    path = film(run, "conv", tmp_path / "conv.gif").path
    with Image.open(path) as frames:
        assert frames.n_frames == 5
