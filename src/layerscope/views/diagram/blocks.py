"""Which boxes belong together: blocks by nesting, by name, and by where paths meet again.

A block is drawn as a frame, so it must hold together: whatever lies on a path between two of its
boxes is inside, and closing all blocks leaves a graph without cycles.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from layerscope.views.diagram.boxes import Box, Graph, container
from layerscope.views.diagram.order import Order

_FEW = 12  #: items; among more than these, a frame holds no more than half of them


@dataclass(frozen=True)
class Block:
    """Boxes and blocks inside of one frame."""

    name: str
    items: tuple[Item, ...]  #: in execution order
    repeat: int = 1  #: how many like it follow one another; this is the first of them
    last: str = ""  #: the name of the last of them
    repeated: int = 0  #: the parameters of all of them together, where it is repeated
    closed: bool = False  #: whether it is drawn as a single box

    @property
    def id(self) -> str:
        """The address of its first layer, marked as a block's."""
        return f"{self.items[0].id}\N{SYMBOL FOR RECORD SEPARATOR}{self.name}"

    @property
    def boxes(self) -> tuple[Box, ...]:
        """All the boxes in it, whatever lies between."""
        return tuple(box for item in self.items for box in item_boxes(item))

    @property
    def parameters(self) -> int:
        """The number of values in the parameters of all that it stands for."""
        return self.repeated or sum(item.parameters for item in self.items)


Item = Box | Block


def item_boxes(item: Item) -> tuple[Box, ...]:
    """Return the boxes of a block, or the box itself."""
    return item.boxes if isinstance(item, Block) else (item,)


def blocks_of(graph: Graph) -> Block:
    """Return the whole network as one block without a name, other blocks nested in it."""
    order = Order(graph.boxes, graph.edges)
    named = _accepted(graph, _named_groups(graph), order)
    return _region("", frozenset(graph.boxes), named, graph, order)


def _named_groups(graph: Graph) -> dict[str, frozenset[str]]:
    """Return boxes whose addresses begin alike, by that beginning; the larger groups first."""
    groups: dict[str, set[str]] = {}
    named = _named_after(graph)
    for key, box in graph.boxes.items():
        if box.main.role == "input":
            continue
        for stem in _stems(named.get(key, box).main.address):
            groups.setdefault(stem, set()).add(key)
    everything = {key for key, box in graph.boxes.items() if box.main.role != "input"}
    stem_of: dict[frozenset[str], str] = {}
    for stem in sorted(groups, key=len):
        members = frozenset(groups[stem])
        if 1 < len(members) < len(everything):
            stem_of.setdefault(members, stem)
    by_size = sorted(stem_of, key=len, reverse=True)
    return {stem_of[members]: members for members in by_size}


def _named_after(graph: Graph) -> dict[str, Box]:
    """Return, for an operator in which paths meet, the last box before it where that is beside it.

    A residual block of a flat model may end in an ``add_3``, a name that tells nothing of it.
    """
    position = {key: i for i, key in enumerate(graph.boxes)}
    sources: dict[str, list[str]] = {}
    for source, target in graph.edges:
        sources.setdefault(target, []).append(source)
    named: dict[str, Box] = {}
    for key, box in graph.boxes.items():
        if box.main.role == "operation" and len(sources.get(key, ())) > 1:
            last = max(sources[key], key=position.__getitem__)
            if container(graph.boxes[last].main.address) == container(box.main.address):
                named[key] = graph.boxes[last]
    return named


def _stems(address: str) -> list[str]:
    """Return what an address may share with others of its block.

    Each container that it is nested in; and in its own name each beginning that ends in a numbered
    word, ``conv2`` and ``conv2_block1`` in ``conv2_block1_1_conv``: that is how flat models name
    their blocks. ``conv2d_1`` has none, it is only the second ``conv2d``.
    """
    stems = []
    inside = container(address)
    while inside:
        stems.append(inside)
        inside = container(inside)
    parent = container(address)
    words = address[len(parent) + 1 if parent else 0 :].partition("#")[0].split("_")
    for count in range(1, len(words)):
        rest = words[count:]
        numbered = re.search(r"\d[a-z]?$", words[count - 1])
        if numbered and any(not word.isdecimal() for word in rest):
            stem = "_".join(words[:count])
            stems.append(address[: len(parent) + 1] + stem if parent else stem)
    return stems


def _accepted(
    graph: Graph, groups: dict[str, frozenset[str]], order: Order
) -> dict[str, frozenset[str]]:
    """Return the groups that hold together, with what lies between their members."""
    grouped = frozenset().union(*groups.values()) if groups else frozenset()
    accepted: dict[str, frozenset[str]] = {}
    for name, members in groups.items():
        whole = order.between(members)
        strangers = whole - members
        if strangers & grouped and not any(whole <= other for other in accepted.values()):
            continue
        overlaps = any(whole & other and not whole < other for other in accepted.values())
        if overlaps or len(whole) == len(graph.boxes):
            continue
        parent = _innermost(whole, accepted, frozenset(graph.boxes))
        siblings = [other for other in accepted.values() if other < parent and other != parent]
        if order.is_acyclic_with([*_outermost(siblings), whole], parent):
            accepted[name] = whole
    return accepted


def _innermost(
    members: frozenset[str], groups: dict[str, frozenset[str]], root: frozenset[str]
) -> frozenset[str]:
    holding = [group for group in groups.values() if members < group]
    return min(holding, key=len, default=root)


def _outermost(groups: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    outer: list[frozenset[str]] = []
    for group in sorted(groups, key=len, reverse=True):
        # Groups are nested in one another or apart, so one member tells.
        if not any(next(iter(group)) in other for other in outer):
            outer.append(group)
    return outer


def _region(
    name: str,
    members: frozenset[str],
    groups: dict[str, frozenset[str]],
    graph: Graph,
    order: Order,
) -> Block:
    """Return a block of these boxes, the groups among them as blocks inside."""
    inside = {n: group for n, group in groups.items() if group < members}
    outermost = _outermost(inside.values())
    taken = {key for group in outermost for key in group}
    names = {group: n for n, group in inside.items()}
    items: list[Item] = [_region(names[group], group, inside, graph, order) for group in outermost]
    items += [graph.boxes[key] for key in graph.boxes if key in members and key not in taken]
    items = in_order(items, graph, order)
    return Block(name, tuple(_meeting(items, graph, name)))


def in_order(items: Sequence[Item], graph: Graph, order: Order) -> list[Item]:
    """Sort items so that each comes after those it receives from, else as they were executed."""
    position = order.position
    first = {item.id: min(position[box.id] for box in item_boxes(item)) for item in items}
    ranked = sorted(items, key=lambda item: first[item.id])
    edges = item_edges(ranked, graph)
    keys = {item.id: item for item in ranked}
    return [keys[key] for key in Order(keys, edges).sequence]


def item_edges(items: Sequence[Item], graph: Graph) -> tuple[tuple[str, str], ...]:
    """Return which item hands a value to which, by their identities."""
    home = {box.id: item.id for item in items for box in item_boxes(item)}
    edges = {
        (home[a], home[b]): None
        for a, b in graph.edges
        if a in home and b in home and home[a] != home[b]
    }
    return tuple(edges)


def _meeting(items: Sequence[Item], graph: Graph, name: str) -> list[Item]:
    """Return the items, with those between two that every path goes through made a block.

    So the branches of an Inception module become one, which nothing in their names says.
    """
    inner = item_edges(items, graph)
    by_id = {item.id: item for item in items}
    order = Order(by_id, inner)
    home = {box.id: item.id for item in items for box in item_boxes(item)}
    fed = {home[b] for a, b in graph.edges if b in home and a not in home}
    read = {home[a] for a, b in graph.edges if a in home and b not in home}
    cuts = order.cut_points(fed, read)
    result: list[Item] = []
    branch: list[Item] = []
    for item in (by_id[key] for key in order.sequence):
        branch.append(item)
        if item.id not in cuts:
            continue
        most = len(items) - 2 if len(items) <= _FEW else len(items) // 2
        plain = len(branch) == 1 or len(branch) > most  # a frame around nearly all tells nothing
        if plain or any(isinstance(part, Block) or part.main.role == "input" for part in branch):
            result += branch
        else:
            result.append(Block(_title(branch, name), tuple(branch)))
        branch = []
    return [*result, *branch]


def _title(items: Sequence[Item], outer: str) -> str:
    """Return what to call a block without a name: what its addresses share, or its last layer's."""
    addresses = [box.main.address for item in items for box in item_boxes(item)]
    shared = addresses[0]
    for address in addresses:
        while not address.startswith(shared):
            shared = shared[:-1]
    shared = re.sub(r"[^/._]*$", "", shared).rstrip("/._")
    last = items[-1]
    final = last.layers[0].address if isinstance(last, Box) else last.name
    return shared if shared and shared != outer and re.search(r"\d", shared) else final


def closed_below(block: Block, depth: int | None, opened: Callable[[str], bool]) -> Block:
    """Return the block with those nested more than ``depth`` deep closed.

    Those that ``opened`` wants by name stay open, and what they are nested in with them.
    """
    if depth is None:
        return block
    items: list[Item] = []
    for item in block.items:
        if isinstance(item, Block):
            inner = closed_below(item, max(depth - 1, 0), opened)
            wanted = opened(item.name) or any(
                isinstance(part, Block) and not part.closed for part in inner.items
            )
            if depth == 0 and not wanted:
                inner = replace(item, closed=True)
            items.append(inner)
        else:
            items.append(item)
    return replace(block, items=tuple(items))


def size_of(block: Block) -> int:
    """Return how many boxes are drawn for a block."""
    return sum(1 if isinstance(item, Box) or item.closed else size_of(item) for item in block.items)


def levels(block: Block) -> int:
    """Return how deep blocks are nested in it."""
    return max((1 + levels(item) for item in block.items if isinstance(item, Block)), default=0)
