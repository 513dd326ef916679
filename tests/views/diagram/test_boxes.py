from __future__ import annotations

import pytest
from hypothesis import given

from cases.networks import layer, network, networks, parameter, wired
from layerscope.core.network import Network
from layerscope.views.diagram.boxes import container, graph_of


def layers(*rows: tuple[str, str, str]) -> Network:
    """Layers by address, type and inputs; convolutions hold a kernel."""
    return network([
        layer(
            address,
            kind,
            "input" if kind == "Input" else "layer",
            inputs=tuple(inputs.split()),
            parameters=(parameter(f"{address}/kernel", 3, 3, 1, 1),) if "Conv" in kind else (),
        )
        for address, kind, inputs in rows
    ])  # fmt: skip


def boxes(net: Network) -> list[list[str]]:
    return [[layer.address for layer in box.layers] for box in graph_of(net).boxes.values()]


def test_what_follows_a_layer_joins_its_box() -> None:
    net = layers(
        ("x", "Input", ""),
        ("pad", "ZeroPadding2D", "x"),
        ("conv", "Conv2D", "pad"),
        ("bn", "BatchNormalization", "conv"),
        ("relu", "ReLU", "bn"),
        ("drop", "Dropout", "relu"),
        ("pool", "MaxPooling2D", "drop"),
    )
    graph = graph_of(net)
    assert boxes(net) == [["x"], ["pad", "conv", "bn", "relu", "drop"], ["pool"]]
    assert graph.edges == (("x", "pad"), ("pad", "pool"))
    assert graph.boxes["pad"].main.address == "conv"
    assert graph.boxes["pad"].parameters == 9


@pytest.mark.parametrize(
    "rows",
    [
        [("conv", "Conv2D", ""), ("relu", "ReLU", "conv"), ("add", "Add", "conv relu")],
        [("x", "Input", ""), ("relu", "ReLU", "x")],
        [("pool", "MaxPooling2D", ""), ("bn", "BatchNormalization", "pool")],
        [("a/conv", "Conv2D", ""), ("b/relu", "ReLU", "a/conv")],
        [("a", "Conv2D", ""), ("b", "Conv2D", ""), ("relu", "ReLU", "a b")],
    ],
    ids=["read by others", "an input", "normalises no kernel", "elsewhere", "of two"],
)
def test_what_does_not_join(rows: list[tuple[str, str, str]]) -> None:
    assert boxes(layers(*rows)) == [[row[0]] for row in rows]


def test_further_values_of_a_call_are_in_its_box() -> None:
    net = layers(
        ("x", "Input", ""), ("lstm", "LSTM", "x"), ("lstm[1]", "LSTM", "x"), ("y", "Dense", "lstm")
    )
    assert boxes(net) == [["x"], ["lstm", "lstm[1]"], ["y"]]


def test_a_name_with_brackets_is_not_yet_a_part() -> None:
    net = layers(("a", "Dense", ""), ("b", "Dense", "a"), ("a[1]", "Dense", "b"))
    assert boxes(net) == [["a"], ["b"], ["a[1]"]]


def test_values_from_nowhere_become_inputs() -> None:
    graph = graph_of(wired([("a", "b")]), {"pixels": (None, 8, 8, 3)})
    assert graph.boxes["pixels"].main.shape == (None, 8, 8, 3)
    net = network([layer("a", "Dense", inputs=("x", "y")), layer("b", "Dense", inputs=("a", "x"))])
    graph = graph_of(net)
    assert [graph.boxes[name].main.role for name in graph.boxes] == ["input"] * 2 + ["layer"] * 2
    assert set(graph.edges) == {("x", "a"), ("y", "a"), ("a", "b"), ("x", "b")}


@pytest.mark.slow
@given(networks())
def test_every_layer_is_in_one_box_and_every_edge_between_two(net: Network) -> None:
    graph = graph_of(net)
    home = {layer.address: key for key, box in graph.boxes.items() for layer in box.layers}
    assert sum(len(box.layers) for box in graph.boxes.values()) == len(home)
    assert {layer.address for layer in net} <= home.keys()
    wanted = {(home[s], home[layer.address]) for layer in net for s in layer.inputs}
    assert set(graph.edges) == {(a, b) for a, b in wanted if a != b}
    assert sum(box.parameters for box in graph.boxes.values()) == net.total


@pytest.mark.parametrize(
    ("address", "inside"),
    [("a/b/c", "a/b"), ("a.b.c", "a.b"), ("a", ""), ("/a", ""), (".a", ""), ("a/", "a")],
)
def test_what_an_address_is_inside_of(address: str, inside: str) -> None:
    assert container(address) == inside
