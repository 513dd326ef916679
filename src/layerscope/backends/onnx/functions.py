"""Functions of an ONNX file: how many nodes a graph is once its calls are written out.

Whatever checks a model, infers its shapes or runs it does so for each call of a function anew: 30
functions, each of which calls the next one twice, are a thousand million nodes in a few kilobytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from layerscope.backends.onnx.data import graphs_of
from layerscope.core.errors import ModelError

#: A graph of more nodes, its functions written out, is no network that somebody made.
_MOST_NODES = 200_000
#: Calls within calls: each takes a part of the stack of ONNX' own code.
_DEEPEST = 64

_Name = tuple[str, str]  #: domain and name


def check_functions(proto: Any, label: str) -> None:
    """Raise ModelError where functions call each other in a circle, too deeply or too often."""
    calls: dict[_Name, list[_Name]] = {}
    for function in proto.functions:
        # Those of one name, told apart by their overload, count as one that does what all do.
        name = (_domain(function.domain), str(function.name))
        calls.setdefault(name, []).extend(_called(function.node))
    if not calls:
        return
    needs = {name: {other for other in called if other in calls} for name, called in calls.items()}
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        name = error.args[1][0][1]
        raise ModelError(
            f"{label} is damaged: its function {name!r} calls itself, in a circle."
        ) from error
    nodes: dict[_Name, int] = {}
    depth: dict[_Name, int] = {}
    for name in order:
        nodes[name] = sum(1 + nodes.get(called, 0) for called in calls[name])
        depth[name] = 1 + max((depth[called] for called in needs[name]), default=0)
    if max(depth.values()) > _DEEPEST:
        raise ModelError(
            f"{label} is no network: its functions call each other {max(depth.values())} deep, and "
            f"{_DEEPEST} are followed."
        )
    count = sum(1 + nodes.get(called, 0) for called in _called(proto.graph.node))
    if max(count, *nodes.values()) > _MOST_NODES:
        raise ModelError(
            f"{label} is no network: with its functions written out it has "
            f"{max(count, *nodes.values()):,} nodes, and up to {_MOST_NODES:,} are followed."
        )


def _called(nodes: Iterable[Any]) -> Iterator[_Name]:
    """Yield the operators, or functions, of the nodes and of those in graphs inside them."""
    for node in nodes:
        yield _domain(node.domain), str(node.op_type)
        for graph in graphs_of(node):
            yield from _called(graph.node)


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name
