"""What a recording keeps beside its arrays: its network, notes and settings, as JSON has them.

Everything that layerscope makes of a recording goes by this. So it is compared with what a recorder
writes when the recording is opened, and nowhere again.
"""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from layerscope.core.layer_kinds import KINDS
from layerscope.core.network import Network, from_json
from layerscope.core.type_names import by_type_name
from layerscope.recordings.store.plain_json import (
    Anything,
    Each,
    Exactly,
    Nullable,
    Optional,
    Size,
    UnexpectedError,
    expect,
)

#: The fields of ``layerscope.core.network``'s classes, which are made of them.
_PARAMETER = Exactly(
    {
        "key": str,
        "shape": [Size],
        "dtype": str,
        "trainable": bool,
        "bias": bool,
        "nbytes": Size,
    }
)
_LAYER = Exactly(
    {
        "address": str,
        "type": str,
        "role": str,
        "shape": Nullable([Nullable(Size)]),
        "axes": Nullable([str]),
        "settings": Each(Anything),
        "parameters": [_PARAMETER],
        "inputs": [str],
        "kind": Optional(str),  # of layers recorded before they said it, neither is there
        "activation": Optional(str),
        "plumbing": Optional(bool),  # only of what is
    }
)
_ORIGIN = Exactly({"path": str, "format": str, "written_by": str, "repairs": [str]})
_NETWORK = Exactly(
    {
        "name": str,
        "framework": str,
        "layers": [_LAYER],
        "parameters": [_PARAMETER],
        "notes": [str],
        "origin": Nullable(_ORIGIN),
    }
)
_ROLES = ("input", "layer", "operation", "container")
_KEPT = {
    "dtype": str,
    "samples": [Size],
    "channels": Nullable(Size),
    "weights": [str],
    "dtypes": Each(str),
}
#: A setting that is kept: epochs are counted from before the training. In earlier recordings the
#: first one, 0, is after the first epoch.
FROM_BEFORE = {"epoch 0": "before the training"}

#: Attributes of a recording, none of which needs to be there.
_ATTRIBUTES = {
    "network": Optional(_NETWORK),
    "aliases": Optional(Each(str)),
    "provenance": Optional(Each(str)),
    "settings": Optional(Each(Anything)),
    "probed": Optional(Size),
    "kept": Optional(_KEPT),
    "plan": Optional(str),
    "notes": Optional([str]),
}
#: Attributes of a layer that views go by; others are only handed on.
_OF_GROUPS = {
    "units": Optional([Size]),
    "steps": Optional([int]),
    "input_shape": Optional([Size]),
    "input_axes": Optional([str]),
}


def check_attributes(attributes: Any) -> None:
    """Raise UnexpectedError where these are not what a recorder keeps."""
    expect(attributes, Each(Anything), "attrs")
    expect(attributes, _ATTRIBUTES, "attrs")
    if attributes.get("network") is not None:
        _check_network(attributes["network"])


def network_of(attributes: Mapping[str, Any]) -> Network | None:
    """Return the network that a recording keeps, where it keeps one.

    Layers recorded before they said their kind say what their types' names tell.
    """
    described = attributes.get("network")
    if described is None:
        return None
    layers = [{**layer, **_kind_of(layer)} for layer in described["layers"]]
    return from_json({**described, "layers": layers})


def _kind_of(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the kind and the activation of a layer; a kind not known here is ``other``."""
    kind = layer.get("kind")
    if kind is not None:
        return {"kind": kind if kind in KINDS else "other"}
    if layer["role"] == "input":
        return {"kind": "input"}
    kind, activation = by_type_name(layer["type"], layer["settings"])
    return {"kind": kind, "activation": activation}


def check_group_attributes(attributes: Any, where: str) -> None:
    """Raise UnexpectedError where these are no attributes of a layer, a parameter or an input."""
    expect(attributes, Each(Anything), where)
    expect(attributes, _OF_GROUPS, where)
    if (attributes.get("input_shape") is None) != (attributes.get("input_axes") is None):
        raise UnexpectedError(f"{where} has one of 'input_shape' and 'input_axes'")


def _check_network(network: Mapping[str, Any]) -> None:
    """Raise UnexpectedError where its layers can't be those of a network."""
    inputs = {layer["address"]: layer["inputs"] for layer in network["layers"]}
    if len(inputs) < len(network["layers"]):
        raise UnexpectedError("two layers have the same address")
    for layer in network["layers"]:
        if layer["role"] not in _ROLES:
            raise UnexpectedError(f"the role of a layer is none of {', '.join(_ROLES)}")
        if layer["role"] == "container" and not layer["inputs"]:
            raise UnexpectedError("a container hands on no layer's value")
    try:
        TopologicalSorter(inputs).prepare()
    except CycleError:
        raise UnexpectedError("a layer receives what it returns itself") from None
