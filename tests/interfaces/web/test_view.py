"""The address of the page says where one is and how one looks; going back goes back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

GRAPH = "The passage through the network"


@pytest.mark.parametrize("scale", ["each map", "network", "z-score"])
def test_an_address_brings_back_the_exact_view(visit, scale):
    there = visit("digits", "conv2d_1")
    there.sample(2)
    there.choose("Scaling", scale)
    there.choose("Palette", "magma")
    there.choose("Order", "strongest first")
    there.choose("Silent channels", "dimmed")
    there.page.get_by_label("Size of the maps").fill("96")
    there.settled()
    # What replaces an address is written after a moment.
    expect(there.page).to_have_url(re.compile("zoom=96"))
    view = there.view
    for word in ("sample=2", "palette=magma", "order=strength", "silent=dim"):
        assert word in view
    sheet, graph = there.pixels(there.canvas("conv2d_1")), there.pixels(there.canvas(GRAPH))
    for again in (there.page.reload, lambda: there.open(view)):
        again()
        there.settled()
        assert there.view == view
        assert (there.pixels(there.canvas("conv2d_1")) == sheet).all()
        assert (there.pixels(there.canvas(GRAPH)) == graph).all()


def test_a_unit_has_an_address_of_its_own(visit):
    there = visit("digits", "conv2d_1:3?scale=unit&palette=gray")
    before = there.pixels(there.canvas("Its map"))
    there.page.reload()
    there.settled()
    assert (there.pixels(there.canvas("Its map")) == before).all()


def test_back_and_forward_go_from_place_to_place(visit):
    there = visit("digits")
    headings = there.page.get_by_role("heading", level=2)
    there.page.goto(f"{there.origin}/#/conv2d_1")
    expect(headings.filter(has_text="conv2d_1")).to_be_visible()
    there.settled()
    canvas = there.canvas("conv2d_1")
    probe = there.probed(canvas, 40)[0]
    canvas.click(position={"x": probe.at[0], "y": probe.at[1]})
    expect(headings.filter(has_text=f"channel {probe.unit}")).to_be_visible()
    there.settled()
    there.choose("Palette", "gray")  # is no other place
    there.page.go_back()
    expect(headings.filter(has_text="conv2d_1")).to_be_visible()
    there.settled()
    there.page.go_forward()
    expect(headings.filter(has_text=f"channel {probe.unit}")).to_be_visible()
    there.settled()
    there.page.go_back()
    there.page.go_back()
    expect(headings.filter(has_text=re.compile("^conv2d$"))).to_be_visible()
    there.settled()


def test_what_was_opened_in_the_passage_stands_in_the_address(visit):
    there = visit("residual", "stem?open=%0Astage1%0Astage2%0Astage2.0")
    there.page.get_by_role("button", name="show the whole network").click()
    there.settled()
    words = {heard.text.partition(";")[0] for heard in there.heard(there.canvas(GRAPH), 9)}
    assert "stage2.0.conv1" in words
    assert "open stage1.0" in words
    assert "open stage2.1" in words
