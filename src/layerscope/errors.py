"""What layerscope raises: each is a :class:`LayerscopeError`, whose message is one sentence."""

from __future__ import annotations

from layerscope.core.errors import (
    AddressError,
    InputError,
    LayerscopeError,
    MissingDependencyError,
    ModelError,
    OutputError,
    ViewError,
)

__all__ = [
    "AddressError", "InputError", "LayerscopeError", "MissingDependencyError", "ModelError",
    "OutputError", "ViewError",
]  # fmt: skip
