"""Images turned, moved, blurred and resized, differentiably: the arithmetic of the transforms.

Images are ``(sample, y, x, channel)`` tensors of float32; ``ops`` is ``keras.ops``. All is made of
products, sums and gathering, so that a backend's own gradient is the exact adjoint.

An affine map, one for each image, is ``(sample, 2, 3)``. It leads from a pixel of the result to the
place in the image that is seen there: ``(y, x) = map @ (row, column, 1)``. Pixels lie at whole
numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def resample_axes(ops: Any, images: Any, maps: Any, fill: Any = None) -> Any:
    """Return images under affine maps that neither turn nor shear, bilinearly: rows, then columns.

    ``fill``, ``(sample,)``, is the grey beyond the image. Without it, an image is mirrored at its
    outermost pixels, which are not repeated.
    """
    is_mirrored = fill is None
    rows, seen_y = _resample_rows(ops, images, maps[:, 0, 0], maps[:, 0, 2], is_mirrored)
    turned = ops.transpose(rows, (0, 2, 1, 3))
    columns, seen_x = _resample_rows(ops, turned, maps[:, 1, 1], maps[:, 1, 2], is_mirrored)
    result = ops.transpose(columns, (0, 2, 1, 3))
    return _filled(result, seen_y[:, :, None] * seen_x[:, None, :], fill)


def resample_plane(ops: Any, images: Any, maps: Any, fill: Any = None) -> Any:
    """Return images under any affine maps, bilinearly; ``fill`` as in `resample_axes`.

    The four pixels around a place are put side by side before they are gathered: gathering, and the
    scattering that is its adjoint, then go through the places once and not four times.
    """
    samples, height, width, channels = images.shape
    rows = ops.arange(height, dtype="float32")[None, :, None]
    columns = ops.arange(width, dtype="float32")[None, None, :]
    y, x = (maps[:, i, :1, None] * rows + maps[:, i, 1:2, None] * columns + maps[:, i, 2:, None]
            for i in (0, 1))  # fmt: skip
    top, down, seen_y = _between(ops, y, height, fill is None)
    left, right, seen_x = _between(ops, x, width, fill is None)

    framed = ops.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    around = ops.concatenate(
        [framed[:, :-1, :-1], framed[:, :-1, 1:], framed[:, 1:, :-1], framed[:, 1:, 1:]], axis=-1
    )
    image = ops.arange(samples, dtype="int32")[:, None, None] * ((height + 1) * (width + 1))
    places = image + (top + 1) * (width + 1) + (left + 1)
    gathered = ops.take(ops.reshape(around, (-1, 4 * channels)), ops.reshape(places, (-1,)), axis=0)
    weights = ops.stack(
        [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right], axis=-1
    )
    gathered = ops.reshape(gathered, (samples, height, width, 4, channels))
    return _filled(ops.sum(gathered * weights[..., None], axis=3), seen_y * seen_x, fill)


def blur_axes(ops: Any, images: Any, kernels: Any) -> Any:
    """Return images blurred along both axes by symmetric kernels, mirrored at their edges.

    ``kernels``, ``(sample, radius + 1)``, are the weights from the centre to one side.
    """
    radius = kernels.shape[1] - 1
    for axis in (1, 2):
        length = images.shape[axis]
        wide = _widened(ops, images, radius, axis)

        def moved(by: int, wide: Any = wide, axis: int = axis, length: int = length) -> Any:
            rows = slice(radius + by, radius + by + length)
            return wide[:, rows] if axis == 1 else wide[:, :, rows]

        images = images * kernels[:, 0, None, None, None]
        for distance in range(1, radius + 1):
            sides = moved(distance) + moved(-distance)
            images = images + sides * kernels[:, distance, None, None, None]
    return images


def resize(ops: Any, images: Any, rows: Any, columns: Any) -> Any:
    """Return images resized along each axis by a matrix of `resizing`."""
    samples, height, width, channels = images.shape
    shorter = ops.matmul(rows, ops.reshape(images, (samples, height, width * channels)))
    return ops.einsum(
        "px,nyxc->nypc", columns, ops.reshape(shorter, (samples, rows.shape[0], width, channels))
    )


def resizing(length: int, wanted: int) -> Array:
    """Return the matrix ``(wanted, length)`` that resizes an axis linearly, antialiased.

    A triangle as wide as the coarser of the two grids, with weights that add up to 1: enlarging is
    bilinear interpolation, and in making smaller every pixel counts.
    """
    ratio = length / wanted
    centres = (np.arange(wanted) + 0.5) * ratio - 0.5
    distances = np.abs(np.arange(length) - centres[:, None]) / max(ratio, 1.0)
    weights: Array = np.maximum(0.0, 1.0 - distances, dtype=np.float32)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def mirrored(place: int, length: int) -> int:
    """Return where a place comes to lie in an axis that is mirrored at its outermost pixels."""
    period = max(2 * (length - 1), 1)
    return min(place % period, period - place % period)


def _resample_rows(ops: Any, images: Any, factor: Any, offset: Any, is_mirrored: bool) -> Any:
    """Move to row ``i`` what is at ``factor * i + offset``; return how much is image, too."""
    samples, length, *rest = images.shape
    places = factor[:, None] * ops.arange(length, dtype="float32") + offset[:, None]
    first, fraction, seen = _between(ops, places, length, is_mirrored)
    second = first + 1
    before = (1.0 - fraction) * ops.cast(first >= 0, "float32")
    after = fraction * ops.cast(second < length, "float32")

    rows = ops.reshape(images, (samples * length, -1))
    image = ops.arange(samples, dtype="int32")[:, None] * length

    def taken(index: Any, weight: Any) -> Any:
        row = ops.reshape(image + ops.clip(index, 0, length - 1), (-1,))
        return ops.take(rows, row, axis=0) * ops.reshape(weight, (-1, 1))

    result = taken(first, before) + taken(second, after)
    return ops.reshape(result, (samples, length, *rest)), seen


def _between(ops: Any, places: Any, length: int, is_mirrored: bool) -> tuple[Any, Any, Any]:
    """Return the pixel before each place (from -1), the way to the next, its share of image."""
    if is_mirrored:
        period = float(max(2 * (length - 1), 1))
        places = places - period * ops.floor(places / period)
        places = ops.minimum(places, period - places)
    places = ops.clip(places, -1.0, float(length))
    first = ops.minimum(ops.floor(places), float(length - 1))
    seen = ops.clip(ops.minimum(places + 1.0, length - places), 0.0, 1.0)
    return ops.cast(first, "int32"), places - first, seen


def _filled(images: Any, seen: Any, fill: Any) -> Any:
    if fill is None:
        return images
    return images + ((1.0 - seen) * fill[:, None, None])[..., None]


def _widened(ops: Any, images: Any, radius: int, axis: int) -> Any:
    """Return images with so many mirrored rows (or columns) before and after their own."""
    length = images.shape[axis]

    def strip(place: int) -> Any:
        at = mirrored(place, length)
        return images[:, at : at + 1] if axis == 1 else images[:, :, at : at + 1]

    before = [strip(place) for place in range(-radius, 0)]
    after = [strip(place) for place in range(length, length + radius)]
    return ops.concatenate([*before, images, *after], axis=axis)
