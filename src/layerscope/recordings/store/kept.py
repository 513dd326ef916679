"""What a recording keeps beside its arrays: its network, notes and settings, as JSON has them.

Everything that layerscope makes of a recording goes by this. So it is compared with what a recorder
writes when the recording is opened, and nowhere again.
"""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

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
