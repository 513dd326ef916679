"""The network's graph, with the pattern passing through it."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest
from playwright.sync_api import expect

from cases.page_colours import DIVERGING, levels, shows
from cases.page_truth import maps, near, truth, vector

GRAPH = "The passage through the network"


@pytest.fixture
def graph():
    """Returns what travels of the graph, for where things are: its header."""

    def read(there, **words):
        data = there.answer("/api/panel/passage", **words)
        length = struct.unpack("<I", data[:4])[0]
        return json.loads(data[4 : 4 + length])["header"]

    return read


def edges(there, words):
    """Where a box is: left, top, right and bottom."""
    canvas, middle = there.canvas(GRAPH), over(there, words, 12)
    row = there.heard(canvas, 1, ys=[int(middle["y"])])
    column = there.heard(canvas, 1, xs=[int(middle["x"])])
    xs = [heard.x for heard in row if heard.text.startswith(words)]
    ys = [heard.y for heard in column if heard.text.startswith(words)]
    return np.array([min(xs), min(ys), max(xs), max(ys)])


def over(there, words, step=12):
    """A place of the graph where the pointer is told these words first."""
    canvas = there.canvas(GRAPH)
    places = [heard for heard in there.heard(canvas, step) if heard.text.startswith(words)]
    assert places, sorted({heard.text for heard in there.heard(canvas, step)})
    return {"x": places[len(places) // 2].x, "y": places[len(places) // 2].y}


def fit(there, header):
    """Shows the whole graph; returns how large it is, and where: a place of it on the canvas."""
    there.page.get_by_role("button", name="show the whole network").click()
    there.settled()
    box = there.canvas(GRAPH).bounding_box()
    width, height = header["size"]
    times = min(box["width"] / width, box["height"] / height, 1.6)
    left, top = (box["width"] - width * times) / 2, (box["height"] - height * times) / 2
    return lambda x, y: (left + x * times, top + y * times)


def test_every_layer_has_its_box(look):
    there = look()
    there.page.get_by_role("button", name="show the whole network").click()
    there.settled()
    boxes = {heard.text.partition(";")[0] for heard in there.heard(there.canvas(GRAPH), 7)}
    assert boxes == {"input_layer", *truth("digits")}
    texts = {heard.text for heard in there.heard(there.canvas(GRAPH), 7)}
    assert ("conv2d; Conv2D; (None, 26, 26, 8); kernel 3×3, stride 1×1, padding valid, "
            "activation relu; 80 params") in texts  # fmt: skip


@pytest.mark.parametrize("palette", ["viridis", "diverging"])
def test_the_pictures_in_the_boxes_are_the_channels_that_they_name(look, graph, palette):
    there = look("digits", "dense")
    there.choose("Palette", palette)
    for sample in (0, 2):
        there.sample(sample)
        header = graph(there, sample=sample, scale="layer")
        at = fit(there, header)
        pixels = there.pixels(there.canvas(GRAPH))
        for layer, channel in shown_channels(header).items():
            values = maps("digits", layer, sample)
            tile = next(tile for tile in header["tiles"] if tile["label"] == layer)
            rows, columns = tile["shape"]
            assert (rows, columns) == values.shape[1:]
            expected = levels(values, "layer", diverging=palette in DIVERGING)[channel]
            left, top, width, height = tile["box"]
            for row in range(rows):
                for column in range(columns):
                    x, y = at(left + (column + 0.5) / columns * width,
                              top + (row + 0.5) / rows * height)  # fmt: skip
                    colour = pixels[int(y), int(x)]
                    assert shows(colour, expected[row, column], palette), (layer, row, column)


def shown_channels(header):
    """Which channel stands in the box of each convolution, as the words below it say."""
    result = {}
    for tile in header["tiles"]:
        left, top, width, height = tile["box"]
        for text in header["texts"]:
            inside = left - width <= text["x"] <= left + 2 * width
            below = top + height <= text["y"] <= top + height + 20
            if inside and below and text["text"].startswith("channel "):
                result[tile["label"]] = int(text["text"].split()[1])
    assert result
    return result


def test_the_answers_are_the_networks(look):
    there = look()
    for sample in (0, 1):
        there.sample(sample)
        values = vector("digits", "dense", sample)
        rows = there.page.get_by_role("region", name="What the network answered").get_by_role("row")
        expect(rows).to_have_count(5)
        order = (-values).argsort()[:5]
        for row, unit in zip(rows.all(), order, strict=True):
            name, _, number = row.get_by_role("cell").all()
            assert name.inner_text() == f"dense:{unit}"
            assert number.inner_text() == f"{100 * values[unit]:.1f} %"


def test_answers_that_are_numbers_are_shown_in_order(look):
    there = look("mlp")
    values = vector("mlp", "4")
    rows = there.page.get_by_role("region", name="What the network answered").get_by_role("row")
    expect(rows).to_have_count(3)
    for unit, row in enumerate(rows.all()):
        name, _, number = row.get_by_role("cell").all()
        assert name.inner_text() == f"4:{unit}"
        assert near(float(number.inner_text().replace("−", "-")), values[unit])


def test_an_answer_opens_its_unit(look):
    there = look()
    answers = there.page.get_by_role("region", name="What the network answered")
    answers.get_by_role("link").first.click()
    there.settled()
    assert there.view == f"dense:{vector('digits', 'dense').argmax()}"


def test_a_click_on_a_box_opens_the_layer(visit):
    there = visit()
    there.canvas(GRAPH).click(position=over(there, "max_pooling2d;"))
    expect(there.page.get_by_role("heading", name="max_pooling2d", exact=True)).to_be_visible()
    there.settled()
    assert there.view == "max_pooling2d"
    there.canvas(GRAPH).click(position=over(there, "input_layer;"))
    expect(there.page.get_by_role("heading", name="input", exact=True)).to_be_visible()


def test_blocks_close_and_open(visit):
    there = visit("residual")
    canvas = there.canvas(GRAPH)

    def boxes():
        return {text.partition(";")[0] for h in there.heard(canvas, 7) for text in [h.text]}

    there.page.get_by_role("button", name="show the whole network").click()
    there.settled()
    assert "stage1.0.conv1" in boxes()
    canvas.click(position=over(there, "close stage1.0", step=4))
    there.settled()
    there.page.get_by_role("button", name="show the whole network").click()
    there.settled()
    closed = boxes()
    assert "stage1.0.conv1" not in closed
    assert "stage1.1.conv1" in closed
    assert "open stage1.0" in closed
    canvas.click(position=over(there, "open stage1.0"))
    there.settled()
    there.page.get_by_role("button", name="show the whole network").click()
    there.settled()
    assert "stage1.0.conv1" in boxes()


def test_the_graph_is_moved_by_wheel_and_hand_and_enlarged_about_the_pointer(visit):
    there = visit()
    canvas = there.canvas(GRAPH)
    box = canvas.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    at = edges(there, "max_pooling2d;")

    there.page.mouse.move(*middle)
    there.page.mouse.wheel(0, 60)
    there.settled()
    assert (edges(there, "max_pooling2d;") == at - [0, 60, 0, 60]).all()

    there.page.mouse.down()
    there.page.mouse.move(middle[0] + 40, middle[1] + 60, steps=3)
    there.page.mouse.up()
    there.settled()
    right = np.array([40, 0, 40, 0])
    assert (edges(there, "max_pooling2d;") == at + right).all()
    assert there.view == ""  # to move is no click

    there.page.get_by_role("button", name="Enlarge").click()
    there.settled()
    left, _, end, _ = edges(there, "max_pooling2d;")
    assert end - left == pytest.approx(1.3 * (at[2] - at[0]), abs=2)
    there.page.get_by_role("button", name="Reduce").click()
    there.settled()
    assert edges(there, "max_pooling2d;") == pytest.approx(at + right, abs=1)


def test_the_graph_is_enlarged_about_the_pointer(visit):
    there = visit()
    box = there.canvas(GRAPH).bounding_box()
    before = edges(there, "max_pooling2d;")
    x, y = before[0] + 10, before[1] + 10
    there.page.mouse.move(box["x"] + x, box["y"] + y)
    there.page.keyboard.down("Control")
    there.page.mouse.wheel(0, -90)
    there.page.keyboard.up("Control")
    there.settled()
    times = math.exp(90 / 180)
    after = edges(there, "max_pooling2d;")
    assert after[:2] == pytest.approx([x - 10 * times, y - 10 * times], abs=2)
    assert after[2] - after[0] == pytest.approx(times * (before[2] - before[0]), abs=2)


def test_the_layer_that_is_open_is_marked_and_in_view(visit):
    there = visit("residual", "stage2.1.conv2")
    assert any("stage2.1.conv2" in h.text for h in there.heard(there.canvas(GRAPH), 7))
