from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.networks import chain, layer, network, networks
from layerscope.core.network import Layer, Network
from layerscope.views.diagram.blocks import Block, blocks_of
from layerscope.views.diagram.boxes import graph_of
from layerscope.views.diagram.order import Order
from layerscope.views.diagram.repeats import collapsed


def shown(net: Network, stays: str = "") -> Block:
    graph = graph_of(net)
    return collapsed(blocks_of(graph), graph, lambda name: name == stays)[0]


def repeats(block: Block, times: int = 1) -> Iterator[tuple[Block, int]]:
    for item in block.items:
        if isinstance(item, Block):
            yield item, times * item.repeat
            yield from repeats(item, times * item.repeat)


def counted(block: Block, times: int = 1) -> int:
    """The layers that a block stands for, repeats and all."""
    return sum(
        counted(item, times * item.repeat) if isinstance(item, Block) else times * len(item.layers)
        for item in block.items
    )


def test_a_chain_of_alike_layers_is_one_of_them() -> None:
    (block,) = shown(chain(1000, alike=True)).items
    assert isinstance(block, Block)
    assert (block.name, block.last, block.repeat) == ("dense_0", "dense_999", 1000)
    assert block.parameters == 16_000
    assert [box.id for box in block.boxes] == ["dense_0"]


@pytest.mark.parametrize("change", ["shape", "type", "settings"])
def test_what_differs_is_drawn(change: str) -> None:
    odd = {"shape": (None, 7), "type": "Linear", "settings": {"activation": "relu"}}
    layers = list(chain(9, alike=True).layers)
    layers[4] = replace(layers[4], **{change: odd[change]})  # type: ignore[arg-type]
    items = shown(network(layers)).items
    assert [getattr(item, "repeat", 1) for item in items] == [4, 1, 4]


def test_two_single_boxes_are_not_worth_it() -> None:
    assert [getattr(item, "repeat", 1) for item in shown(chain(2, alike=True)).items] == [1, 1]


def test_a_motif_of_several() -> None:
    layers = [
        replace(layer, type="Dense" if i % 2 else "Linear")
        for i, layer in enumerate(chain(12, alike=True).layers)
    ]
    (block,) = shown(network(layers)).items
    assert isinstance(block, Block)
    assert (block.repeat, len(block.items), block.last) == (6, 2, "dense_11")


def test_what_is_wanted_by_name_is_drawn_by_itself() -> None:
    items = shown(chain(9, alike=True), "dense_4").items
    assert [getattr(item, "repeat", 1) for item in items] == [4, 1, 4]


def test_what_is_wanted_inside_of_another_is_drawn_too() -> None:
    names = [f"layer_{i}/{part}" for i in range(6) for part in ("a", "mlp/1", "mlp/2")]
    layers = [
        layer(name, "Dense", inputs=(names[i - 1] if i else "x",)) for i, name in enumerate(names)
    ]
    items = shown(network([*layers, layer("top", "Add", inputs=(names[-1],))]), "layer_2/mlp").items
    assert [getattr(item, "repeat", 1) for item in items] == [1, 2, 1, 3, 1]


#: Which of the shared values each layer of a block reads.
Reads = tuple[frozenset[str], ...]

TYPES = ("Dense", "Linear", "Conv", "Mixer")
SHARED = ("mask", "positions", "encoder/1", "embedding")


def stack(blocks: list[Reads], inside: str) -> Network:
    """Blocks one after another whose layers also read shared values, and what comes before."""
    layers = [
        layer("mask", "Input", "input"),
        layer("positions", "Embedding", inputs=("ids",)),
        layer("encoder/0", "Conv", inputs=("image",)),
        layer("encoder/1", "Conv", inputs=("encoder/0",)),
        layer("embedding", "Embedding", inputs=("ids",)),
    ]
    for i, reads in enumerate(blocks):
        for j, shared in enumerate(reads):
            inputs = (layers[-1].address, *sorted(shared - {layers[-1].address}))
            layers.append(layer(f"{inside}{i}/layer_{j}", TYPES[j], inputs=inputs))
    return network([*layers, layer("head", "Linear", inputs=(layers[-1].address,))])


def times_drawn(block: Block) -> list[int]:
    """How often each block of the stack is repeated, in order."""
    counts = []
    for item in block.items:
        if isinstance(item, Block) and re.search(r"block_?\d+$", item.name):
            counts.append(item.repeat)
        elif isinstance(item, Block):
            counts += times_drawn(item)
    return counts


readings = st.lists(st.frozensets(st.sampled_from(SHARED)), min_size=2, max_size=4).map(
    # The first layer reads the block before, which for the first block is the embedding.
    lambda reads: (reads[0] - {"embedding"}, *reads[1:])
)


@given(readings, st.integers(2, 6), st.sampled_from(["block", "blocks/block_"]))
def test_blocks_that_read_the_same_values_are_drawn_once(
    reads: Reads, count: int, inside: str
) -> None:
    net = stack([reads] * count, inside)
    graph = graph_of(net)
    root, left = collapsed(blocks_of(graph), graph, lambda name: False)
    assert times_drawn(root) == [count]
    Order(left.boxes, left.edges)  # no cycle
    read = {source for reads_of in reads for source in reads_of}
    drawn = {source for source, target in left.edges if target.startswith(f"{inside}0/")}
    assert read <= drawn  # where the shared values go is seen


@given(st.data(), readings, st.integers(3, 6), st.sampled_from(["block", "blocks/block_"]))
def test_a_block_that_reads_otherwise_is_drawn_by_itself(
    data: st.DataObject, reads: Reads, count: int, inside: str
) -> None:
    odd = data.draw(st.integers(0, count - 1))
    place = data.draw(st.integers(0, len(reads) - 1))
    changed = list(reads)
    changed[place] ^= {data.draw(st.sampled_from(SHARED[:3]))}
    blocks = [reads] * count
    blocks[odd] = tuple(changed)
    runs = [odd, 1, count - odd - 1]
    assert times_drawn(shown(stack(blocks, inside))) == [times for times in runs if times]


def test_single_layers_that_read_a_shared_value() -> None:
    layers = [layer("mask", "Input", "input"), layer("first", "Linear", inputs=("x",))]
    for i in range(8):
        layers.append(layer(f"add_{i}", "Add", inputs=(layers[-1].address, "mask")))
    (block,) = (item for item in shown(network(layers)).items if isinstance(item, Block))
    assert (block.name, block.last, block.repeat) == ("add_0", "add_7", 8)


def test_values_that_only_some_share_are_not_merged() -> None:
    """Skips from each block of a descent to its counterpart in the ascent."""
    layers: list[Layer] = []
    for name in [f"down_{i}" for i in range(4)] + [f"up_{i}" for i in range(3)]:
        before = layers[-1].address if layers else "x"
        skip = [f"down_{2 - int(name[-1])}/b"] if name.startswith("up") else []
        layers.append(layer(f"{name}/a", "Dense", inputs=(before, *skip)))
        layers.append(layer(f"{name}/b", "Linear", inputs=(f"{name}/a",)))
    assert all(block.repeat == 1 for block, _ in repeats(shown(network(layers))))


@pytest.mark.slow
@given(networks(), st.booleans())
def test_boxes_and_repeats_account_for_everything(net: Network, alike: bool) -> None:
    if alike:  # more of them repeat
        net = network([replace(layer, settings={}, shape=None, type="Dense") for layer in net])
    graph = graph_of(net)
    root, left = collapsed(blocks_of(graph), graph, lambda name: False)
    assert counted(root) == sum(len(box.layers) for box in graph.boxes.values())
    assert root.parameters == net.total
    assert sorted(box.id for box in root.boxes) == sorted(left.boxes)
    Order(left.boxes, left.edges)  # no cycle
    assert set(left.edges) <= set(graph.edges) or any(n > 1 for _, n in repeats(root))
    reachable = {key for edge in left.edges for key in edge}
    assert reachable <= left.boxes.keys()
