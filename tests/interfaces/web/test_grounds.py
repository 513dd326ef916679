"""Light and dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect


def paper(there):
    """The colour behind everything, as a sum of its three parts."""
    text = there.page.locator("body").evaluate("(el) => getComputedStyle(el).backgroundColor")
    return sum(int(part) for part in text.strip("rgba()").split(",")[:3])


@pytest.mark.parametrize("ground", ["light", "dark"])
def test_the_page_is_as_the_system_is_until_one_turns_it(visit, ground):
    there = visit("digits", "conv2d", color_scheme=ground)
    expect(there.page.locator("html")).to_have_attribute("data-ground", ground)
    assert (paper(there) > 600) == (ground == "light")
    sheet, graph = (there.canvas(name) for name in ("conv2d", "The passage through the network"))
    before, around = there.pixels(sheet), there.pixels(graph)
    there.page.get_by_role("button", name="Dark or light").click()
    there.settled()
    other = "dark" if ground == "light" else "light"
    expect(there.page.locator("html")).to_have_attribute("data-ground", other)
    assert (paper(there) > 600) == (other == "light")
    # Maps stand on their own ground, and keep their colours; the graph's boxes change theirs.
    probes = there.probed(sheet, 17)
    assert probes
    after = there.pixels(sheet)
    for probe in probes:
        x, y = (int(v) for v in probe.at)
        assert (after[y, x] == before[y, x]).all()
    assert (there.pixels(graph) != around).any()
    there.page.reload()
    there.settled()
    expect(there.page.locator("html")).to_have_attribute("data-ground", other)
