"""A training over its steps, as a person goes through them: the line of time, play, growth."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from playwright.sync_api import expect

import layerscope
from cases.page_colours import levels, shows
from cases.page_runs import CHANNELS, FALLS, FELL, NEVER, STEPS, WAKES, WOKE, Training
from cases.page_visits import Visit

#: What a canvas says beside the pointer, along its first row of names.
TITLES = """(canvas) => {
  const box = canvas.getBoundingClientRect(), found = new Set();
  for (let x = 2; x < box.width; x += 6) {
    const where = { clientX: box.left + x, clientY: box.top + 8, bubbles: true };
    canvas.dispatchEvent(new PointerEvent("pointermove", where));
    found.add(canvas.title);
  }
  return [...found];
}"""

PATIENCE = 60_000  #: milliseconds, of a machine that has much else to do


@pytest.fixture
def training(tmp_path):
    """A training that goes on, and where it is recorded."""
    going = Training(tmp_path / "run.zarr", 3)
    yield going, tmp_path / "run.zarr"
    going.close()


def slider(there):
    return there.page.get_by_role("slider", name="Step of the training")


def at(there, step, count=STEPS):
    """Wait until a step is looked at, and drawn."""
    words = f"epoch {step}, step {step + 1} of {count}"
    expect(slider(there)).to_have_attribute("aria-valuetext", words, timeout=PATIENCE)
    there.settled()


def maps_at(path, step, sample=0):
    """A layer's maps at a step, and the range of all its steps."""
    array = layerscope.open_recording(path)["relu"]
    values = array.transpose("step", "sample", "channel", "y", "x").values
    return values[step, sample].astype(np.float64), (float(values.min()), float(values.max()))


def wrong_at(there, path, step, sample=0):
    """The places of the sheet whose colour is not that of their value at a step."""
    values, over = maps_at(path, step, sample)
    expected = levels(values, "network", over)
    probes = there.probed(there.canvas("relu"), step=11)
    assert {probe.unit for probe in probes} == set(range(CHANNELS))
    return [
        probe for probe in probes
        if values[probe.unit].any()  # silent ones are crossed out
        and not shows(probe.colour, expected[probe.unit, probe.y, probe.x], "viridis")
    ]  # fmt: skip


def test_each_key_is_a_step_and_every_picture_follows_on_one_scale(look, recording):
    there = look((str(recording),), "relu?step=0")
    line = slider(there)
    expect(line).to_have_attribute("aria-valuemax", str(STEPS - 1))
    at(there, 0)
    assert not wrong_at(there, recording, 0)
    line.focus()
    for key, step in (("ArrowRight", 1), ("ArrowUp", 2), ("End", 5), ("ArrowLeft", 4), ("Home", 0)):
        line.press(key)
        at(there, step)
        assert not wrong_at(there, recording, step)
    line.evaluate("(element) => element.blur()")
    there.page.keyboard.press("]")
    at(there, 1)
    there.page.keyboard.press("]")
    there.page.keyboard.press("[")
    there.page.keyboard.press("]")
    at(there, 2)
    there.page.wait_for_url(re.compile("step=2"))


def test_the_answers_are_those_of_the_step(look, recording):
    there = look((str(recording),), "relu?step=1")
    run = layerscope.open_recording(recording)
    for step in (1, 2):
        shares = run["softmax"].values[step, 0]
        row = there.page.get_by_role("region", name="What the network answered")
        best = int(shares.argmax())
        expect(row).to_contain_text(f"softmax:{best}", timeout=PATIENCE)
        expect(row).to_contain_text(f"{100 * shares[best]:.1f} %", timeout=PATIENCE)
        there.page.keyboard.press("]")


def test_play_goes_on_and_stops_at_the_end(look, recording):
    there = look((str(recording),), "relu?step=0")
    there.page.get_by_label("Speed").select_option("16")
    there.page.get_by_role("button", name="Play", exact=True).click()
    at(there, STEPS - 1)
    expect(there.page.get_by_role("button", name="Play", exact=True)).to_be_visible(
        timeout=PATIENCE
    )
    assert not wrong_at(there, recording, STEPS - 1)
    # From the end it begins anew; space stops it.
    there.page.get_by_label("Speed").select_option("1")
    slider(there).press(" ")
    at(there, 0)
    expect(there.page.get_by_role("button", name="Pause")).to_be_visible()
    slider(there).press(" ")
    expect(there.page.get_by_role("button", name="Play", exact=True)).to_be_visible()


def test_a_click_on_the_curve_goes_there_and_a_drag_shows_the_newest(look, recording):
    there = look((str(recording),), "relu?step=0")
    box = slider(there).bounding_box()
    places = [box["x"] + 9 + i / (STEPS - 1) * (box["width"] - 18) for i in range(STEPS)]
    there.page.mouse.click(places[2] + 3, box["y"] + 12)
    at(there, 2)
    assert not wrong_at(there, recording, 2)
    there.page.mouse.move(places[0], box["y"] + 20)
    there.page.mouse.down()
    there.page.mouse.move(places[-1] + 400, box["y"] + 20, steps=60)
    there.page.mouse.move(places[3], box["y"] + 20, steps=7)
    there.page.mouse.up()
    at(there, 3)
    assert not wrong_at(there, recording, 3)


def test_what_woke_and_what_fell_silent_leads_there(look, recording):
    there = look((str(recording),), "relu?step=0")
    group = there.page.get_by_role("group", name="What came about")
    woke = group.get_by_role("button", name=f"relu:{WAKES} was silent until epoch {WOKE}")
    fell = group.get_by_role("button", name=f"relu:{FALLS} fell silent at epoch {FELL}")
    assert woke.bounding_box()["x"] < fell.bounding_box()["x"]
    woke.click()
    at(there, WOKE)
    assert there.view.startswith(f"relu:{WAKES}")
    expect(there.page.get_by_role("heading", name=f"channel {WAKES}")).to_be_visible()
    fell.click()
    at(there, FELL)
    assert there.view.startswith(f"relu:{FALLS}")
    # All of it, with what never fired, which has no step to stand at.
    there.page.get_by_role("button", name=re.compile(r"\d findings")).click()
    listed = there.page.get_by_role("dialog", name="What came about")
    never = listed.get_by_role("button", name=re.compile(r"relu: 1 of 6 units never fired \(3\)"))
    never.click()
    expect(listed).to_have_count(0)
    assert there.page.get_by_role("heading", name="relu", exact=True).count() == 1
    assert NEVER == 3


def test_a_layer_and_a_unit_tell_which_woke_and_when(look, recording):
    there = look((str(recording),), f"relu?step={STEPS - 1}")
    expect(there.page.locator(".counted")).to_have_text(
        "2 of 6 silent · ▲ 1 woke · ▼ 1 fell silent"
    )
    titles = there.canvas("relu").evaluate(TITLES)
    assert f"relu:{WAKES}: silent at first, woke in epoch {WOKE}" in titles
    assert f"relu:{FALLS}: fires at first, died in epoch {FELL}" in titles
    assert f"relu:{NEVER}: never fired at {STEPS} steps" in titles
    assert f"relu:0: fires at each of {STEPS} steps" in titles
    there.page.goto(f"{there.origin}/#/relu:{WAKES}")
    there.settled()
    panels = there.page.locator(".panels > section:visible h3")
    assert panels.all_inner_texts()[:2] == ["Its map", "Its map over the training"]
    panel = there.page.get_by_role("region", name="Its map over the training")
    expect(panel.locator(".note")).to_have_text(f"silent when first seen, woke in epoch {WOKE}")


def test_new_steps_appear_and_whoever_stands_at_the_last_goes_on(visit, training):
    going, path = training
    there = visit((str(path),), "relu")
    at(there, 2, 3)
    going.go_on(4)
    at(there, 3, 4)
    assert not wrong_at(there, path, 3)
    slider(there).press("End")
    going.go_on(5)
    at(there, 4, 5)  # also where the step was named
    slider(there).press("Home")
    at(there, 0, 5)
    going.go_on(6)
    expect(slider(there)).to_have_attribute("aria-valuemax", "5", timeout=PATIENCE)
    at(there, 0, 6)
    assert not wrong_at(there, path, 0)


def test_a_recording_without_a_step_is_waited_for(chromium, served, tmp_path):
    going = Training(tmp_path / "run.zarr", 0)
    there = Visit(chromium, served(str(tmp_path / "run.zarr")))
    there.allow("422")
    there.page.goto(there.url)
    expect(there.page.get_by_role("alert")).to_have_text("This recording holds no steps yet.")
    going.go_on(2)
    at(there, 1, 2)
    going.close()
    assert not there.close()


def test_a_recording_that_vanished_is_one_sentence_in_its_place(visit, recording, tmp_path):
    path = tmp_path / "run.zarr"
    shutil.copytree(recording, path)
    there = visit((str(path),), "relu")
    there.allow("422")  # of steps that the page would have had at hand
    shutil.move(path, tmp_path / "elsewhere")
    alert = there.page.locator(".time").get_by_role("alert")
    expect(alert).to_contain_text("run.zarr", timeout=PATIENCE)
    assert not wrong_at(there, recording, STEPS - 1)  # what was there stays
    shutil.move(tmp_path / "elsewhere", path)
    expect(alert).to_have_count(0, timeout=PATIENCE)
