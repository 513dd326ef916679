"""What notebooks show: a real JupyterLab, trusted and not, and the same notebook as HTML."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from cases.page_notebooks import CELLS
from cases.page_visits import Visit


def frames(there: Visit):
    return [frame for frame in there.page.frames if frame.url == "about:srcdoc"]


def check_first_frame(there: Visit) -> None:
    """The first cell's page answers: another layer, by the keyboard alone."""
    first = there.page.frame_locator("iframe").first
    expect(first.get_by_role("heading", name="digits")).to_be_visible(timeout=60_000)
    layer = first.get_by_role("region", name="conv2d", exact=True)
    expect(layer.locator("canvas").first).to_have_attribute("aria-label", re.compile("8 channels"))
    first.get_by_role("button", name="sample 1:").click()
    expect(first.get_by_role("button", name="sample 1:")).to_have_attribute("aria-pressed", "true")
    for _ in range(2):  # to the first layer, and on to the next
        first.locator("body").press("ArrowDown")
    expect(first.get_by_role("heading", name="max_pooling2d")).to_be_visible()


def test_a_trusted_notebook_shows_pages_in_frames(chromium, lab):
    there = Visit(chromium, f"{lab}/lab/tree/trusted.ipynb?token=t&reset")
    there.page.goto(there.url)
    expect(there.page.locator("iframe")).to_have_count(len(CELLS), timeout=120_000)
    check_first_frame(there)
    there.context.close()  # JupyterLab's own console is not ours


def test_a_notebook_that_is_not_trusted_shows_pictures(chromium, lab):
    there = Visit(chromium, f"{lab}/lab/tree/stranger.ipynb?token=t&reset")
    there.page.goto(there.url)
    pictures = there.page.locator(".jp-OutputArea-output img")
    expect(pictures).to_have_count(len(CELLS), timeout=120_000)
    assert there.page.locator("iframe").count() == 0
    for i in range(len(CELLS)):
        assert pictures.nth(i).evaluate("async (img) => { await img.decode(); return img.width; }")
    there.context.close()


def test_the_notebook_as_html_shows_the_same_with_no_network(chromium, notebooks):
    there = Visit(chromium, (notebooks / "page.html").as_uri(), offline=True)
    there.page.goto(there.url, wait_until="domcontentloaded")
    expect(there.page.locator("iframe")).to_have_count(len(CELLS))
    check_first_frame(there)
    assert len(frames(there)) >= 1
    there.context.close()  # nbconvert asks for MathJax
