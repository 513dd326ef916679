"""Whether two networks have the same architecture, and which layer of one is which of the other."""

from __future__ import annotations

from layerscope.core.errors import ModelError
from layerscope.core.network import Layer, Network
from layerscope.core.text import quoted


def counterparts(network: Network, other: Network) -> dict[str, str]:
    """Return the address of each layer's counterpart in a network of the same architecture.

    Layers are compared in order, by what they are, by their parameters and by what they return;
    what they are called may differ.

    Raises
    ------
    ModelError
        When the networks differ; the message says which layer differs first.
    """
    for number, (one, two) in enumerate(zip(network, other, strict=False)):
        if _structure(one) != _structure(two) or not _same_shape(one, two):
            raise ModelError(
                f"The models can't be compared: layer {number} is {_called(one)} in the one and "
                f"{_called(two)} in the other. Pass two of the same architecture."
            )
    if len(network) != len(other):
        longer = network if len(network) > len(other) else other
        first = longer.layers[min(len(network), len(other))]
        raise ModelError(
            f"The models can't be compared: one has {len(network)} layers and the other "
            f"{len(other)}, of which {_called(first)} is the first that is not in both."
        )
    return {one.address: two.address for one, two in zip(network, other, strict=True)}


def _structure(layer: Layer) -> tuple[object, ...]:
    return layer.role, layer.type, layer.kind, tuple(p.shape for p in layer.parameters)


def _same_shape(one: Layer, two: Layer) -> bool:
    """Return whether two layers return the same, as far as both know; the batch may differ."""
    if one.shape is None or two.shape is None:
        return True
    return one.shape[1:] == two.shape[1:]


def _called(layer: Layer) -> str:
    shapes = [p.shape for p in layer.parameters if not p.bias]
    kernel = f" with weights {shapes[0]}" if shapes else ""
    returned = f" to {layer.shape[1:]}" if layer.shape is not None else ""
    return f"{quoted(layer.address)}, {layer.type}{kernel}{returned}"
