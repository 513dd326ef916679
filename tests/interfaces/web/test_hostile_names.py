"""Names that nobody should give to a layer are text wherever they are shown."""

from __future__ import annotations

from urllib.parse import quote

from playwright.sync_api import expect

from cases.page_models import HOSTILE
from layerscope.core.text import printable

NAMED = [name for name in HOSTILE if "\ud800" not in name]  # that one no URL can hold


def test_hostile_names_are_text(visit):
    there = visit("hostile")
    for name in NAMED:
        check_shown_as_text(there, name)


def check_shown_as_text(there, name):
    there.page.goto(f"{there.origin}/#/{quote(name, safe='')}")
    shown = printable(name)
    expect(there.page.get_by_role("heading", name=shown, exact=True)).to_be_visible()
    there.settled()
    canvas = there.canvas(shown)
    probes = there.probed(canvas, step=40)
    assert {probe.layer for probe in probes} == {shown}
    assert {probe.unit for probe in probes} == set(range(4))
    canvas.click(position=dict(zip("xy", probes[-1].at, strict=True)))
    expect(there.page.get_by_role("heading", name="channel 3")).to_be_visible()
    there.settled()
    expect(there.page.get_by_role("button", name=f"all of {shown}")).to_be_visible()
    assert there.page.get_by_role("alert").count() == 0
    assert there.page.locator("img, iframe, b i, script:not([src])").count() == 0
    there.page.reload()
    there.settled()
    expect(there.page.get_by_role("heading", name="channel 3")).to_be_visible()
    assert there.page.get_by_role("alert").count() == 0


def test_hostile_names_are_text_in_the_search(look):
    there = look("hostile")
    there.page.keyboard.press("/")
    options = there.page.get_by_role("listbox", name="Layers and units").get_by_role("option")
    expect(options).to_have_count(len(HOSTILE))
    texts = [option.inner_text() for option in options.all()]
    for name in HOSTILE:
        assert any(text.startswith(printable(name)) for text in texts), name
    there.page.get_by_role("combobox", name="Layer or unit").fill("<img")
    there.page.keyboard.press("Enter")
    expect(there.page.get_by_role("heading", name=HOSTILE[0], exact=True)).to_be_visible()


def test_hostile_names_are_text_in_the_passage(look):
    there = look("hostile")
    there.page.get_by_role("button", name="show the whole network").click()
    there.settled()
    canvas = there.canvas("The passage through the network")
    said = {heard.text for heard in there.heard(canvas, 9)}
    for name in HOSTILE:
        assert any(text.startswith(f"{printable(name)}; Conv2d") for text in said), name


def test_a_name_that_no_address_can_hold_is_said_to_be_unknown(look):
    there = look("hostile")
    there.allow("status of 422")
    name = HOSTILE[-1]
    there.page.keyboard.press("/")
    there.page.get_by_role("combobox", name="Layer or unit").fill("half a letter")
    there.page.keyboard.press("Enter")
    expect(there.page.get_by_role("heading", name=printable(name), exact=True)).to_be_visible()
    expect(there.page.get_by_role("alert")).to_be_visible()
    there.page.keyboard.press("ArrowUp")
    there.settled()
    assert there.page.get_by_role("alert").count() == 0
