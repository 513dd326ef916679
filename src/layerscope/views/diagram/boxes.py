"""From a network to boxes: a layer each, with the normalisation and activation that follow it.

A box's last layer is the only one whose value leaves it, so nothing of the topology is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from layerscope.core.layer_kinds import Kind
from layerscope.core.network import PART, Layer, Network, Shape

#: Kinds that join the box of the layer before them.
_AFTER: frozenset[Kind] = frozenset({"activation", "dropout"})
#: Kinds that do so where that layer holds a kernel.
_AFTER_KERNEL: frozenset[Kind] = frozenset({"batch_norm", "group_norm"})
#: Kinds that join the box of the layer after them.
_BEFORE: frozenset[Kind] = frozenset({"pad"})


@dataclass(frozen=True)
class Box:
    """Layers that are drawn as one: each hands its value on to the next, and to nobody else."""

    layers: tuple[Layer, ...]

    @property
    def id(self) -> str:
        """The address of the first of them."""
        return self.layers[0].address

    @property
    def main(self) -> Layer:
        """The layer that the box is about: the one that has the most parameters."""
        beside = _AFTER | _AFTER_KERNEL | _BEFORE
        rank = lambda layer: (layer.weights + layer.biases, layer.kind not in beside)  # noqa: E731
        return max(self.layers, key=rank)

    @property
    def parameters(self) -> int:
        """The number of values in their parameters."""
        return sum(layer.weights + layer.biases for layer in self.layers)


@dataclass(frozen=True)
class Graph:
    """Boxes in execution order, and which hands its value to which."""

    boxes: dict[str, Box]
    edges: tuple[tuple[str, str], ...]


def graph_of(network: Network, inputs: Mapping[str, Shape] | None = None) -> Graph:
    """Return the boxes of a network; ``inputs`` are what it receives, where these are no layers."""
    layers = _with_inputs(network, inputs or {})
    consumers = _consumers(layers)
    members: dict[str, list[Layer]] = {}  # by the first layer's address
    home: dict[str, str] = {}  # which box each layer is in
    for layer in layers.values():
        box = _joins(layer, layers, consumers, members, home)
        home[layer.address] = box
        members.setdefault(box, []).append(layer)
    edges = {
        (home[source], home[layer.address]): None
        for layer in layers.values()
        for source in layer.inputs
        if source in home and home[source] != home[layer.address]
    }
    return Graph({key: Box(tuple(layers)) for key, layers in members.items()}, tuple(edges))


def _with_inputs(network: Network, inputs: Mapping[str, Shape]) -> dict[str, Layer]:
    layers = {layer.address: layer for layer in network}
    named = [*inputs, *(source for layer in network for source in layer.inputs)]
    missing = [name for name in dict.fromkeys(named) if name not in layers]
    received = {
        name: Layer(name, "Input", "input", inputs.get(name), kind="input") for name in missing
    }
    return received | layers


def _consumers(layers: dict[str, Layer]) -> dict[str, set[str]]:
    consumers: dict[str, set[str]] = {address: set() for address in layers}
    for layer in layers.values():
        for source in layer.inputs:
            consumers[source].add(layer.address)
    return consumers


def _joins(
    layer: Layer,
    layers: dict[str, Layer],
    consumers: dict[str, set[str]],
    members: dict[str, list[Layer]],
    home: dict[str, str],
) -> str:
    """Return the box that a layer goes into: that of the layer before it, or one of its own."""
    part = PART.fullmatch(layer.address)
    whole = layers.get(part["whole"]) if part is not None else None
    if whole is not None and whole.address in home and whole.inputs == layer.inputs:
        return home[whole.address]  # a further value of the same call
    if len(layer.inputs) != 1:
        return layer.address
    before = layers[layer.inputs[0]]
    box = home.get(before.address)
    alone = consumers[before.address] == {layer.address}
    if box is None or not alone or before.role == "input" or members[box][-1] is not before:
        return layer.address
    holds_kernel = any(
        len(p.shape) > 1 for layer_of_box in members[box] for p in layer_of_box.parameters
    )
    normalises = layer.kind in _AFTER_KERNEL and holds_kernel
    fits = layer.kind in _AFTER or normalises or before.kind in _BEFORE
    return box if fits and container(before.address) == container(layer.address) else layer.address


def container(address: str) -> str:
    """Return what an address is inside of: ``encoder/layer_0`` for ``encoder/layer_0/dense``."""
    cut = max(address.rfind("/"), address.rfind("."))
    return address[:cut] if cut > 0 else ""
