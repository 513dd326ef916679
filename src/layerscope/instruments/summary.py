"""``summary``: one line of figures for each layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.axes import UNIT_AXES
from layerscope.errors import InputError
from layerscope.maps import blank
from layerscope.recording import Recording


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one recorded array; minimum, mean and maximum are of its finite values."""

    address: str
    type: str  #: of the layer; empty where the network does not say
    shape: tuple[int, ...]  #: of one sample, axes in the presented order
    min: float
    mean: float
    max: float
    units: int  #: how many channels, units or heads it has
    blank: int  #: how many of them are blank in every sample looked at
    nonfinite: int  #: how many values are NaN or infinite

    @property
    def blank_share(self) -> float:
        """The share of blank units, 0 to 1."""
        return self.blank / self.units if self.units else 0.0


def summary(recording: Recording, sample: int | None = None) -> list[Row]:
    """The range, the mean and the number of blank units of each array, in execution order.

    A unit is blank when its map is flat, or, having a single value, when that is zero. Over several
    samples it counts as blank only if it is so in each of them.

    Parameters
    ----------
    sample
        Which sample, counted from 0; all of them together by default.

    Raises
    ------
    InputError
        When there is no such sample.
    """
    types = {layer.address: layer.type for layer in recording.network}
    for layer in recording.network:
        types.update({parameter.key: layer.type for parameter in layer.parameters})
    return [_row(recording, address, types.get(address, ""), sample) for address in recording]


def scope(recording: Recording, sample: int | None = None) -> str:
    """What a summary is about: ``for this sample``, or ``for all N samples given``."""
    counts = {array.sizes["sample"] for array in recording.values() if "sample" in array.dims}
    if sample is not None or max(counts, default=1) == 1:
        return "for this sample"
    return f"for all {max(counts)} samples given"


def _row(recording: Recording, address: str, layer_type: str, sample: int | None) -> Row:
    array = recording[address]
    if sample is not None and "sample" in array.dims:
        count = array.sizes["sample"]
        if not 0 <= sample < count:
            raise InputError(f"There is no sample {sample}: there are {count}, counted from 0.")
        array = array.isel(sample=slice(sample, sample + 1))
    axis = next((name for name in reversed(array.dims) if name in UNIT_AXES), None)
    maps = _maps(array.values, tuple(map(str, array.dims)), None if axis is None else str(axis))
    low, mean, high, nonfinite = _range(array.values)
    return Row(
        address=address,
        type=layer_type,
        shape=tuple(n for name, n in array.sizes.items() if name != "sample"),
        min=low,
        mean=mean,
        max=high,
        units=maps.shape[1],
        blank=_blank_units(maps),
        nonfinite=nonfinite,
    )


def _maps(values: npt.NDArray[Any], dims: tuple[str, ...], axis: str | None) -> npt.NDArray[Any]:
    """The values as (sample, unit, everything else)."""
    if axis is None:
        values, dims, axis = values[..., None], (*dims, "unit"), "unit"
    values = np.moveaxis(values, dims.index(axis), 0)
    rest = tuple(name for name in dims if name != axis)
    at = 1 + rest.index("sample") if "sample" in rest else None
    values = values[None] if at is None else np.moveaxis(values, at, 0)
    return values.reshape(*values.shape[:2], math.prod(values.shape[2:]))


def _blank_units(maps: npt.NDArray[Any]) -> int:
    if maps.size == 0:
        return 0
    silent = np.stack([np.asarray(blank(of_sample)) for of_sample in maps])
    return int(silent.all(axis=0).sum())


def _range(values: npt.NDArray[Any]) -> tuple[float, float, float, int]:
    """Minimum, mean and maximum of the finite values, and how many are not finite."""
    nonfinite = 0
    if values.dtype.kind in "fc":
        finite = np.isfinite(values)
        if not finite.all():
            nonfinite = int(values.size - finite.sum())
            values = values[finite]
    if values.size == 0 or values.dtype.kind not in "biuf":
        return float("nan"), float("nan"), float("nan"), nonfinite
    # In float16 a sum overflows long before the values do.
    return float(values.min()), float(values.mean(dtype=np.float64)), float(values.max()), nonfinite
