"""Receptive fields on the page: the box that what is under the pointer is computed from."""

from __future__ import annotations

import re

import numpy as np
import pytest

import layerscope as ls
from cases import page_models

GRAPH = "The passage through the network"
WORDS = re.compile(r"^(?P<layer>\w+):(?P<unit>\d+) ?@ ?(?P<y>\d+),(?P<x>\d+) = \S+ ?\S*, from "
                   r"rows? (?P<rows>[\d–]+), columns? (?P<columns>[\d–]+) of the input"
                   r"(?P<more>.*)$")  # fmt: skip


def changed(before, after):
    """The first and last row, and column, in which two pictures differ."""
    differ = (before != after).any(2)
    rows, columns = np.flatnonzero(differ.any(1)), np.flatnonzero(differ.any(0))
    return rows[0], rows[-1], columns[0], columns[-1]


def pointed(there, canvas, y, x, shape):
    """Point at a place of a map that fills a canvas."""
    box = canvas.bounding_box()
    at = [box["width"] * (x + 0.5) / shape[1], box["height"] * (y + 0.5) / shape[0]]
    canvas.hover(position={"x": at[0], "y": at[1]})
    there.settled()


@pytest.mark.parametrize("layer", ["narrow", "wide", "both", "last"])
def test_the_words_are_those_of_the_field(look, layer):
    """At the border too, and of each unit of a concatenation its own."""
    there = look("branches", layer)
    model = page_models.branches()
    acts = ls.activations(model, page_models.INPUTS["branches"]())
    heard = there.heard(there.canvas(layer), 17)
    places = set()
    for one in heard:
        match = WORDS.match(one.text)
        assert match, one.text
        place = f"{match['layer']}:{match['unit']}@{match['y']},{match['x']}"
        box = ls.receptive_field(acts, place).local
        for words, along in ((match["rows"], box.y), (match["columns"], box.x)):
            first, _, last = words.partition("–")
            assert (int(first), int(last or first)) == (along[0], along[-1]), place
        weighed = ", and all of it through squeeze" if layer == "last" else ""
        assert match["more"] == weighed
        places.add((match["y"], match["unit"]))
    assert {"0", "11"} <= {y for y, _ in places}
    assert len({unit for _, unit in places}) == acts[layer].sizes["channel"]


@pytest.mark.parametrize(("network", "layer"), [("residual", "pool"), ("branches", "squeeze")])
def test_what_is_all_of_the_input_says_which_layer_does_it(look, network, layer):
    there = look(network, layer)
    heard = there.heard(there.canvas(layer), 29)
    assert heard
    assert all(one.text.endswith(f", from all of the input, through {layer}") for one in heard)


def test_the_box_is_drawn_over_the_input_of_the_unit(look):
    there = look("digits", "conv2d_1:3")
    over = there.page.locator("canvas[data-panel=overlay-input]")
    own = there.page.locator("canvas[data-panel=overlay]")
    there.page.mouse.move(1, 1)
    there.settled()
    bare = there.pixels(over)
    height, width = bare.shape[:2]
    for y, x in ((0, 0), (4, 7), (10, 10)):
        pointed(there, own, y, x, (11, 11))
        top, bottom, left, right = changed(bare, there.pixels(over))
        assert abs(top - max(2 * y * height / 28 - 3, 0)) <= 3
        assert abs(bottom - min((2 * y + 8) * height / 28 + 3, height)) <= 4
        assert abs(left - max(2 * x * width / 28 - 3, 0)) <= 3
        assert abs(right - min((2 * x + 8) * width / 28 + 3, width)) <= 4
        inner = [round(top + height / 28), round((left + right) / 2)]
        assert (there.pixels(over)[tuple(inner)] == bare[tuple(inner)]).all()  # a frame only
    there.page.mouse.move(1, 1)
    there.settled()
    assert (there.pixels(over) == bare).all()


def test_the_box_is_drawn_on_the_input_of_the_passage(look):
    there = look("digits", "conv2d_1")
    graph, maps = there.canvas(GRAPH), there.canvas("conv2d_1")
    places = {}
    for one in there.heard(maps, 9):
        match = WORDS.match(one.text)
        places.setdefault((int(match["y"]), int(match["x"])), (one.x, one.y))
    there.page.mouse.move(1, 1)
    there.settled()
    bare = there.pixels(graph)

    def drawn(place):
        maps.hover(position={"x": places[place][0], "y": places[place][1]})
        there.settled()
        return changed(bare, there.pixels(graph))

    corners = sorted(places)[0], sorted(places)[-1]
    (y0, x0), (y1, x1) = corners
    first, last = map(drawn, corners)
    tile = 28 * (last[0] - first[0]) / (2 * (y1 - y0))  # how many pixels the whole input takes
    assert abs((first[1] - first[0]) - tile * 8 / 28) <= 6  # the line's own width on both sides
    assert abs((first[3] - first[2]) - tile * 8 / 28) <= 6
    assert abs((last[2] - first[2]) - tile * 2 * (x1 - x0) / 28) <= 3
