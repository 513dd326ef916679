"""Where a model has its positions, and its channels: for values that come as rows of a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.network import InputSpec
from layerscope.core.table import shape_text

Array = npt.NDArray[Any]

_AXES = ("sample", "position", "channel")
_LAYOUTS = {"channels_last": _AXES, "channels_first": ("sample", "channel", "position")}


def along_positions(values: Array, spec: InputSpec) -> Array | None:
    """Return ``(positions, channels)`` as a batch of one; None where the model has other axes."""
    rank = 3 if spec.shape is None else len(spec.shape)
    if rank == 3:
        return np.transpose(values[None], [_AXES.index(name) for name in axes_of(spec)])
    if rank > 3 or values.shape[1] != 1:
        return None
    return values[:, 0][None] if rank == 2 else values[:, 0]


def axes_of(spec: InputSpec) -> tuple[str, ...]:
    """Return the axes of an input of sequences, in the model's own order."""
    if isinstance(spec.layout, tuple) and set(spec.layout) == set(_AXES):
        return spec.layout
    return _LAYOUTS.get(str(spec.layout), _AXES)


def fits(values: Array, spec: InputSpec) -> bool:
    """Return whether the values have the lengths that the model says it takes."""
    if spec.shape is None:
        return True
    return len(spec.shape) == values.ndim and all(
        wanted is None or wanted == length
        for wanted, length in zip(spec.shape, values.shape, strict=True)
    )


def expected_text(spec: InputSpec) -> str:
    """Return the shape that the model expects, with its axes where it takes sequences."""
    shape = shape_text(spec.shape)
    if spec.shape is not None and len(spec.shape) == 3:
        return f"{shape}, which are {', '.join(axes_of(spec))}"
    return shape
