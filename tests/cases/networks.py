"""Random networks, of no framework: what a diagram must be able to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from layerscope.core.network import Layer, Network, Parameter
from layerscope.core.type_names import by_type_name

TYPES = (
    "Conv2D", "BatchNormalization", "ReLU", "Dense", "Add", "Concatenate", "MaxPooling2D", "LSTM",
    "Dropout", "ZeroPadding2D", "Softmax", "MultiHeadAttention", "Flatten", "Überschicht",
)  # fmt: skip
#: Addresses, as frameworks and people make them; braces take a number.
NAMES = (
    "dense_{}", "relu", "relu#2", "conv2_block{}_1_conv", "conv2_block{}_2_bn", "stage{}a_add",
    "encoder/layer_{}/attention", "encoder/layer_{}/mlp/dense", "encoder.layers.{}.norm1",
    "features.{}", "features.{}.conv.0", "block_{}/block_1/block_2/out", "lstm[{}]", "mixed{}",
    "слой_{}", "層/{}/畳み込み", "a very long name of a layer that goes on and on and on {}",
    "{}", "tower.left.{}", "tower.right.{}",
)  # fmt: skip
#: Names that nobody should have given to a layer.
HOSTILE = (
    '<script>alert("1")</script>', "a & b", "it's", '"', "]]>", "<!--", "&#0;", "%s%n", "$x_1$",
    "\x00\x01", "new\nline", "tab\tbed", "\ud800", "￾", "x" * 300, "界" * 300, "🧠🔬", "שכבה_1",
    "\u202eabc", "e\u0301", "{}", "a//b", "..", "/", ".", "a b", "#", "[1]", "url(#x)", "␞",
)  # fmt: skip


def layer(address: str, of_type: str, *args: Any, **more: Any) -> Layer:
    """A layer of the kind, and with the function, that the name of its type tells."""
    made = Layer(address, of_type, *args, **more)
    kind, activation = by_type_name(of_type, made.settings)
    return replace(made, kind=kind, activation=activation)


def parameter(key: str, *shape: int, bias: bool = False) -> Parameter:
    """A trainable array of float32."""
    return Parameter(key, shape, "float32", True, bias, 4)


def network(layers: Sequence[Layer], name: str = "random") -> Network:
    """A network of these layers and their parameters."""
    own = tuple(p for layer in layers for p in layer.parameters)
    return Network(name, "none", tuple(layers), own)


def wired(edges: Sequence[tuple[str, str]], **more: Any) -> Network:
    """A network of layers of one type, each with a shape of its own, by its edges."""
    names = dict.fromkeys(name for edge in edges for name in edge)
    return network(
        [
            layer(
                name, "Dense", shape=(None, i + 1), inputs=tuple(a for a, b in edges if b == name)
            )
            for i, name in enumerate(names)
        ],
        **more,
    )


def chain(count: int, alike: bool = False) -> Network:
    """Dense layers one after the other."""
    return network([
        layer(
            f"dense_{i}",
            "Dense",
            shape=(None, 4 if alike else i + 1),
            parameters=(parameter(f"dense_{i}/kernel", 4, 4),),
            inputs=(f"dense_{i - 1}",) if i else (),
        )
        for i in range(count)
    ])  # fmt: skip


@st.composite
def networks(draw: st.DrawFn, most: int = 40, hostile: bool = False) -> Network:
    """Layers in execution order, each receiving values of earlier ones or from outside.

    Some are nested, some named flat; some are second calls, some are parts of another's value;
    chains, branches that meet, several inputs and several outputs all occur.
    """
    count = draw(st.integers(1, most))
    pool = (*HOSTILE, *NAMES) if hostile else NAMES
    layers: dict[str, Layer] = {}
    for i in range(count):
        address = _address(draw, pool, i, layers)
        layers[address] = _layer(draw, address, i, list(layers))
    if len(layers) > 1 and not any(layer.inputs for layer in layers.values()):
        last = list(layers)[-1]
        layers[last] = layer(last, "Dense", inputs=(next(iter(layers)),))
    name = draw(st.sampled_from(pool if hostile else ("random", "ein Netz", "n" * 60)))
    return network(list(layers.values()), name)


def _address(draw: st.DrawFn, pool: Sequence[str], number: int, layers: dict[str, Layer]) -> str:
    address = draw(st.sampled_from(pool)).replace("{}", str(draw(st.integers(0, number // 3))))
    while address in layers:
        stem, _, call = address.rpartition("#")
        address = f"{stem}#{int(call) + 1}" if stem and call.isdecimal() else f"{address}#2"
    return address


def _layer(draw: st.DrawFn, address: str, number: int, before: list[str]) -> Layer:
    kind = draw(st.sampled_from(TYPES))
    recent = before[-draw(st.sampled_from([1, 1, 2, 8, 40])) :]
    inputs: list[str] = []
    if recent:
        most = draw(st.sampled_from([1, 1, 1, 1, 2, 3]))
        inputs = draw(st.lists(st.sampled_from(recent), min_size=1, max_size=most, unique=True))
    start = draw(st.integers(0, 11)) == 0
    if not before or start:
        outside = draw(st.sampled_from(["", "", "x", "input_7"]))
        return layer(
            address,
            kind if outside else "InputLayer",
            "layer" if outside else "input",
            draw(st.sampled_from([None, (None, 8, 8, 3)])),
            inputs=(outside,) if outside else (),
        )
    sizes: tuple[int, ...] = draw(st.sampled_from([(), (4, 4), (3, 3, 8, 16), (7,), (1000, 4096)]))
    own = (parameter(f"{address}/kernel", *sizes),) if sizes else ()
    if sizes and bool(draw(st.booleans())):
        own = (*own, parameter(f"{address}/bias", sizes[-1], bias=True))
    return layer(
        address,
        kind,
        draw(st.sampled_from(["layer", "layer", "operation"])),
        draw(st.sampled_from([None, (None, 8), (None, 8, 8, 16), (), (1, 2, 3, 4, 5, 123456)])),
        settings=draw(st.sampled_from([{}, {"kernel": (3, 3), "stride": (2, 2)}, {"n": number}])),
        parameters=own,
        inputs=tuple(inputs),
    )
