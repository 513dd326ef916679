"""Keras models as graphs: the calls that a functional model knows, and what is in a layer."""

from __future__ import annotations

from typing import Any

import keras

from layerscope.backends.keras.attention import ATTENDING

#: What Keras runs in a loop of the backend: the values inside have no place in the outer pass.
LOOPS = (keras.layers.RNN, keras.layers.TimeDistributed)


def is_graph(layer: Any) -> bool:
    """Return whether the layer is a model whose calls are all known beforehand."""
    if isinstance(layer, keras.Sequential):
        return layer.built and graph_of(layer) is not None
    return graph_of(layer) is not None


def is_exact(model: Any) -> bool:
    """Return whether the graph knows every call: no layer calls others in a way of its own."""
    graph = graph_of(model)
    return graph is not None and all(
        is_exact(op) if is_graph(op) else isinstance(op, LOOPS) or not _calls_more(op)
        for op in graph.operations
    )


def _calls_more(operation: Any) -> bool:
    """Return whether a pass shows values in it that the graph does not know."""
    return bool(children(operation)) or isinstance(operation, ATTENDING)


def graph_of(layer: Any) -> Any:
    """Return the graph of operations behind a functional or a built sequential model; else None."""
    if isinstance(layer, keras.Sequential):
        # A Sequential runs the functional model that it builds for itself.
        return getattr(layer, "_functional", None)
    # A subclassed Model that is also functional has a graph, but its `call` may be its own.
    own_call = type(layer).__dict__.get("call") is not None and type(layer) is not keras.Model
    is_functional = hasattr(layer, "_nodes_by_depth") and hasattr(layer, "operations")
    library = type(layer).__module__.startswith("keras.")
    return layer if is_functional and (library or not own_call) else None


def children(layer: Any) -> list[Any]:
    """Return the layers and operations directly inside a layer, in the order of its definition."""
    graph = graph_of(layer)
    if graph is not None:
        return [op for op in graph.operations if not isinstance(op, keras.layers.InputLayer)]
    if isinstance(layer, keras.Sequential):
        return list(layer.layers)
    if not hasattr(layer, "_flatten_layers"):  # an operation
        return []
    layers = layer._flatten_layers(include_self=False, recursive=False)
    return [child for child in layers if not isinstance(child, keras.layers.InputLayer)]


def executed_nodes(model: Any) -> list[Any]:
    """Return the calls that a graph knows, in the order in which Keras makes them."""
    by_depth = graph_of(model)._nodes_by_depth
    nodes = (node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth])
    return [node for node in nodes if not node.is_input and node.operation]


def is_loop(layer: Any) -> bool:
    """Return whether what a layer calls runs in a loop, and has no one value to show."""
    return isinstance(layer, LOOPS)


def has_steps(layer: Any) -> bool:
    """Return whether it calls what is in it once for each step, in a loop of Python's."""
    return isinstance(layer, keras.layers.TimeDistributed)
