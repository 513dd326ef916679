"""What an input is compared with: baselines, by name or given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError

Array = npt.NDArray[Any]

BASELINES = ("zeros", "mean", "blur", "noise")
_SPACE = frozenset({"z", "y", "x", "position"})


def baselines(given: Any, values: Array, axes: tuple[str, ...], seed: int = 0) -> Array:
    """Return the baseline of each sample, of the samples' shape.

    ``given`` is a name, a number, or an array of one sample's shape or of all samples'. ``mean`` is
    that of each channel over a sample's positions, ``blur`` the sample blurred over a tenth of its
    longer side, ``noise`` normal noise of the sample's mean and spread.

    Raises InputError for anything else.
    """
    if isinstance(given, str):
        if given not in BASELINES:
            names = ", ".join(map(repr, BASELINES))
            raise InputError(f"baseline={given!r}: pass one of {names}, a number, or an array.")
        return np.asarray(_NAMED[given](values, axes, seed), np.float32)
    if hasattr(given, "detach"):
        given = given.detach().cpu().numpy()
    try:
        array = np.asarray(given, np.float32)
        if array.ndim == values.ndim - 1:
            array = array[None]
        return np.ascontiguousarray(np.broadcast_to(array, values.shape))
    except (TypeError, ValueError):
        raise InputError(
            f"baseline= has shape {np.shape(given)}, and a sample {values.shape[1:]} (axes "
            f"{', '.join(axes[1:])}): pass one of that shape, or for all samples {values.shape}."
        ) from None


def _zeros(values: Array, axes: tuple[str, ...], seed: int) -> Array:
    return np.zeros_like(values)


def _mean(values: Array, axes: tuple[str, ...], seed: int) -> Array:
    space = space_of(axes) or tuple(range(1, values.ndim))
    return np.array(np.broadcast_to(values.mean(axis=space, keepdims=True), values.shape))


def _blur(values: Array, axes: tuple[str, ...], seed: int) -> Array:
    space = space_of(axes)
    if not space:
        return _mean(values, axes, seed)
    return blurred(values, space, max(values.shape[axis] for axis in space) / 10)


def _noise(values: Array, axes: tuple[str, ...], seed: int) -> Array:
    rng = np.random.default_rng(seed)
    rest = tuple(range(1, values.ndim))
    spread = values.std(axis=rest, keepdims=True)
    noise = spread * rng.standard_normal(values.shape)
    return np.asarray(values.mean(axis=rest, keepdims=True) + noise)


_NAMED = {"zeros": _zeros, "mean": _mean, "blur": _blur, "noise": _noise}


def space_of(axes: tuple[str, ...]) -> tuple[int, ...]:
    """Return which axes are places in the input."""
    return tuple(i for i, axis in enumerate(axes) if axis in _SPACE)


def blurred(values: Array, space: tuple[int, ...], sigma: float) -> Array:
    """Return values blurred by a Gaussian along axes, the edge going on beyond itself."""
    reach = max(1, math.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    result = values.astype(np.float64)
    for axis in space:
        pad = [(0, 0)] * result.ndim
        pad[axis] = (reach, reach)
        wide = np.pad(result, pad, mode="edge")
        total = np.zeros_like(result)
        for i, weight in enumerate(weights):
            part: list[slice] = [slice(None)] * result.ndim
            part[axis] = slice(i, i + result.shape[axis])
            total += weight * wide[tuple(part)]
        result = total
    return result
