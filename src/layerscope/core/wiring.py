"""Which unit's values go into which input of which kernel: the way through what has no weights.

::

    conv2d:3 ──► batch_normalization ──► re_lu ──► max_pooling2d ──► input 3 of conv2d_1's kernel
    conv2d_1:5 ──► flatten ──► inputs 5, 21, 37, … of dense's kernel

Of what brings values together, an addition is passed once: what it received from another addition
is that addition's, since in a residual network all blocks before would be sources else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import UNIT_AXES
from layerscope.core.layer_kinds import CONVOLUTIONS, GATED, IN_PLACE, WITHIN_CHANNELS, Kind
from layerscope.core.network import Layer, Network

Numbers = npt.NDArray[np.int64]

#: What weighs what it receives by a kernel with a number for each input and each unit.
KERNELLED: frozenset[Kind] = frozenset({"dense", *CONVOLUTIONS})
_SAME: frozenset[Kind] = WITHIN_CHANNELS | IN_PLACE | {"reduce"}
_TOGETHER: frozenset[Kind] = frozenset({"add", "merge"})


@dataclass(frozen=True, eq=False)
class Units:
    """Units of a layer, or of an input of the network, one for each of several channels.

    Where a channel comes from elsewhere, the number of its unit is -1.
    """

    layer: str
    units: Numbers


@dataclass(frozen=True)
class Wiring:
    """The ways between the units of a network that was run, so that its shapes are known.

    ``inputs`` are the axes of what the network received and their lengths, by name.
    """

    network: Network
    inputs: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """The layers by address."""
        return {layer.address: layer for layer in self.network}

    @cached_property
    def _readers(self) -> dict[str, list[Layer]]:
        readers: dict[str, list[Layer]] = {}
        for layer in self.network:
            for source in dict.fromkeys(layer.inputs):
                readers.setdefault(source, []).append(layer)
        return readers

    def count(self, address: str) -> int | None:
        """Return how many units a layer has; None where that is not known."""
        return next((n for axis, n in self.sizes(address).items() if axis in UNIT_AXES), None)

    def sizes(self, address: str) -> dict[str, int]:
        """Return the axes of a layer's values, or an input's, in the framework's own order.

        Samples are left out; there are none where they are not known.
        """
        layer = self.layers.get(address)
        if layer is None or layer.role == "input":
            return self._input_sizes(address) or _sizes(layer)
        return _sizes(layer)

    def _input_sizes(self, name: str) -> dict[str, int]:
        known = self.inputs.get(name) or (
            next(iter(self.inputs.values())) if len(self.inputs) == 1 else {}
        )
        sizes = {axis: n for axis, n in known.items() if axis != "sample"}
        if self._channels_first and "channel" in sizes:
            return {"channel": sizes.pop("channel"), **sizes}
        return sizes

    @cached_property
    def _channels_first(self) -> bool:
        """Whether the framework puts channels before positions."""
        several = [list(_sizes(layer)) for layer in self.network]
        return any(len(axes) > 1 and axes[0] == "channel" for axes in several)

    def flattened(self, address: str) -> dict[str, int] | None:
        """Return the axes of what became the vector that a layer receives, in their own order."""
        layer = self.layers.get(address)
        while layer is not None and layer.inputs:
            before = self.layers.get(layer.inputs[0])
            if before is not None and before.kind == "reshape":
                return None if self._flattened(before) is None else self.sizes(before.inputs[0])
            if before is None or before.kind not in IN_PLACE:
                return None
            layer = before
        return None

    def is_input(self, address: str) -> bool:
        """Return whether this is what the network received, and no layer's value."""
        layer = self.layers.get(address)
        return layer is None or layer.role == "input"

    def reached_inputs(self, address: str) -> set[str]:
        """Return the inputs of the network that a layer's values depend on."""
        to_see, seen = [address], {address}
        for name in to_see:  # grows
            layer = self.layers.get(name)
            fresh = [source for source in (layer.inputs if layer else ()) if source not in seen]
            to_see += fresh
            seen.update(fresh)
        return {name for name in seen if self.is_input(name)}

    def sources(self, address: str, units: Numbers) -> list[Units]:
        """Return where the values of units of a layer were made: by a kernel, or in another way.

        The layer itself is the answer where it makes its values; so is an input of the network.
        """
        result: list[Units] = []
        to_see = [(address, units, 0)]
        for name, numbers, added in to_see:  # grows
            layer = self.layers.get(name)
            ways = None if layer is None else self._back(layer, numbers)
            adds = layer is not None and layer.kind in _TOGETHER and len(ways or ()) > 1
            if not ways or (adds and added):
                result.append(Units(name, numbers))
            else:
                to_see += [(source, part, added + adds) for source, part in ways]
        return result

    def summands(self, address: str, unit: int) -> list[tuple[str, int]]:
        """Return the units that are added up, or multiplied, to a unit's value; none for others.

        An activation or a normalization between the sum and the unit is passed.
        """
        numbers = np.array([unit])
        while address in self.layers:
            layer = self.layers[address]
            ways = self._back(layer, numbers) or []
            if layer.kind in _TOGETHER and len(ways) > 1:
                return [(source, int(units[0])) for source, units in ways]
            if len(ways) != 1 or layer.kind == "reshape":  # a vector's unit is a place in a map
                return []
            ((address, numbers),) = ways
        return []

    def readers(self, address: str, unit: int) -> Iterator[Units]:
        """Yield the layers with a kernel that receive a unit, and as which of its inputs.

        A unit may come to one layer along several ways: beside others and again behind them.
        """
        received: dict[str, Numbers] = {}
        to_see = [(address, np.array([unit]), 0)]
        seen: set[tuple[str, bytes, int]] = set()
        for name, numbers, added in to_see:  # grows
            for reader in self._readers.get(name, ()):
                if reader.kind in KERNELLED:
                    before = received.get(reader.address, numbers)
                    received[reader.address] = np.union1d(before, numbers)
                    continue
                there = self._forward(reader, name, numbers)
                adds = reader.kind in _TOGETHER and len(reader.inputs) > 1
                if there is None or (adds and added):
                    continue
                arrival = (reader.address, there.tobytes(), added + adds)
                if arrival not in seen:
                    seen.add(arrival)
                    to_see.append((reader.address, there, added + adds))
        for reached, numbers in received.items():
            yield Units(reached, numbers)

    def _back(self, layer: Layer, units: Numbers) -> list[tuple[str, Numbers]] | None:
        """Return what a layer received these units as; None where it makes them itself."""
        if not layer.inputs or layer.role == "input" or layer.kind in KERNELLED:
            return None
        if layer.role == "container":
            return [(layer.inputs[0], units)]
        alike = [name for name in layer.inputs if self.count(name) == self.count(layer.address)]
        if layer.kind in _SAME and layer.activation not in GATED and alike:
            return [(alike[0], units)]
        if layer.kind in _TOGETHER and alike:
            return [(name, units) for name in alike]
        if layer.kind == "concat":
            return self._from_parts(layer, units)
        if layer.kind == "reshape":
            channels = self._flattened(layer)
            return None if channels is None else [(layer.inputs[0], _at(channels, units))]
        return None

    def _forward(self, layer: Layer, source: str, units: Numbers) -> Numbers | None:
        """Return which units of a layer these of a source become; None where it makes its own."""
        if layer.role == "container":
            return units
        alike = self.count(source) == self.count(layer.address)
        if layer.kind in _SAME | _TOGETHER and layer.activation not in GATED and alike:
            return units
        if layer.kind == "concat":
            starts = self._starts(layer)
            places = [i for i, name in enumerate(layer.inputs) if name == source]
            return None if starts is None else np.unique([units + starts[i] for i in places])
        if layer.kind == "reshape":
            channels = self._flattened(layer)
            return None if channels is None else np.flatnonzero(np.isin(channels, units))
        return None

    def _from_parts(self, layer: Layer, units: Numbers) -> list[tuple[str, Numbers]] | None:
        starts = self._starts(layer)
        if starts is None:
            return None
        ways = []
        for name, start in zip(layer.inputs, starts, strict=True):
            inside = (units >= start) & (units < start + (self.count(name) or 0))
            if inside.any():
                ways.append((name, np.where(inside, units - start, -1)))
        return ways

    def _starts(self, layer: Layer) -> list[int] | None:
        """Return at which unit of a concatenation each of its inputs begins."""
        counts = [self.count(name) or 0 for name in layer.inputs]
        whole = self.count(layer.address)
        if sum(counts) == whole:
            return [sum(counts[:i]) for i in range(len(counts))]
        return [0] * len(counts) if set(counts) == {whole} else None  # along positions

    def _flattened(self, layer: Layer) -> Numbers | None:
        """Return which channel each unit of a vector was, before it was flattened."""
        before = self.sizes(layer.inputs[0])
        count = self.count(layer.address)
        if set(_sizes(layer)) != {"unit"} or count is None or math.prod(before.values()) != count:
            return None
        axis = next((i for i, name in enumerate(before) if name in UNIT_AXES), None)
        if axis is None:
            return None
        channels: Numbers = np.indices(tuple(before.values()))[axis].reshape(-1)
        return channels


def _at(channels: Numbers, units: Numbers) -> Numbers:
    return np.where(units >= 0, channels[np.maximum(units, 0)], -1)


def _sizes(layer: Layer | None) -> dict[str, int]:
    """Return the axes of what a layer returns, samples aside, in its own order; none if unknown."""
    if layer is None or layer.shape is None or layer.axes is None:
        return {}
    named = zip(layer.axes, layer.shape, strict=False)
    sizes = {axis: n for axis, n in named if axis != "sample"}
    return {} if None in sizes.values() else {axis: n or 0 for axis, n in sizes.items()}
