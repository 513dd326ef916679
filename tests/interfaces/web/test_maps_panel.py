"""Sheets and images of units as a document of their own: what a notebook's frame holds."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from playwright.sync_api import expect

import layerscope as ls
from cases.page_colours import shows
from cases.page_models import DEAD, WIDE
from cases.page_truth import truth
from cases.page_visits import Visit
from cases.recordings import MAPS, maps, named, recording
from cases.visualizations import coloured, stripes
from layerscope.interfaces.page.panel_file import panel_html
from layerscope.views.render.palette import LEVELS

COLOUR = re.compile(r"deep:(\d+) @ (\d+),(\d+) ≈ red (\S+), green (\S+), blue (\S+)$")


@pytest.fixture
def opened(chromium, tmp_path):
    """Opens the document of a panel, where nothing can be reached."""
    visits = []

    def open_panel(panel, **context) -> Visit:
        path = tmp_path / f"{len(visits)}.html"
        path.write_text(panel_html(panel), encoding="utf-8")
        made = Visit(chromium, path.as_uri(), offline=True, accept_downloads=True, **context)
        visits.append(made)
        made.page.goto(made.url)
        made.settled()
        return made

    yield open_panel
    assert not [line for made in visits for line in made.close()]


def canvas_of(there: Visit):
    return there.page.locator("canvas[data-panel=maps]")


@pytest.fixture(scope="module")
def digits():
    return truth("digits")


@pytest.mark.parametrize("palette", ["viridis", "magma", "PuOr"])
def test_every_value_has_its_colour_and_is_told(opened, digits, palette):
    panel = ls.sheet(digits, "conv2d", sample=1, palette=palette)
    there = opened(panel)
    low, high = panel.header["scale"]["low"], panel.header["scale"]["high"]
    probes = there.probed(canvas_of(there), 14)
    assert {probe.unit for probe in probes} == set(range(8))
    values = digits["conv2d"].values[1]
    for probe in probes:
        value = values[probe.y, probe.x, probe.unit]
        assert not probe.exact
        assert abs(probe.value - value) <= 0.51 * (high - low) / (LEVELS - 1) + 0.006 * abs(value)
        level = int(panel.pixels(probe.unit)[probe.y, probe.x])
        assert shows(probe.colour, level, palette), probe


def test_another_palette_recolours_in_place_and_a_diverging_one_has_zero_in_its_middle(
    opened, digits
):
    there = opened(ls.sheet(digits, "conv2d"))
    expect(there.page.locator(".scalebar")).to_have_text(re.compile(r"^0"))
    there.choose("Palette", "gray")
    assert there.view == "?palette=gray"
    zero = next(p for p in there.probed(canvas_of(there), 14) if p.value == 0)
    assert shows(zero.colour, 0, "gray")
    there.choose("Palette", "coolwarm")
    expect(there.page.locator(".scalebar")).to_have_text(re.compile(r"^−"))
    zero = next(p for p in there.probed(canvas_of(there), 14) if p.value == 0)
    assert shows(zero.colour, (LEVELS - 1) // 2, "coolwarm")
    there.page.keyboard.press("d")
    assert there.page.locator("html").get_attribute("data-ground") == "dark"


def test_it_is_walked_through_and_enlarged_by_the_keyboard(opened, digits):
    there = opened(ls.sheet(digits, "conv2d", columns=4))
    canvas = canvas_of(there)
    assert canvas.get_attribute("aria-label") == "conv2d (26, 26, 8): 8 maps, 1 silent"
    canvas.focus()
    for key, told in [("ArrowRight", 0), ("ArrowRight", 1), ("ArrowDown", DEAD), ("Home", 0)]:
        there.page.keyboard.press(key)
        assert there.status.startswith(f"conv2d:{told}: colours from 0 to "), there.status
        assert there.status.endswith(", silent") == (told == DEAD)
    before = len(there.heard(canvas, 20))
    for _ in range(12):
        there.page.keyboard.press("+")
    there.settled()
    enlarged = {heard.text.partition(" @")[0] for heard in there.heard(canvas, 20)}
    assert enlarged <= {"conv2d:0", "conv2d:1"}  # others lie outside: one scrolls to them
    there.page.keyboard.press("End")
    there.settled()
    assert "conv2d:7" in {heard.text.partition(" @")[0] for heard in there.heard(canvas, 20)}
    there.page.keyboard.press("0")
    there.settled()
    assert len(there.heard(canvas, 20)) == before


def test_colour_images_are_shown_in_their_colours_with_three_values(opened):
    there = opened(ls.sheet(coloured()))
    images = np.moveaxis(stripes(), -1, 0)
    seen = set()
    for heard in there.heard(canvas_of(there), 24):
        match = COLOUR.match(heard.text)
        assert match, heard.text
        unit, y, x = (int(match[i]) for i in (1, 2, 3))
        value = images[[3, 42, 57].index(unit), y, x]
        np.testing.assert_allclose(heard.colour, (value + 1) / 2 * 255, atol=0.51)
        told = [float(match[i].replace("−", "-")) for i in (4, 5, 6)]
        np.testing.assert_allclose(told, value, atol=0.01)
        seen.add(unit)
    assert seen == {3, 42, 57}
    expect(there.page.get_by_label("Palette", exact=True)).to_have_count(0)


def test_of_many_maps_those_in_view_are_drawn(opened):
    panel = ls.sheet(recording({"wide": named(maps(WIDE, 8, 8).values, MAPS)}), "wide")
    there = opened(panel)
    canvas = canvas_of(there)
    height = canvas.evaluate("(canvas) => canvas.getBoundingClientRect().height")
    assert height < 800 < there.page.locator(".sized").bounding_box()["height"]
    canvas.focus()
    there.page.keyboard.press("End")
    assert there.status.startswith(f"wide:{WIDE - 1}: ")
    there.settled()
    last = [p for p in there.probed(canvas, 11) if p.unit == WIDE - 1]
    assert last
    for probe in last:
        level = int(panel.pixels(WIDE - 1)[probe.y, probe.x])
        assert shows(probe.colour, level, "viridis")


def test_written_values_are_exact_and_what_is_no_number_is_named(opened):
    values = np.array([[0.5, np.nan, -3], [np.inf, 2, -np.inf]], np.float32)[None, :, :, None]
    there = opened(ls.sheet(recording({"few": named(values, MAPS)}), "few", values=True))
    heard = {heard.text for heard in there.heard(canvas_of(there), 20)}
    assert {"few:0 @ 0,0 = 0.5", "few:0 @ 0,1 = nan", "few:0 @ 1,0 = inf"} <= heard
    there = opened(ls.sheet(recording({"few": named(values, MAPS)}), "few"))
    heard = {heard.text for heard in there.heard(canvas_of(there), 20)}
    assert {"few:0 @ 0,1 = ≈ NaN", "few:0 @ 1,0 = ≈ ∞", "few:0 @ 1,2 = ≈ −∞"} <= heard


@pytest.mark.parametrize("format_", ["PNG", "SVG"])
def test_it_is_saved_as_it_is_looked_at(opened, digits, format_):
    panel = ls.sheet(digits, "conv2d")
    there = opened(panel)
    with there.page.expect_download() as saved:
        there.page.get_by_role("button", name=format_, exact=True).click()
    data = saved.value.path().read_bytes()
    width, height = panel.header["size"]
    if format_ == "SVG":
        root = ElementTree.fromstring(data)
        assert [root.get("width"), root.get("height")] == [str(width), str(height)]
        return
    from io import BytesIO

    from PIL import Image

    image = Image.open(BytesIO(data))
    assert image.size == (2 * width, 2 * height)
    assert image.text["Title"] == panel.header["title"]
    x, y, side, _ = panel.header["tiles"][6]["box"]
    levels = panel.pixels(6)
    cell = 2 * side // levels.shape[1]
    pixels = np.asarray(image.convert("RGB"))[2 * y :, 2 * x :]
    for row, column in [(3, 10), (13, 4), (20, 20)]:
        colour = pixels[row * cell + cell // 2, column * cell + cell // 2]
        assert shows(tuple(map(int, colour)), int(levels[row, column]), "viridis")


def test_nobody_is_kept_out_and_names_stay_text(opened):
    name = "<img src=x onerror=alert(1)>"
    there = opened(ls.sheet(recording({name: named(maps(2, 5, 5).values, MAPS)}), name))
    assert there.page.locator("h1").inner_text().startswith(name)
    assert there.page.locator("img").count() == 0
    assert not there.faults()
