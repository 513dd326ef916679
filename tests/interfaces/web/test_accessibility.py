"""Each kind of page, light and dark, has no fault that axe-core knows."""

from __future__ import annotations

import pytest

PLACES = {
    "start": ("digits", ""),
    "layer": ("digits", "conv2d_1"),
    "vector": ("digits", "dense"),
    "attention": ("transformer", "layers.0.attention%2Fattention"),
    "series": ("transformer", "layers.0.mlp.0"),
    "colours": ("residual", "input"),
    "unit": ("digits", "conv2d_1:3"),
    "unit of a vector": ("digits", "dense:2"),
    "error": ("undrawable", "spectrum"),
}


GROUNDS = ("light", "dark")


def faults_on(there, ground):
    """What keeps people out, once the page is on this ground."""
    page = there.page.locator("html")
    if page.get_attribute("data-ground") != ground:
        there.page.get_by_role("button", name="Dark or light").click()
        there.settled()
    assert page.get_attribute("data-ground") == ground
    return there.faults()


@pytest.mark.parametrize("place", PLACES)
def test_a_page_has_no_fault(look, place):
    there = look(*PLACES[place])
    there.allow("status of 422")
    for ground in GROUNDS:
        assert faults_on(there, ground) == []


@pytest.mark.parametrize("key", ["/", "?"], ids=["search", "help"])
def test_a_dialog_has_no_fault(visit, key):
    there = visit("digits")
    for ground in GROUNDS:
        assert faults_on(there, ground) == []
        there.page.keyboard.press(key)
        assert there.page.get_by_role("dialog").count() == 1
        assert there.faults() == []
        there.page.keyboard.press("Escape")


def test_the_hints_have_no_fault(visit):
    there = visit("digits", hints=True)
    for ground in GROUNDS:
        assert faults_on(there, ground) == []
