"""What became of each unit over a training: the strip of a layer, and the words of a unit."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

import layerscope
from cases.page_runs import CHANNELS, FALLS, FELL, NEVER, STEPS, WAKES, WOKE, Training
from cases.page_visits import Visit
from layerscope.interfaces.page.panel_file import panel_html
from layerscope.views.fate import STATES

HEARD = re.compile(r"(\w+):(\d+), one of (.+?)(?:, epoch (\d+): (.+))?$")
COLOURS = {
    state.text: tuple(int(state.colour[i : i + 2], 16) for i in (1, 3, 5)) for state in STATES
}


def strip(there: Visit):
    return there.frame.locator("canvas[aria-roledescription=strip]")


def check_strip(there: Visit, run, *, now: int | None) -> None:
    """Fail where the strip tells anything but the fates of the layer's units."""
    fates = run.fate("relu")
    told = {}
    wide = strip(there).bounding_box()["width"] - 128
    for heard in there.heard(strip(there), 4):
        layer, unit, group, step, state = HEARD.match(heard.text).groups()
        assert layer == "relu"
        one = fates.unit(f"relu:{unit}")
        assert one.fate.removeprefix("fires ") in group
        if step is None:
            assert heard.x >= wide
            continue
        told[int(unit), int(step)] = state
        at_now = now is not None and abs(heard.x + 0.5 - (now + 0.5) * wide / STEPS) < 3
        if not at_now:
            assert heard.colour == COLOURS[state], heard
    events = {(e.step, e.kind) for u in fates.units() for e in u.events}
    assert events == {(WOKE, "woke"), (FELL, "died")}
    expected = {}
    for unit in range(CHANNELS):
        for step in range(STEPS):
            silent = fates["relu"].states[step, unit] == 1
            expected[unit, step] = "silent" if silent else "fires"
    expected[WAKES, WOKE], expected[FALLS, FELL] = "woke, or revived", "died"
    assert told == expected


def test_a_layer_shows_when_each_unit_fired(look, recording):
    there = look((str(recording),), "relu?step=1")
    region = there.page.get_by_role("region", name="Fate of its units")
    expect(region).to_be_visible()
    expect(region.locator(".strip-legend")).to_contain_text("6 units")
    check_strip(there, layerscope.open_recording(recording), now=1)
    there.page.keyboard.press("]")
    there.settled()
    check_strip(there, layerscope.open_recording(recording), now=2)


def test_a_click_on_a_unit_leads_to_its_page(look, recording):
    there = look((str(recording),), "relu?step=1")
    place = next(h for h in there.heard(strip(there), 4) if h.text.startswith(f"relu:{NEVER},"))
    strip(there).click(position={"x": place.x + 2, "y": place.y + 1})
    there.settled()
    assert there.view.startswith(f"relu:{NEVER}")
    expect(there.page.get_by_role("heading", name=f"channel {NEVER}")).to_be_visible()


def test_keys_go_from_unit_to_unit(look, recording):
    there = look((str(recording),), "relu?step=0")
    order = layerscope.open_recording(recording).fate("relu")["relu"].order().tolist()
    strip(there).focus()
    for unit in (*order, order[-1]):
        strip(there).press("ArrowDown")
        assert there.status.startswith(f"relu:{unit}, one of ")
    strip(there).press("ArrowUp")
    assert there.status.startswith(f"relu:{order[-2]}, one of ")
    assert there.view.startswith("relu?")
    strip(there).press("Enter")
    there.settled()
    assert there.view.startswith(f"relu:{order[-2]}")


@pytest.mark.parametrize("layer", ["dense", "conv", "softmax"])
def test_layers_whose_units_are_never_silent_have_no_strip(look, recording, layer):
    there = look((str(recording),), f"{layer}?step=1")
    expect(there.page.get_by_role("region", name="Fate of its units")).to_be_hidden()


def test_a_unit_tells_its_fate(look, recording):
    there = look((str(recording),), f"relu:{FALLS}?step=1")
    panel = there.page.get_by_role("region", name="Figures over the training")
    words = f"its fate: fires when first seen, died in epoch {FELL}"
    expect(panel.locator(".note").first).to_have_text(words)
    expect(panel.locator(".note").nth(1)).to_have_text(
        f"died in epoch {FELL}: loss 3 → 2, val_loss 2 → 1"
    )


def test_the_strip_grows_with_the_training(visit, tmp_path):
    training = Training(tmp_path / "run.zarr", 2)
    there = visit((str(tmp_path / "run.zarr"),), "relu")
    expect(strip(there)).to_be_visible()  # one unit never fired so far, and another was silent
    training.go_on(STEPS)
    line = there.page.get_by_role("slider", name="Step of the training")
    expect(line).to_have_attribute("aria-valuemax", str(STEPS - 1), timeout=60_000)
    there.settled()
    check_strip(there, layerscope.open_recording(tmp_path / "run.zarr"), now=STEPS - 1)
    training.close()


def test_one_file_has_the_strips_too(chromium, recording, tmp_path):
    run = layerscope.open_recording(recording)
    path = layerscope.report(run, path=tmp_path / "page.html")
    there = Visit(chromium, path.as_uri(), offline=True)
    there.open("relu?step=1")
    check_strip(there, run, now=1)
    there.open("softmax?step=1")
    expect(there.page.get_by_role("region", name="Fate of its units")).to_be_hidden()
    assert not there.close()


def test_a_cell_of_a_notebook_shows_all_layers_and_the_metrics(chromium, recording, tmp_path):
    run = layerscope.open_recording(recording)
    path = tmp_path / "fate.html"
    path.write_text(panel_html(run.fate().picture()), encoding="utf-8")
    there = Visit(chromium, path.as_uri(), offline=True)
    there.page.goto(there.url)
    there.settled()
    assert strip(there).count() == 1
    assert there.page.locator(".curves path").count() == 2  # both losses
    check_strip(there, run, now=None)
    assert not there.close()


@pytest.mark.parametrize("ground", ["light", "dark"])
def test_the_strip_keeps_nobody_out(visit, recording, ground):
    there = visit((str(recording),), "relu?step=1", color_scheme=ground)
    expect(strip(there)).to_be_visible()
    assert not there.faults()
