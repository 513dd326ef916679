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


@pytest.mark.parametrize("ground", ["light", "dark"])
@pytest.mark.parametrize("place", PLACES)
def test_a_page_has_no_fault(visit, place, ground):
    there = visit(*PLACES[place], color_scheme=ground)
    there.allow("status of 422")
    assert there.faults() == []


@pytest.mark.parametrize("ground", ["light", "dark"])
@pytest.mark.parametrize("key", ["/", "?"], ids=["search", "help"])
def test_a_dialog_has_no_fault(visit, key, ground):
    there = visit("digits", color_scheme=ground)
    there.page.keyboard.press(key)
    assert there.faults() == []


@pytest.mark.parametrize("ground", ["light", "dark"])
def test_the_hints_have_no_fault(visit, ground):
    there = visit("digits", hints=True, color_scheme=ground)
    assert there.faults() == []
