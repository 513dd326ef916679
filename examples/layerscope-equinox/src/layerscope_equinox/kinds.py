"""What a module is, and which function it applies, in layerscope's words."""

from __future__ import annotations

from typing import Any

import equinox as eqx

from layerscope.core.layer_kinds import Kind
from layerscope.core.type_names import by_type_name


def kind_of(module: Any) -> tuple[Kind, str | None]:
    """Return what a module is, and the function that it applies, or None.

    Equinox names its modules as everybody does; somebody's own is what it is derived from.
    """
    if isinstance(module, eqx.nn.Sequential):
        return "container", None
    if isinstance(module, eqx.nn.Lambda):  # around jax.nn.relu, or anything
        kind, function = by_type_name(getattr(module.fn, "__name__", ""))
        return ("function" if kind == "other" else kind), function
    for base in type(module).__mro__:
        if base.__module__.startswith("equinox.nn"):
            return by_type_name(base.__name__)
    return "other", None
