"""What a recording takes out of an array: a step, a unit, a position, the range of a sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from layerscope.core.addresses import Place
from layerscope.core.axes import UNIT_AXES, NamedArray
from layerscope.core.errors import AddressError

if TYPE_CHECKING:
    import xarray as xr

_SHOWN = 6  #: numbers that a message names


def at_step(array: NamedArray, step: int | None) -> NamedArray:
    """Return the array at a step, by its number, the last where None; itself without steps."""
    if "step" not in array.axes:
        return array
    numbers = numbers_of_steps(array)
    if step is not None and (isinstance(step, bool) or step not in numbers):
        numbered = "steps" in array.attrs
        there = _some(numbers) if numbered else f"{len(numbers)}, counted from 0"
        raise AddressError(f"There is no step {step!r}: there are {there}.")
    where = array.axes.index("step")
    index = len(numbers) - 1 if step is None else numbers.index(step)
    axes = (*array.axes[:where], *array.axes[where + 1 :])
    attrs = {name: value for name, value in array.attrs.items() if name != "steps"}
    return NamedArray(array.values[(slice(None),) * where + (index,)], axes, attrs)


def numbers_of_steps(array: NamedArray) -> tuple[int, ...]:
    """Return the numbers of the steps of an array that has some; from 0 where none are given."""
    count = array.values.shape[array.axes.index("step")]
    return tuple(map(int, array.attrs.get("steps", range(count))))


def _some(numbers: Sequence[int]) -> str:
    """Return the first few numbers, and the last."""
    more = f", … {numbers[-1]}" if len(numbers) > _SHOWN else ""
    return ", ".join(map(str, numbers[:_SHOWN])) + more


def finite_range(array: NamedArray, sample: int) -> tuple[float, float]:
    """Return the least and the largest finite value of a sample; infinities where there is none."""
    values = array.values
    if "sample" in array.axes:
        values = values.take(sample, axis=array.axes.index("sample"))
    if values.dtype.kind not in "fiub" or not values.size:
        return math.inf, -math.inf
    low, high = float(values.min()), float(values.max())
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (math.inf, -math.inf)


def at_place(array: xr.DataArray, place: Place) -> xr.DataArray:
    """Return one unit of a layer, or one position of it."""
    axis = next((name for name in reversed(array.dims) if name in UNIT_AXES), None)
    if axis is None:
        raise AddressError(f"{place.layer!r} has axes {array.dims}: none of them numbers units.")
    where: dict[Any, int] = {axis: _index_of_unit(array, place, str(axis))}
    if place.position is not None:
        space = [name for name in array.dims if name in ("query", "key", "z", "y", "x", "position")]
        if len(space) != len(place.position):
            raise AddressError(
                f"{str(place)!r} gives {len(place.position)} coordinates; "
                f"{place.layer!r} has {len(space)}: {', '.join(map(str, space))}."
            )
        for name, index in zip(space, place.position, strict=True):
            _check_index(place.layer, str(name), index, array.sizes[name])
            where[name] = index
    return array.isel(where)


def at_units(array: xr.DataArray, places: Sequence[Place]) -> xr.DataArray:
    """Return several units of a layer, in this order, with their numbers along their axis."""
    axis = next((name for name in reversed(array.dims) if name in UNIT_AXES), None)
    for place in places:
        at_place(array, place)  # says what is wrong with it
    where = [_index_of_unit(array, place, str(axis)) for place in places]
    return array.isel({axis: where}).assign_coords({axis: [place.unit for place in places]})


def _index_of_unit(array: xr.DataArray, place: Place, axis: str) -> int:
    """Return where a unit is along its axis, by its number where the array tells the numbers."""
    unit = place.unit or 0
    numbers = array.attrs.get("units")
    if numbers is None:
        _check_index(place.layer, axis, unit, array.sizes[axis])
        return unit
    if unit not in numbers:
        raise AddressError(f"{place.layer!r} holds the units {_some(numbers)}: {unit} is not here.")
    return int(tuple(numbers).index(unit))


def _check_index(layer: str, axis: str, index: int, length: int) -> None:
    if index >= length:
        raise AddressError(
            f"{layer!r} has {length} along {axis}, counted from 0: {index} is not among them, "
            f"the last is {length - 1}."
        )
