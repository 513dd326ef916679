"""The colours of boxes, by the kind of the layer that a box is about."""

from __future__ import annotations

from typing import Any

from layerscope.core.errors import ViewError
from layerscope.core.layer_kinds import CONVOLUTIONS, MERGES, NORMS, Kind
from layerscope.core.network import Layer

OTHER = "other"
#: What colour a kind of layer has; those that are not here are like any other.
_COLOURS: dict[Kind, str] = {
    "input": "input",
    "recurrent": "recurrent",
    "attention": "attention",
    **dict.fromkeys(CONVOLUTIONS, "conv"),
    "pool": "pool",
    **dict.fromkeys(("dense", "matmul", "embedding"), "dense"),
    **dict.fromkeys(MERGES, "merge"),
    **dict.fromkeys((*NORMS, "rescale", "standardize"), "norm"),
    **dict.fromkeys(("reshape", "rearrange", "pad", "crop", "resize", "quantize"), "shape"),
}

#: Of each kind, on each ground: the fill, and the bar at its side.
_FILLS = {
    "light": {
        "input": ("#e9ebef", "#4b5162"),
        "conv": ("#e3eefb", "#2f7ad1"),
        "dense": ("#efe7fa", "#7d4cc2"),
        "pool": ("#fdf0dc", "#d9892b"),
        "recurrent": ("#fbe4ef", "#c83f83"),
        "attention": ("#fce5e1", "#d04a35"),
        "merge": ("#e0f4e8", "#2d9a5f"),
        "norm": ("#e8f0f0", "#5d8a8c"),
        "shape": ("#f1f1ec", "#8f8d7c"),
        OTHER: ("#e5f3f4", "#2f98a3"),
    },
    "dark": {
        "input": ("#2b2d36", "#9aa2b8"),
        "conv": ("#1b2c42", "#5aa2f2"),
        "dense": ("#2c2142", "#a87df0"),
        "pool": ("#3a2c16", "#eda84e"),
        "recurrent": ("#3d1c2e", "#ee6fae"),
        "attention": ("#3f1f1a", "#f0735f"),
        "merge": ("#173425", "#4fc789"),
        "norm": ("#20302f", "#86b5b7"),
        "shape": ("#2b2b26", "#b5b3a0"),
        OTHER: ("#17303a", "#52bfcb"),
    },
}  # fmt: skip
_INKS = {
    "light": {
        "paper": "#ffffff", "ink": "#20222b", "soft": "#62656f", "line": "#8b90a0",
        "frame": "#c3c8d4", "frames": ("#f5f6f9", "#ebedf2", "#e2e5ec", "#d9dde6"),
    },
    "dark": {
        "paper": "#121216", "ink": "#dedee4", "soft": "#9a9ca8", "line": "#787c8c",
        "frame": "#434653", "frames": ("#1a1b21", "#22232b", "#2a2c35", "#32343f"),
    },
}  # fmt: skip


def colour_of(layer: Layer) -> str:
    """Return which colour a layer has: ``conv``, ``dense``, ``merge`` …"""
    return "input" if layer.role == "input" else _COLOURS.get(layer.kind, OTHER)


def colours(ground: str) -> dict[str, Any]:
    """Return the colours of a ground: of each kind, of ink, paper, lines and frames.

    Raises
    ------
    ViewError
        When there is no such ground.
    """
    if not isinstance(ground, str) or ground not in _INKS:
        raise ViewError(f"There is no ground {ground!r}: 'dark' and 'light' are known.")
    return {**_INKS[ground], "kinds": _FILLS[ground]}
