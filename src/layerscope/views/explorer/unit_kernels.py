"""The kernel of a unit: which numbers weigh what it receives, input by input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.addresses import Place
from layerscope.core.axes import NamedArray
from layerscope.core.wiring import KERNELLED, Units, Wiring
from layerscope.recordings.recording import Recording

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class LayerKernel:
    """The kernel of a layer, ``(*space, input, unit)``; its inputs are numbered within groups."""

    layer: str
    key: str  #: of the parameter
    values: Array
    space: tuple[str, ...]
    groups: int
    multiplier: int = 0  #: of a depthwise kernel, how many units each input has
    depthwise: str = ""  #: of a separable one the other parameter

    @property
    def units(self) -> int:
        """How many units it makes."""
        return int(self.values.shape[-1])

    @property
    def single(self) -> bool:
        """Whether it has one number for each input and unit, with a sign."""
        return bool(np.prod(self.values.shape[:-2]) == 1)

    def of(self, unit: int) -> tuple[npt.NDArray[np.int64], Array]:
        """Return the inputs of a unit, and the kernel for each, ``(input, *space)``."""
        each = self.values.shape[-2]
        group = unit // max(1, self.units // self.groups)
        return group * each + np.arange(each), np.moveaxis(self.values[..., unit], -1, 0)

    def written(self, unit: int | str) -> str:
        """Return Python for a unit's part of the kernel; of two parameters it may be a name."""
        if self.depthwise:
            count = self.values.shape[-2]
            across = f"weights[{self.key!r}].values.reshape({count}, {self.multiplier}, -1)"
            deep = f"weights[{self.depthwise!r}] * {across}[..., {unit}]"
            return f"({deep}).sum('multiplier').rename(channel='input')"
        if self.multiplier and isinstance(unit, int):
            channel, place = divmod(unit, self.multiplier)
            return f"weights[{f'{self.key}:{channel}'!r}].isel(multiplier={place})"
        return f"weights[{f'{self.key}:{unit}'!r}]"

    def weighing(self, inputs: npt.NDArray[np.int64]) -> Array:
        """Return how much each unit weighs these inputs: the length of that part of its kernel.

        Where a single number weighs them, it is that number, with its sign.
        """
        each = self.values.shape[-2]
        per_group = max(1, self.units // self.groups)
        result = np.zeros(self.units)
        for group in np.unique(inputs // each):
            units = slice(group * per_group, (group + 1) * per_group)
            part = self.values[..., inputs[inputs // each == group] % each, units]
            if self.single and part.shape[-2] == 1:
                result[units] = part.reshape(-1, part.shape[-1])[0]
            else:
                squares = np.square(part, dtype=np.float64)
                result[units] = np.sqrt(squares.reshape(-1, part.shape[-1]).sum(axis=0))
        return result


def owner(wiring: Wiring, place: Place) -> Place | None:
    """Return the unit whose kernel made a unit's values; None where there is no such one.

    A unit of an activation, a pool or a normalization hands on those of the unit before.
    """
    if place.unit is None:
        return None
    sources = wiring.sources(place.layer, np.array([place.unit]))
    made = [units for units in sources if _has_kernel(wiring, units.layer)]
    if len(made) != 1 or len(sources) != 1:
        return None
    return Place(made[0].layer, int(made[0].units[0]))


def _has_kernel(wiring: Wiring, address: str) -> bool:
    return address in wiring.layers and wiring.layers[address].kind in KERNELLED


def kernel_of(weights: Recording | None, wiring: Wiring, address: str) -> LayerKernel | None:
    """Return the kernel of a layer; None where it has none, or it was not recorded."""
    if weights is None or not _has_kernel(wiring, address):
        return None
    first = wiring.layers.get(address.partition("#")[0], wiring.layers[address])
    arrays = {p.key: weights.named(p.key) for p in first.parameters if p.key in set(weights)}
    inputs = _received(wiring, address)
    pointwise = next((k for k, a in arrays.items() if {"input", "channel"} <= set(a.axes)), None)
    depthwise = next((k for k, a in arrays.items() if "multiplier" in a.axes), None)
    if pointwise is not None and depthwise is not None:
        return _separable(address, (depthwise, pointwise), arrays)
    if depthwise is not None:
        return _depthwise(address, depthwise, arrays[depthwise])
    for key, array in arrays.items():
        if "input" in array.axes and {"channel", "unit"} & set(array.axes):
            values, space = _ordered(array)
            groups = max(1, inputs // values.shape[-2]) if inputs else 1
            return LayerKernel(address, key, values, space, groups)
    return None


def _received(wiring: Wiring, address: str) -> int | None:
    """Return how many channels a layer receives; None where that is not known."""
    layer = wiring.layers[address]
    return wiring.count(layer.inputs[0]) if layer.inputs else None


def _ordered(array: NamedArray) -> tuple[Array, tuple[str, ...]]:
    """Return a kernel as ``(*space, input, unit)``, and the names of its space."""
    last = "channel" if "channel" in array.axes else "unit"
    space = tuple(axis for axis in array.axes if axis not in ("input", last))
    order = [array.axes.index(axis) for axis in (*space, "input", last)]
    return array.values.transpose(order), space


def _depthwise(address: str, key: str, array: NamedArray) -> LayerKernel:
    """Return a kernel whose channels each have a group of their own."""
    space = tuple(axis for axis in array.axes if axis not in ("channel", "multiplier"))
    order = [array.axes.index(axis) for axis in (*space, "channel", "multiplier")]
    values = array.values.transpose(order)
    channels = values.shape[-2]
    multiplier = values.shape[-1]
    flat = values.reshape(*values.shape[:-2], 1, channels * multiplier)
    return LayerKernel(address, key, flat, space, channels, multiplier)


def _separable(
    address: str, keys: tuple[str, str], arrays: Mapping[str, NamedArray]
) -> LayerKernel:
    """Return the one kernel that a depthwise and a pointwise one make together."""
    depth, point = arrays[keys[0]], arrays[keys[1]]
    space = tuple(axis for axis in depth.axes if axis not in ("channel", "multiplier"))
    order = [depth.axes.index(axis) for axis in (*space, "channel", "multiplier")]
    deep = depth.values.transpose(order).astype(np.float64)
    across, _ = _ordered(point)
    channels, multiplier = deep.shape[-2:]
    flat = across.reshape(channels, multiplier, -1)
    values = np.einsum("...cm,cmu->...cu", deep, flat)
    return LayerKernel(address, keys[1], values, space, 1, multiplier, keys[0])


@dataclass(frozen=True)
class InputUnit:
    """A unit whose value a kernel weighs, as it is written and where it leads."""

    name: str
    layer: str
    unit: int
    address: str  #: empty where there is nothing to show of it


def origins(
    recording: Recording, wiring: Wiring, sources: list[Units], index: int
) -> tuple[InputUnit, ...]:
    """Return the units that one of a kernel's inputs is."""
    result = []
    for units in sources:
        unit = int(units.units[index])
        if unit < 0:
            continue
        name = address = f"{units.layer}:{unit}"
        if wiring.is_input(units.layer):
            layer = units.layer if units.layer in recording.inputs else ""
            address = "input" if len(recording.inputs) == 1 else layer
            name = f"input:{unit}" if len(recording.inputs) == 1 else name
        elif units.layer not in set(recording):
            address = ""
        result.append(InputUnit(name, units.layer, unit, address))
    return tuple(result)


def input_units(wiring: Wiring, address: str, inputs: npt.NDArray[np.int64]) -> list[Units]:
    """Return the units that are these inputs of a layer's kernel."""
    layer = wiring.layers[address]
    return wiring.sources(layer.inputs[0], inputs) if layer.inputs else []
