"""Which layer each node of a graph is in, and in what order: by a library, for graphs of points."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

_CROWDED = 5_000  #: lanes, from which on neighbours are not swapped one by one


@dataclass(frozen=True, slots=True)
class Edge:
    """A line from one node to another; offsets are across, from the middle of each."""

    source: str
    target: str
    leaves: float = 0.0
    enters: float = 0.0


def ranked(
    names: Sequence[str], points: Iterable[str], lines: Sequence[Edge]
) -> tuple[list[list[str]], list[tuple[str, str, Edge]], dict[Edge, list[str]]]:
    """Return the nodes of each layer in order, lanes among them; the links; each line's nodes."""
    from fast_sugiyama import from_edges

    index = {name: i for i, name in enumerate(names)}
    pairs = {(line.source, line.target): None for line in lines}
    fed = {target for _, target in pairs}
    read = {source for source, _ in pairs}
    start, end = len(names), len(names) + 1
    # Connected to a start and an end, the graph is one piece, and its order is one order.
    edges = [(start, index[name]) for name in names if name not in fed]
    edges += [(index[a], index[b]) for a, b in pairs]
    edges += [(index[name], end) for name in names if name not in read]
    # The library numbers nodes as it meets them, and lanes from there on.
    placed, _, _, layered_edges = from_edges(
        edges,
        vertex_spacing=1,
        dummy_vertices=True,
        dummy_size=1,
        transpose=_lanes(pairs) < _CROWDED,
    )[0]

    after: dict[int, list[int]] = {}
    for one, other in layered_edges or edges:
        after.setdefault(int(one), []).append(int(other))
    labels = dict(enumerate(names))
    before: dict[str, list[int]] = {}
    beyond: dict[str, list[int]] = {}
    for point in points:
        # A point on the edge belongs into the first or last layer, wherever the library put it.
        node = index[point]
        if point not in fed:
            before[point] = _chain(start, node, after, end)[1:-1]
            ring = [*before[point], node]
        else:
            beyond[point] = _chain(node, end, after, end)[1:-1]
            ring = [*beyond[point][::-1], node]
        labels[node] = f"lane {node}"
        labels[ring[0]] = point

    def label(node: int) -> str:
        return labels.get(node, f"lane {node}")

    chains = {}
    for line in lines:
        chain = _chain(index[line.source], index[line.target], after, end)
        whole = [*before.get(line.source, ()), *chain, *beyond.get(line.target, ())]
        chains[line] = [label(number) for number in whole]
    used = {key for chain in chains.values() for key in chain} | set(names)
    rows: dict[float, list[tuple[float, int]]] = {}
    for key, (across, along) in placed:
        if key not in (start, end) and label(int(key)) in used:
            rows.setdefault(-along, []).append((across, int(key)))
    layers = [[label(node) for _, node in sorted(rows[along])] for along in sorted(rows)]
    links = [(a, b, line) for line, chain in chains.items() for a, b in itertools.pairwise(chain)]
    return layers, links, chains


def _lanes(pairs: Iterable[tuple[str, str]]) -> int:
    """Return how many lanes all lines take together."""
    before: dict[str, list[str]] = {}
    for source, target in pairs:
        before.setdefault(target, []).append(source)
    level: dict[str, int] = {}
    for key in TopologicalSorter(before).static_order():
        level[key] = max((level[other] + 1 for other in before.get(key, ())), default=0)
    return sum(level[target] - level[source] - 1 for source, target in pairs)


def _chain(source: int, target: int, after: Mapping[int, list[int]], end: int) -> list[int]:
    """Return the nodes of a line: its source, the lanes it takes, its target."""
    if target in after[source]:
        return [source, target]
    for first in after[source]:
        chain = [source, first]
        while chain[-1] > end and chain[-1] != target:
            chain.append(after[chain[-1]][0])
        if chain[-1] == target:
            return chain
    raise AssertionError(f"the layout lost the line from {source} to {target}")
