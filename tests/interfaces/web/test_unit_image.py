"""A unit's feature visualization: made on the server while one watches, and ended early."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from playwright.sync_api import expect

TITLE = "Feature visualization"


def panel_of(there: Any) -> Any:
    return there.page.get_by_role("region", name=TITLE)


def test_an_image_is_made_while_one_watches(visit):
    there = visit("digits", "conv2d:1")
    panel = panel_of(there)
    expect(panel).to_contain_text("No image was made for this unit.")
    panel.get_by_role("button", name="Make an image").click()
    expect(panel.get_by_role("progressbar")).to_be_visible()
    expect(panel.get_by_role("button", name="Cancel")).to_be_focused()
    expect(panel).to_contain_text(re.compile(r"step \d+ of \d+"))

    expect(panel.get_by_role("button", name="Make it again")).to_be_visible(timeout=120_000)
    expect(panel).to_contain_text("× the samples' largest")
    expect(panel.get_by_role("progressbar")).to_be_hidden()
    shown = there.pixels(panel.locator("canvas"))
    assert len(np.unique(shown.reshape(-1, shown.shape[-1]), axis=0)) > 5

    there.page.reload()
    there.settled()
    expect(panel_of(there)).to_contain_text("× the samples' largest")


def test_it_is_cancelled_with_what_there_is(visit):
    there = visit("slow", "conv:3")
    panel = panel_of(there)
    panel.get_by_role("button", name="Make an image").click()
    expect(panel.locator("canvas")).to_be_visible(timeout=60_000)  # an intermediate image
    panel.get_by_role("button", name="Cancel").click()
    expect(panel).to_contain_text(re.compile(r"stopped after \d+ steps"), timeout=60_000)
    expect(panel.get_by_role("button", name="Make it again")).to_be_visible()


def test_it_goes_on_while_one_looks_elsewhere(visit):
    there = visit("slow", "conv:1")
    panel_of(there).get_by_role("button", name="Make an image").click()
    expect(panel_of(there)).to_contain_text(re.compile(r"step \d+ of \d+"), timeout=60_000)
    before = step_of(there)
    there.page.get_by_role("button", name="next").click()
    expect(panel_of(there).get_by_role("button", name="Make an image")).to_be_visible()
    expect(panel_of(there).get_by_role("progressbar")).to_be_hidden()
    there.page.get_by_role("button", name="previous").click()
    expect(panel_of(there).get_by_role("progressbar")).to_be_visible()
    expect(panel_of(there)).not_to_contain_text(f"step {before} of", timeout=60_000)
    assert step_of(there) > before
    panel_of(there).get_by_role("button", name="Cancel").click()
    expect(panel_of(there)).to_contain_text("stopped after", timeout=60_000)


def step_of(there: Any) -> int:
    """How many steps were made of the image that is under way."""
    match = re.search(r"step (\d+) of", panel_of(there).inner_text())
    assert match
    return int(match[1])
