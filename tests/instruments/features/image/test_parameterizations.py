"""Parameterizations, on the backend that Keras has: there and back, gradients, spectra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cases.amounts import amount, compiles
from layerscope.core.errors import InputError
from layerscope.instruments.features.image.colours import Colours
from layerscope.instruments.features.image.parameterizations import (
    Fourier,
    Parameterization,
    Pixels,
)
from layerscope.instruments.features.image.value_range import REACH

keras = pytest.importorskip("keras")
ops = keras.ops

pytestmark = pytest.mark.combinations

PHOTOGRAPHS = Colours.photographs()
EVERY = [
    *(Pixels(bounds, colours) for bounds in ("clip", "sigmoid") for colours in (None, PHOTOGRAPHS)),
    *(
        Fourier(decay, bounds, colours)
        for decay in (1.0, 0.5)
        for bounds in ("clip", "sigmoid")
        for colours in (None, PHOTOGRAPHS)
    ),
]
# Where Keras compiles, each bound, decay and colours, but not each with each.
EVERY = EVERY[:: amount(3 if compiles() else 1, full=1)]
every = pytest.mark.parametrize("made", EVERY, ids=repr)
WEIGHTS = np.random.default_rng(7).normal(size=(2, 5, 6, 3)).astype(np.float32)


def image_of(made: Parameterization, params: np.ndarray) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(made.image(ops, ops.convert_to_tensor(params))))


def projected(made: Parameterization, params: np.ndarray) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(made.project(ops, ops.convert_to_tensor(params))))


def gradient(function: Callable[[Any], Any], at: np.ndarray) -> np.ndarray:
    """Of a scalar function of a tensor."""
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.jit(jax.grad(function))(at))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        @tf.function
        def compiled(x: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = function(x)
            return tape.gradient(value, x)

        return np.asarray(compiled(tf.constant(at)))
    import torch

    x = torch.tensor(at, requires_grad=True)
    (found,) = torch.autograd.grad(function(x), x)
    return found.numpy()


def drawn(seed: int, shape: tuple[int, ...], high: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-high, high, (2, *shape)).astype(np.float32)


@every
@pytest.mark.parametrize("shape", [(5, 6, 3), (8, 8, 3), (1, 7, 3), (9, 3)], ids=str)
def test_there_and_back(made: Parameterization, shape: tuple[int, ...]) -> None:
    images = drawn(0, shape, REACH)
    params = made.params(images)
    assert params.dtype == np.float32
    assert len(params) == 2
    assert params.size == images.size
    found = image_of(made, params)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, images, atol=1e-5)


def test_plain_pixels_are_the_image_exactly() -> None:
    images = drawn(0, (7, 5, 3))
    np.testing.assert_array_equal(Pixels().params(images), images)
    np.testing.assert_array_equal(image_of(Pixels(), images), images)


@every
def test_the_image_never_leaves_the_range(made: Parameterization) -> None:
    far = 30 * made.noise([np.random.default_rng(0)], (6, 7, 3), 1.0)
    params = projected(made, far)
    images = image_of(made, params)
    assert np.abs(images).max() <= 1 + 1e-6
    # Where the range was kept already nothing is changed; once is enough.
    scale = np.abs(params).max()
    np.testing.assert_allclose(projected(made, params), params, atol=1e-5 * scale)
    np.testing.assert_allclose(image_of(made, projected(made, far)), images, atol=1e-5)


@pytest.mark.parametrize("made", [Pixels(), Pixels("clip", PHOTOGRAPHS), Fourier(bounds="clip")])
def test_projection_is_the_nearest_image_in_range(made: Parameterization) -> None:
    inside = made.params(drawn(1, (6, 7, 3), 0.5))
    np.testing.assert_allclose(
        image_of(made, projected(made, inside * 4)),
        np.clip(4 * drawn(1, (6, 7, 3), 0.5), -1, 1),
        atol=1e-5,
    )


def weighted(made: Parameterization) -> Callable[[Any], Any]:
    """A scalar of params that depends on every pixel."""
    return lambda params: ops.sum(made.image(ops, params) * ops.convert_to_tensor(WEIGHTS))


@every
def test_gradients_reach_every_parameter(made: Parameterization) -> None:
    params = made.params(drawn(0, (5, 6, 3), 0.9))
    found = gradient(weighted(made), params)
    assert found.shape == params.shape
    assert np.isfinite(found).all()
    assert (np.abs(found) > 0).all()


@pytest.mark.parametrize("made", [made for made in EVERY if made.bounds == "clip"], ids=repr)
def test_gradients_pass_where_the_range_ends(made: Parameterization) -> None:
    """A plain clip would hold a pixel fast that is as bright as can be."""
    inside = made.params(drawn(0, (5, 6, 3), 0.9))
    np.testing.assert_allclose(
        gradient(weighted(made), 50 * inside), gradient(weighted(made), inside), rtol=1e-4
    )


@every
def test_the_gradient_is_that_of_finite_differences(made: Parameterization) -> None:
    params = made.params(drawn(3, (5, 6, 3), 0.3))
    found = gradient(weighted(made), params)
    direction = np.random.default_rng(1).normal(size=params.shape).astype(np.float32)
    step = 0.02 * np.abs(params).max() / np.abs(direction).max()
    values = [
        float((image_of(made, params + sign * step * direction).astype(float) * WEIGHTS).sum())
        for sign in (1, -1)
    ]
    slope = (values[0] - values[1]) / (2 * step)
    assert float((found.astype(float) * direction).sum()) == pytest.approx(slope, rel=0.02)


@pytest.mark.parametrize("size", [(6, 7), (8, 4), (1, 5), (9,)])
def test_coefficients_are_cosines_and_sines(size: tuple[int, ...]) -> None:
    """The slow obvious version: a sum over all coefficients."""
    made = Fourier(decay=1.0, bounds="clip")
    params = made.params(drawn(0, (*size, 1), 0.9))
    places = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1)
    expected = np.zeros((2, *size))
    for index in np.ndindex(*size):
        cycles = np.array([(i + n // 2) % n - n // 2 for i, n in zip(index, size, strict=True)])
        frequency = np.linalg.norm(cycles / size)
        angle = 2 * np.pi * (places @ (cycles / size))
        wave = (np.cos(angle) + np.sin(angle)) / max(frequency, 1 / max(size))
        expected += params[(slice(None), 0, *index)].reshape(2, *[1] * len(size)) * wave
    expected *= np.sqrt(2) / 8 / np.sqrt(np.prod(size))
    np.testing.assert_allclose(image_of(made, params)[..., 0], expected, atol=1e-5)


@pytest.mark.parametrize("decay", [0.0, 1.0, 2.0])
def test_the_spectrum_of_noise_decays(decay: float) -> None:
    made = Fourier(decay, "clip")
    params = made.noise([np.random.default_rng(n) for n in range(20)], (64, 64, 1), 0.001)
    power = (np.abs(np.fft.fft2(image_of(made, params)[..., 0])) ** 2).mean(axis=0)
    radius = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64))
    inner = (radius > 0) & (radius < 0.5)
    slope = np.polyfit(np.log(radius[inner]), np.log(power[inner]), 1)[0]
    assert slope == pytest.approx(-2 * decay, abs=0.1)


def test_noise_has_about_the_same_contrast_at_every_size() -> None:
    deviations = [
        Fourier(bounds="clip").images(
            Fourier(bounds="clip").noise([np.random.default_rng(0)], (side, side, 3), 0.01)
        ).std()
        for side in (32, 128, 299)
    ]  # fmt: skip
    assert max(deviations) < 2 * min(deviations)


def test_noise_has_the_colours() -> None:
    made = Fourier(decay=0, bounds="clip", colours=PHOTOGRAPHS)
    params = made.noise([np.random.default_rng(0)], (200, 200, 3), 0.01)
    pixels = image_of(made, params).reshape(-1, 3)
    covariance = np.cov(pixels, rowvar=False)
    expected = PHOTOGRAPHS.correlating @ PHOTOGRAPHS.correlating.T
    factor = np.trace(expected) / np.trace(covariance)
    np.testing.assert_allclose(covariance * factor, expected, atol=0.01)


@every
def test_noise_is_the_same_alone_and_among_others(made: Parameterization) -> None:
    alone = made.noise([np.random.default_rng(5)], (6, 7, 3), 0.3)
    among = made.noise([np.random.default_rng(n) for n in (4, 5, 6)], (6, 7, 3), 0.3)
    np.testing.assert_array_equal(alone[0], among[1])
    assert among.dtype == np.float32
    assert image_of(made, among).shape == (3, 6, 7, 3)


@pytest.mark.parametrize("made", [each for each in EVERY if isinstance(each, Fourier)])
def test_numpy_computes_the_same_image(made: Fourier) -> None:
    params = made.noise([np.random.default_rng(0)], (9, 6, 3), 3.0)
    np.testing.assert_allclose(made.images(params), image_of(made, params), atol=1e-5)


def test_a_start_image_is_brought_into_range() -> None:
    images = np.linspace(-3, 3, 8).reshape(1, 2, 4, 1)
    np.testing.assert_allclose(image_of(Pixels(), Pixels().params(images)), np.clip(images, -1, 1))
    found = image_of(Pixels("sigmoid"), Pixels("sigmoid").params(images))
    np.testing.assert_allclose(found, np.clip(images, -REACH, REACH), atol=1e-6)


@pytest.mark.parametrize("bounds", ["clip", "sigmoid"])
def test_pixels_are_for_vectors_too(bounds: str) -> None:
    made = Pixels(bounds)
    images = drawn(0, (10,), REACH)
    np.testing.assert_allclose(image_of(made, made.params(images)), images, atol=1e-6)


def test_the_structure_tells_what_would_compile_to_something_else() -> None:
    assert len({made.structure for made in EVERY}) == len(EVERY)
    assert Fourier().structure == Fourier().structure


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(InputError, match="bounds='wrap': pass 'clip' or 'sigmoid'"):
        Pixels("wrap")
    with pytest.raises(InputError, match="bounds='none': pass"):
        Fourier(bounds="none")
    with pytest.raises(InputError, match="decay=-1: pass a number, 0"):
        Fourier(-1)
    with pytest.raises(InputError, match="pass 'pixel' for an input with no axes besides"):
        Fourier().noise([np.random.default_rng(0)], (10,), 1.0)
    with pytest.raises(InputError, match="pass 'pixel' for an input with 3 axes besides"):
        Fourier().params(np.zeros((1, 2, 2, 2, 3)))
    with pytest.raises(InputError, match="colours are of 3 channels, and the image has 1"):
        Pixels(colours=PHOTOGRAPHS).params(np.zeros((1, 4, 4, 1)))
