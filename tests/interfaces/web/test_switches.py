"""Units switched off in the browser, as a person does."""

from __future__ import annotations

from playwright.sync_api import expect


def test_a_unit_is_switched_off_and_on_again(look) -> None:
    there = look("digits")
    page = there.page
    there.go("conv2d:3")
    answers = page.get_by_role("region", name="What the network answered")
    before = answers.inner_text()
    compare = page.get_by_label("Compare with")
    off = page.get_by_role("button", name="switch it off")
    expect(off).to_have_attribute("aria-pressed", "false")
    off.click()
    there.settled()
    expect(page.locator(".switches")).to_contain_text("without conv2d:3")
    expect(compare).to_have_value("intact")
    expect(answers).to_contain_text("intact")
    expect(answers).to_contain_text("without conv2d:3")
    assert "without=conv2d%3A3" in page.url
    there.go("conv2d:3?without=conv2d%3A3%0Aconv2d%3A5&against=intact")
    expect(page.locator(".switches")).to_contain_text("without conv2d:3, conv2d:5")
    again = page.get_by_role("button", name="switch it on again")
    expect(again).to_have_attribute("aria-pressed", "true")
    again.click()
    expect(page.locator(".switches")).to_contain_text("without conv2d:5")
    page.get_by_role("button", name="all on").click()
    there.settled()
    expect(page.locator(".switches")).to_be_hidden()
    expect(compare).to_have_value("")
    assert answers.inner_text() == before


def test_a_file_has_no_switches(reports, chromium) -> None:
    from cases.page_visits import Visit

    there = Visit(chromium, reports("digits").as_uri(), offline=True)
    there.open()
    there.go("conv2d:3")
    expect(there.page.get_by_role("heading", name="channel 3", exact=True)).to_be_visible()
    expect(there.page.get_by_role("button", name="switch it off")).to_have_count(0)
    assert there.close() == []
