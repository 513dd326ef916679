"""What an examination found, on the page: a list that leads to each place."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

import layerscope as ls
from cases.broken_networks import BROKEN, healthy, images, keras_network
from cases.page_visits import Visit


def test_a_list_of_findings_leads_to_each_place(chromium: Browser, tmp_path) -> None:
    broken = next(one for one in BROKEN if one.name == "a dead layer")
    model = keras_network(broken.change(healthy()))
    report = ls.examine(model, images(), progress=False)
    path = ls.report(model, images()[:2], tmp_path / "page.html", examination=report)
    there = Visit(chromium, path.as_uri())
    there.open()
    button = there.page.get_by_role("button", name="What an examination found")
    expect(button).to_have_text(f"{len(report.found)} findings")
    button.click()
    dialog = there.page.get_by_role("dialog", name="What an examination found")
    expect(dialog).to_contain_text("second: all 12 units are 0 on all 96 samples.")
    dialog.get_by_role("button", name="failing: silent, second").click()
    expect(dialog).to_have_count(0)
    expect(there.page.get_by_role("heading", name="second", exact=True)).to_be_visible()
    assert there.close() == []


def test_a_page_without_an_examination_has_no_list(look) -> None:
    there = look("digits")
    expect(there.page.get_by_role("button", name="What an examination found")).to_have_count(0)
