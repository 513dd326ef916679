"""The page as one file, opened from the disk, with no network at all."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from cases.page_colours import levels, shows
from cases.page_truth import maps, truth
from cases.page_visits import Visit


@pytest.fixture
def opened(chromium, reports):
    """Opens a report at a view, where nothing can be reached."""
    visits = []

    def open_file(name: str, view: str = "", **how) -> Visit:
        made = Visit(chromium, reports(name, **how).as_uri(), offline=True)
        visits.append(made)
        made.page.goto(f"{made.url}#/{view}")
        made.settled()
        return made

    yield open_file
    assert not [line for made in visits for line in made.close()]


SCALES = [("layer", "each layer"), ("unit", "each map"), ("network", "network"),
          ("zscore", "z-score")]  # fmt: skip


def test_every_value_of_a_layer_has_its_colour(opened):
    there = opened("digits", "conv2d_1?sample=1")
    for scale, shown in SCALES:
        there.choose("Scaling", shown)
        expected = levels(maps("digits", "conv2d_1", 1), scale, truth("digits").extent(1))
        probes = there.probed(there.canvas("conv2d_1"), 9)
        assert {probe.unit for probe in probes} == set(range(12))
        for probe in probes:
            assert shows(probe.colour, expected[probe.unit, probe.y, probe.x], "viridis"), probe


def test_another_sample_changes_the_passage_and_the_layer(opened):
    there = opened("digits", "conv2d")
    graph, layer = there.canvas("The passage through the network"), there.canvas("conv2d")
    before = there.pixels(graph), there.pixels(layer)
    there.sample(2)
    assert (there.pixels(graph) != before[0]).any()
    assert (there.pixels(layer) != before[1]).any()
    answer = there.page.get_by_role("region", name="What the network answered")
    values = truth("digits")["dense"].values[2]
    expect(answer.get_by_role("link").first).to_have_text(f"dense:{int(np.argmax(values))}")


def test_the_passage_follows_the_scaling(opened):
    there = opened("digits", "conv2d?scale=layer")
    graph = there.canvas("The passage through the network")
    before = there.pixels(graph)
    there.choose("Scaling", "network")
    assert (there.pixels(graph) != before).any()


def test_a_unit_has_its_map_over_the_input_its_kernel_and_its_histogram(opened):
    there = opened("digits", "conv2d:3?sample=1")
    for title in ("Its map", "Its kernel", "Histogram", "Who listens to it"):
        expect(there.page.get_by_role("region", name=title, exact=True)).to_be_visible()
    words = "676 values of this sample, as their colours tell them"
    expect(there.page.get_by_role("region", name="Histogram")).to_contain_text(words)


def test_a_block_is_opened_and_closed_where_a_depth_has_it_so(opened):
    there = opened("residual")
    graph = there.page.get_by_role("region", name="The passage through the network")
    canvas = graph.locator("canvas")

    def boxes(view: str) -> int:
        there.page.goto(f"{there.url}#/{view}")
        there.settled()
        return int(canvas.get_attribute("aria-label").split(", ")[1].split()[0])

    usual = boxes("")
    closed = boxes("?open=%0A")
    opened_one = boxes("?open=%0Astage1")
    assert closed < opened_one <= usual


def test_what_is_left_out_is_told(opened, reports):
    whole = reports("digits").stat().st_size
    there = opened("digits", max_size=whole * 9 // 10)
    assert reports("digits", max_size=whole * 9 // 10).stat().st_size <= whole * 9 // 10
    there.page.get_by_role("button", name="What to know of this page").click()
    dialog = there.page.get_by_role("dialog")
    expect(dialog).to_contain_text("This is a file: nothing is computed in it.")
    expect(dialog.get_by_role("listitem")).not_to_have_count(1)


def test_hostile_names_are_text(opened):
    there = opened("hostile")
    expect(there.page.locator("h1")).to_be_visible()
    assert there.page.title() != "taken"
    assert there.page.locator("img").count() == 0


def test_a_browser_that_can_not_unpack_is_told_so(chromium, reports):
    made = Visit(chromium, reports("digits").as_uri())
    made.page.add_init_script("delete globalThis.DecompressionStream")
    made.page.goto(made.url)
    expect(made.page.get_by_role("alert")).to_contain_text("This browser can't unpack the file")
    assert not made.close()
