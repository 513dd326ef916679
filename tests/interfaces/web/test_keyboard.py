"""The page without a pointer."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from cases.page_truth import vector

GRAPH = "The passage through the network"


@pytest.fixture
def keys():
    """Presses keys one after the other; what follows is drawn before the next."""

    def press(there, *names):
        for name in names:
            there.page.keyboard.press(name)
            there.settled()

    return press


def tab_to(there, role, name, most=60):
    """Goes on by Tab until the focus is on this."""
    wanted = there.page.get_by_role(role, name=name)
    for _ in range(most):
        there.page.keyboard.press("Tab")
        if wanted.evaluate_all("(found) => found.includes(document.activeElement)"):
            return
    pytest.fail(f"{role} {name!r} is not reached by Tab")


def test_from_the_passage_to_a_unit_and_back(visit, keys):
    there = visit("digits")
    tab_to(there, "application", "digits")
    keys(there, "ArrowDown")
    first = there.status
    keys(there, "ArrowDown", "ArrowDown", "ArrowDown")
    assert there.status != first
    assert there.status.startswith("conv2d_1;")
    keys(there, "Enter")
    expect(there.page.get_by_role("heading", name="conv2d_1", exact=True)).to_be_visible()

    tab_to(there, "application", "conv2d_1")
    keys(there, "ArrowRight", "ArrowRight", "ArrowRight")
    assert there.status.startswith("conv2d_1:2:")
    keys(there, "Enter")
    expect(there.page.get_by_role("heading", name="channel 2", exact=True)).to_be_visible()
    keys(there, "ArrowRight")
    expect(there.page.get_by_role("heading", name="channel 3", exact=True)).to_be_visible()
    keys(there, "ArrowLeft", "ArrowLeft")
    expect(there.page.get_by_role("heading", name="channel 1", exact=True)).to_be_visible()
    keys(there, "Escape")
    expect(there.page.get_by_role("heading", name="conv2d_1", exact=True)).to_be_visible()
    assert there.view == "conv2d_1"


def test_layers_samples_scalings_and_palettes_have_keys(visit, keys):
    there = visit("digits", "conv2d")
    keys(there, "ArrowDown")
    assert there.view == "max_pooling2d"
    keys(there, "ArrowUp")
    assert there.view == "conv2d"
    before = there.page.get_by_label("Scaling", exact=True).input_value()
    keys(there, "s")
    assert there.page.get_by_label("Scaling", exact=True).input_value() != before
    keys(there, "c")
    expect(there.page.get_by_label("Palette", exact=True)).not_to_have_value("viridis")
    keys(there, "n")
    second = there.page.get_by_role("button", name="sample 1:")
    expect(second).to_have_attribute("aria-pressed", "true")
    keys(there, "p")
    expect(second).to_have_attribute("aria-pressed", "false")
    keys(there, "d")
    expect(there.page.locator("html")).to_have_attribute("data-ground", "dark")


def test_layers_and_units_are_found_by_name(visit, keys):
    there = visit("digits")
    keys(there, "/")
    box = there.page.get_by_role("combobox", name="Layer or unit")
    expect(box).to_be_focused()
    box.fill("pool")
    options = there.page.get_by_role("listbox", name="Layers and units").get_by_role("option")
    expect(options).to_have_count(2)
    keys(there, "ArrowDown", "Enter")
    expect(there.page.get_by_role("heading", name="max_pooling2d_1")).to_be_visible()
    keys(there, "/")
    there.page.get_by_role("combobox", name="Layer or unit").fill("dense:4")
    keys(there, "Enter")
    expect(there.page.get_by_role("heading", name="unit 4", exact=True)).to_be_visible()
    keys(there, "/")
    there.page.get_by_role("combobox", name="Layer or unit").fill("nothing is called so")
    expect(there.page.get_by_text("No layer is called so.")).to_be_visible()
    keys(there, "Enter", "Escape")
    expect(there.page.get_by_role("dialog")).to_have_count(0)
    expect(there.page.get_by_role("heading", name="unit 4", exact=True)).to_be_visible()


def test_help_says_what_keys_do(visit, keys):
    there = visit("digits")
    keys(there, "?")
    help_ = there.page.get_by_role("dialog", name="Keys")
    expect(help_).to_be_visible()
    keys(there, "Escape")
    expect(help_).to_have_count(0)


def test_answers_and_samples_are_reached(visit, keys):
    there = visit("digits")
    tab_to(there, "button", "sample 1:")
    keys(there, "Enter")
    expect(there.page.get_by_role("button", name="sample 1:")).to_have_attribute(
        "aria-pressed", "true"
    )
    best = vector("digits", "dense", 1).argmax()
    tab_to(there, "link", f"dense:{best}")
    keys(there, "Enter")
    expect(there.page.get_by_role("heading", name=f"unit {best}", exact=True)).to_be_visible()


def test_three_hints_are_shown_once(visit, keys):
    there = visit("digits", hints=True)
    note = there.page.get_by_role("complementary", name="Hints")
    expect(note).to_contain_text("Follow the pattern")
    for name in ("Next (1 of 3)", "Next (2 of 3)", "Got it"):
        note.get_by_role("button", name=name).click()
    expect(note).to_have_count(0)
    there.page.reload()
    there.settled()
    expect(there.page.get_by_role("complementary", name="Hints")).to_have_count(0)


def test_the_focus_stays_on_what_was_pressed(visit, keys):
    there = visit("digits", "conv2d:1")
    following = there.page.get_by_role("button", name="next", exact=True)
    following.focus()
    keys(there, "Enter", "Enter")
    expect(there.page.get_by_role("heading", name="channel 3", exact=True)).to_be_visible()
    expect(following).to_be_focused()
    kinds = there.page.get_by_label("Compare with", exact=True)
    kinds.focus()
    there.choose("Compare with", "another sample")
    expect(kinds).to_be_focused()


def test_the_chosen_map_is_followed_when_silent_ones_are_hidden(visit, keys):
    there = visit("digits", "conv2d")
    tab_to(there, "application", "conv2d")
    keys(there, *["ArrowRight"] * 8)
    assert there.status.startswith("conv2d:7:")
    there.choose("Silent channels", "hidden")
    tab_to(there, "application", "conv2d")
    keys(there, "Enter")
    expect(there.page.get_by_role("heading", name="channel 7", exact=True)).to_be_visible()
