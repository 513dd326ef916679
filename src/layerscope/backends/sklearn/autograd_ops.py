"""The operations of ``keras.ops`` that objectives and images need, on NumPy's arrays.

By autograd, which differentiates them; what it lacks is made of indexing, which it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.extend import Box
from autograd.numpy import (
    abs,  # noqa: A004
    add,
    arange,
    clip,
    concatenate,
    einsum,
    exp,
    expand_dims,
    floor,
    log,
    matmul,
    max,  # noqa: A004
    maximum,
    mean,
    min,  # noqa: A004
    minimum,
    ones,
    ones_like,
    reshape,
    sqrt,
    square,
    stack,
    sum,  # noqa: A004
    tanh,
    tensordot,
    transpose,
    where,
    zeros,
    zeros_like,
)
from autograd.tracer import getval

__all__ = [
    "abs", "add", "arange", "cast", "clip", "concatenate", "cond", "convert_to_numpy",
    "convert_to_tensor",
    "einsum", "exp", "expand_dims", "flip", "floor", "ifft2", "log", "matmul", "max", "maximum",
    "mean", "min", "minimum", "ones", "ones_like", "pad", "reshape", "roll", "shape", "sigmoid",
    "softmax", "sqrt", "square", "stack", "stop_gradient", "sum", "take", "take_along_axis", "tanh",
    "tensordot", "transpose", "where", "zeros", "zeros_like",
]  # fmt: skip

Axis = int | Sequence[int] | None


def cast(x: Any, dtype: str) -> Any:
    """The same values in another type."""
    return x.astype(dtype) if isinstance(x, Box) else np.asarray(x, dtype)


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """What one of two functions returns; the other is not called."""
    return true_fn() if getval(pred) else false_fn()


def convert_to_numpy(x: Any) -> Any:
    """An array that no gradient goes through."""
    return np.asarray(stop_gradient(x))


def convert_to_tensor(x: Any, dtype: str | None = None) -> Any:
    """An array; numbers become float32 where no type is asked for, as Keras would have them."""
    if isinstance(x, Box):
        return x if dtype is None else x.astype(dtype)
    array = np.asarray(x, dtype)
    return array.astype(np.float32) if dtype is None and array.dtype == np.float64 else array


def flip(x: Any, axis: Axis = None) -> Any:
    """The values in reverse order."""
    backwards = [slice(None)] * x.ndim
    for place in _places(axis, x.ndim):
        backwards[place] = slice(None, None, -1)
    return x[tuple(backwards)]


def ifft2(x: tuple[Any, Any]) -> tuple[Any, Any]:
    """The inverse Fourier transform over the last two axes, of real and imaginary parts."""
    real, imaginary = x
    image = anp.fft.ifft2(real + 1j * imaginary)
    return anp.real(image), anp.imag(image)


def pad(
    x: Any, pad_width: Any, mode: str = "constant", constant_values: float | None = None
) -> Any:
    """Padded with a constant, or as NumPy does by any mode that repeats what is there."""
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2))
    if mode == "constant":
        return anp.pad(x, widths.tolist(), mode, constant_values=constant_values or 0.0)
    for axis, width in enumerate(widths):
        if width.any():
            x = take(x, np.pad(np.arange(x.shape[axis]), tuple(width), mode), axis)  # type: ignore[call-overload]
    return x


def roll(x: Any, shift: int | Sequence[int], axis: Axis = None) -> Any:
    """Shifted, what leaves at one end entering at the other."""
    if axis is None:
        return reshape(roll(reshape(x, (-1,)), shift, 0), x.shape)
    places = _places(axis, x.ndim)
    for place, by in zip(places, np.broadcast_to(shift, len(places)), strict=True):
        x = take(x, np.roll(np.arange(x.shape[place]), by), place)
    return x


def shape(x: Any) -> tuple[int, ...]:
    """The lengths of the axes."""
    lengths: tuple[int, ...] = anp.shape(x)
    return lengths


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), which never overflows."""
    return (tanh(x * 0.5) + 1) * 0.5


def softmax(x: Any, axis: int = -1) -> Any:
    """Shares that add up to 1."""
    raised = exp(x - max(stop_gradient(x), axis=axis, keepdims=True))
    return raised / sum(raised, axis=axis, keepdims=True)


def stop_gradient(x: Any) -> Any:
    """The values, as constants."""
    return getval(x)


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The slices at these places along an axis."""
    indices = convert_to_numpy(indices)
    if axis is None:
        return reshape(x, (-1,))[indices]
    return x[(*[slice(None)] * _places(axis, x.ndim)[0], indices)]


def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    """At each place, the value at the index there along an axis."""
    if axis is None:
        return take_along_axis(reshape(x, (-1,)), indices, 0)
    indices = convert_to_numpy(indices)
    (place,) = _places(axis, x.ndim)
    lengths = [1 if i == place else n for i, n in enumerate(x.shape)]
    where: list[Any] = list(np.ogrid[tuple(slice(n) for n in lengths)])
    where[place] = indices
    return x[tuple(where)]


def _places(axis: Axis, rank: int) -> list[int]:
    if axis is None:
        return list(range(rank))
    return [place % rank for place in (axis if isinstance(axis, Sequence) else [axis])]
