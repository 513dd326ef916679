"""Where the values come from that a Keras model's own code makes between its layers.

In a pass on numbers such code is not seen: ``x + y`` and ``keras.ops.relu(x)`` call the backend
directly. Called with symbols instead, they leave a trail. So the model's code is run once more,
on symbols, with the layers' own code in place of what Keras would do with a symbol; the trail from
a layer's input back to other layers' outputs is what the network's edges are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras

from layerscope.backends.keras import tree
from layerscope.backends.keras.calls import intercepted
from layerscope.backends.keras.graph import children, is_loop
from layerscope.backends.keras.inputs import inputs_by_name
from layerscope.backends.trace import Subject, Trace
from layerscope.core.selection import Selection


def sources_of(
    model: Any, x: Any, subject_of: Callable[[Trace], Callable[[Any], Subject | None]]
) -> Mapping[str, tuple[str, ...]] | None:
    """Return the sources of each value, by address; None where the code takes no symbols."""
    symbols = keras.tree.map_structure(
        lambda leaf: keras.KerasTensor(
            tuple(leaf.shape), keras.backend.standardize_dtype(leaf.dtype)
        ),
        x,
    )
    trace = Trace(
        Selection(),
        batch=None,
        is_value=lambda value: isinstance(value, keras.KerasTensor),
        default_layout="channels_last",
        values={},
        may_stop=False,
        parents_of=_parents,
    )
    for name, symbol in inputs_by_name(model, symbols).items():
        trace.receive(name, symbol, listed=None)
    try:
        how = intercepted(trace, subject_of(trace), perform=_own_code, on_symbols=True)
        with _unchanged(model), how:
            model(symbols, training=False)
    # Somebody else's code, which may want numbers, or another framework's tensors: then the sources
    # stay guessed, and are said to be.
    except Exception:  # noqa: BLE001
        return None
    inner = tree.attention_insides(model)
    listed = {layer.address: layer.inputs for layer in trace.layers}
    return {
        address: _past(inputs, listed, inner)
        for address, inputs in listed.items()
        if _layer(address) not in inner
    }


def _past(
    inputs: tuple[str, ...], listed: Mapping[str, tuple[str, ...]], inner: Collection[str]
) -> tuple[str, ...]:
    """Return the sources, with what the insides of attention come from in place of these."""
    passed: dict[str, None] = {}
    for address in inputs:
        through = _layer(address) in inner
        passed |= dict.fromkeys(_past(listed[address], listed, inner) if through else [address])
    return tuple(passed)


def _layer(address: str) -> str:
    """Return the address of the layer whose call, or part, this is."""
    return address.partition("#")[0]


def _parents(symbol: Any) -> list[Any]:
    """Return the symbols that an operation, which is no layer of the model, was given."""
    history = getattr(symbol, "_keras_history", None)
    if history is None or isinstance(history.operation, keras.Layer):
        return []
    return list(history.operation._inbound_nodes[history.node_index].input_tensors)


def _own_code(original: Any, layer: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return what an operation returns for symbols; one that holds layers, by its ``call``."""
    if not children(layer) or is_loop(layer):
        return original(layer, *args, **kwargs)
    rest = {name: value for name, value in kwargs.items() if name != "training"}
    if layer._call_has_training_arg:
        rest["training"] = False
    return layer.call(*args, **rest)


@contextmanager
def _unchanged(model: Any) -> Iterator[None]:
    """Take away, at the end, the nodes that symbols leave at the layers that they went through."""
    layers = [model, *(layer for _, layer in tree.addresses(model).values())]
    kept = [
        (nodes, len(nodes))
        for layer in layers
        for nodes in (layer._inbound_nodes, layer._outbound_nodes)
    ]
    try:
        yield
    finally:
        for nodes, count in kept:
            del nodes[count:]
