"""A layer's channels, as a person looks at them: scaling, palettes, order, silence, scrolling."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from cases.page_colours import DIVERGING, levels, shows
from cases.page_models import DEAD, WIDE
from cases.page_truth import maps, truth

SCALES = [("layer", "each layer"), ("unit", "each map"), ("network", "network"),
          ("zscore", "z-score")]  # fmt: skip


def wrongly_coloured(probes, expected, palette):
    """The places whose colour is not that of their value; silent channels are crossed out."""
    return [
        probe for probe in probes
        if not shows(probe.colour, expected[probe.unit, probe.y, probe.x], palette)
        and not (expected[probe.unit] == expected[probe.unit, 0, 0]).all()
    ]  # fmt: skip


@pytest.mark.parametrize("palette", ["viridis", "diverging"])
def test_every_value_has_the_colour_of_its_scaling_and_palette(look, palette):
    there = look("digits", "conv2d_1")
    there.choose("Palette", palette)
    values, network = maps("digits", "conv2d_1"), truth("digits").extent(0)
    for scale, shown in SCALES:
        there.choose("Scaling", shown)
        expected = levels(values, scale, network, palette in DIVERGING)
        probes = there.probed(there.canvas("conv2d_1"), step=9)
        assert {probe.unit for probe in probes} == set(range(12))
        assert len(probes) > 300
        assert not wrongly_coloured(probes, expected, palette), scale


def test_another_sample_changes_the_maps_in_place(look):
    there = look("digits", "conv2d_1")
    canvas = there.canvas("conv2d_1")
    canvas.evaluate("(canvas) => { canvas.marked = true; }")
    places = [(p.unit, p.at) for p in there.probed(canvas, step=15)]
    for sample in (1, 2, 0):
        there.sample(sample)
        probes = there.probed(canvas, step=15)
        assert [(p.unit, p.at) for p in probes] == places
        expected = levels(maps("digits", "conv2d_1", sample), "layer")
        assert not wrongly_coloured(probes, expected, "viridis")
    assert canvas.evaluate("(canvas) => canvas.marked")  # it is the same canvas


def test_the_pointer_is_told_the_value_and_its_place(look):
    there = look("digits", "conv2d_1")
    values = maps("digits", "conv2d_1")
    step = (values.max((1, 2)) - values.min((1, 2))) / 238  # by which a colour tells a value
    probes = there.probed(there.canvas("conv2d_1"), step=13)
    for probe in probes:
        assert probe.layer == "conv2d_1"
        assert not probe.exact
        value = values[probe.unit, probe.y, probe.x]
        assert abs(probe.value - value) <= 0.51 * step[probe.unit] + 0.006 * abs(value)


def test_silent_channels_are_counted_dimmed_and_hidden(look):
    there = look("digits", "conv2d")
    canvas = there.canvas("conv2d")
    expect(there.page.get_by_text("1 of 8 silent")).to_be_visible()
    expect(canvas).to_have_attribute(
        "aria-label", "conv2d (26, 26, 8): 8 channels of 26 by 26, 1 silent"
    )
    full = {p.at: p.colour for p in there.probed(canvas, step=9) if p.unit == DEAD}
    there.choose("Silent channels", "dimmed")
    dimmed = {p.at: p.colour for p in there.probed(canvas, step=9) if p.unit == DEAD}
    assert dimmed.keys() == full.keys()
    assert all(sum(dimmed[at]) < sum(full[at]) for at in full)
    there.choose("Silent channels", "hidden")
    probes = there.probed(canvas, step=9)
    assert {p.unit for p in probes} == set(range(8)) - {DEAD}
    assert not wrongly_coloured(probes, levels(maps("digits", "conv2d"), "layer"), "viridis")
    there.choose("Silent channels", "shown")
    assert {p.unit for p in there.probed(canvas, step=9)} == set(range(8))


def test_channels_stand_in_the_order_of_their_strength(look):
    there = look("digits", "conv2d_1")
    there.choose("Order", "strongest first")
    probes = there.probed(there.canvas("conv2d_1"), step=15)
    tops = {}  # a row of maps is as high as the uppermost places of its units
    for probe in probes:
        tops[probe.unit] = min(probe.at, tops.get(probe.unit, probe.at), key=lambda at: at[::-1])
    shown = sorted(tops, key=lambda unit: tops[unit][::-1])
    means = maps("digits", "conv2d_1").mean((1, 2))
    assert np.allclose(means[shown], np.sort(means)[::-1], atol=(means.max()) / 238)
    there.choose("Order", "by number")
    probes = there.probed(there.canvas("conv2d_1"), step=15)
    assert list(dict.fromkeys(p.unit for p in probes)) == sorted({p.unit for p in probes})


def test_thousands_of_channels_are_reached_by_scrolling(look):
    there = look("wide", "0")
    canvas, scroller = there.canvas("0"), there.page.locator(".stack")
    expected = levels(maps("wide", "0"), "layer")
    seen, checked = set(), 0
    height, whole = scroller.evaluate("(el) => [el.clientHeight, el.scrollHeight]")
    assert whole > 5 * height
    for top in range(0, whole, height - 83):
        scroller.evaluate("(el, top) => { el.scrollTop = top; }", top)
        there.settled()
        probes = there.probed(canvas, step=25)
        seen |= {p.unit for p in probes}
        checked += len(probes)
        assert not wrongly_coloured(probes, expected, "viridis"), top
    assert seen == set(range(WIDE))
    assert checked > 4_000


def test_no_more_is_drawn_than_what_is_seen(look):
    there = look("wide", "0")
    size = there.canvas("0").evaluate("(canvas) => [canvas.width, canvas.height]")
    assert size[0] <= 1280
    assert size[1] <= 800


def test_a_click_on_a_channel_opens_its_page(look):
    there = look("digits", "conv2d_1")
    canvas = there.canvas("conv2d_1")
    probe = next(p for p in there.probed(canvas, step=15) if p.unit == 7)
    canvas.click(position={"x": probe.at[0], "y": probe.at[1]})
    expect(there.page.get_by_role("heading", name="channel 7")).to_be_visible()
    assert there.view == "conv2d_1:7"


def test_the_scale_is_shown(look):
    there = look("digits", "conv2d_1")
    bar = there.page.get_by_role("img", name="scale:")
    expect(bar).to_have_attribute("aria-label", "scale: 0 to 0.794 ")
    there.choose("Scaling", "each map")
    expect(bar).to_have_attribute("aria-label", "scale: min to max of each map")
    there.choose("Scaling", "network")
    expect(bar).to_have_attribute("aria-label", "scale: 0 to 1.41 ")
    there.choose("Palette", "diverging")
    expect(bar).to_have_attribute("aria-label", "scale: −1.41 to 1.41 ")
    there.choose("Scaling", "z-score")
    expect(bar).to_have_attribute("aria-label", "scale: −2 std to +2 std about each map's mean")
