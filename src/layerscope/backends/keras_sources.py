"""Where the values come from that a Keras model's own code makes between its layers.

In a pass on numbers such code is not seen: ``x + y`` and ``keras.ops.relu(x)`` call the backend
directly. Called with symbols instead, they leave a trail. So the model's code is run once more,
on symbols, with the layers' own code in place of what Keras would do with a symbol; the trail from
a layer's input back to other layers' outputs is what the network's edges are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras

from layerscope.backends import keras_tree as tree
from layerscope.backends.trace import Subject, Trace
from layerscope.selection import Selection


def sources_of(
    model: Any, x: Any, subject_of: Callable[[Trace], Callable[[Any], Subject | None]]
) -> Mapping[str, tuple[str, ...]] | None:
    """The sources of each value, by address; None where the model's code takes no symbols."""
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
    names = tree.input_names(model)
    leaves = keras.tree.flatten(symbols)
    if len(names) != len(leaves):
        names = ["input", *(f"input_{i}" for i in range(1, len(leaves)))]
    for name, symbol in zip(names, leaves, strict=True):
        trace.receive(name, symbol, listed=None)
    try:
        with _unchanged(model), _inlined(trace, subject_of(trace)):
            model(symbols, training=False)
    # Somebody else's code, which may want numbers, or another framework's tensors: then the sources
    # stay guessed, and are said to be.
    except Exception:  # noqa: BLE001
        return None
    return {layer.address: layer.inputs for layer in trace.layers}


def _parents(symbol: Any) -> list[Any]:
    """The symbols that an operation, which is no layer of the model, was given."""
    history = getattr(symbol, "_keras_history", None)
    if history is None or isinstance(history.operation, keras.Layer):
        return []
    return list(history.operation._inbound_nodes[history.node_index].input_tensors)


@contextmanager
def _inlined(trace: Trace, subject_of: Callable[[Any], Subject | None]) -> Iterator[None]:
    """Report calls of layers to the trace; those that hold layers run their own code on symbols."""

    def wrapped(kind: Any, original: Any) -> Any:
        @functools.wraps(original)
        def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
            mine = kind is keras.Layer or not isinstance(operation, keras.Layer)
            subject = subject_of(operation) if mine else None
            if subject is None:
                return original(operation, *args, **kwargs)
            trace.enter(subject, [args, kwargs])
            try:
                if tree.children(operation) and not subject.opaque:
                    result = _own_code(operation, args, kwargs)
                else:
                    result = original(operation, *args, **kwargs)
            except BaseException:
                trace.abandon()
                raise
            return trace.leave([args, kwargs], result)

        return call

    originals = {kind: kind.__call__ for kind in (keras.Layer, keras.Operation)}
    for kind, original in originals.items():
        kind.__call__ = wrapped(kind, original)
    try:
        yield
    finally:
        for kind, original in originals.items():
            kind.__call__ = original


def _own_code(layer: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What a layer that holds layers returns for symbols, by its own ``call``."""
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
