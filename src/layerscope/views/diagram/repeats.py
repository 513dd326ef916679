"""Blocks that follow one another and are alike: one of them is drawn, and how many there are.

Alike are blocks of the same layers with the same settings, connected in the same way; layers that
hold kernels must also return the same shape. Blocks that only widen what they receive, as those of
a DenseNet, count as alike.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from layerscope.network import Layer
from layerscope.table import setting_text
from layerscope.views.diagram.blocks import Block, Item, item_boxes, item_edges
from layerscope.views.diagram.boxes import Box, Graph
from layerscope.views.diagram.order import Order

_LONGEST = 12  #: items in what is repeated


def collapsed(block: Block, graph: Graph, stays: Callable[[str], bool]) -> tuple[Block, Graph]:
    """The block and its graph with runs of alike items replaced by the first of each.

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
    """The items in order, cut wherever one is not the only successor of the one before it."""
    by_id = {item.id: item for item in items}
    order = Order(by_id, item_edges(items, graph))
    own = {box.id: item.id for item in items for box in item_boxes(item)}
    fed = {own[b] for a, b in graph.edges if b in own and a not in own}
    read = {own[a] for a, b in graph.edges if a in own and b not in own}
    chains: list[list[Item]] = []
    for key in order.sequence:
        before = order.before[key]
        follows = (
            bool(chains)
            and len(before) == 1
            and chains[-1][-1].id == before[0]
            and len(order.after[before[0]]) == 1
            and key not in fed
            and before[0] not in read
        )
        if follows:
            chains[-1].append(by_id[key])
        else:
            chains.append([by_id[key]])
    return chains


def _without_repeats(
    chain: Sequence[Item], graph: Graph, stays: Callable[[str], bool]
) -> tuple[list[Item], Graph]:
    # What is wanted by itself is like nothing else.
    signatures = [object() if _is_wanted(item, stays) else signature(item, graph) for item in chain]
    result: list[Item] = []
    at = 0
    while at < len(chain):
        length, times = _longest_run(chain, signatures, at)
        run = chain[at : at + length * times]
        if times == 1:
            result.append(chain[at])
            at += 1
            continue
        result.append(_repeated(run, length, times))
        graph = _merged(graph, run, length)
        at += len(run)
    return result, graph


def _is_wanted(item: Item, stays: Callable[[str], bool]) -> bool:
    if isinstance(item, Block):
        return stays(item.name) or any(_is_wanted(part, stays) for part in item.items)
    return any(stays(layer.address) for layer in item.layers)


def _merged(graph: Graph, run: Sequence[Item], length: int) -> Graph:
    """The graph with the later copies in a run taken for the first, and no lines between copies."""
    first = [box.id for item in run[:length] for box in item_boxes(item)]
    home: dict[str, tuple[str, int]] = {}
    for copy in range(len(run) // length):
        own = [b.id for item in run[copy * length : (copy + 1) * length] for b in item_boxes(item)]
        home.update(zip(own, ((key, copy) for key in first), strict=True))
    edges: dict[tuple[str, str], None] = {}
    for a, b in graph.edges:
        (source, one), (target, other) = home.get(a, (a, -1)), home.get(b, (b, -1))
        if one == other or -1 in (one, other):
            edges[source, target] = None
    gone = home.keys() - set(first)
    boxes = {key: box for key, box in graph.boxes.items() if key not in gone}
    return Graph(boxes, tuple(edges))


def _longest_run(chain: Sequence[Item], signatures: Sequence[Hashable], at: int) -> tuple[int, int]:
    """How many items are repeated from here on, and how often; whichever saves most boxes."""
    best, saved = (1, 1), 0
    for length in range(1, min(_LONGEST, (len(chain) - at) // 2) + 1):
        motif = signatures[at : at + length]
        times = 1
        while signatures[at + times * length : at + (times + 1) * length] == motif:
            times += 1
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
    """What two items that are alike have in common."""
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
    told = {} if "drop" in layer.type.lower() else layer.settings
    settings = tuple(sorted((name, setting_text(v)) for name, v in told.items()))
    return layer.type, layer.role, settings, layer.shape if holds_kernel else None
