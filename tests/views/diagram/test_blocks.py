from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.networks import networks, wired
from layerscope.core.network import Network
from layerscope.views.diagram.blocks import (
    Block,
    Item,
    blocks_of,
    closed_below,
    item_edges,
    levels,
    size_of,
)
from layerscope.views.diagram.boxes import graph_of
from layerscope.views.diagram.order import Order


def chained(*names: str) -> Network:
    return wired(list(itertools.pairwise(names)))


def tree(item: Item) -> object:
    """A block as nested lists that begin with its name."""
    return [item.name, *map(tree, item.items)] if isinstance(item, Block) else item.id


def every(block: Block) -> Iterator[Block]:
    yield block
    for item in block.items:
        if isinstance(item, Block):
            yield from every(item)


def test_blocks_by_nesting() -> None:
    net = chained("stem", "enc/a/x", "enc/a/y", "enc/b", "head.0", "head.1")
    root = blocks_of(graph_of(net))
    assert tree(root) == [
        "", "stem", ["enc", ["enc/a", "enc/a/x", "enc/a/y"], "enc/b"], ["head", "head.0", "head.1"]
    ]  # fmt: skip


def test_blocks_by_name() -> None:
    net = chained("stem", "conv2_block1_1_conv", "conv2_block1_2_conv", "conv2_block2_1_conv",
                  "conv2_block2_2_conv", "top")  # fmt: skip
    assert tree(blocks_of(graph_of(net))) == [
        "", "stem",
        ["conv2", ["conv2_block1", "conv2_block1_1_conv", "conv2_block1_2_conv"],
         ["conv2_block2", "conv2_block2_1_conv", "conv2_block2_2_conv"]],
        "top",
    ]  # fmt: skip


def test_numbers_alone_make_no_block() -> None:
    net = chained("dense", "dense_1", "dense_2", "dense_3")
    assert levels(blocks_of(graph_of(net))) == 0


def test_branches_that_meet_again_are_a_block() -> None:
    net = wired([("in", "a"), ("a", "b"), ("a", "c"), ("b", "mixed"), ("c", "mixed"),
                 ("mixed", "d"), ("d", "e"), ("e", "f")])  # fmt: skip
    assert tree(blocks_of(graph_of(net))) == ["", "in", "a", ["mixed", "b", "c", "mixed"], *"def"]


def test_what_lies_between_members_is_inside_or_there_is_no_block() -> None:
    stranger = wired([("a/1", "between"), ("between", "a/2"), ("a/2", "end")])
    assert tree(blocks_of(graph_of(stranger))) == ["", ["a", "a/1", "between", "a/2"], "end"]
    crossed = wired([("a/1", "b/1"), ("b/1", "a/2"), ("a/2", "b/2"), ("b/2", "end")])
    assert levels(blocks_of(graph_of(crossed))) == 0


@pytest.mark.slow
@given(networks())
def test_blocks_hold_every_box_once_and_together(net: Network) -> None:
    graph = graph_of(net)
    root = blocks_of(graph)
    assert sorted(box.id for box in root.boxes) == sorted(graph.boxes)
    blocks = list(every(root))
    assert len({block.id for block in blocks}) == len(blocks)
    order = Order(graph.boxes, graph.edges)
    for block in blocks:
        edges = item_edges(block.items, graph)
        # No cycle among its items, which stand in order already.
        assert Order([item.id for item in block.items], edges).sequence == [
            item.id for item in block.items
        ]
        assert block.parameters == sum(box.parameters for box in block.boxes)
        members = frozenset(box.id for box in block.boxes)
        assert order.between(members) == members
    assert root.parameters == net.total


@pytest.mark.slow
@given(networks(), st.integers(0, 3))
def test_closing_blocks_leaves_as_many_levels_as_asked(net: Network, depth: int) -> None:
    root = blocks_of(graph_of(net))
    shown = closed_below(root, depth, lambda name: False)
    opened = [block for block in every(shown) if not block.closed]
    assert all(len(path) <= depth for path in _paths(shown))
    assert sorted(box.id for box in shown.boxes) == sorted(box.id for box in root.boxes)
    assert size_of(shown) <= size_of(root) == len(root.boxes)
    assert closed_below(root, levels(root), lambda name: False) == root
    assert opened


def _paths(block: Block, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names of open blocks that each open block is in, and its own."""
    yield above
    for item in block.items:
        if isinstance(item, Block) and not item.closed:
            yield from _paths(item, (*above, item.name))


def test_blocks_wanted_by_name_stay_open_with_what_they_are_in() -> None:
    net = chained("stem", "enc/a/x", "enc/a/y", "enc/b/x", "enc/b/y", "head.0", "head.1")
    shown = closed_below(blocks_of(graph_of(net)), 0, lambda name: name == "enc/b")
    assert [block.name for block in every(shown) if block.closed] == ["enc/a", "head"]
