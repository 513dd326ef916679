"""The way back from a unit: through what leaves channels as they are, to the weights that it has.

::

    max_pooling2d:3 ──► re_lu:3 ──► batch_normalization:3 ──► conv2d:3
                          gate                                 owner
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Tap
from layerscope.core.layer_kinds import WITHIN_CHANNELS, WITHIN_RANGE, Kind
from layerscope.core.network import Layer, Network

#: Where an activation function is flat.
FLAT_BELOW_0 = frozenset({"relu", "relu6"})
FLAT_AT_BOTH_ENDS = frozenset({"sigmoid", "tanh", "softmax", "hard_sigmoid"})
#: What values go into the next layer with, whatever they were.
_LIMITS = {
    "relu": (0.0, np.inf), "relu6": (0.0, 6.0), "sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0),
}  # fmt: skip
#: Layers that keep each channel a channel.
_CHANNELWISE: frozenset[Kind] = WITHIN_CHANNELS | {"activation", "batch_norm"}
#: Layers that have weights of its own for each unit.
_WEIGHTED: frozenset[Kind] = frozenset({"conv", "dense"})


@dataclass(frozen=True)
class Gate:
    """An activation function on the way."""

    layer: str
    activation: str
    before: Tap
    after: Tap
    fused: bool


@dataclass(frozen=True)
class UnitPath:
    """What there is between a unit's value and the weights that it comes from."""

    layer: str
    gates: tuple[Gate, ...]
    owner: str | None  #: the layer whose kernel has the unit's weights
    owner_inputs: tuple[str, ...] = ()

    def is_straight(self, gate: Gate) -> bool:
        """Return whether the gate gets just what the owner's weights make."""
        return gate.before in (Tap(self.owner or "", before_activation=True), Tap(self.owner or ""))

    def limits(self, network: Network, input_range: tuple[float, float]) -> tuple[float, float]:
        """Return the limits of the owner's inputs; 0 is always within, for padding."""
        low, high = -np.inf, np.inf
        if len(self.owner_inputs) == 1:
            low, high = _limits(network, self.owner_inputs[0], input_range)
        return min(low, 0.0), max(high, 0.0)


def unit_path(network: Network, tap: Tap) -> UnitPath | None:
    """Return the way back from what is read at a tap."""
    gates: list[Gate] = []
    row = network[tap.layer]
    fused = not tap.before_activation
    while True:
        activation = row.activation
        weighted = row.kind in _WEIGHTED and any(not p.bias for p in row.parameters)
        if activation and fused and weighted:
            before = Tap(row.address, before_activation=True)
            gates.append(Gate(row.address, activation, before, Tap(row.address), True))
        fused = True
        if weighted:
            return UnitPath(tap.layer, tuple(gates), row.address, row.inputs)
        source = _source(network, row)
        if source is None or row.kind not in _CHANNELWISE:
            return UnitPath(tap.layer, tuple(gates), None)
        if activation:
            after = Tap(row.address)
            gates.append(Gate(row.address, activation, Tap(source.address), after, False))
        row = source


def ancestors(network: Network, layers: Sequence[str]) -> list[str]:
    """Return all layers on the way to these, and these, in the order in which they are called."""
    wanted = set(layers)
    for row in reversed(network.layers):
        if row.address in wanted:
            wanted.update(row.inputs)
    return [row.address for row in network if row.address in wanted and row.role != "input"]


def most_of_kernel(kernel: npt.NDArray[np.float32], limits: tuple[float, float]) -> float:
    """Return the largest sum of a kernel's products with inputs within limits."""
    low, high = limits
    weights = kernel.astype(float)
    above, below = weights[weights > 0].sum(), weights[weights < 0].sum()
    return float((above * high if above else 0.0) + (below * low if below else 0.0))


def _limits(
    network: Network, address: str, input_range: tuple[float, float]
) -> tuple[float, float]:
    unknown = -np.inf, np.inf
    while address in network and network[address].role != "input":
        row = network[address]
        activation = row.activation
        if activation:
            return _LIMITS.get(activation, unknown)
        if row.kind not in WITHIN_CHANNELS | WITHIN_RANGE or len(row.inputs) != 1:
            return unknown
        address = row.inputs[0]
    return input_range


def _source(network: Network, row: Layer) -> Layer | None:
    if len(row.inputs) != 1 or row.inputs[0] not in network:
        return None
    source = network[row.inputs[0]]
    return None if source.role == "input" else source
