"""Sequentials that are built once as they are opened, and not anew with every layer.

Keras builds a Sequential again whenever a layer is added, in time that grows with their square.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: Keras' methods are replaced for the time of an opening: one opening at a time.
_TURN = threading.RLock()


@contextmanager
def built_once() -> Iterator[None]:
    """Have each Sequential that this thread makes of a configuration be built at its end."""
    import keras

    with _TURN:
        kind = keras.Sequential
        add, make = kind.add, kind.__dict__["from_config"]
        kind.add, kind.from_config = _replaced(add, make.__func__)
        try:
            yield
        finally:
            kind.add, kind.from_config = add, make


def _replaced(add: Any, make: Any) -> tuple[Any, Any]:
    here = threading.get_ident()
    open_ones: list[int] = []  # a Sequential may hold others

    def add_only(self: Any, layer: Any, rebuild: bool = True) -> None:
        add(self, layer, rebuild=rebuild and not (open_ones and threading.get_ident() == here))

    def from_config(cls: Any, config: Any, custom_objects: Any = None) -> Any:
        if threading.get_ident() != here or not isinstance(config, dict):
            return make(cls, config, custom_objects=custom_objects)
        shape = config.get("build_input_shape")
        rest = {key: value for key, value in config.items() if key != "build_input_shape"}
        open_ones.append(len(rest))
        try:
            model = make(cls, rest, custom_objects=custom_objects)
        finally:
            open_ones.pop()
        if model._layers:
            model._maybe_rebuild()
        if not model._functional and shape and isinstance(shape, tuple | list):
            model.build(shape)
        return model

    return add_only, classmethod(from_config)
