"""Passes through ONNX graphs of which values are edited.

A graph runs as one piece. So it runs up to each value that is edited, one after the other, and what
that becomes goes into the part of the graph behind it as one of its inputs.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from layerscope.backends.editing import Editing
from layerscope.backends.onnx import run as onnx_run
from layerscope.backends.onnx.tree import OnnxGraph

#: What is edited now; edits within edits are made after those around them.
_ACTIVE: weakref.WeakKeyDictionary[OnnxGraph, list[Editing]] = weakref.WeakKeyDictionary()

Run = Callable[[Sequence[str], Mapping[str, Any]], dict[str, Any]]


@contextmanager
def edited(graph: OnnxGraph, editing: Editing) -> Iterator[None]:
    """Have passes through a graph go on with edited values, for as long as this lasts."""
    editing.check(set(graph.addresses.values()))
    active = _ACTIVE.setdefault(graph, [])
    active.append(editing)
    try:
        yield
    finally:
        active.remove(editing)


def runner(graph: OnnxGraph) -> Run:
    """Return what runs a graph on arrays by name: the graph itself, or one that is edited."""
    active = _ACTIVE.get(graph)
    if not active:
        return lambda names, feeds: onnx_run.run(graph, names, feeds)

    def run(names: Sequence[str], feeds: Mapping[str, Any]) -> dict[str, Any]:
        for editing in active:
            editing.begin(feeds)
        given: dict[str, Any] = {}
        for name in (name for node in graph.parts.nodes for name in node.outputs):
            address = graph.addresses.get(name)
            if address is not None and any(address in editing.layers for editing in active):
                value = onnx_run.run(graph, [name], feeds, given)[name]
                for editing in active:
                    value = editing.returned(address, value)
                given[name] = np.ascontiguousarray(value)
        return onnx_run.run(graph, names, feeds, given)

    return run


def axes_of(graph: OnnxGraph, feeds: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the axes of every value of a graph on these inputs, by address."""
    names = [name for name in graph.addresses if name not in feeds]
    values = onnx_run.run(graph, names, feeds)
    shapes = {n: v.shape for n, v in {**values, **feeds}.items() if isinstance(v, np.ndarray)}
    axes = graph.network(shapes)[1]
    return {address: axes[name] for name, address in graph.addresses.items() if name in axes}
