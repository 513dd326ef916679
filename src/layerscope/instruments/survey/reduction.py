"""What maps become inside a pass: a few numbers for each sample and unit, in any array library.

Written in the names of ``keras.ops``. The numbers are each sample's own, so it makes no difference
to them how samples were put into batches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import UNIT_AXES, presented
from layerscope.instruments.survey.array_figures import array_figures
from layerscope.recordings.survey.sample_figures import SampleFigures

#: How many values of each map the histogram counts.
PLACES = 16


@dataclass(frozen=True, slots=True)
class Reduction:
    """Reduces the values of a layer; where ``masked``, those that are not finite are left out.

    Masking costs a second look at every value, and of most networks none needs it.
    """

    masked: bool = False

    def __call__(
        self, ops: Any, value: Any, axes: tuple[str, ...], offsets: Any
    ) -> dict[str, Any] | None:
        """Return the numbers by name, each (sample, unit), but ``some``: (sample, place, unit).

        ``offsets`` has a whole number for each sample, which tells the places of ``some``. None for
        values that are no numbers, or not of samples.
        """
        maps = _as_maps(ops, value, axes)
        if maps is None:
            return None
        values, axis = maps
        if values.shape[0] != offsets.shape[0]:
            return None  # of windows, of boxes: which sample a row is of can't be told
        some = _some(ops, values, axis, offsets)
        if isinstance(values, np.ndarray):
            return {**array_figures(values, axis, masked=self.masked), "some": some}
        return {**_tensor_figures(ops, values, axis, masked=self.masked), "some": some}


def _tensor_figures(ops: Any, values: Any, axis: int, *, masked: bool) -> dict[str, Any]:
    """Return the figures of maps along one axis, in operations that compilers fuse."""
    count, dtype = values.shape[axis], values.dtype
    high = low = values
    if masked:
        finite = ops.isfinite(values)
        high = ops.where(finite, values, ops.cast(-np.inf, dtype))
        low = ops.where(finite, values, ops.cast(np.inf, dtype))
        values = ops.where(finite, values, ops.cast(0, dtype))
        counted = ops.sum(ops.cast(finite, "int32"), axis=axis)
        mean = ops.sum(values, axis=axis) / ops.maximum(ops.cast(counted, dtype), 1)
        apart = ops.where(finite, values - ops.expand_dims(mean, axis), 0)
    else:
        counted = None
        mean = ops.mean(values, axis=axis)
        apart = values - ops.expand_dims(mean, axis)
    # A sum of signs is vectorized, which a count of comparisons is not.
    signs = ops.cast(ops.sum(ops.abs(ops.sign(values)), axis=axis), "int32")
    counted = ops.full_like(signs, count) if counted is None else counted
    peak, place = _highest(ops, high, axis)
    return {
        "peak": peak,
        "place": ops.cast(place, "int32"),
        "low": ops.min(low, axis=axis),
        "mean": mean,
        "squares": ops.sum(ops.square(apart), axis=axis),
        "zeros": counted - signs,
        "count": counted,
    }


def _highest(ops: Any, values: Any, axis: int) -> tuple[Any, Any]:
    """Return the highest value along an axis, and where it is first.

    Of long axes first the stretch that holds it: looking for a place takes ten times as long as
    looking for a value, and is done in that stretch alone.
    """
    count = values.shape[axis]
    stretch = next((n for n in range(math.isqrt(count), 7, -1) if count % n == 0), 1)
    if stretch == 1:
        return ops.max(values, axis=axis), ops.argmax(values, axis=axis)
    samples, units = values.shape[0], values.shape[3 - axis]
    folded = (count // stretch, stretch)
    shape = (samples, *folded, units) if axis == 1 else (samples, units, *folded)
    values = ops.reshape(values, shape)
    of_stretches = ops.max(values, axis=axis + 1)
    at = ops.argmax(of_stretches, axis=axis)
    wanted = ops.expand_dims(ops.expand_dims(at, axis), axis)
    within = ops.squeeze(ops.take_along_axis(values, wanted, axis=axis), axis)
    return (
        ops.max(of_stretches, axis=axis),
        ops.cast(at, "int32") * stretch + ops.cast(ops.argmax(within, axis=axis), "int32"),
    )


def figures(
    numbers: dict[str, npt.NDArray[Any]], axes: tuple[str, ...], shape: tuple[int, ...]
) -> SampleFigures:
    """Return a layer's numbers with what its maps are like, given its axes and their lengths."""
    unit = unit_axis(axes)
    lengths = dict(zip(axes, shape, strict=True))
    places = tuple(a for a in presented(axes) if a not in ("sample", unit))
    return SampleFigures(**numbers, axes=places, shape=tuple(lengths[a] for a in places))


def are_finite(numbers: dict[str, npt.NDArray[Any]]) -> bool:
    """Return whether all values were finite that an unmasked reduction has seen."""
    return bool(np.isfinite(numbers["squares"]).all())


def unit_axis(axes: tuple[str, ...]) -> str | None:
    """Return the axis that numbers the units; None where there is none."""
    return next((name for name in reversed(axes) if name in UNIT_AXES), None)


def _as_maps(ops: Any, value: Any, axes: tuple[str, ...]) -> tuple[Any, int] | None:
    """Return values as (sample, place, unit) or (sample, unit, place), and which axis is place."""
    if "sample" not in axes or 0 in value.shape:
        return None
    kind = str(value.dtype).rpartition(".")[2]
    if kind.startswith(("complex", "str", "object", "<U", "bytes")):
        return None
    if kind not in ("float32", "float64"):
        value = ops.cast(value, "float32")
    unit = unit_axis(axes)
    places = [a for a in presented(axes) if a not in ("sample", unit)]
    units_first = unit is not None and _lie_apart(value, axes, unit, places)
    wanted = ["sample", *([unit] if units_first and unit else []), *places]
    if unit is not None and not units_first:
        wanted.append(unit)
    order = [axes.index(a) for a in wanted]
    if order != sorted(order):
        value = ops.transpose(value, order)
    samples = value.shape[0]
    if unit is None:
        return ops.reshape(value, (samples, -1, 1)), 1
    if units_first:
        return ops.reshape(value, (samples, value.shape[1], -1)), 2
    return ops.reshape(value, (samples, -1, value.shape[-1])), 1


def _lie_apart(value: Any, axes: tuple[str, ...], unit: str, places: list[str]) -> bool:
    """Return whether the maps of units lie one after the other in memory."""
    if not places:
        return False
    stride = getattr(value, "stride", None)
    if callable(stride):  # PyTorch's; the layout that its convolutions compute in
        return bool(stride(axes.index(unit)) > max(stride(axes.index(a)) for a in places))
    if isinstance(value, np.ndarray):
        steps = dict(zip(axes, value.strides, strict=True))
        return steps[unit] > max(steps[a] for a in places)
    return axes.index(unit) < axes.index(places[0])


def _some(ops: Any, values: Any, axis: int, offsets: Any) -> Any:
    """Return values of each map at evenly spaced places, at other ones for each sample."""
    count = values.shape[axis]
    if count > PLACES:
        step = count // PLACES
        at = ops.expand_dims(offsets, 1) % count
        at = (at + ops.expand_dims(ops.arange(PLACES, dtype="int32") * step, 0)) % count
        values = ops.take_along_axis(values, ops.expand_dims(at, 3 - axis), axis)
    return values if axis == 1 else ops.transpose(values, (0, 2, 1))
