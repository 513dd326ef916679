"""Where a model came from: remembered for models that were opened from files.

The frameworks' own models are handed to the user as they are, so what opening has learned is kept
beside them, for as long as they live. They are told apart by identity: some have no hash, others
are equal to each other.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from layerscope.core.network import Origin

_ORIGINS: dict[int, tuple[weakref.ref[Any], Origin]] = {}


def remember(model: Any, origin: Origin) -> Any:
    """Note where the model came from, and return the model."""
    _ORIGINS[id(model)] = weakref.ref(model, _forget(id(model))), origin
    return model


def origin_of(model: Any) -> Origin | None:
    """Return where the model came from; None for one that no file was opened for."""
    reference, origin = _ORIGINS.get(id(model), (None, None))
    return origin if reference is not None and reference() is model else None


def _forget(key: int, origins: dict[int, Any] = _ORIGINS) -> Callable[[object], None]:
    """Return what is called when a model goes."""
    return lambda _: origins.pop(key, None) and None
