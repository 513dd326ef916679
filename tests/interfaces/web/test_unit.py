"""The page of a unit, as a person uses it: its map over the input, its links, what is hovered."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cases.page_truth import maps, near, truth, vector

PLACE = re.compile(r"^(?P<address>.+)@(?P<y>\d+),(?P<x>\d+) = (?P<value>\S+), from rows "
                   r"(?P<rows>[\d–]+), columns (?P<columns>[\d–]+) of the input$")  # fmt: skip


def panel(there, title):
    return there.page.get_by_role("region", name=title, exact=True)


def card(there, title, name):
    return panel(there, title).get_by_role("link", name=re.compile(rf"^{re.escape(name)} ")).first


def number(text):
    return float(text.replace("−", "-"))


@pytest.mark.parametrize("which", ["overlay", "overlay-input"])
def test_the_pointer_is_told_the_value_and_where_it_lies_on_the_input(look, which):
    there = look("digits", "conv2d_1:3")
    values = maps("digits", "conv2d_1")[3]
    canvas = panel(there, "Its map").locator(f"canvas[data-panel={which}]")
    heard = there.heard(canvas, 11)
    assert len(heard) > 60
    for one in heard:
        match = PLACE.match(one.text)
        assert match, one.text
        y, x = int(match["y"]), int(match["x"])
        assert match["address"] == "conv2d_1:3"
        assert near(number(match["value"]), values[y, x]) or values[y, x] == 0
        for place, words in ((y, match["rows"]), (x, match["columns"])):
            assert [int(n) for n in words.split("–")] == [2 * place, 2 * place + 7]


def test_the_map_over_the_input_can_be_weaker_or_a_contour(look):
    there = look("digits", "conv2d:3")
    canvas = panel(there, "Its map").locator("canvas[data-panel=overlay-input]")
    slider = there.page.get_by_label("Opacity of the map over the input")
    strong = there.pixels(canvas)
    slider.fill("0")
    there.settled()
    bare = there.pixels(canvas).astype(int)
    assert (bare[..., 0] == bare[..., 1]).all()  # nothing but the grey input
    slider.fill("100")
    there.settled()
    most = there.pixels(canvas).astype(int)
    apart = np.abs(most - bare).sum()
    assert apart > np.abs(strong.astype(int) - bare).sum() > 0
    there.choose("How the map lies over the input", "contour")
    assert np.abs(there.pixels(canvas).astype(int) - most).sum() > 0


def test_the_strongest_inputs_of_the_kernel_lead_there(look):
    there = look("digits", "conv2d_1:3")
    from cases.page_models import numbers

    kernel = numbers(2, 3, 3, 8, 12)[..., 3] / 9
    strongest = int(np.sqrt((kernel**2).sum((0, 1))).argmax())
    first = panel(there, "Its kernel").get_by_role("link").first
    assert first.get_attribute("aria-label").startswith(f"conv2d:{strongest} ")
    first.click()
    there.settled()
    assert there.view == f"conv2d:{strongest}"
    assert panel(there, "Who listens to it").get_by_role("link").count() == 12
    card(there, "Who listens to it", "conv2d_1:3").click()
    there.settled()
    assert there.view == "conv2d_1:3"
    there.page.go_back()
    there.settled()
    assert there.view == f"conv2d:{strongest}"


def test_what_drives_a_unit_follows_the_sample(look):
    there = look("digits", "dense:2")
    before = panel(there, "What drives it here").inner_text()
    there.sample(1)
    assert panel(there, "What drives it here").inner_text() != before
    links = panel(there, "What drives it here").get_by_role("link").all()
    names = [link.get_attribute("aria-label").split(" ")[0] for link in links]
    weights = truth("digits")["flatten"].values[1]
    from cases.page_models import numbers

    each = (weights * numbers(3, 300, 10)[:, 2] / 17).reshape(25, 12).sum(0)
    order = np.argsort(-np.abs(each))
    assert names == [f"conv2d_1:{i}" for i in order]


def test_a_unit_of_single_values_says_its_value_over_the_input_alone(look):
    there = look("digits", "dense:4")
    (value,) = [vector("digits", "dense")[4]]
    region = panel(there, "Its map")
    text = region.locator(".value").inner_text()
    assert near(number(text.split(" = ")[1].split(",")[0]), value)
    assert region.locator("canvas:visible").count() == 1


def test_a_link_can_be_reached_by_the_keyboard(look):
    there = look("digits", "conv2d_1:3")
    link = panel(there, "Its kernel").get_by_role("link").first
    name = link.get_attribute("aria-label").split(" ")[0]
    link.focus()
    there.page.keyboard.press("Enter")
    there.settled()
    assert there.view == name


def test_both_branches_of_a_residual_network_are_named(look):
    there = look("residual", "stage2.1.conv1:5")
    labels = panel(there, "Its kernel").locator(".label")
    names = [label.get_attribute("title") for label in labels.all()]
    assert all("stage2.0.conv2:" in name and "stage2.0.shortcut:" in name for name in names)
    drives = panel(there, "What drives it here").get_by_role("link")
    layers = {link.get_attribute("aria-label").split(":")[0] for link in drives.all()}
    assert layers == {"stage2.0.conv2", "stage2.0.shortcut"}
