"""Two at once: samples, steps and models beside one another, with their difference."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

import layerscope
from cases.page_colours import levels, shows
from cases.page_truth import maps, vector
from cases.page_visits import Visit

PLACE = re.compile(r"(\w+):(\d+) @ (\d+),(\d+) \((.+)\) = ≈ ([^,]+).*")


def wrong(there, region, parts, one, other, scale_range):
    """The places of a sheet of triples whose colour is not that of NumPy's values."""
    difference = one - other
    reach = float(np.abs(difference).max())
    expected = dict(
        zip(
            parts,
            (
                (levels(one, "network", scale_range), "viridis"),
                (levels(other, "network", scale_range), "viridis"),
                (levels(difference, "network", (-reach, reach), True), "diverging"),
            ),
            strict=True,
        )
    )
    seen, mistakes = set(), []
    for heard in there.heard(there.canvas(region), step=9):
        match = PLACE.fullmatch(heard.text)
        assert match, heard.text
        unit, y, x, part = int(match[2]), int(match[3]), int(match[4]), match[5]
        seen.add((unit, part))
        level, palette = expected[part]
        values = {parts[0]: one, parts[1]: other}.get(part, difference)
        if values[unit].any() and not shows(heard.colour, level[unit, y, x], palette):
            mistakes.append(heard)
    assert {part for _, part in seen} == set(parts)
    assert len(seen) > len(parts)
    return mistakes


def test_two_samples_channel_by_channel_with_the_difference(look):
    there = look("digits", "conv2d_1")
    there.choose("Compare with", "another sample")
    there.page.get_by_label("Which sample").select_option("2")
    there.settled()
    one, other = maps("digits", "conv2d_1", 0), maps("digits", "conv2d_1", 2)
    both = (float(min(one.min(), other.min())), float(max(one.max(), other.max())))
    parts = ("sample 0", "sample 2", "difference")
    assert not wrong(there, "conv2d_1", parts, one, other, both)
    there.page.wait_for_url(re.compile(r"against=sample%3A2"))
    there.page.reload()
    there.settled()
    assert not wrong(there, "conv2d_1", parts, one, other, both)


def test_the_largest_difference_stands_first(look):
    there = look("digits", "conv2d_1?against=sample:1")
    there.choose("Order", "largest difference first")
    difference = np.abs(maps("digits", "conv2d_1", 0) - maps("digits", "conv2d_1", 1))
    order = np.argsort(-difference.sum((1, 2)), kind="stable")
    seen = []
    heard = there.heard(there.canvas("conv2d_1"), step=9)
    for one in sorted(heard, key=lambda one: (round(one.y) // 60, one.x)):
        unit = int(PLACE.fullmatch(one.text)[2])
        if unit not in seen:
            seen.append(unit)
    assert seen[0] == order[0]
    assert len(seen) > 3


def test_the_answers_stand_beside_one_another(look):
    there = look("digits", "conv2d_1?against=sample:2")
    answers = there.page.get_by_role("region", name="What the network answered")
    for name in ("sample 0", "sample 2"):
        expect(answers.get_by_role("columnheader", name=name)).to_be_visible()
    for sample in (0, 2):
        shares = vector("digits", "dense", sample)
        row = answers.get_by_role("row").filter(has_text=f"dense:{int(shares.argmax())}")
        expect(row).to_contain_text(f"{100 * shares.max():.1f} %")


def test_a_unit_has_its_map_twice_with_exact_values(look):
    there = look("digits", "conv2d:3?against=sample:1")
    canvas = there.canvas("Its map")
    one, other = maps("digits", "conv2d", 0)[3], maps("digits", "conv2d", 1)[3]
    values = {"sample 0": one, "sample 1": other, "difference": one - other}
    seen = set()
    for heard in there.heard(canvas, step=13):
        match = re.fullmatch(r"conv2d:3 @ (\d+),(\d+) \((.+)\) = ([^,]+).*", heard.text)
        assert match, heard.text
        value = values[match[3]][int(match[1]), int(match[2])]
        assert float(match[4].replace("−", "-")) == pytest.approx(value, rel=0.01, abs=1e-3)
        seen.add(match[3])
    assert seen == set(values)


def test_two_steps(look, recording):
    there = look((str(recording),), "relu?step=1&sample=0")
    there.choose("Compare with", "another step")
    there.page.get_by_label("Which step").select_option("5")
    there.settled()
    array = layerscope.open_recording(recording)["relu"]
    values = array.transpose("step", "sample", "channel", "y", "x").values.astype(np.float64)
    over = (float(values.min()), float(values.max()))
    parts = ("epoch 1", "epoch 5", "difference")
    assert not wrong(there, "relu", parts, values[1, 0], values[5, 0], over)


def test_two_models(visit):
    words = ("digits", "--against", "cases.page_models:digits")
    there = visit(words, "conv2d_1")
    there.choose("Compare with", "the other model")
    values = maps("digits", "conv2d_1")
    both = (float(values.min()), float(values.max()))
    parts = ("model 0", "model 1", "difference")
    heard = there.heard(there.canvas("conv2d_1"), step=9)
    differences = [one.text for one in heard if "(difference)" in one.text]
    assert differences
    assert all("= ≈ 0, from rows " in text for text in differences)
    assert not wrong(there, "conv2d_1", parts, values, values, both)


def test_a_file_computes_the_difference_itself(chromium, recording, tmp_path):
    path = tmp_path / "page.html"
    layerscope.report(layerscope.open_recording(recording), path=path)
    there = Visit(chromium, path.as_uri())
    there.allow("asked for file:")
    there.page.goto(f"{path.as_uri()}#/relu?step=5&against=sample:2")
    there.settled()
    array = layerscope.open_recording(recording)["relu"]
    values = array.transpose("step", "sample", "channel", "y", "x").values[5].astype(np.float64)
    each = {"sample 0": values[0], "sample 2": values[2], "difference": values[0] - values[2]}
    step = float(values.max() - values.min()) / 238  # by which a colour tells a value
    seen = set()
    for heard in there.heard(there.canvas("relu"), step=9):
        match = PLACE.fullmatch(heard.text)
        assert match, heard.text
        shown = float(match[6].replace("−", "-"))
        value = each[match[5]][int(match[2]), int(match[3]), int(match[4])]
        assert abs(shown - value) <= 2 * step + 0.005 * abs(value), heard.text
        seen.add(match[5])
    assert seen == set(each)
    answers = there.page.get_by_role("region", name="What the network answered")
    expect(answers.get_by_role("columnheader", name="sample 2")).to_be_visible()
    assert not there.close()
