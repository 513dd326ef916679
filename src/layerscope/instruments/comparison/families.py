"""Kinds of layers that are one thing under several names: a mean is a pool or a reduction."""

from __future__ import annotations

_FAMILIES = (
    ("conv", "depthwise_conv"),
    ("pool", "reduce"),
    ("norm", "group_norm"),
    ("dense", "matmul"),
    ("reshape", "rearrange"),
    ("add", "merge"),
    ("rescale", "standardize", "elementwise"),
)
_OF_KIND = {kind: family[0] for family in _FAMILIES for kind in family}


def family(kind: str) -> str:
    """Return the kind that stands for all that a framework may call the same."""
    return _OF_KIND.get(kind, kind)
