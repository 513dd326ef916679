"""Octaves: sizes, and what leads from one to the next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.instruments.features.image.octaves import bring_to, detail, octave_sizes

sides = st.integers(1, 400)


@given(sides, sides, st.integers(1, 12), st.floats(1.01, 4), st.integers(1, 50))
def test_sizes_grow_to_the_one_asked_for(
    height: int, width: int, octaves: int, factor: float, smallest: int
) -> None:
    sizes = octave_sizes((height, width), octaves, factor, smallest)
    assert sizes[-1] == (height, width)
    assert 1 <= len(sizes) <= octaves
    assert all(min(size) >= smallest for size in sizes[:-1])
    assert len(set(sizes)) == len(sizes)
    assert sizes == sorted(sizes)


def test_each_size_is_the_next_divided_by_the_scale() -> None:
    assert octave_sizes((299, 200), 4, 1.3, 16) == [(136, 91), (177, 118), (230, 154), (299, 200)]


def test_sizes_too_small_are_left_out() -> None:
    assert octave_sizes((28, 28), 9, 2.0, 7) == [(7, 7), (14, 14), (28, 28)]
    assert octave_sizes((5, 5), 3, 2.0, 7) == [(5, 5)]


def means_over_triangles(plane: np.ndarray, size: int) -> np.ndarray:
    """Rows of the plane brought to another number of rows, pixel by pixel."""
    count = len(plane)
    step = count / size
    reach = max(step, 1.0)
    rows = []
    for row in range(size):
        centre = (row + 0.5) * step - 0.5
        weights = np.maximum(0, 1 - np.abs(np.arange(count) - centre) / reach)
        rows.append((weights / weights.sum()) @ plane)
    return np.array(rows)


@given(*[st.integers(1, 24)] * 4, st.integers(1, 4), st.integers(0, 99))
def test_resizing_is_a_mean_over_triangles(
    height: int, width: int, new_height: int, new_width: int, channels: int, seed: int
) -> None:
    images = np.random.default_rng(seed).normal(size=(2, height, width, channels))
    brought = bring_to(images.astype(np.float32), (new_height, new_width))
    assert brought.shape == (2, new_height, new_width, channels)
    assert brought.dtype == np.float32
    for image, result in zip(images, brought, strict=True):
        rows = means_over_triangles(image.reshape(height, -1), new_height)
        columns = rows.reshape(new_height, width, channels).swapaxes(0, 1)
        expected = means_over_triangles(columns.reshape(width, -1), new_width)
        expected = expected.reshape(new_width, new_height, channels).swapaxes(0, 1)
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_the_same_size_changes_nothing() -> None:
    images = np.random.default_rng(0).normal(size=(1, 5, 7, 3)).astype(np.float32)
    np.testing.assert_array_equal(bring_to(images, (5, 7)), images)


def test_detail_is_what_the_smaller_image_lacks() -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (2, 20, 30, 3)).astype(np.float32)
    lost = detail(images, (10, 15))
    coarse = bring_to(bring_to(images, (10, 15)), (20, 30))
    np.testing.assert_allclose(coarse + lost, images, atol=1e-6)
    assert lost.std() > 0.1


def test_a_smooth_image_loses_little() -> None:
    ramp = np.broadcast_to(np.linspace(-1, 1, 40)[:, None], (1, 40, 40))[..., None]
    assert np.abs(detail(ramp, (20, 20))[:, 4:-4]).max() < 1e-5
    flat = np.full((1, 8, 8, 3), 0.25, np.float32)
    assert detail(flat, (3, 5)) == pytest.approx(np.zeros((1, 8, 8, 3)), abs=1e-6)
