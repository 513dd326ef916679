"""Where boxes of given sizes stand, and how the lines between them run.

A layered drawing: a library assigns the layers and the order within each, for graphs of points.
What follows here gives the points their sizes. Layers lie along the first axis, each as deep as its
deepest box; lines run straight across a layer, in a lane of their own, and change lanes only
between layers, so no line ever touches a box.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from layerscope.views.diagram.ranks import Edge, ranked

GAP = 18.0  #: between neighbours in a layer
LANE = 10.0  #: between a line and its neighbours
DEPTH = 26.0  #: between layers where lines bend
STRAIGHT_DEPTH = 18.0  #: and where all are straight
_EDGE = 4.0  #: and at the edge of a frame
_SWEEPS, _PATIENCE = 30, 90_000  #: over the layers; and how many links they may look at in all
_STRAIGHT = 10.0  #: how much stronger a chain pulls than lines that part or meet

Point = tuple[float, float]


@dataclass(frozen=True)
class LayeredLayout:
    """Middle across and start along of each node, the points of each line, and the whole size."""

    at: Mapping[str, Point]  #: (across, along)
    routes: Mapping[Edge, tuple[Point, ...]]
    across: float
    along: float


@dataclass
class _Node:
    across: float
    along: float
    middle: float = 0.0

    @property
    def is_lane(self) -> bool:
        return self.across == 0


def layered(sizes: Mapping[str, tuple[float, float]], lines: Sequence[Edge]) -> LayeredLayout:
    """Lay out nodes of these sizes (across, along); nodes without a size are points on lines."""
    points = {key for key, size in sizes.items() if size == (0, 0)}
    layers, links, chains = ranked(list(sizes), points, lines)
    nodes = {key: _Node(*sizes.get(key, (0.0, 0.0))) for layer in layers for key in layer}
    _spread(layers, links, nodes)
    _straighten(layers, chains.values(), nodes)
    low = min(node.middle - node.across / 2 for node in nodes.values())
    for node in nodes.values():
        node.middle -= low
    across = max(node.middle + node.across / 2 for node in nodes.values())
    starts, depths = _bands(layers, links, nodes)
    at = {
        key: (nodes[key].middle, starts[i] + (depths[i] - nodes[key].along) / 2)
        for i, layer in enumerate(layers)
        for key in layer
        if key in sizes
    }
    level = {key: i for i, layer in enumerate(layers) for key in layer}
    routes = {
        line: _route(line, chain, nodes, at, level, starts, depths)
        for line, chain in chains.items()
    }
    return LayeredLayout(at, routes, across, starts[-1] + depths[-1])


@dataclass(frozen=True, slots=True)
class _Link:
    """A part of a line from one layer to the next, seen from one of its ends."""

    other: str
    offset: float  #: how far this end is from the other when the line is straight
    weight: float


def _spread(
    layers: Sequence[Sequence[str]],
    links: Sequence[tuple[str, str, Edge]],
    nodes: Mapping[str, _Node],
) -> None:
    """Give each node its place across: near those that it is linked to, never over a neighbour."""
    for layer in layers:
        at = 0.0
        for before, key in zip((None, *layer), layer, strict=False):
            at += _apart(nodes[before], nodes[key]) if before is not None else 0.0
            nodes[key].middle = at
        for key in layer:
            nodes[key].middle -= at / 2
    up, down = _linked(links, nodes)
    sweeps = max(4, min(_SWEEPS, _PATIENCE // max(1, len(links))))
    for sweep in range(sweeps):
        ordered = layers if sweep % 2 == 0 else layers[::-1]
        near = up if sweep % 2 == 0 else down
        for layer in ordered:
            pulls = {
                key: near[key] if sweep < sweeps // 3 else up[key] + down[key] for key in layer
            }
            _settle(layer, pulls, nodes)
    for layer in layers:  # what is a chain hangs straight down
        pulls = {key: _strong(up[key]) or up[key] + down[key] for key in layer}
        _settle(layer, pulls, nodes)


def _straighten(
    layers: Sequence[Sequence[str]], chains: Iterable[Sequence[str]], nodes: Mapping[str, _Node]
) -> None:
    """Move all lanes of a line to where one of them is, if there is room for it everywhere."""
    beside: dict[str, tuple[str | None, str | None]] = {}
    for layer in layers:
        ring = [None, *layer, None]
        beside |= {key: (ring[i], ring[i + 2]) for i, key in enumerate(layer)}

    def fits(key: str, middle: float) -> bool:
        before, after = (None if other is None else nodes[other] for other in beside[key])
        node = nodes[key]
        clear_before = before is None or middle - before.middle >= _apart(before, node) - 0.01
        return clear_before and (
            after is None or after.middle - middle >= _apart(node, after) - 0.01
        )

    for chain in chains:
        lanes = chain[1:-1]
        for middle in sorted({nodes[key].middle for key in lanes}, reverse=True):
            if all(fits(key, middle) for key in lanes):
                for key in lanes:
                    nodes[key].middle = middle
                break


def _linked(
    links: Sequence[tuple[str, str, Edge]], nodes: Mapping[str, _Node]
) -> tuple[dict[str, list[_Link]], dict[str, list[_Link]]]:
    """Return what each node is linked to, against and along the lines.

    Where lines neither part nor meet they should be straight, so there the pull is stronger.
    """
    leaving = Counter(source for source, _, _ in links)
    arriving = Counter(target for _, target, _ in links)
    up: dict[str, list[_Link]] = {key: [] for key in nodes}
    down: dict[str, list[_Link]] = {key: [] for key in nodes}
    for source, target, line in links:
        leaves = 0.0 if nodes[source].is_lane else line.leaves
        enters = 0.0 if nodes[target].is_lane else line.enters
        weight = _STRAIGHT if leaving[source] == arriving[target] == 1 else 1.0
        up[target].append(_Link(source, leaves - enters, weight))
        down[source].append(_Link(target, enters - leaves, weight))
    return up, down


def _strong(links: Sequence[_Link]) -> list[_Link]:
    return [link for link in links if link.weight == _STRAIGHT]


def _pull(key: str, links: Sequence[_Link], nodes: Mapping[str, _Node]) -> tuple[float, float]:
    """Return where a node would like to be, and how much."""
    total = sum(link.weight for link in links)
    if not total:
        return nodes[key].middle, 0.01
    place = sum(link.weight * (nodes[link.other].middle + link.offset) for link in links)
    return place / total, total


def _settle(
    layer: Sequence[str], links: Mapping[str, Sequence[_Link]], nodes: Mapping[str, _Node]
) -> None:
    """Return the places nearest to those wanted, by least squares, that keep apart.

    With the distances subtracted these are non-decreasing numbers: an isotonic regression, by
    pooling adjacent violators.
    """
    shifts = [0.0]
    for before, key in itertools.pairwise(layer):
        shifts.append(shifts[-1] + _apart(nodes[before], nodes[key]))
    pools: list[tuple[float, float, int]] = []  # place, weight, how many
    for key, shift in zip(layer, shifts, strict=True):
        place, weight = _pull(key, links[key], nodes)
        pool = (place - shift, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            other = pools.pop()
            total = other[1] + pool[1]
            mean = (other[0] * other[1] + pool[0] * pool[1]) / total
            pool = (mean, total, other[2] + pool[2])
        pools.append(pool)
    places = [place for place, _, count in pools for _ in range(count)]
    for key, place, shift in zip(layer, places, shifts, strict=True):
        nodes[key].middle = place + shift


def _apart(one: _Node, other: _Node) -> float:
    """Return how far apart the middles of two neighbours must be."""
    gap = LANE if one.is_lane or other.is_lane else GAP
    return (one.across + other.across) / 2 + gap


def _bands(
    layers: Sequence[Sequence[str]],
    links: Sequence[tuple[str, str, Edge]],
    nodes: Mapping[str, _Node],
) -> tuple[list[float], list[float]]:
    """Return where each layer begins along, and how deep it is.

    Between layers there is room for arrows, and for lines that change lanes the more, the more they
    are; none where lines pass straight through the edge of a frame.
    """
    level = {key: i for i, layer in enumerate(layers) for key in layer}
    bends = [0] * len(layers)
    for source, target, line in links:
        leaves = nodes[source].middle + (0.0 if nodes[source].is_lane else line.leaves)
        enters = nodes[target].middle + (0.0 if nodes[target].is_lane else line.enters)
        bends[level[source]] += abs(leaves - enters) > 1
    starts, depths, along = [], [], 0.0
    for i, layer in enumerate(layers):
        depth = max(nodes[key].along for key in layer)
        starts.append(along)
        depths.append(depth)
        at_edge = depth == 0 or all(
            nodes[key].along == 0 for key in layers[min(i + 1, len(layers) - 1)]
        )
        if bends[i]:
            along += depth + DEPTH + min(30.0, 2.0 * max(0, bends[i] - 2))
        else:
            along += depth + (_EDGE if at_edge else STRAIGHT_DEPTH)
    return starts, depths


def _route(
    line: Edge,
    chain: Sequence[str],
    nodes: Mapping[str, _Node],
    at: Mapping[str, Point],
    level: Mapping[str, int],
    starts: Sequence[float],
    depths: Sequence[float],
) -> tuple[Point, ...]:
    """Return the way from source to target, straight across each layer between."""
    source, target = chain[0], chain[-1]
    leaves = nodes[source].middle + line.leaves
    enters = nodes[target].middle + line.enters
    first, last = level[source], level[target]
    points = [
        (leaves, at[source][1] + nodes[source].along),
        (leaves, starts[first] + depths[first]),
    ]
    for key in chain[1:-1]:
        i = level[key]
        points += [(nodes[key].middle, starts[i]), (nodes[key].middle, starts[i] + depths[i])]
    points += [(enters, starts[last]), (enters, at[target][1])]
    return tuple(dict.fromkeys(points))
