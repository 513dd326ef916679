"""The order in which a layer's calls were written, where Keras executes them in another.

A model of layers executes its nodes by their distance from the output: of three calls of one layer
on three inputs, the last may come first. Its calls are numbered as they were written.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

from layerscope.backends.keras.graph import executed_nodes, is_graph
from layerscope.backends.trace import Subject


class CallOrder:
    """Tells, call by call of one pass, which of a layer's calls each is."""

    def __init__(self, model: Any) -> None:
        self._places: dict[int, list[int]] = {}  #: of the calls of a layer, in order of execution
        self._inside: dict[int, int] = {}  #: the model that a layer is called in; not of the root
        self._executed: Counter[int] = Counter()
        shared: set[int] = set()
        if is_graph(model):
            self._read(model, 0, shared)
        for layer_id in shared:  # called in several models: nobody wrote down which comes first
            self._places.pop(layer_id, None)
        self._moved = {layer_id for layer_id in self._places if self._is_moved(layer_id)}

    def subject(self, layer: Any, subject: Subject) -> Subject:
        """Return the subject of the call of a layer that is made now, which bears its number."""
        if id(layer) not in self._moved:
            return subject
        number = self._number(id(layer), self._executed[id(layer)])
        self._executed[id(layer)] += 1
        if number == 0:
            return subject
        return replace(subject, address=f"{subject.address}#{number + 1}", parameters=())

    def executed(self, layer: Any, number: int) -> int:
        """Return as which of a layer's calls, counted from 0, this number of them is executed."""
        if id(layer) not in self._moved:
            return number
        return next(i for i in itertools.count() if self._number(id(layer), i) == number)

    def _read(self, model: Any, inside: int, shared: set[int]) -> None:
        calls: dict[int, list[Any]] = {}
        for node in executed_nodes(model):
            calls.setdefault(id(node.operation), []).append(node)
        for layer_id, nodes in calls.items():
            layer = nodes[0].operation
            if layer_id in self._places:
                shared.add(layer_id)
                continue
            if len(nodes) == 1:
                self._places[layer_id] = [0]
            else:
                self._places[layer_id] = _places(layer, nodes)
            if inside:
                self._inside[layer_id] = inside
            if is_graph(layer):
                self._read(layer, layer_id, shared)

    def _is_moved(self, layer_id: int) -> bool:
        places = self._places.get(layer_id)
        if places is None:
            return False
        outer = self._inside.get(layer_id)
        return places != sorted(places) or (outer is not None and self._is_moved(outer))

    def _number(self, layer_id: int, executed: int) -> int:
        places = self._places[layer_id]
        times, position = divmod(executed, len(places))
        outer = self._inside.get(layer_id)
        if outer is not None and outer in self._places:
            times = self._number(outer, times)
        return times * len(places) + places[position]


def _places(layer: Any, calls: list[Any]) -> list[int]:
    """Return for each call, in order of execution, its place in the order of writing."""
    written = {id(node): i for i, node in enumerate(layer._inbound_nodes)}
    ranks = sorted(written[id(node)] for node in calls)
    return [ranks.index(written[id(node)]) for node in calls]
