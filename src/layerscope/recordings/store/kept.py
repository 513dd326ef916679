"""What a recording keeps beside its arrays: its network, notes and settings, as JSON has them.

Everything that layerscope makes of a recording goes by this. So it is compared with what a recorder
writes when the recording is opened, and nowhere again.
"""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, get_args

from layerscope.core.layer_kinds import KINDS
from layerscope.core.network import Network, from_json
from layerscope.core.reads import Moving
from layerscope.core.type_names import by_type_name
from layerscope.core.windows import Border, Grid, Rounding, Way
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
_WINDOW = Exactly(
    {
        "size": Optional(Size),
        "stride": Optional(int),
        "before": Optional(Anything),  # a number or a word
        "dilation": Optional(Size),
        "border": Optional(str),
        "way": Optional(str),
        "grid": Optional(str),
        "scale": Optional(float),
        "rounding": Optional(str),
    }
)
_MOVE = Exactly({"by": Optional(str), "shape": Optional([Size]), "numbers": Optional([int])})
_READS = Exactly(
    {
        "windows": Optional([_WINDOW]),
        "mixes": Optional([int]),
        "joins": Optional(int),
        "moves": Optional([_MOVE]),
        "of_shapes": Optional(bool),
    }
)
#: The words of a window, and of a move.
_WORDS = {
    "border": frozenset(get_args(Border)), "way": frozenset(get_args(Way)),
    "grid": frozenset(get_args(Grid)), "rounding": frozenset(get_args(Rounding)),
    "by": frozenset(get_args(Moving)),
}  # fmt: skip
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
        "kind": Optional(str),  # of layers recorded before they stated it, neither is there
        "activation": Optional(str),
        "plumbing": Optional(bool),  # only of what is
        "reads": Optional(_READS),  # only where it says anything, as is the rest
        "received": Optional([[Anything]]),
        "unseen": Optional(bool),
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

    Layers recorded before they stated their kind say what their types' names tell.
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
        _check_reads(layer)
    try:
        TopologicalSorter(inputs).prepare()
    except CycleError:
        raise UnexpectedError("a layer receives what it returns itself") from None


def _check_reads(layer: Mapping[str, Any]) -> None:
    """Raise UnexpectedError where a layer can't have been computed as it says."""
    reads = layer.get("reads") or {}
    moves = list(reads.get("moves") or ())
    for each in layer.get("received") or ():
        if len(each) != 2 or not isinstance(each[0], str):
            raise UnexpectedError("what a layer received is no address with moves")
        moves += expect(each[1], Nullable([_MOVE]), "what was done with it") or ()
    for window in reads.get("windows") or ():
        before, scale = window.get("before", 0), window.get("scale")
        if before not in ("same", "same_lower"):
            expect(before, int, "what a window puts in front")
        if scale is not None and not 1e-6 <= scale <= 1e6:
            raise UnexpectedError("a layer resizes by a factor that can't be")
        if not window.get("stride", 1):
            raise UnexpectedError("a window has a stride of 0")
    for stated in (*(reads.get("windows") or ()), *moves):
        for name, words in _WORDS.items():
            if stated.get(name) is not None and stated[name] not in words:
                raise UnexpectedError(f"{stated[name]!r} is no {name} that is known")
