"""Reductions where a backend has no way of its own: in NumPy, of the values that a pass kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Backend, ForwardPass, ReducedPass, Reducing, ReductionOf
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


@dataclass(frozen=True, slots=True)
class ReducedValue:
    """What a reduction has made of a value, as soon as a layer had returned it.

    So a value need not be kept, nor copied where it is overwritten later.
    """

    numbers: dict[str, Any] | None  #: None where it can't be reduced
    axes: tuple[str, ...]  #: that the value was taken to have
    shape: tuple[int, ...]

    @classmethod
    def of(
        cls, values: Array, axes: tuple[str, ...], reduction: ReductionOf, offsets: Array
    ) -> ReducedValue:
        """Return what a reduction makes of an array now, whatever is written there later.

        What it hands on as it is, such as maps of a single value, is copied.
        """
        numbers = reduction(NumpyOps, values, axes, offsets)
        if numbers is not None:
            numbers = {
                name: one.copy() if np.may_share_memory(one, values) else one
                for name, one in numbers.items()
            }
        return cls(numbers, axes, values.shape)


def reduced(
    backend: Backend, x: Any, selection: Selection, reduction: ReductionOf, offsets: Array
) -> ReducedPass:
    """Make a pass and return what the reduction makes of each value that was selected.

    It is done where the values are computed, as far as the backend can; else in NumPy.
    """
    if isinstance(backend, Reducing):
        return backend.reduced(x, selection, reduction, offsets)
    return as_reduced(backend.run(x, selection), reduction, offsets)


def as_reduced(
    run: ForwardPass,
    reduction: ReductionOf,
    offsets: Array,
    early: Mapping[str, ReducedValue] | None = None,
    order: Iterable[str] = (),
) -> ReducedPass:
    """Return a pass with what the reduction makes of its values, in NumPy.

    ``early`` are those that were reduced as they came, ``order`` is that of them and the rest.
    """
    made = dict(early or {})
    for address, array in run.values.items():
        if address not in made:
            made[address] = ReducedValue.of(array.values, array.axes, reduction, offsets)
    addresses = dict.fromkeys((*order, *made))
    kept = {address: one for address in addresses if (one := made[address]).numbers is not None}
    return ReducedPass(
        run.network,
        {address: one.numbers or {} for address, one in kept.items()},
        {address: one.axes for address, one in kept.items()},
        {address: one.shape for address, one in kept.items()},
        {name: array.axes for name, array in run.inputs.items()},
        run.aliases,
        run.left_out,
    )


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
