from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.networks import chain, network, networks
from layerscope.network import Layer, Network
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
        Layer(name, "Dense", inputs=(names[i - 1] if i else "x",)) for i, name in enumerate(names)
    ]
    items = shown(network([*layers, Layer("top", "Add", inputs=(names[-1],))]), "layer_2/mlp").items
    assert [getattr(item, "repeat", 1) for item in items] == [1, 2, 1, 3, 1]


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
