"""What goes wrong is said in its place, and the rest of the page lives."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def test_a_layer_that_cant_be_drawn_says_so_in_its_place(look):
    there = look("undrawable", "spectrum")
    there.allow("status of 422")
    error = there.page.get_by_role("region", name="spectrum").get_by_role("alert")
    expect(error).to_have_text("'spectrum' holds complex64 values, which can't be drawn.")
    assert there.heard(there.canvas("The passage through the network"), 15)
    there.page.keyboard.press("ArrowDown")
    there.page.keyboard.press("ArrowDown")
    there.settled()
    assert there.page.get_by_role("alert").count() == 0
    assert {probe.unit for probe in there.probed(there.canvas("after"), 30)} == set(range(4))


def test_each_panel_of_a_unit_says_what_is_wrong_with_it(look):
    there = look("undrawable", "spectrum:1")
    there.allow("status of 422")
    errors = there.page.get_by_role("alert")
    expect(errors.first).to_be_visible()
    assert all("complex64" in text for text in errors.all_inner_texts())


def test_an_address_that_does_not_exist_says_so(look):
    there = look("digits", "conv2d_9")
    there.allow("status of 422")
    expect(there.page.get_by_role("alert")).to_have_text(re.compile("conv2d_9.*conv2d"))
    assert there.heard(there.canvas("The passage through the network"), 15)


def test_a_unit_that_does_not_exist_says_so(look):
    there = look("digits", "conv2d:99")
    there.allow("status of 422")
    for error in there.page.get_by_role("alert").all_inner_texts():
        assert "99" in error
    assert there.page.get_by_role("alert").count() >= 1


def test_a_sample_that_does_not_exist_says_so(look):
    there = look("digits", "conv2d?sample=7")
    there.allow("status of 422")
    expect(there.page.get_by_role("alert").first).to_have_text(re.compile("sample 7"))
    there.sample(1)
    assert there.page.get_by_role("alert").count() == 0


def test_an_address_that_is_no_address_is_taken_as_it_stands(look):
    there = look("digits", "%zz%E0%A4?scale=nonsense&palette=../../x&sample=-1&zoom=1e9")
    there.allow("status of 422")
    expect(there.page.get_by_role("alert").first).to_be_visible()
    assert there.heard(there.canvas("The passage through the network"), 15)


def test_words_of_the_address_that_are_none_change_nothing(visit):
    usual = visit("digits", "conv2d_1")
    strange = visit(
        "digits", "conv2d_1?scale=nonsense&palette=x&order=y&silent=z&sample=-1&zoom=1e9&step=a"
    )
    same = usual.pixels(usual.canvas("conv2d_1")) == strange.pixels(strange.canvas("conv2d_1"))
    assert same.all()
    expect(strange.page.get_by_label("Palette", exact=True)).to_have_value("viridis")
    expect(strange.page.get_by_label("Scaling", exact=True)).to_have_value("layer")


def test_a_server_that_is_gone_is_said(visit):
    there = visit("digits", "conv2d_1")
    there.allow("ERR_CONNECTION_REFUSED")
    there.page.route("**/api/**", lambda route: route.abort("connectionrefused"))
    there.sample(1)
    expect(there.page.get_by_role("alert").first).to_have_text(
        "The server does not answer: was it stopped?"
    )


def test_without_the_token_nothing_is_shown(visit):
    there = visit("digits")
    other = there.context.browser.new_context()
    page = other.new_page()
    for path in ("/", "/web/main.js", "/api/outline", "/api/panel/layer?address=conv2d"):
        response = page.request.get(there.origin + path)
        assert response.status in (401, 403)
        assert "conv2d" not in response.text()
    other.close()
