"""The page of a unit."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from cases.page_colours import levels, shows
from cases.page_truth import maps, near, truth


def test_the_map_has_its_exact_values(look):
    there = look("digits", "conv2d_1:3")
    values = maps("digits", "conv2d_1")[3]
    expected = levels(values[None], "layer")[0]
    probes = there.probed(there.canvas("Its map"), step=9)
    probes = [probe for probe in probes if probe.y is not None]
    assert {(probe.y, probe.x) for probe in probes} >= {(0, 0), (5, 5), (10, 10)}
    for probe in probes:
        assert (probe.layer, probe.unit) == ("conv2d_1", 3)
        assert probe.exact
        assert near(probe.value, values[probe.y, probe.x]), probe
        assert shows(probe.colour, expected[probe.y, probe.x], "viridis"), probe


def test_the_histogram_counts_the_values_of_all_samples_that_were_run(look):
    there = look("digits", "conv2d:3")
    chart = there.page.get_by_role("region", name="Histogram").get_by_role("img")
    expect(chart).to_be_visible()
    values = maps("digits", "conv2d")[3]
    titles = chart.locator("title").all_text_contents()
    counts = [int(title.rpartition(": ")[2].replace(",", "")) for title in titles]
    several = truth("digits")["conv2d"].values[..., 3]
    assert sum(counts) in (values.size, several.size)


def test_the_next_unit_and_the_one_before(look):
    there = look("digits", "conv2d:7")
    there.page.get_by_role("button", name="next", exact=True).click()
    expect(there.page.get_by_role("heading", name="channel 0", exact=True)).to_be_visible()
    there.settled()
    assert there.view == "conv2d:0"
    there.page.get_by_role("button", name="previous", exact=True).click()
    expect(there.page.get_by_role("heading", name="channel 7", exact=True)).to_be_visible()
    there.settled()
    values = maps("digits", "conv2d")[7]
    for probe in there.probed(there.canvas("Its map"), step=31):
        if probe.y is not None:
            assert near(probe.value, values[probe.y, probe.x])


def test_another_sample_changes_the_panels_in_place(look):
    there = look("digits", "conv2d:3")
    canvas = there.canvas("Its map")
    canvas.evaluate("(canvas) => { canvas.marked = true; }")
    there.sample(1)
    values = maps("digits", "conv2d", 1)[3]
    for probe in there.probed(canvas, step=31):
        if probe.y is not None:
            assert near(probe.value, values[probe.y, probe.x])
    assert canvas.evaluate("(canvas) => canvas.marked")


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ("digits", "dense:2"), ("mlp", "0:7"), ("residual", "stage1.0.relu#2:1"),
        ("transformer", "layers.0.mlp.0:3"), ("transformer", "layers.0.attention%2Fattention:1"),
    ],
    ids=["dense", "mlp", "residual", "series", "attention"],
)  # fmt: skip
def test_units_of_every_form_have_their_page(look, network, address):
    there = look(network, address)
    assert there.page.get_by_role("alert").count() == 0
    expect(there.page.get_by_role("region", name="Histogram")).to_be_visible()
