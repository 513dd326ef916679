"""Reductions where a backend has no way of its own: in NumPy, of the values that a pass kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Backend, ReducedPass, Reducing, ReductionOf
from layerscope.core.selection import Selection

Array = npt.NDArray[Any]


class NumpyOps:
    """What ``keras.ops`` calls the functions that a reduction uses, of NumPy's arrays."""

    arange = staticmethod(np.arange)
    expand_dims = staticmethod(np.expand_dims)
    reshape = staticmethod(np.reshape)
    take_along_axis = staticmethod(np.take_along_axis)
    transpose = staticmethod(np.transpose)

    @staticmethod
    def cast(x: Any, dtype: Any) -> Array:
        """Return x as another type."""
        return np.asarray(x, dtype)


def reduced(
    backend: Backend, x: Any, selection: Selection, reduction: ReductionOf, offsets: Array
) -> ReducedPass:
    """Make a pass and return what the reduction makes of each value that was selected.

    It is done where the values are computed, as far as the backend can; else in NumPy.
    """
    if isinstance(backend, Reducing):
        return backend.reduced(x, selection, reduction, offsets)
    run = backend.run(x, selection)
    values: dict[str, Mapping[str, Any]] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    axes: dict[str, tuple[str, ...]] = {}
    for address, array in run.values.items():
        numbers = reduction(NumpyOps, array.values, array.axes, offsets)
        if numbers is not None:
            values[address] = numbers
            shapes[address], axes[address] = array.values.shape, array.axes
    input_axes = {name: array.axes for name, array in run.inputs.items()}
    return ReducedPass(run.network, values, axes, shapes, input_axes, run.aliases, run.left_out)


def by_name(
    reduction: ReductionOf,
    ops: Any,
    kept: Mapping[str, Any],
    axes: Mapping[str, Any],
    offsets: Any,
) -> dict[str, Any]:
    """Return what a reduction makes of tensors, by address; without those that it can't reduce."""
    made = {
        address: reduction(ops, value, axes[address], offsets) for address, value in kept.items()
    }
    return {address: numbers for address, numbers in made.items() if numbers is not None}
