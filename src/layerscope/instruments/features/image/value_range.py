"""How an image is kept in range, and how its channels are mixed: of every parameterization.

A unit image has values from -1, the low end of what the network takes, to 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.instruments.features.image.colours import Colours
from layerscope.instruments.features.image.recipe_values import BOUNDS

Array = npt.NDArray[Any]

#: Where a start image is taken back to before a sigmoid, which reaches -1 and 1 only at infinity,
#: and is too flat beyond this to leave.
REACH = 0.98


def unbounded(images: Array, bounds: str) -> Array:
    """Return what the range is applied to, of unit images."""
    values: Array = np.asarray(images)
    if values.dtype != np.float32:
        values = values.astype(float)
    if bounds == "sigmoid":
        values = np.arctanh(np.clip(values.astype(float), -REACH, REACH))
    else:
        values = np.clip(values, -1, 1)
    return values


def bounded(ops: Any, values: Any, bounds: str) -> Any:
    """Return values brought into range, for a gradient to pass."""
    if bounds == "sigmoid":
        return ops.tanh(values)
    # The gradient passes as if there were no bounds: a pixel at one, or beyond it by a rounding
    # error, would never move again.
    return values + ops.stop_gradient(ops.clip(values, -1.0, 1.0) - values)


def correlated(ops: Any, values: Any, colours: Colours | None, *, inverse: bool = False) -> Any:
    """Return values, channels last, with their channels mixed."""
    if colours is None:
        return values
    check_channels(values.shape[-1], colours)
    matrix = colours.decorrelating if inverse else colours.correlating
    return ops.matmul(values, ops.convert_to_tensor(matrix.T.astype(np.float32)))


def decorrelated(values: Array, colours: Colours | None) -> Array:
    """Return values, channels last, with their channels made independent."""
    if colours is None:
        return values
    check_channels(values.shape[-1], colours)
    independent: Array = values.astype(float) @ colours.decorrelating.T
    return independent


def check_bounds(bounds: str) -> None:
    """Raise InputError for a way to keep the range that there is not."""
    if bounds not in BOUNDS:
        raise InputError(f"bounds={bounds!r}: pass 'clip' or 'sigmoid'.")


def check_channels(channels: int, colours: Colours) -> None:
    """Raise InputError where colours are of other channels than an image."""
    if channels != colours.channels:
        raise InputError(
            f"These colours are of {colours.channels} channels, and the image has {channels}."
        )


def check_axes(count: int, name: str = "fourier") -> None:
    """Raise InputError where there are no frequencies along so many axes."""
    if count not in (1, 2):
        raise InputError(
            f"parameterization={name!r} is for images and sequences: pass 'pixel' for an input "
            f"with {count or 'no'} axes besides its channels."
        )
