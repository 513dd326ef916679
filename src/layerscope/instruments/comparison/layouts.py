"""What one network received, brought to the layout that another expects."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.network import InputSpec, Shape
from layerscope.recordings.recording import Recording

Array = npt.NDArray[Any]


def arranged(recording: Recording, specs: Sequence[InputSpec]) -> Any:
    """Return the inputs of a recording as a model with these inputs takes them.

    One array, a list in the model's order, or a dict where the names are the same. None where they
    are no numbers.
    """
    names = list(recording.inputs)
    arrays = [recording.named(name) for name in names]
    if not arrays or any(array.values.dtype.kind not in "fiub" for array in arrays):
        return None
    received_axes = [recording.input_axes[name] for name in names]
    if len(arrays) == 1:
        spec = specs[0] if specs else InputSpec("x", certain=False)
        return in_layout(arrays[0], received_axes[0], spec)
    by_name = {spec.name: spec for spec in specs}
    if set(names) == set(by_name):
        return {
            name: in_layout(array, axes, by_name[name])
            for name, array, axes in zip(names, arrays, received_axes, strict=True)
        }
    paired = [*specs, *[InputSpec("x", certain=False)] * len(arrays)]
    return [in_layout(*each) for each in zip(arrays, received_axes, paired, strict=False)]


def in_layout(array: NamedArray, received_axes: tuple[str, ...], spec: InputSpec) -> Array:
    """Return an array in everyone's order of axes as an input wants it.

    ``received_axes`` are the axes in the order in which they were received; that is taken where
    nothing else fits.
    """
    received = array.values.transpose([array.axes.index(axis) for axis in received_axes])
    for candidate in _candidates(array, spec):
        if _fits(candidate.shape, spec.shape):
            return np.ascontiguousarray(candidate)
    return np.ascontiguousarray(received)


def _candidates(array: NamedArray, spec: InputSpec) -> Iterator[Array]:
    """Yield the array in each form that it may be wanted in, the likeliest first."""
    values, axes = array.values, array.axes
    if isinstance(spec.layout, tuple) and set(spec.layout) == set(axes):
        yield values.transpose([axes.index(axis) for axis in spec.layout])
    rank = None if spec.shape is None else len(spec.shape)
    if axes[-1:] == ("channel",) and values.ndim > 2:
        first = np.moveaxis(values, -1, 1)
        yield from (first, values) if _channels_first(spec) else (values, first)
        if values.shape[-1] == 1 and rank == values.ndim - 1:
            yield values[..., 0]
    else:
        yield values
        if rank == values.ndim + 1:
            yield values[:, None] if _channels_first(spec) else values[..., None]
    if rank == 2 and values.ndim > 2 and spec.shape is not None:
        length = math.prod(values.shape[1:])
        yield values.reshape(len(values), length)


def _channels_first(spec: InputSpec) -> bool:
    layout = spec.layout
    return layout == "channels_first" or (isinstance(layout, tuple) and layout[1:2] == ("channel",))


def _fits(shape: tuple[int, ...], expected: Shape | None) -> bool:
    if expected is None:
        return True
    return len(shape) == len(expected) and all(
        wanted is None or length == wanted
        for place, (length, wanted) in enumerate(zip(shape, expected, strict=True))
        if place > 0
    )
