"""What is told and shown follows what changes: another sample, another window, a tablet."""

from __future__ import annotations

import numpy as np
from playwright.sync_api import expect

from cases.page_truth import maps

GRAPH = "The passage through the network"


def told_value(there):
    return float(there.status.rpartition("≈ ")[2].partition(",")[0].replace("−", "-"))


def test_the_value_under_the_pointer_is_that_of_the_sample_that_is_looked_at(visit):
    there = visit("digits", "conv2d_1?zoom=88")
    canvas = there.canvas("conv2d_1")
    canvas.hover(position={"x": 50, "y": 60})
    place = there.status.partition(" = ")[0]
    unit, y, x = (int(n) for n in place.removeprefix("conv2d_1:").replace(" @ ", ",").split(","))
    for sample in (0, 1):
        if sample:
            there.page.keyboard.press("n")
            there.settled()
        assert there.status.startswith(place)
        of_unit = maps("digits", "conv2d_1", sample)[unit]
        step = float(np.ptp(of_unit)) / 238
        assert abs(told_value(there) - of_unit[y, x]) <= 0.51 * step + 0.006 * abs(of_unit[y, x])
    there.page.mouse.move(5, 5)
    expect(there.page.locator(".status")).to_have_text(" ")


def boxes_seen(there):
    canvas = there.canvas(GRAPH)
    width = int(canvas.bounding_box()["width"])
    return [heard.text for heard in there.heard(canvas, 8, xs=[width // 2])]


def test_the_whole_network_stays_in_view_until_somebody_moves_it(visit):
    there = visit("digits")
    there.page.get_by_role("button", name="fit: show the whole network").click()
    there.settled()
    there.page.set_viewport_size({"width": 1400, "height": 560})
    there.settled()
    seen = boxes_seen(there)
    assert seen[0].startswith("input")
    assert any("dense" in text for text in seen)
    for _ in range(4):
        there.page.get_by_role("button", name="Enlarge").click()
    there.settled()
    assert not any("dense" in text for text in boxes_seen(there))
    there.page.set_viewport_size({"width": 1400, "height": 600})
    there.settled()
    assert not any("dense" in text for text in boxes_seen(there))


def test_on_a_tablet_the_passage_stands_above_the_layer(visit):
    there = visit("digits", "conv2d", viewport={"width": 820, "height": 1180})
    passage = there.page.get_by_role("complementary", name="The passage").bounding_box()
    layer = there.page.get_by_role("main").bounding_box()
    assert passage["width"] == layer["width"] == 820
    assert passage["y"] + passage["height"] <= layer["y"]
    header = there.page.locator(".top")
    assert header.evaluate("(top) => top.scrollWidth <= top.clientWidth")
    assert header.bounding_box()["height"] < 90
    assert layer["height"] > 400


def test_of_a_closed_block_with_many_layers_one_is_chosen_from_a_list(visit):
    there = visit("residual", "stage2.1.conv1?open=%0A")
    listed = there.page.get_by_label("Layer in this box")
    assert listed.locator("option").count() > 6
    assert listed.input_value() == "stage2.1.conv1"
    listed.select_option("stage2.0.bn1")
    there.settled()
    assert there.view.startswith("stage2.0.bn1")
    assert there.canvas("stage2.0.bn1").bounding_box()["height"] > 300
