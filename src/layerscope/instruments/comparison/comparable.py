"""The values of a network's layers that can be compared with another's, in one order of axes."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray, presented
from layerscope.core.layer_kinds import IN_PLACE
from layerscope.core.network import Layer, Network, computing
from layerscope.recordings.recording import Recording

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LayerValues:
    """A layer of a network, and what is known of the values that it returned."""

    layer: Layer
    recording: Recording
    #: The shape and axes, in the framework's own layout and without the samples, of a map that was
    #: flattened into these values; None where none was, or its order is everyone's.
    flattened: tuple[tuple[int, ...], tuple[str, ...]] | None
    sizes: Mapping[str, int]  #: the axes of the values, and their lengths

    @property
    def address(self) -> str:
        """The layer's address."""
        return self.layer.address

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of its axes, without the samples and those of length 1."""
        return tuple(n for axis, n in self.sizes.items() if axis != "sample" and n != 1)

    @functools.cached_property
    def key(self) -> tuple[bool, tuple[int, ...]]:
        """What two layers share whose values can be subtracted from one another."""
        return "sample" in self.sizes, self.shape

    @property
    def spaces(self) -> tuple[int, ...]:
        """The lengths of all axes but that of the units, which is the last."""
        return tuple(self.sizes.values())[:-1]

    @property
    def sizes_of_units(self) -> int:
        """How many units it has."""
        return list(self.sizes.values())[-1]

    def array(self) -> NamedArray:
        """Return the values in everyone's order of axes, also of what was flattened."""
        array = self.recording.named(self.address)
        if self.flattened is None:
            return array
        return NamedArray(unflattened(array.values, *self.flattened), array.axes, array.attrs)


def comparables(recording: Recording) -> list[LayerValues]:
    """Return the layers that compute and whose values were recorded, in execution order."""
    network = recorded_network(recording)
    known = {row.address for row in network}
    rows = [row for row in network if row.address in set(recording) and row.role != "input"]
    if not rows:  # a recording that knows no more than names
        rows = [Layer(address, "?") for address in recording if address not in known]
    values = []
    for row in rows:
        sizes = recording.axes(row.address)
        if sizes and recording.named(row.address).values.dtype.kind in "fiub":
            values.append(LayerValues(row, recording, _flattened(row, network), sizes))
    return values


def recorded_network(recording: Recording) -> Network:
    """Return the layers that compute, each under the name that its value was recorded by."""
    network, names = computing(recording.network, recording.aliases)
    recorded = set(recording)
    renamed = {of: name for name, of in names.items() if name in recorded and of not in recorded}
    if not renamed:
        return network
    rows = [
        replace(
            row,
            address=renamed.get(row.address, row.address),
            inputs=tuple(renamed.get(name, name) for name in row.inputs),
        )
        for row in network
    ]
    return replace(network, layers=tuple(rows))


def unflattened(values: Array, shape: tuple[int, ...], axes: tuple[str, ...]) -> Array:
    """Return vectors of what was flattened in a framework's order as if in everyone's."""
    order = [axes.index(axis) for axis in presented(axes)]
    apart = values.reshape(len(values), *shape)
    return apart.transpose([0, *(1 + place for place in order)]).reshape(len(values), -1)


def _flattened(layer: Layer, network: Network) -> tuple[tuple[int, ...], tuple[str, ...]] | None:
    """Return shape and axes of a map that was flattened into a layer's values, in another order."""
    by_address = {row.address: row for row in network}
    while layer.kind == "reshape" or layer.kind in IN_PLACE:
        before = by_address.get(layer.inputs[0]) if len(layer.inputs) == 1 else None
        if before is None or layer.shape is None or len(layer.shape) != 2:
            return None
        if layer.kind == "reshape" and before.shape is not None and before.axes is not None:
            shape, axes = before.shape[1:], before.axes[1:]
            whole = [n for n in shape if n is not None]
            fits = len(whole) == len(shape) and math.prod(whole) == layer.shape[1]
            if not fits or before.axes[0] != "sample":
                return None
            return None if axes == presented(axes) else (tuple(whole), axes)
        layer = before
    return None


def aligned(one: LayerValues, other: LayerValues) -> tuple[NamedArray, NamedArray]:
    """Return the values of two layers of one key, the other's with the axes of the one.

    Whole numbers beside others stand for others: as :func:`read_off` reads them.
    """
    first, second = one.array(), other.array()
    scaled = read_off(first, second)
    if scaled is not None:
        first, second = scaled.one, scaled.other
    if first.values.shape == second.values.shape:
        return first, replace(second, axes=first.axes)
    return first, NamedArray(second.values.reshape(first.values.shape), first.axes, second.attrs)


@dataclass(frozen=True, slots=True)
class ReadOff:
    """Whole numbers as the values that they stand for, and by which factor and shift."""

    one: NamedArray
    other: NamedArray
    words: str


def read_off(one: NamedArray, other: NamedArray) -> ReadOff | None:
    """Return whole numbers of a layer of few bits as values; None where both are of one sort.

    A layer of few bits returns numbers ``q`` that stand for ``scale · (q - zero)``: the scale and
    the zero are those by which they come nearest to the values beside them.
    """
    whole = [array.values.dtype.kind in "iu" for array in (one, other)]
    if whole[0] == whole[1] or one.values.size != other.values.size:
        return None
    numbers, values = (one, other) if whole[0] else (other, one)
    q = numbers.values.reshape(-1).astype(np.float64)
    v = values.values.reshape(-1).astype(np.float64)
    spread = float(np.square(q - q.mean()).sum())
    scale = float(((q - q.mean()) * (v - v.mean())).sum()) / spread if spread else 0.0
    if not scale or not np.isfinite(scale):
        return None
    zero = q.mean() - v.mean() / scale
    read = replace(numbers, values=((numbers.values - zero) * scale).astype(np.float32))
    words = f"whole numbers q read as {scale:.3g} · (q - {zero:.3g})"
    return ReadOff(read, other, words) if whole[0] else ReadOff(one, read, words)


def reordered(array: NamedArray, order: tuple[int, ...]) -> NamedArray:
    """Return values whose last axis, that of the units, is in another order."""
    return replace(array, values=np.take(array.values, order, axis=-1))
