"""Blocks that follow one another and are alike: one of them is drawn, and how many there are.

Alike are blocks of the same layers with the same settings, connected in the same way; layers that
hold kernels must also return the same shape. Blocks that only widen what they receive, as those of
a DenseNet, count as alike. Each may also read values that all of them read at the same place, such
as positions, a mask, or what an encoder returned.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace

from layerscope.core.network import Layer
from layerscope.core.table import setting_text
from layerscope.views.diagram.blocks import Block, Item, item_boxes, item_edges
from layerscope.views.diagram.boxes import Box, Graph
from layerscope.views.diagram.order import Order

_LONGEST = 12  #: items in what is repeated


def collapsed(block: Block, graph: Graph, stays: Callable[[str], bool]) -> tuple[Block, Graph]:
    """Return the block and its graph with runs of alike items replaced by the first of each.

    ``stays`` tells by its name whether a block is to be drawn by itself.
    """
    items: list[Item] = []
    for item in block.items:
        if isinstance(item, Block):
            inner, graph = collapsed(item, graph, stays)
            items.append(inner)
        else:
            items.append(item)
    result: list[Item] = []
    for chain in _chains(items, graph):
        kept, graph = _without_repeats(chain, graph, stays)
        result += kept
    return replace(block, items=tuple(result)), graph


def _chains(items: Sequence[Item], graph: Graph) -> list[list[Item]]:
    """Split the items, in order, wherever one is not the only reader of the one before it."""
    by_id = {item.id: item for item in items}
    order = Order(by_id, item_edges(items, graph))
    item_of = {box.id: item.id for item in items for box in item_boxes(item)}
    read = {item_of[a] for a, b in graph.edges if a in item_of and b not in item_of}
    chains: list[list[Item]] = []
    for key in order.sequence:
        before = chains[-1][-1].id if chains else ""
        if before and order.after[before] == [key] and before not in read:
            chains[-1].append(by_id[key])
        else:
            chains.append([by_id[key]])
    return chains


def _without_repeats(
    chain: Sequence[Item], graph: Graph, stays: Callable[[str], bool]
) -> tuple[list[Item], Graph]:
    alike = _Alike(chain, graph, stays)
    result: list[Item] = []
    at = 0
    while at < len(chain):
        length, times = _longest_run(chain, alike, at)
        run = chain[at : at + length * times]
        if times == 1:
            result.append(chain[at])
            at += 1
            continue
        result.append(_repeated(run, length, times))
        graph = _merged(graph, run, length)
        at += len(run)
    return result, graph


class _Alike:
    """What the items of a chain are compared by."""

    def __init__(self, chain: Sequence[Item], graph: Graph, stays: Callable[[str], bool]) -> None:
        sources: dict[str, list[str]] = {}
        for source, target in graph.edges:
            sources.setdefault(target, []).append(source)
        # What is wanted by itself is like nothing else.
        self._kinds = [
            object() if _is_wanted(item, stays) else signature(item, graph) for item in chain
        ]
        self._chain = chain
        self._feeds = [_feeds(item, sources) for item in chain]
        self._shared = [self._feeds[0]]
        for before, feeds in zip(chain, self._feeds[1:], strict=False):
            inside = {box.id for box in item_boxes(before)}
            self._shared.append(frozenset(feed for feed in feeds if feed[0] not in inside))

    def of(self, at: int, like: int | None = None) -> Hashable:
        """Return what an item has in common with those that are alike.

        Beside its layers that is what it reads from elsewhere than the item before it, and where.
        The first of the chain has none before it: what ``like`` reads from elsewhere is taken for
        shared, and the rest of what it reads for what others read from the one before.
        """
        shared = self._shared[at]
        if at == 0 and like is not None:
            shared &= self._shared[like]
        handed = tuple(sorted(place for _, place in self._feeds[at] - shared))
        inside = handed if isinstance(self._chain[at], Block) else None
        return self._kinds[at], shared, inside


def _feeds(item: Item, sources: Mapping[str, Sequence[str]]) -> frozenset[tuple[str, int]]:
    """Return what an item reads from outside, and by which of its boxes."""
    index_of = {box.id: i for i, box in enumerate(item_boxes(item))}
    return frozenset(
        (source, i)
        for box, i in index_of.items()
        for source in sources.get(box, ())
        if source not in index_of
    )


def _is_wanted(item: Item, stays: Callable[[str], bool]) -> bool:
    if isinstance(item, Block):
        return stays(item.name) or any(_is_wanted(part, stays) for part in item.items)
    return any(stays(layer.address) for layer in item.layers)


def _merged(graph: Graph, run: Sequence[Item], length: int) -> Graph:
    """Return the graph with later copies in a run taken for the first, without lines between."""
    first = [box.id for item in run[:length] for box in item_boxes(item)]
    home: dict[str, tuple[str, int]] = {}
    for copy in range(len(run) // length):
        ids = [b.id for item in run[copy * length : (copy + 1) * length] for b in item_boxes(item)]
        home.update(zip(ids, ((key, copy) for key in first), strict=True))
    edges: dict[tuple[str, str], None] = {}
    for a, b in graph.edges:
        (source, one), (target, other) = home.get(a, (a, -1)), home.get(b, (b, -1))
        if one == other or -1 in (one, other):
            edges[source, target] = None
    gone = home.keys() - set(first)
    boxes = {key: box for key, box in graph.boxes.items() if key not in gone}
    return Graph(boxes, tuple(edges))


def _longest_run(chain: Sequence[Item], alike: _Alike, at: int) -> tuple[int, int]:
    """Return how many items are repeated from here on, and how often, as saves most boxes."""
    best, saved = (1, 1), 0
    for length in range(1, min(_LONGEST, (len(chain) - at) // 2) + 1):
        motif = [alike.of(i, like=i + length) for i in range(at, at + length)]
        times, end = 1, at + 2 * length
        while end <= len(chain) and [alike.of(i) for i in range(end - length, end)] == motif:
            times, end = times + 1, end + length
        boxes = sum(len(item_boxes(item)) for item in chain[at : at + length])
        worth = (times - 1) * boxes
        if worth > saved and (times > 2 or (times == 2 and boxes > 1)):
            best, saved = (length, times), worth
    return best


def _repeated(items: Sequence[Item], length: int, times: int) -> Block:
    parameters = sum(item.parameters for item in items)
    first, final = items[0], items[-length]
    if length == 1 and isinstance(first, Block):
        return replace(first, repeat=times, last=_names(final)[0], repeated=parameters)
    name, last = _names(first)[0], _names(items[-1])[-1]
    return Block(name, tuple(items[:length]), times, last, parameters)


def _names(item: Item) -> list[str]:
    if isinstance(item, Block):
        return [item.name] if item.name else [box.id for box in item.boxes]
    return [layer.address for layer in item.layers]


def signature(item: Item, graph: Graph) -> Hashable:
    """Return what two items that are alike have in common."""
    if isinstance(item, Box):
        return tuple(map(_of_layer, item.layers))
    index = {part.id: i for i, part in enumerate(item.items)}
    home = {box.id: part.id for part in item.items for box in item_boxes(part)}
    inner = frozenset((index[a], index[b]) for a, b in item_edges(item.items, graph))
    fed = frozenset(index[home[b]] for a, b in graph.edges if b in home and a not in home)
    return tuple(signature(part, graph) for part in item.items), inner, fed, item.repeat


def _of_layer(layer: Layer) -> Hashable:
    holds_kernel = any(len(p.shape) > 1 for p in layer.parameters)
    # How much is dropped in training often grows from block to block; nothing else differs.
    compared = {} if layer.kind == "dropout" else layer.settings
    settings = tuple(sorted((name, setting_text(v)) for name, v in compared.items()))
    return layer.type, layer.role, settings, layer.shape if holds_kernel else None
