"""Colours of images: the covariance that one matrix stands for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.core.errors import InputError
from layerscope.instruments.features.image.colours import Colours


def correlated(seed: int, channels: int, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Images of normal pixels, and the covariance that they were drawn with."""
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(channels, channels)) + 2 * np.eye(channels)
    pixels = random.normal(size=(2, count // 20, 10, channels)) @ mixing.T
    return pixels + random.normal(size=channels), mixing @ mixing.T


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_the_covariance_of_the_samples_is_recovered(seed: int, channels: int) -> None:
    images, _ = correlated(seed, channels)
    found = Colours.of(images).correlating
    covariance = np.cov(images.reshape(-1, channels), rowvar=False)
    factor = np.trace(found @ found.T) / np.trace(covariance)
    if np.linalg.cond(covariance) < 1e4:  # else the least axis is held up
        np.testing.assert_allclose(found @ found.T, covariance * factor, rtol=1e-3, atol=1e-3)


def test_the_covariance_that_samples_were_drawn_with_is_recovered() -> None:
    images, covariance = correlated(3, 3, count=200_000)
    found = Colours.of(images).correlating
    product = found @ found.T
    assert np.allclose(product / np.trace(product), covariance / np.trace(covariance), atol=0.01)


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_what_is_decorrelated_has_no_covariance(seed: int, channels: int) -> None:
    images, _ = correlated(seed, channels)
    colours = Colours.of(images)
    free = images.reshape(-1, channels) @ colours.decorrelating.T
    covariance = np.cov(free, rowvar=False)
    between = covariance - np.diag(np.diag(covariance))
    assert np.abs(between).max() < 1e-6 * covariance.max()


def test_range_and_mean_do_not_matter() -> None:
    images, _ = correlated(0, 3)
    scaled = Colours.of(images * 40 + 128)
    np.testing.assert_allclose(scaled.correlating, Colours.of(images).correlating, atol=1e-9)


def test_many_pixels_are_summed_in_parts() -> None:
    from layerscope.instruments.features.image import colours

    images, _ = correlated(1, 3)
    whole = Colours.of(images).correlating
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(colours, "_CHUNK", 100)
        np.testing.assert_allclose(Colours.of(images).correlating, whole, atol=1e-12)


@pytest.mark.parametrize("colours", [Colours.photographs(), Colours.of(correlated(5, 4)[0])])
def test_the_longest_column_has_length_1_and_comes_first(colours: Colours) -> None:
    lengths = np.linalg.norm(colours.correlating, axis=0)
    assert lengths[0] == pytest.approx(1)
    assert (np.diff(lengths) <= 0).all()
    np.testing.assert_allclose(
        colours.decorrelating @ colours.correlating, np.eye(colours.channels), atol=1e-9
    )


def test_photographs_vary_most_in_brightness() -> None:
    brightness, yellow, green = Colours.photographs().correlating.T
    np.testing.assert_allclose(brightness, np.full(3, 3**-0.5))
    assert np.linalg.norm(yellow) == pytest.approx(0.28)
    assert np.linalg.norm(green) == pytest.approx(0.13)
    assert abs(yellow.sum()) < 1e-12
    assert abs(green.sum()) < 1e-12


def test_grey_images_leave_room_for_colour() -> None:
    grey = np.random.default_rng(0).uniform(size=(30, 30, 1)).repeat(3, axis=-1)
    colours = Colours.of(grey)
    assert np.isfinite(colours.decorrelating).all()
    np.testing.assert_allclose(colours.correlating[:, 0], np.full(3, 3**-0.5), atol=1e-6)


def test_one_image_of_whole_numbers_will_do() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    same = Colours.of(image.astype(np.float64))
    np.testing.assert_allclose(Colours.of(image).correlating, same.correlating)


def test_colours_are_values() -> None:
    assert Colours.photographs() == Colours.photographs()
    assert len({Colours.photographs(), Colours.photographs()}) == 1


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.ones((4, 4, 1)), "16 pixels of 1 channel: it takes 2 channels or more"),
        (np.ones((1, 2, 3)), "2 pixels of 3 channels"),
        (np.full((4, 4, 3), 0.3, np.float32), "a single colour: pass others, or decorrelate=False"),
        (np.full((4, 4, 3), np.nan), "hold a NaN or an infinity"),
        (np.ones(3), "of shape \\(3,\\)"),
        (np.array([["a", "b"]] * 4), "Colours are learned from images with their channels last"),
    ],
)
def test_images_without_colours_are_refused(images: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Colours.of(images)
