from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.drawings import overlap, text_rect, within
from cases.networks import HOSTILE, layer, network, networks, parameter
from layerscope.core.network import Layer, Network
from layerscope.core.text import printable
from layerscope.views.diagram.blocks import blocks_of, closed_below
from layerscope.views.diagram.boxes import Box, graph_of
from layerscope.views.diagram.cards import card, frame_widths, short, title, type_text

CONV = layer(
    "stem/conv",
    "Conv2D",
    shape=(None, 26, 26, 32),
    settings={"kernel": (3, 3), "stride": (2, 2), "activation": "relu"},
    parameters=(parameter("k", 3, 3, 1, 32), parameter("b", 32, bias=True)),
)


def written(box: Box, shapes: bool = True, names: bool = True) -> list[str]:
    return [text.text for text in card(box, shapes, names).texts]


def test_what_a_card_says() -> None:
    box = Box((CONV, layer("stem/bn", "BatchNormalization", shape=CONV.shape)))
    assert written(box) == [
        "stem/conv", "320 params", "Conv2D 3×3 /2 relu", "(None, 26, 26, 32)", "stem/bn",
        "BatchNormalization",
    ]  # fmt: skip
    assert written(box, shapes=False) == [
        "stem/conv", "320 params", "Conv2D 3×3 /2 relu", "stem/bn", "BatchNormalization"
    ]  # fmt: skip
    assert "stem/conv" not in written(box, names=False)
    assert "(None, 26, 26, 32)" in written(box, names=False)
    about = card(box, False, False).about
    assert about.startswith("stem/conv; Conv2D; (None, 26, 26, 32); kernel 3×3, stride 2×2")


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (layer("a", "Dense", settings={"activation": "linear"}), "Dense"),
        (layer("a", "Activation", settings={"activation": "swish"}), "swish"),
        (layer("a", "MaxPool", settings={"pool": (2, 2), "stride": (2, 2)}), "MaxPool 2×2"),
        (layer("a", "Conv1D", settings={"kernel": 3, "stride": 1}), "Conv1D 3"),
        (layer("a", "Conv2D", settings={"kernel": (1, 3), "stride": (1, 2)}), "Conv2D 1×3 /1×2"),
    ],
)  # fmt: skip
def test_types_with_what_one_would_draw_by(layer: Layer, text: str) -> None:
    assert type_text(layer) == text


@given(st.text(max_size=100) | st.sampled_from(HOSTILE))
def test_long_names_lose_their_middle(name: str) -> None:
    told = short(name)
    assert len(told) <= 44
    assert printable(told) == told
    if name.isprintable():
        start, _, end = told.partition("…") if len(name) > 44 else (name, "", "")
        assert name.startswith(start)
        assert name.endswith(end)


@given(networks(12, hostile=True), st.booleans(), st.booleans(), st.sampled_from([None, (84, 40)]))
def test_texts_and_pictures_fit(
    net: Network, shapes: bool, names: bool, picture: tuple[int, int] | None
) -> None:
    root = blocks_of(graph_of(net))
    for item in (*root.items, *closed_below(root, 0, lambda name: False).items):
        own = card(item, shapes, names, picture)
        areas = [text_rect(text._asdict() | {"width": text.width}) for text in own.texts]
        if own.thumbnail:
            x, y, width, height = own.thumbnail
            areas.append((x, y, x + width, y + height))
        assert all(within(area, (5, 0, own.width, own.height)) for area in areas)
        assert not any(overlap(*pair) for pair in itertools.combinations(areas, 2))
        assert own.about.isprintable()


def test_a_closed_block() -> None:
    layers = [layer("enc/a", "Dense", parameters=(parameter("k", 2, 3),)), CONV]
    net = network([*layers, layer("enc/b", "Dense", shape=(None, 7), inputs=("enc/a",)),
                   layer("top", "Add", inputs=("enc/b", "stem/conv"))])  # fmt: skip
    root = closed_below(blocks_of(graph_of(net)), 0, lambda name: False)
    (block,) = [item for item in root.items if item.id.startswith("enc")]
    texts = [text.text for text in card(block, True, True).texts]
    assert texts == ["enc", "6 params", "2 layers", "(None, 7)"]
    assert title(block) == "enc"  # type: ignore[arg-type]
    assert all(frame_widths(block))  # type: ignore[arg-type]
