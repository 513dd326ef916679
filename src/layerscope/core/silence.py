"""Of which layers a zero is silence: those that rectify, and those that hand on what others did.

A zero of a softmax, a linear layer or a state is a value like any other.
"""

from __future__ import annotations

from collections.abc import Callable

from layerscope.core.layer_kinds import HANDING_ON, NOT_RECTIFYING, RECTIFYING, WEIGHING
from layerscope.core.network import Layer, Network


def rectified(network: Network, address: str) -> bool | None:
    """Return whether a zero of this layer means that a unit is silent; None where that is open.

    Where it is None, values of which none is negative, and which are exactly 0, tell enough. A
    parameter is never silent.
    """
    return silences_of(network)(address)


def silences_of(network: Network) -> Callable[[str], bool | None]:
    """Return :func:`rectified` for all addresses of a network, which is looked through once."""
    layers = {layer.address: layer for layer in network}
    keys = {parameter.key for parameter in network.parameters}

    def of(address: str) -> bool | None:
        sources: set[bool | None] = set()  # of what comes through layers that hand on
        seen, to_see = {address}, [address]
        for name in to_see:  # grows; not by recursion: a network may be deep, and paths many
            layer = layers.get(name)
            if name in keys or (layer is None and name != address):
                sources.add(False)  # a parameter, or what comes in: a pixel of 0 is a value
            elif layer is not None and layer.inputs and _hands_on(layer):
                to_see += [source for source in layer.inputs if source not in seen]
                seen.update(layer.inputs)
            else:
                sources.add(None if layer is None else _by_itself(layer))
        if False in sources:
            return False
        return True if sources == {True} else None

    return of


def _hands_on(layer: Layer) -> bool:
    """Return whether a layer's zeros are those of what it received."""
    if _by_activation(layer) is not None or layer.role == "input":
        return False
    return layer.kind in HANDING_ON or layer.role == "container"


def _by_itself(layer: Layer) -> bool | None:
    """Return what a layer alone tells."""
    by_activation = _by_activation(layer)
    if by_activation is None and (layer.role == "input" or layer.kind in WEIGHING):
        return False
    return by_activation


def _by_activation(layer: Layer) -> bool | None:
    """Return what the function tells that a layer is, or applies."""
    if layer.activation in RECTIFYING:
        return True
    return False if layer.activation in NOT_RECTIFYING else None
