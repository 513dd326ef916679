"""``summary``: one line of figures for each layer, also of samples that come bit by bit."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import UNIT_AXES, NamedArray
from layerscope.core.errors import InputError
from layerscope.core.maps import blank, constant
from layerscope.core.silence import silences_of
from layerscope.instruments.extremes import finite_figures
from layerscope.recordings.recording import Recording

Array = npt.NDArray[Any]

#: From how many bytes on several layers are read at once: NumPy reads with one thread each.
_FOR_THREADS, _MOST_THREADS = 16_000_000, 4


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
    blank: int  #: how many of them are blank in every sample looked at: a rectifier's silence
    nonfinite: int  #: how many values are NaN or infinite
    constant: int = 0  #: how many of them have maps of one value in every sample, and are not blank

    @property
    def blank_share(self) -> float:
        """The share of blank units, 0 to 1."""
        return self.blank / self.units if self.units else 0.0


@dataclass(frozen=True, slots=True)
class Tally:
    """What a row says, of some samples: tallies of others can be added."""

    address: str
    type: str
    shape: tuple[int, ...]
    low: float
    total: float  #: the sum of the finite values, in float64
    high: float
    count: int  #: of the finite values
    silent: npt.NDArray[np.bool_]  #: which units are blank in each of these samples
    steady: npt.NDArray[np.bool_]  #: which have maps of one value in each of them
    nonfinite: int
    sampled: bool = True  #: whether it has an axis of samples; a constant is the same in all chunks

    def __add__(self, other: Tally) -> Tally:
        """Return the tally of both; exact but for the rounding of the sum."""
        if not self.sampled:
            return self
        return replace(
            self,
            low=float(np.fmin(self.low, other.low)),
            total=self.total + other.total,
            high=float(np.fmax(self.high, other.high)),
            count=self.count + other.count,
            silent=self.silent & other.silent,
            steady=self.steady & other.steady,
            nonfinite=self.nonfinite + other.nonfinite,
        )

    @property
    def row(self) -> Row:
        """The figures."""
        return Row(
            address=self.address,
            type=self.type,
            shape=self.shape,
            min=self.low,
            mean=self.total / self.count if self.count else math.nan,
            max=self.high,
            units=len(self.silent),
            blank=int(self.silent.sum()),
            nonfinite=self.nonfinite,
            constant=int((self.steady & ~self.silent).sum()),
        )


def summary(recording: Recording, sample: int | None = None) -> list[Row]:
    """Return the range, the mean and the number of blank units of each array, in execution order.

    A unit of a layer that rectifies is blank when its map is zero everywhere; any other unit whose
    map has one value everywhere is constant. Over several samples it counts as either only if it is
    so in each of them.

    Parameters
    ----------
    sample
        Which sample, counted from 0; all of them together by default.

    Raises
    ------
    InputError
        When there is no such sample.
    """
    return [tally.row for tally in tallies(recording, sample)]


def tallies(recording: Recording, sample: int | None = None) -> list[Tally]:
    """Return what :func:`summary` says, in a form to which that of other samples can be added."""
    types = {layer.address: layer.type for layer in recording.network}
    for layer in recording.network:
        types.update({parameter.key: layer.type for parameter in layer.parameters})
    is_rectified = silences_of(recording.network)

    def tally(address: str, array: NamedArray) -> Tally:
        return _tally(address, array, types.get(address, ""), is_rectified(address), sample)

    if recording.has_steps or recording.nbytes < _FOR_THREADS:
        return [tally(address, recording.named(address)) for address in recording]
    arrays = [recording.named(address) for address in recording]  # made here, not in threads
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as threads:
        return list(threads.map(tally, recording, arrays))


def merged(these: Sequence[Tally], others: Sequence[Tally]) -> list[Tally]:
    """Return the tallies of the samples of both; of the layers that both have."""
    by_address = {tally.address: tally for tally in others}
    return [t + by_address[t.address] for t in these if t.address in by_address]


def scope(recording: Recording, sample: int | None = None) -> str:
    """Return what a summary is about: ``for this sample``, or ``for all N samples given``."""
    counts = {array.sizes["sample"] for array in recording.values() if "sample" in array.dims}
    if sample is not None or max(counts, default=1) == 1:
        return "for this sample"
    return f"for all {max(counts)} samples given"


def _tally(
    address: str,
    array: NamedArray,
    layer_type: str,
    is_rectified: bool | None,
    sample: int | None,
) -> Tally:
    values, axes = array.values, array.axes
    if sample is not None and "sample" in axes:
        at = axes.index("sample")
        count = values.shape[at]
        if not 0 <= sample < count:
            raise InputError(f"There is no sample {sample}: there are {count}, counted from 0.")
        values = np.take(values, [sample], at)
    axis = next((name for name in reversed(axes) if name in UNIT_AXES), None)
    low, total, high, count, nonfinite, silent, steady = (
        _finite_figures(values, axes, axis, is_rectified)
        or _figures(_maps(values, axes, axis), values, is_rectified)
    )  # fmt: skip
    lengths = zip(axes, values.shape, strict=True)
    return Tally(
        address=address,
        type=layer_type,
        shape=tuple(n for name, n in lengths if name != "sample"),
        low=low,
        total=total,
        high=high,
        count=count,
        silent=silent,
        steady=steady,
        nonfinite=nonfinite,
        sampled="sample" in axes,
    )


#: Lowest, sum, highest, count of finite values, count of others; which units are blank, constant.
_Figures = tuple[float, float, float, int, int, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]


def _figures(maps: Array, values: Array, is_rectified: bool | None) -> _Figures:
    """Return the figures of any values; ``maps`` are they as (sample, unit, everything else)."""
    silent = _in_each(maps, lambda of_sample: blank(of_sample, is_rectified))
    return *_range(values), silent, _in_each(maps, constant)


def _finite_figures(
    values: Array, axes: tuple[str, ...], axis: str | None, is_rectified: bool | None
) -> _Figures | None:
    """Return the figures of values that are all finite, read three times; None of others.

    Of much data most of the time would go into copies with the units in front.
    """
    figures = None if axis is None else finite_figures(values, axes, axis)
    if figures is None:
        return None
    samples = values.shape[axes.index("sample")] if "sample" in axes else 1
    several = values.size > samples * len(figures.flat)  # one value has no pattern to lack
    silent = figures.zero & (figures.low >= 0 and is_rectified is not False)
    return figures.low, figures.total, figures.high, values.size, 0, silent, figures.flat & several


def _maps(values: npt.NDArray[Any], dims: tuple[str, ...], axis: str | None) -> npt.NDArray[Any]:
    """Return the values as (sample, unit, everything else)."""
    if axis is None:
        values, dims, axis = values[..., None], (*dims, "unit"), "unit"
    values = np.moveaxis(values, dims.index(axis), 0)
    rest = tuple(name for name in dims if name != axis)
    at = 1 + rest.index("sample") if "sample" in rest else None
    values = values[None] if at is None else np.moveaxis(values, at, 0)
    return values.reshape(*values.shape[:2], math.prod(values.shape[2:]))


def _in_each(maps: npt.NDArray[Any], what: Callable[[Array], Array]) -> npt.NDArray[np.bool_]:
    """Return of which units something is true in each sample."""
    if maps.size == 0:
        return np.zeros(maps.shape[1], bool)
    return np.asarray(np.stack([what(of_sample) for of_sample in maps]).all(axis=0))


def _range(values: npt.NDArray[Any]) -> tuple[float, float, float, int, int]:
    """Return minimum, sum and maximum of the finite values, their number and that of others."""
    nonfinite = 0
    if values.dtype.kind in "fc":
        finite = np.isfinite(values)
        if not finite.all():
            nonfinite = int(values.size - finite.sum())
            values = values[finite]
    if values.size == 0 or values.dtype.kind not in "biuf":
        return math.nan, 0.0, math.nan, 0, nonfinite
    # In float16 a sum overflows long before the values do.
    total = float(values.sum(dtype=np.float64))
    return float(values.min()), total, float(values.max()), values.size, nonfinite
