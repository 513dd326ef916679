"""The site of a survey, opened from the disk, where no network can be reached."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import numpy as np
import pytest
from playwright.sync_api import expect

import layerscope
from cases import page_models
from cases.digit_surveys import digit_survey
from cases.page_visits import Visit
from layerscope.core.text import printable

_SIZE = """(cell) => new Promise((resolve, reject) => {
  const url = /url\\("(.*)"\\)/.exec(getComputedStyle(cell).backgroundImage)[1];
  const image = new Image();
  image.onload = () => resolve([image.naturalWidth, image.naturalHeight]);
  image.onerror = () => reject(new Error(url));
  image.src = url;
})"""


@pytest.fixture(scope="session")
def survey():
    return digit_survey()


@pytest.fixture(scope="session")
def site_folder(survey, tmp_path_factory):
    return layerscope.site(survey, tmp_path_factory.mktemp("site") / "a site").parent


@pytest.fixture
def look_at(chromium):
    """Opens a site of the disk at a view; what it asks for is in its folder."""
    visits = []

    def look(folder, view="", **context) -> Visit:
        made = Visit(chromium, (folder / "index.html").as_uri(), offline=True, **context)
        made.allow(f"asked for {re.escape(folder.as_uri())}/layers/")
        visits.append(made)
        made.page.goto(f"{made.url}#/{view}")
        made.settled()
        return made

    yield look
    complaints = [line for made in visits for line in made.close()]
    assert not complaints, "\n".join(complaints)


def units(there):
    links = there.page.locator(".units a").all()
    return [unquote(link.get_attribute("href").partition("?")[0][2:]) for link in links]


def at(unit):
    """What the link of a unit leads to, in its layer's order."""
    return re.compile(f"#/{unit}([?]|$)")


def test_the_first_page_has_every_layer(look_at, site_folder, survey):
    there = look_at(site_folder)
    for address in survey:
        section = there.page.get_by_role("region", name=address, exact=True)
        count = survey[address].sizes["unit"]
        expect(section).to_contain_text(f"{count} units")
        strip = section.locator(".strip a")
        fired = [u for u in range(count) if u not in survey.never_fired(address)]
        section.scroll_into_view_if_needed()
        expect(strip).to_have_count(min(12, len(fired)))
        assert strip.first.locator(".cell").evaluate(_SIZE)[0] > 0


def test_a_layer_has_all_its_units_and_one_leads_to_its_page(look_at, site_folder, survey):
    there = look_at(site_folder)
    there.page.get_by_role("link", name="relu_1", exact=True).click()
    expect(there.page.get_by_role("heading", name="relu_1", exact=True)).to_be_visible()
    expect(there.page.locator(".units a")).to_have_count(24)
    assert units(there) == [f"relu_1:{unit}" for unit in range(24)]
    there.page.get_by_role("link", name=re.compile(r"^relu_1: ?7 ")).click()
    expect(there.page.get_by_role("heading", name="relu_1:7")).to_be_visible()
    assert there.view == "relu_1:7"


def test_a_unit_shows_its_examples_and_figures(look_at, site_folder, survey):
    there = look_at(site_folder, "dense:3")
    strongest = there.page.get_by_role("region", name="Strongest").get_by_role("img")
    expected = survey.examples("dense:3")[:9]
    expect(strongest).to_have_count(9)
    for shown, example in zip(strongest.all(), expected, strict=True):
        words = shown.get_attribute("aria-label")
        assert words.startswith(f"{example.sample.name}, {example.sample.label}: ")
    assert strongest.first.evaluate(_SIZE) == [27 * 96, 10 * 96]
    expect(there.page.get_by_role("region", name="Weakest").get_by_role("img")).to_have_count(9)
    figures = there.page.get_by_role("region", name="Figures")
    mean = float(survey["dense"]["mean"][3])
    row = figures.get_by_role("row").filter(has_text="mean").first
    shown = float(row.get_by_role("cell").inner_text().replace("−", "-"))
    assert shown == pytest.approx(mean, rel=0.01)
    by_label = there.page.get_by_role("region", name="Mean by label").get_by_role("row")
    expect(by_label).to_have_count(10)


def test_a_unit_that_never_fired_says_what_that_allows(look_at, site_folder, survey):
    silent = [f"{a}:{u}" for a in survey for u in survey.never_fired(a)]
    assert silent, "the network has no silent unit to show"
    there = look_at(site_folder, silent[0])
    expect(there.page.get_by_text("Never fired in 1,797 samples")).to_be_visible()
    expect(there.page.get_by_text("fewer than 0.167 % of such data")).to_be_visible()
    assert there.page.get_by_role("region", name="Strongest").count() == 0
    there.page.goto(f"{there.url}#/")
    there.page.get_by_role("checkbox", name="never fired").check()
    expect(there.page.locator(".units a")).to_have_count(len(silent))
    assert units(there) == silent


def test_arrow_keys_go_from_unit_to_unit_and_escape_to_the_layer(look_at, site_folder):
    there = look_at(site_folder, "relu:0")
    there.page.keyboard.press("ArrowLeft")  # there is none before
    there.page.keyboard.press("ArrowRight")
    expect(there.page.get_by_role("heading", name="relu:1", exact=True)).to_be_visible()
    there.page.keyboard.press("ArrowRight")
    there.page.keyboard.press("ArrowLeft")
    expect(there.page.get_by_role("heading", name="relu:1", exact=True)).to_be_visible()
    there.page.go_back()
    expect(there.page.get_by_role("heading", name="relu:2", exact=True)).to_be_visible()
    there.page.keyboard.press("Escape")
    expect(there.page.get_by_role("heading", name="relu", exact=True)).to_be_visible()
    focused = there.page.locator(":focus")
    expect(focused).to_have_attribute("href", at("relu:2"))
    there.page.keyboard.press("ArrowRight")
    expect(focused).to_have_attribute("href", at("relu:3"))
    there.page.keyboard.press("Enter")
    expect(there.page.get_by_role("heading", name="relu:3", exact=True)).to_be_visible()


SEARCHES = {
    "conv_1:5": lambda a, u, s: a == "conv_1" and u == 5,
    "5": lambda a, u, s: u == 5,
    "relu silent": lambda a, u, s: a.startswith("relu") and u in s.never_fired(a),
    "conv 3": lambda a, u, s: a.startswith("conv") and u == 3,
}


@pytest.mark.parametrize("query", SEARCHES)
def test_units_are_found_by_what_one_writes(look_at, site_folder, survey, query):
    there = look_at(site_folder)
    there.page.keyboard.press("/")
    there.page.keyboard.type(query)
    expected = [
        f"{a}:{u}"
        for a in survey
        for u in range(survey[a].sizes["unit"])
        if SEARCHES[query](a, u, survey)
    ]
    assert expected
    expect(there.page.locator(".units a")).to_have_count(len(expected))
    assert units(there) == expected


def test_a_part_of_a_name_finds_layers(look_at, site_folder):
    there = look_at(site_folder)
    there.page.get_by_role("searchbox", name="Search units").fill("conv")
    expect(there.page.locator(".layer-card")).to_have_count(2)
    there.page.get_by_role("searchbox", name="Search units").fill("quatsch")
    expect(there.page.get_by_text("No unit is like that.")).to_be_visible()


def test_units_are_found_by_the_label_they_prefer(look_at, site_folder, survey):
    there = look_at(site_folder)
    there.page.get_by_label("Prefers label").select_option("digit 4")
    means = {a: survey[a]["label_mean"].values for a in survey}
    expected = {
        f"{a}:{u}"
        for a, values in means.items()
        for u in np.flatnonzero(values.argmax(axis=0) == 4)
        if np.ptp(values[:, u]) > 0
    }
    expect(there.page.locator(".units a")).to_have_count(len(expected))
    assert set(units(there)) == expected
    assert "digit" in there.view
    there.page.reload()
    there.settled()
    assert set(units(there)) == expected


def test_only_units_in_sight_are_in_the_document(look_at, site_folder):
    there = look_at(site_folder, "relu_1", viewport={"width": 420, "height": 300})
    assert 0 < there.page.locator(".units a").count() < 24
    there.page.locator(".units a").first.focus()
    there.page.keyboard.press("End")
    expect(there.page.locator(":focus")).to_have_attribute("href", at("relu_1:23"))
    expect(there.page.locator(":focus")).to_be_in_viewport()


@pytest.mark.parametrize("view", ["", "relu_1", "dense:3", "?never=1", "nowhere", "dense:99"])
@pytest.mark.parametrize("ground", ["light", "dark"])
def test_no_page_has_a_fault(look_at, site_folder, view, ground):
    there = look_at(site_folder, view, color_scheme=ground)
    assert there.page.locator("html").get_attribute("data-ground") == ground
    assert there.faults() == []


def test_what_is_not_there_is_said(look_at, site_folder):
    there = look_at(site_folder, "nowhere")
    expect(there.page.get_by_role("alert")).to_have_text("There is no layer nowhere.")
    there = look_at(site_folder, "dense:99")
    expect(there.page.get_by_role("alert")).to_have_text("dense has 10 units, numbered from 0.")


def test_a_file_that_was_not_copied_is_named(look_at, survey, tmp_path):
    folder = layerscope.site(survey, tmp_path / "site").parent
    for script in folder.rglob("*.js"):
        script.unlink()
    there = look_at(folder)
    there.allow("ERR_FILE_NOT_FOUND")
    there.page.goto(f"{there.url}#/dense:3")
    expect(there.page.get_by_role("alert")).to_contain_text("0000.js is not there")


def test_hostile_names_are_text(look_at, tmp_path):
    model, x = page_models.hostile(), page_models.numbers(14, 6, 1, 12, 12)
    labels = [*page_models.HOSTILE[:5], page_models.HOSTILE[0]]
    made = layerscope.survey(model, x, labels=labels, progress=False)
    there = look_at(layerscope.site(made, tmp_path / "site").parent)
    for name in page_models.HOSTILE[:-1]:
        there.page.goto(f"{there.url}#/{quote(name, safe='')}:2")
        there.settled()
        shown = there.page.get_by_role("heading", name=f"{printable(name)}:2", exact=True)
        expect(shown).to_be_visible()
        expect(there.page.get_by_role("region", name="Strongest").get_by_role("img")).to_have_count(
            6
        )
        assert there.page.locator("img, iframe, b i").count() == 0
    there.page.goto(f"{there.url}#/")
    there.page.get_by_role("link", name=printable(page_models.HOSTILE[-1]), exact=True).click()
    expect(there.page.locator(".units a")).to_have_count(4)
