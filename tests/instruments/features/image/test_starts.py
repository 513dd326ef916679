"""What the ascent begins with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from layerscope.core.errors import InputError
from layerscope.instruments.features.image.colours import Colours
from layerscope.instruments.features.image.parameterizations import Fourier, Pixels
from layerscope.instruments.features.image.starts import (
    STARTS,
    generators,
    start_images,
    start_params,
)

SHAPE = (12, 17, 3)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("shape", [SHAPE, (20, 4)], ids=str)
def test_a_seed_gives_the_same_image_alone_and_among_others(
    start: str, shape: tuple[int, ...]
) -> None:
    among = start_images(start, [4, 5, 6], shape)
    assert among.shape == (3, *shape)
    assert among.dtype == np.float32
    assert np.abs(among).max() <= 1
    np.testing.assert_array_equal(among[1:2], start_images(start, [5], shape))
    if start != "zeros":
        assert (among[0] != among[1]).mean() > 0.4  # what is clipped may be equal


@pytest.mark.parametrize("colours", [None, Colours.photographs()])
def test_so_do_parameters(colours: Colours | None) -> None:
    for made in (Pixels("clip", colours), Fourier(1.0, "sigmoid", colours)):
        for start in STARTS:
            among = start_params(start, made, [4, 5], SHAPE, contrast=0.1)
            assert among.dtype == np.float32
            alone = start_params(start, made, [5], SHAPE, contrast=0.1)
            np.testing.assert_allclose(among[1:], alone, atol=1e-6)


def test_streams_and_seeds_are_independent() -> None:
    drawn = [source.random() for stream in (0, 1) for source in generators([0, 1, 2], stream)]
    assert len(set(drawn)) == 6
    np.testing.assert_array_equal(
        start_images("uniform", [3], (1000,))[0],
        np.random.default_rng([3, 0]).uniform(-1, 1, 1000).astype(np.float32),
    )


def test_noise_is_as_strong_as_was_asked_for() -> None:
    shape = (200, 200, 3)
    assert start_images("normal", [0], shape, contrast=0.1).std() == pytest.approx(0.1, rel=0.02)
    uniform = start_images("uniform", [0], shape, contrast=0.125)
    assert np.abs(uniform).max() == pytest.approx(0.125, rel=0.001)
    assert uniform.std() == pytest.approx(0.125 / 3**0.5, rel=0.02)
    clipped = start_images("normal", [0], shape)
    assert (np.abs(clipped) == 1).mean() == pytest.approx(0.317, abs=0.01)
    assert (start_images("zeros", [0], shape) == -1).all()  # the network gets 0 to 1
    assert not start_images("zeros", [0], shape, input_range=(-2, 2)).any()
    assert (start_images("zeros", [0], shape, input_range=(1, 3)) == -1).all()


def test_fourier_noise_is_smooth_and_white_noise_is_not() -> None:
    def roughness(start: str) -> float:
        image = start_images(start, [0], (64, 64, 1), contrast=0.1)
        return float(np.diff(image, axis=1).std() / image.std())

    assert roughness("normal") == pytest.approx(2**0.5, rel=0.1)
    assert roughness("fourier") < 0.6 * roughness("normal")


def test_fourier_noise_has_the_colours_of_its_parameterization() -> None:
    made = Fourier(colours=Colours.photographs())
    params = start_params("fourier", made, [0], (64, 64, 3), contrast=0.01)
    assert params.std() == pytest.approx(0.01, rel=0.05)
    red, green, blue = made.images(params)[0].reshape(-1, 3).T
    assert min(np.corrcoef(red, green)[0, 1], np.corrcoef(green, blue)[0, 1]) > 0.8


def test_fourier_noise_of_pixels_is_that_of_coefficients() -> None:
    image = start_images("fourier", [2], SHAPE, contrast=0.01)
    params = start_params("fourier", Fourier(bounds="clip"), [2], SHAPE, contrast=0.01)
    np.testing.assert_allclose(Fourier(bounds="clip").images(params), image, atol=1e-6)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "start.png"
    levels = np.random.default_rng(0).integers(0, 256, (12, 17, 3), dtype=np.uint8)
    Image.fromarray(levels).save(path)
    return path


@pytest.mark.parametrize("input_range", [(0, 1), (-1, 1), (0, 255), (-2.0, 3.0)])
def test_an_image_becomes_a_unit_image(picture: Path, input_range: tuple[float, float]) -> None:
    levels = np.asarray(Image.open(picture)).astype(float)
    for start in (picture, str(picture), Image.open(picture)):
        found = start_images(start, [0, 1], SHAPE, input_range=input_range)
        assert found.shape == (2, *SHAPE)
        np.testing.assert_allclose(found[0], levels / 127.5 - 1, atol=1e-5)
        np.testing.assert_array_equal(found[0], found[1])


def test_an_image_is_brought_to_the_size_and_has_its_own_where_any_will_do(picture: Path) -> None:
    assert start_images(picture, [0], (6, 8, 3)).shape == (1, 6, 8, 3)
    assert start_images(picture, [0], (6, 8, 1)).shape == (1, 6, 8, 1)
    assert start_images(picture, [0], (None, None, 3)).shape == (1, 12, 17, 3)
    first = start_images(picture, [0], (None, None, 3), layout="channels_first")
    np.testing.assert_array_equal(first, start_images(picture, [0], (None, None, 3)))


def test_an_array_is_in_the_models_own_layout_and_range() -> None:
    values = np.random.default_rng(0).uniform(0, 255, SHAPE)
    last = start_images(values, [0], SHAPE, input_range=(0, 255))
    np.testing.assert_allclose(last[0], values / 127.5 - 1, atol=1e-5)
    first = start_images(
        values.transpose(2, 0, 1)[None], [0], SHAPE, input_range=(0, 255), layout="channels_first"
    )
    np.testing.assert_array_equal(first, last)
    several = start_images(np.zeros((3, 10)), [0, 1, 2], (10,))
    np.testing.assert_array_equal(several, np.full((3, 10), -1))


def test_a_tensor_will_do() -> None:
    torch = pytest.importorskip("torch")
    found = start_images(torch.ones(3, 4, 5).requires_grad_(), [0], (4, 5, 3), layout=(
        "sample", "channel", "y", "x"))  # fmt: skip
    np.testing.assert_array_equal(found, np.ones((1, 4, 5, 3)))


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("unifrom", "start='unifrom': did you mean 'uniform'\\? Pass 'normal', 'uniform'"),
        ("noise", "start='noise': Pass 'normal', 'uniform', 'fourier' or 'zeros', an image"),
        ("no/such.png", "There is no file"),
        (np.full(SHAPE, 200.0), "from 200 to 200, beyond the input range of 0 to 1: scale them"),
        (np.full(SHAPE, np.nan), "from nan to nan, beyond"),
        (np.zeros((2, *SHAPE)), "start= holds 2 images for 1 to make: pass one, or as many"),
        (np.zeros((1, 4, 4, 3)), r"start=: x has shape \(1, 4, 4, 3\), the model expects"),
        (None, "start= is None: pass the name of a noise, an image file"),
        ({}, "start= is a dict: pass"),
        (3.5, r"start=: x has shape \(\)"),
    ],
)
def test_what_is_no_start_is_refused(start: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        start_images(start, [0], SHAPE)


def test_noise_needs_a_size() -> None:
    with pytest.raises(InputError, match=r"any size, .*so start='normal' needs one: pass size="):
        start_images("normal", [0], (None, None, 3))
    with pytest.raises(InputError, match="pass 'pixel' for an input with no axes"):
        start_images("fourier", [0], (10,))


@pytest.mark.parametrize("seed", [-1, 1.5, "7", True])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(InputError, match=f"seed={seed!r}: pass a whole number, 0 or more"):
        start_images("normal", [seed], SHAPE)
