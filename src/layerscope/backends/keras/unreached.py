"""What a pass through a Keras model does not get to, and what to say of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import keras

from layerscope.backends.keras import tree
from layerscope.backends.keras.graph import children, is_loop
from layerscope.core.errors import ModelError


def check_call(model: Any) -> None:
    """Raise ModelError for a model that no input can be run through."""
    if type(model).call not in (keras.Layer.call, keras.Model.call):
        return
    names = [repr(layer.name) for layer in children(model) if isinstance(layer, keras.Layer)]
    parts = f", or pass one of its layers, {', '.join(names[:4])}" if names else ""
    raise ModelError(
        f"The model {model.name!r} has no call(), so nothing can be run through it: write "
        f"{type(model).__name__}.call(){parts}."
    )


def uncalled(model: Any, called: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the layers not called in a pass: those that have weights, and those that have none.

    ``called`` are the addresses of what was. Of a layer that was not called its parts are not
    named, nor are those of a loop, nor what Keras' own layers hold without weights for later use.
    """
    called = {address.partition("[")[0].partition("#")[0] for address in called}
    around = {
        address[:end] for address in called for end, sign in enumerate(address) if sign == "/"
    }
    weighted: list[str] = []
    weightless: list[str] = []
    silent: tuple[str, ...] = ()
    kept_by_keras: tuple[str, ...] = ()
    for address, layer in tree.addresses(model).values():
        if address.startswith(silent):
            continue
        is_silent = address not in called and address not in around
        if is_silent and isinstance(layer, keras.Layer):
            if layer.weights:
                weighted.append(address)
            elif not address.startswith(kept_by_keras):
                weightless.append(address)
        if is_silent or is_loop(layer):
            silent += (address + "/",)
        elif tree.is_library(layer):
            kept_by_keras += (address + "/",)
    return weighted, weightless
