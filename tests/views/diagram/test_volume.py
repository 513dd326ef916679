from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest

from cases.drawings import overlap, text_rect, within
from cases.networks import chain, layer, network
from layerscope.core.errors import ViewError
from layerscope.core.network import Network
from layerscope.views.diagram import diagram

AXES = ("sample", "y", "x", "channel")


def convolutions(*sizes: tuple[int | None, ...]) -> Network:
    layers = [
        layer(
            f"conv_{i}",
            "Conv2D" if len(size) == 3 else "Dense",
            shape=(None, *size),
            axes=AXES if len(size) == 3 else ("sample", "unit"),
            inputs=(f"conv_{i - 1}",) if i else (),
        )
        for i, size in enumerate(sizes)
    ]
    return network(layers)


def fronts(header: Any) -> list[tuple[float, float]]:
    """Width and height of each front, the third face of each."""
    found = []
    for polygon in header["polygons"][2::3]:
        (x0, y0), _, (x1, y1), _ = polygon["points"]
        found.append((x1 - x0, y1 - y0))
    return found


def test_volumes_are_in_proportion() -> None:
    header = diagram(
        convolutions((64, 64, 8), (32, 48, 16), (16, 16, 64), (100,), (50,)), style="volume"
    ).header
    wanted = [(10, 170), (20, 85), (80, 42.5), (6, 170), (6, 85)]
    np.testing.assert_allclose(fronts(header), wanted, atol=0.15)
    depths = [polygon["points"][2][0] - polygon["points"][1][0] for polygon in
              header["polygons"][::3]]  # fmt: skip
    assert depths[1] / depths[0] == pytest.approx(48 / 64, abs=0.01)
    assert len(header["lines"]) == 4


@pytest.mark.parametrize("names", [True, False])
@pytest.mark.parametrize("shapes", [True, False])
def test_texts_keep_apart(names: bool, shapes: bool) -> None:
    net = convolutions((224, 224, 3), (7, 7, 2048), (1, 1, 1), (100_000,), (1,))
    header = diagram(net, style="volume", show_layer_names=names, show_shapes=shapes).header
    areas = [text_rect(text) for text in header["texts"]]
    assert not any(overlap(*pair) for pair in itertools.combinations(areas, 2))
    page = (0, 0, *header["size"])
    assert all(within(area, page) for area in areas)
    corners = [point for polygon in header["polygons"] for point in polygon["points"]]
    assert all(within((x, y, x, y), page) for x, y in corners)
    assert not any(overlap((x, y, x + 1, y + 1), area) for x, y in corners for area in areas)
    ET.fromstring(diagram(net, style="volume").svg())


def test_what_branches_is_drawn_where_it_meets() -> None:
    layers = list(convolutions((8, 8, 4), (8, 8, 4)).layers)
    layers += [
        layer("left", "Conv2D", shape=(None, 8, 8, 9), axes=AXES, inputs=("conv_1",)),
        layer("right", "Conv2D", shape=(None, 8, 8, 9), axes=AXES, inputs=("conv_1",)),
        layer("add", "Add", shape=(None, 8, 8, 9), axes=AXES, inputs=("left", "right")),
    ]
    header = diagram(network(layers), style="volume").header
    texts = [text["text"] for text in header["texts"]]
    assert "left" not in texts
    assert "after 2 more" in texts
    assert len(fronts(header)) == 3


@pytest.mark.parametrize("net", [chain(3), convolutions((None, None, 3), (None, None, 8))])
def test_where_nothing_has_a_volume(net: Network) -> None:
    with pytest.raises(ViewError, match="draws what has height, width and channels of known size"):
        diagram(net, style="volume")


@pytest.mark.parametrize(("wrap", "rows"), [(1, 1), (2, 2), (3, 3), (None, 2), (24, 20)])
def test_many_volumes_stand_in_rows(wrap: int | None, rows: int) -> None:
    sizes = [(64 // (1 + i // 5), 64 // (1 + i // 5), 8 + i) for i in range(20)]
    panel = diagram(convolutions(*sizes), style="volume", wrap=wrap)
    header = panel.header
    tops = [text["y"] for text in header["texts"] if text["text"].startswith("conv_")]
    assert tops == sorted(tops)
    assert len(set(tops)) == rows
    assert len(fronts(header)) == 20
    assert len(header["lines"]) == 19  # the first of each further row comes from the row above
    rectangles = [text_rect(text) for text in header["texts"]]
    for first, second in itertools.combinations(rectangles, 2):
        assert not overlap(first, second)
    for rectangle in rectangles:
        assert within(rectangle, (0, 0, *header["size"]))
    boxes = [polygon["points"] for polygon in header["polygons"]]
    assert all(x >= 0 and y >= 0 for points in boxes for x, y in points)


def test_few_volumes_stay_in_one_row() -> None:
    few = convolutions((64, 64, 8), (32, 32, 16), (10,))
    assert diagram(few, style="volume").header == diagram(few, style="volume", wrap=1).header
