from __future__ import annotations

from dataclasses import replace

import pytest

from layerscope.core.architecture import counterparts
from layerscope.core.errors import ModelError
from layerscope.core.network import Layer, Network, Parameter


def layer(
    address: str, type_: str = "Conv2D", shape=(None, 8, 8, 4), weights=(3, 3, 1, 4)
) -> Layer:
    key = Parameter(f"{address}/kernel", weights, "float32", True, False, 0)
    return Layer(address, type_, shape=shape, kind="conv", parameters=(key,))


def network(*layers: Layer) -> Network:
    return Network("net", "none", layers)


ONE = network(layer("a"), layer("b"), layer("c"))


def test_layers_may_be_called_otherwise() -> None:
    other = network(layer("x"), layer("y", shape=(2, 8, 8, 4)), layer("z", shape=None))
    assert counterparts(ONE, other) == {"a": "x", "b": "y", "c": "z"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"type": "Dense"}, "layer 1 is 'b', Conv2D with weights (3, 3, 1, 4) to (8, 8, 4)"),
        ({"shape": (None, 6, 6, 4)}, "'b', Conv2D with weights (3, 3, 1, 4) to (6, 6, 4) in the"),
        ({"parameters": layer("b", weights=(5, 5, 1, 4)).parameters}, "with weights (5, 5, 1, 4)"),
    ],
    ids=["type", "shape", "parameters"],
)
def test_the_first_layer_that_differs_is_named(changed, words) -> None:
    other = network(layer("a"), replace(layer("b"), **changed), layer("c", "Dense"))
    with pytest.raises(ModelError) as caught:
        counterparts(ONE, other)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_may_go_on() -> None:
    shorter = network(layer("a"), layer("b"))
    for pair in ((ONE, shorter), (shorter, ONE)):
        with pytest.raises(ModelError, match=r"of which 'c', Conv2D .* is the first that is not"):
            counterparts(*pair)
