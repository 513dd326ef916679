"""From an address to the maps to draw: which array, which sample, which unit, in which shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layerscope.errors import AddressError, ViewError
from layerscope.maps import stacked
from layerscope.network import Place
from layerscope.recording import Recording

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Chosen:
    """The maps of one address, not yet scaled."""

    address: str
    title: str  #: the address and the shape
    maps: Array  #: (n, height, width), or (n, height, width, 3) for colours
    labels: list[str]
    vector: bool = False  #: one map of one row, each value a unit
    kernel: bool = False
    is_input: bool = False

    @property
    def colour(self) -> bool:
        """Whether the maps are colours."""
        return self.maps.ndim == 4


def choose(
    recording: Recording,
    address: str | None,
    *,
    sample: int = 0,
    step: int | None = None,
    reshape: tuple[int, ...] | None = None,
    colours: bool = True,
) -> Chosen:
    """The maps of a layer, of one of its units, or of the input (``"input"``, or None).

    Raises
    ------
    AddressError, ViewError
        When there is no such layer, unit or sample, or ``reshape`` does not fit.
    """
    is_input = address is None or (address == "input" and address not in recording)
    place = Place("input") if is_input else recording.place(str(address))
    array = recording.input if is_input else recording[place.layer]
    is_input = is_input or place.layer in recording.inputs
    values, axes = _one(array, sample, step)
    title = f"{place} {shape_of(values.shape)}"
    if place.unit is not None:
        recording[str(place)]  # says what is wrong with the unit or the position
    kernel = "input" in axes
    if reshape is not None or "input_shape" in array.attrs:
        values, axes = _reshaped(array, values, axes, reshape)
    maps, labels = _maps(values, axes, kernel, colours, is_input)
    vector = len(axes) == 1
    if place.unit is not None:
        maps, labels = _unit(maps, labels, place.unit, vector)
        vector = False
    return Chosen(str(place), title, maps, labels, vector, kernel, is_input)


def shape_of(shape: tuple[int, ...]) -> str:
    """``(50, 50)``, as in a title."""
    return "(" + ", ".join(map(str, shape)) + ")"


def at_sample(array: xr.DataArray, sample: int) -> xr.DataArray:
    """One sample of an array; ViewError when there is no such sample."""
    if "sample" not in array.dims:
        return array
    count = array.sizes["sample"]
    if not isinstance(sample, int | np.integer) or not 0 <= sample < count:
        raise ViewError(f"There is no sample {sample!r}: there are {count}, counted from 0.")
    return array.isel(sample=sample)


def _one(array: xr.DataArray, sample: int, step: int | None) -> tuple[Array, tuple[str, ...]]:
    if "step" in array.dims:
        array = array.isel(step=-1) if step is None else array.sel(step=step)
    array = at_sample(array, sample)
    values = array.values
    if values.dtype.kind not in "fiub":
        raise ViewError(f"{array.name!r} holds {values.dtype} values, which can't be drawn.")
    return values, tuple(map(str, array.dims))


def _reshaped(
    array: xr.DataArray, values: Array, axes: tuple[str, ...], reshape: tuple[int, ...] | None
) -> tuple[Array, tuple[str, ...]]:
    """Vectors as images: those of units as they were flattened, or as the user says."""
    shape = tuple(reshape) if reshape is not None else tuple(array.attrs["input_shape"])
    names: tuple[str, ...] = ("y", "x", "channel")[: len(shape)]
    if reshape is None:
        names = tuple(array.attrs["input_axes"])
    if len(shape) not in (2, 3):
        raise ViewError(f"reshape={reshape!r}: pass (height, width) or (height, width, channels).")
    is_kernel = axes == ("input", "unit")
    length = values.shape[0]
    if not is_kernel and len(axes) != 1:
        raise ViewError(
            f"{array.name!r} has the axes {', '.join(axes)}: reshape= is for vectors and for the "
            "kernels of dense layers."
        )
    if math.prod(shape) != length:
        sides = _sides(length)
        raise ViewError(
            f"reshape={shape} has {math.prod(shape)} places, {array.name!r} has {length} values: "
            f"try {sides}."
        )
    if not is_kernel:
        return values.reshape(shape), names
    kernel = values.reshape(*shape, values.shape[1])
    # The units become the maps; the channels of what was flattened are inputs to each.
    renamed = tuple("input" if name == "channel" else name for name in names)
    return kernel, (*renamed, "channel")


def _sides(length: int) -> tuple[int, int]:
    side = math.isqrt(length)
    while length % side:
        side -= 1
    return side, length // side


def _maps(
    values: Array, axes: tuple[str, ...], kernel: bool, colours: bool, is_input: bool
) -> tuple[Array, list[str]]:
    by = dict(zip(axes, values.shape, strict=True))
    if colours and kernel and {"y", "x"} <= set(axes) and by.get("input") == 3 and len(axes) == 4:
        ordered = values.transpose([axes.index(n) for n in ("channel", "y", "x", "input")])
        return ordered, [str(i) for i in range(len(ordered))]
    if colours and is_input and set(axes) == {"y", "x", "channel"} and by["channel"] in (3, 4):
        ordered = values.transpose([axes.index(n) for n in ("y", "x", "channel")])
        return ordered[None, :, :, :3], [""]
    return stacked(values, axes)


def _unit(maps: Array, labels: list[str], unit: int, vector: bool) -> tuple[Array, list[str]]:
    if vector:
        return maps[:, :, unit : unit + 1], [str(unit)]
    wanted = [i for i, label in enumerate(labels) if label.split("·")[0] == str(unit)]
    if wanted:
        return maps[wanted], [labels[i] for i in wanted]
    if len(maps) == 1 and unit < maps.shape[2]:  # a matrix: a unit is a column of it
        return maps[:, :, unit : unit + 1], [str(unit)]
    raise AddressError(f"There is no unit {unit} to draw: there are {len(maps)}, counted from 0.")
