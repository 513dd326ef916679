"""Where a run is kept: a Zarr v3 store that grows by whole steps.

A ``Schema`` says what is kept, a ``Writer`` appends steps, a ``StoreReader`` reads them while more
come. ``docs/store.md`` describes the format, for readers that don't have layerscope.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from layerscope.recordings.store.schema import ArrayGroup, Schema, Variable

if TYPE_CHECKING:
    from layerscope.recordings.store.reader import StoreReader
    from layerscope.recordings.store.writer import Writer, holds_run

__all__ = ["ArrayGroup", "Schema", "StoreReader", "Variable", "Writer", "holds_run"]

_LAZY = {"StoreReader": "reader", "Writer": "writer", "holds_run": "writer"}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
