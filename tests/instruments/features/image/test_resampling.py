"""Resampling against dense matrices, SciPy and Pillow, and its gradients against their adjoints."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cases.amounts import examples
from layerscope.instruments.features.image import resampling

keras = pytest.importorskip("keras")
ndimage = pytest.importorskip("scipy.ndimage")
ops = keras.ops

pytestmark = pytest.mark.combinations

Array = npt.NDArray[Any]
#: Few sizes: a backend compiles each operation anew for each.
sizes = st.sampled_from([(5, 6), (1, 4)])


def tensor(values: Any) -> Any:
    return ops.convert_to_tensor(np.asarray(values, dtype=np.float32))


def number(values: Any) -> Array:
    array: Array = ops.convert_to_numpy(values)
    return array


def adjoint(function: Any, images: Array, cotangents: Array) -> Array:
    """The gradient of ``sum(function(images) * cotangents)``, by the backend's own means."""
    backend = keras.backend.backend()
    weights = tensor(cotangents)
    if backend == "jax":
        import jax

        return np.asarray(jax.grad(lambda x: ops.sum(function(x) * weights))(tensor(images)))
    if backend == "tensorflow":
        import tensorflow as tf

        start = tensor(images)
        with tf.GradientTape() as tape:
            tape.watch(start)
            total = ops.sum(function(start) * weights)
        return number(tf.convert_to_tensor(tape.gradient(total, start)))
    start = tensor(images).requires_grad_()
    ops.sum(function(start) * weights).backward()
    return number(start.grad)


def matrix_of(function: Any, shape: tuple[int, ...]) -> Array:
    """The matrix of a linear function of one image, column by column."""
    basis = np.eye(int(np.prod(shape)), dtype=np.float32).reshape(-1, *shape)
    columns = [number(function(tensor(one[None]))).ravel() for one in basis]
    return np.stack(columns, axis=1)


def turned(degrees: float, factor: float, shift: tuple[float, float], size: Any) -> Array:
    """A map about the centre, then shifted."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / factor
    centre = (np.array(size) - 1) / 2
    return np.column_stack([turn, centre - turn @ centre + shift])[None]


def seen_by_scipy(image: Array, affine: Array, fill: float | None) -> Array:
    beyond = {"mode": "mirror"} if fill is None else {"mode": "grid-constant", "cval": fill}
    channels = [
        ndimage.affine_transform(channel, affine[:, :2], affine[:, 2], order=1, **beyond)
        for channel in np.moveaxis(image.astype(float), -1, 0)
    ]
    return np.stack(channels, axis=-1)


@settings(max_examples=examples(25))
@given(
    seed=st.integers(0, 99),
    size=st.just((5, 6)),
    degrees=st.floats(-180, 180),
    factor=st.floats(0.4, 2.5),
    shift=st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
    fill=st.none() | st.floats(-1, 1),
)
def test_any_affine_map_is_scipys(
    seed: int,
    size: tuple[int, int],
    degrees: float,
    factor: float,
    shift: tuple[float, float],
    fill: float | None,
) -> None:
    image = np.random.default_rng(seed).uniform(-1, 1, (*size, 2)).astype(np.float32)
    affine = turned(degrees, factor, shift, size)
    colour = None if fill is None else tensor([fill])
    got = number(resampling.resample_plane(ops, tensor(image[None]), tensor(affine), colour))[0]
    assert np.allclose(got, seen_by_scipy(image, affine[0], fill), atol=1e-4)


@settings(max_examples=examples(25))
@given(
    seed=st.integers(0, 99),
    size=sizes,
    factor=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    shift=st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
    is_filled=st.booleans(),
)
def test_rows_then_columns_are_the_plane(
    seed: int,
    size: tuple[int, int],
    factor: tuple[float, float],
    shift: tuple[float, float],
    is_filled: bool,
) -> None:
    rng = np.random.default_rng(seed)
    images = tensor(rng.uniform(-1, 1, (2, *size, 3)))
    maps = tensor([np.column_stack([np.diag(factor), shift]), np.eye(2, 3)])
    fill = tensor(rng.uniform(-1, 1, 2)) if is_filled else None
    plane = number(resampling.resample_plane(ops, images, maps, fill))
    axes = number(resampling.resample_axes(ops, images, maps, fill))
    assert np.allclose(axes, plane, atol=1e-4)
    assert np.array_equal(axes[1], number(images)[1])


@pytest.mark.parametrize("name", ["resample_axes", "resample_plane"])
@pytest.mark.parametrize("shift", [(0, 0), (2, -1), (-3, 4), (0, 7)])
def test_whole_pixels_are_exact(name: str, shift: tuple[int, int]) -> None:
    image = np.random.default_rng(0).normal(size=(1, 5, 6, 3)).astype(np.float32)
    maps = tensor(np.column_stack([np.eye(2), shift])[None])
    resample = getattr(resampling, name)
    padded = np.pad(image[0], ((9, 9), (9, 9), (0, 0)), mode="reflect")
    window = padded[9 + shift[0] :, 9 + shift[1] :][:5, :6]
    assert np.array_equal(number(resample(ops, tensor(image), maps))[0], window)

    padded = np.pad(image[0], ((9, 9), (9, 9), (0, 0)), constant_values=np.float32(0.3))
    window = padded[9 + shift[0] :, 9 + shift[1] :][:5, :6]
    assert np.array_equal(number(resample(ops, tensor(image), maps, tensor([0.3])))[0], window)


def functions(size: tuple[int, int], *, turns: bool) -> dict[str, Any]:
    """Every function of images that there is, linear in them."""
    maps = tensor(turned(31.0 if turns else 0.0, 0.8, (0.4, -2.3), size))
    zero = tensor([0.0])
    rows, columns = (tensor(resampling.resizing(length, 4)) for length in size)
    kernel = tensor([[0.5, 0.15, 0.1]])
    resample = resampling.resample_plane if turns else resampling.resample_axes
    return {
        "mirrored": lambda x: resample(ops, x, maps),
        "filled": lambda x: resample(ops, x, maps, zero),
        "blurred": lambda x: resampling.blur_axes(ops, x, kernel),
        "resized": lambda x: resampling.resize(ops, x, rows, columns),
    }


@pytest.mark.parametrize("turns", [False, True])
@pytest.mark.parametrize("name", ["mirrored", "filled", "blurred", "resized"])
def test_the_gradient_is_the_transposed_matrix(name: str, turns: bool) -> None:
    shape = (5, 6, 2)
    function = functions(shape[:2], turns=turns)[name]
    matrix = matrix_of(function, shape)
    rng = np.random.default_rng(1)
    image = rng.normal(size=(1, *shape))
    there = number(function(tensor(image)))
    assert np.allclose(there.ravel(), matrix @ image.ravel(), atol=1e-5)
    cotangent = rng.normal(size=there.shape)
    back = adjoint(function, image, cotangent)
    assert np.allclose(back.ravel(), matrix.T @ cotangent.ravel(), atol=1e-5)


@settings(max_examples=examples(20))
@given(size=sizes, radius=st.sampled_from([0, 1, 4]), level=st.floats(-1, 1))
def test_blur_leaves_constants_and_mirrors_edges(
    size: tuple[int, int], radius: int, level: float
) -> None:
    weights = np.exp(-0.5 * (np.arange(radius + 1) / 1.7) ** 2)
    kernel = weights / (weights[0] + 2 * weights[1:].sum())
    flat = np.full((1, *size, 1), level)
    assert np.allclose(number(resampling.blur_axes(ops, tensor(flat), tensor([kernel]))), flat)

    image = np.random.default_rng(radius).normal(size=size)
    wanted = image
    for axis in (0, 1):
        whole = np.concatenate([kernel[:0:-1], kernel])
        wanted = ndimage.correlate1d(wanted, whole, axis=axis, mode="mirror")
    got = number(resampling.blur_axes(ops, tensor(image[None, ..., None]), tensor([kernel])))
    assert np.allclose(got[0, ..., 0], wanted, atol=1e-5)


def test_each_image_has_its_own_kernel() -> None:
    images = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype(np.float32)
    blurred = number(resampling.blur_axes(ops, tensor(images), tensor([[1, 0], [0.5, 0.25]])))
    assert np.array_equal(blurred[0], images[0])
    assert not np.allclose(blurred[1], images[1], atol=0.1)


@pytest.mark.parametrize("size", [(5, 6), (1, 4)])
@pytest.mark.parametrize("wanted", [(2, 3), (9, 8), (7, 1)])
def test_resizing_is_pillows_bilinear(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    image = np.random.default_rng(3).uniform(-1, 1, size).astype(np.float32)
    rows, columns = (tensor(resampling.resizing(*pair)) for pair in zip(size, wanted, strict=True))
    got = number(resampling.resize(ops, tensor(image[None, ..., None]), rows, columns))
    reference = Image.fromarray(image).resize(wanted[::-1], Image.Resampling.BILINEAR)
    assert np.allclose(got[0, ..., 0], np.asarray(reference), atol=1e-5)


@given(length=st.integers(1, 9), place=st.integers(-30, 30))
def test_mirrored_is_numpys_reflection(length: int, place: int) -> None:
    wide = np.pad(np.arange(length), 31, mode="reflect")
    assert resampling.mirrored(place, length) == wide[31 + place]
