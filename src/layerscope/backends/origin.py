"""Where a model came from: remembered for models that were opened from files.

The frameworks' own models are handed to the user as they are, so what opening found out is kept
beside them, for as long as they live.
"""

from __future__ import annotations

import weakref
from typing import Any

from layerscope.core.network import Origin

_ORIGINS: weakref.WeakKeyDictionary[Any, Origin] = weakref.WeakKeyDictionary()


def remember(model: Any, origin: Origin) -> Any:
    """Note where the model came from; returns the model."""
    _ORIGINS[model] = origin
    return model


def origin_of(model: Any) -> Origin | None:
    """Where the model came from; None for one that no file was opened for."""
    try:
        return _ORIGINS.get(model)
    except TypeError:  # an object that can't be referred to weakly, nor therefore remembered
        return None
