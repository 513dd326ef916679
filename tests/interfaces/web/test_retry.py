"""A panel that failed can be asked for once more."""

from __future__ import annotations

from playwright.sync_api import expect


def test_a_panel_that_failed_is_asked_for_again(visit):
    there = visit("digits", "conv2d")
    there.allow("ERR_CONNECTION_REFUSED")
    there.page.route("**/api/panel/layer**", lambda route: route.abort("connectionrefused"))
    there.sample(1)
    again = there.page.get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    there.page.unroute("**/api/panel/layer**")
    again.click()
    there.settled()
    expect(again).to_have_count(0)
    assert there.heard(there.canvas("conv2d"), 15)


def test_a_picture_tells_of_the_panel_that_is_shown(visit):
    there = visit("digits", "conv2d")
    there.page.route("**/api/panel/layer?**sample=1**", lambda route: None)
    there.page.get_by_role("button", name="sample 1:").click()
    with there.page.expect_download() as download:
        there.page.get_by_role("main").get_by_role("button", name="SVG", exact=True).click()
    assert "layerscope:sample: 0: " in download.value.path().read_text("utf-8")
