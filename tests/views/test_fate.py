from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.runs import MAPS, learner, run_of
from layerscope.core.errors import AddressError, ViewError
from layerscope.recordings.fate import layer_fate
from layerscope.recordings.fates import Fates
from layerscope.recordings.store.kept import FROM_BEFORE
from layerscope.views.fate import STATES, fate, folded, strips_of
from layerscope.views.fate_pictures import metrics_beside
from layerscope.views.render.panel import Panel
from layerscope.views.render.strips import ABSENT

UNITS = ("sample", "unit")
UNKNOWN, SILENT, FIRES, WOKE, DIED = range(5)


def run_with(*courses: str, samples: int = 2, **how: Any):
    """A run of units by their courses: ``"1100"`` fires at the first two of four steps."""
    rows = np.array([[math.nan if c == "?" else float(c) for c in text] for text in courses])
    shares = 1 / np.arange(1, samples + 1)
    values = (rows.T[:, None] * shares[None, :, None]).astype(np.float32)
    return run_of({"relu": (UNITS, values)}, **{"settings": FROM_BEFORE, **how})


def cells(panel: Panel, strip: int = 0) -> np.ndarray:
    entry = panel.header["strips"][strip]
    count = math.prod(entry["shape"])
    data = np.frombuffer(panel.buffers["cells"], np.uint8, count, entry["offset"])
    return data.reshape(entry["shape"])


def test_a_strip_says_what_each_unit_was_at_each_step() -> None:
    panel = fate(run_with("1100", "0011", "1011", "0000", "1111", "1?0?", "????"))
    (strip,) = panel.header["strips"]
    assert [state["text"] for state in panel.header["states"]] == [s.text for s in STATES]
    by_unit = dict(zip(strip["units"], cells(panel).tolist(), strict=True))
    assert by_unit == {
        0: [FIRES, FIRES, DIED, SILENT],
        1: [SILENT, SILENT, WOKE, FIRES],
        2: [FIRES, DIED, WOKE, FIRES],
        3: [SILENT] * 4,
        4: [FIRES] * 4,
        5: [FIRES, UNKNOWN, DIED, UNKNOWN],
        6: [UNKNOWN] * 4,
    }
    assert strip["units"] == [4, 1, 2, 0, 5, 3, 6]
    assert [(g["text"], g["start"], g["end"]) for g in strip["groups"]] == [
        ("1 fire throughout", 0, 1), ("1 woke", 1, 2), ("1 revived", 2, 3), ("2 died", 3, 5),
        ("1 never fired", 5, 6), ("1 nothing known", 6, 7),
    ]  # fmt: skip
    assert strip["text"] == "7 units, 2 born silent"
    assert panel.header["steps"] == [0, 1, 2, 3]
    assert panel.header["moments"] == ["epoch 0", "epoch 1", "epoch 2", "epoch 3"]
    by_number = fate(run_with("1100", "0011", "1011"), order="number")
    assert by_number.header["strips"][0]["units"] == [0, 1, 2]


def test_the_metrics_stand_above_the_strips_at_the_places_of_the_steps() -> None:
    metrics = {"loss": [3, 2, 1], "val_loss": [3, math.nan, 2], "accuracy": [0.1, 0.2, 0.3]}
    panel = fate(run_with("110", metrics=metrics, steps=[0, 100, 5000], epochs=[0, 1, 50]))
    loss, score = panel.header["charts"]
    assert [series["name"] for series in loss["series"]] == ["loss", "val_loss"]
    assert panel.numbers(loss["series"][0]["x"]).tolist() == [0, 1, 2]
    assert panel.numbers(score["series"][0]["y"]).tolist() == [0.1, 0.2, 0.3]
    assert panel.header["x"]["label"] == "step"
    assert panel.header["ticks"] == [[0, "0"], [1, "100"], [2, "5000"]]
    assert loss["box"][0] == panel.header["strips"][0]["box"][0]
    assert loss["box"][2] == panel.header["strips"][0]["box"][2]
    assert not fate(run_with("110")).header["charts"]
    assert not strips_of(run_with("110", metrics=metrics).fate(), charts=False).header["charts"]


def test_what_is_silent_is_said_with_what_it_was_looked_at_on() -> None:
    assert fate(run_with("10")).header["note"] == "silent: 0 on all of the probe"
    assert fate(run_with("10", probed=600)).header["note"] == (
        "silent: 0 on all of 600 samples; such a unit fires on fewer than 3/600 of such data, "
        "0.5 % (with a certainty of 95 %)"
    )


def test_wide_layers_and_long_trainings_are_folded_and_nothing_that_came_about_is_lost() -> None:
    steps, units = 1500, 1000
    fired = np.ones((steps, units))
    fired[700:, 123] = 0
    fired[:9, 456] = 0
    fired[:, 500:900] = 0
    fates = Fates([layer_fate("wide", fired, steps=range(steps))])
    panel = strips_of(fates)
    (strip,) = panel.header["strips"]
    drawn = cells(panel)
    rows, columns = drawn.shape
    assert columns * strip["each"] >= steps > columns * (strip["each"] - 1)
    assert strip["text"] == "1,000 units, each row 5 units at most, each column 3 steps"
    assert (
        "a cell of several units or steps: died, or else woke, if one did" in (panel.header["note"])
    )
    assert [(g["text"], g["end"] - g["start"]) for g in strip["groups"]] == [
        ("598 fire throughout", 120), ("1 woke", 1), ("1 died", 1), ("400 never fired", 80),
    ]  # fmt: skip
    assert rows == 202
    died, woke = np.argwhere(drawn == DIED), np.argwhere(drawn == WOKE)
    assert (len(died), len(woke)) == (1, 1)
    (row, column) = died[0]
    assert column == 700 // strip["each"]
    assert strip["units"][strip["starts"][row]] == 123
    assert strip["units"][strip["starts"][woke[0][0]]] == 456
    high, wide = strip["box"][3], strip["box"][2]
    assert high >= rows
    assert wide >= columns
    assert sorted(strip["units"]) == list(range(units))
    assert fates["wide"].events[700, 123]


@given(st.data())
def test_a_folded_cell(data: st.DataObject) -> None:
    shape = (data.draw(st.integers(1, 3)), 2, data.draw(st.integers(1, 3)), 2)
    codes = st.sampled_from([UNKNOWN, SILENT, FIRES, WOKE, DIED, ABSENT])
    count = math.prod(shape)
    blocks = np.array(data.draw(st.lists(codes, min_size=count, max_size=count)), np.uint8)
    blocks = blocks.reshape(shape)
    drawn = folded(blocks)
    for row in range(shape[0]):
        for column in range(shape[2]):
            several = blocks[row, :, column].ravel().tolist()
            fires, silent = several.count(FIRES), several.count(SILENT)
            expected = UNKNOWN if not fires + silent else FIRES if fires > silent else SILENT
            expected = next((code for code in (DIED, WOKE) if code in several), expected)
            assert drawn[row, column] == expected


def test_the_maps_of_a_unit_before_and_after(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((4, 6, 5, 5, 3), np.float32) + 0.5
    values[2:, ..., 1] = 0
    values[:, 3] *= 4  # the sample on which all fire most
    metrics = {"val_loss": [4, 3, 2, 1], "learning_rate": [1, 1, 1, 1]}
    run = run_of({"relu": (MAPS, values)}, metrics=metrics, settings=FROM_BEFORE)
    panel = fate(run, "relu:1")
    header = panel.header
    assert header["title"] == "relu:1: fires from the start, died in epoch 2"
    assert header["note"].endswith("died in epoch 2: val_loss 3 → 2")
    assert [tile["label"] for tile in header["tiles"]][::4] == [
        "epoch 1 · sample 3", "epoch 2 · sample 3",
    ]  # fmt: skip
    assert (len(header["tiles"]), header["columns"]) == (8, 4)
    before, after = panel.pixels(0), panel.pixels(4)
    assert before.argmax() == values[1, 3, :, :, 1].argmax()
    assert not after.any()
    assert (header["scale"]["low"], header["scale"]["high"]) == (0, values[1, 3, ..., 1].max())
    one = fate(run.fate(), "relu:1", sample=2).header
    assert [tile["label"] for tile in one["tiles"]] == ["epoch 1 · sample 2", "epoch 2 · sample 2"]
    panel.save(tmp_path / "unit.png")


def test_of_volumes_the_strongest_slice_and_of_signals_their_lines() -> None:
    values = np.zeros((3, 2, 4, 5, 6, 2), np.float32)
    values[:2, 1, 3, 2, 4, 1] = 1
    run = run_of({"relu": (("sample", "z", "y", "x", "channel"), values)})
    panel = fate(run, "relu:1", sample=1)
    assert panel.header["scale"]["text"].endswith("the slice with the largest value")
    assert np.argwhere(panel.pixels(0)).tolist() == [[2, 4]]
    assert not panel.pixels(1).any()
    signal = np.zeros((3, 2, 90, 2), np.float32)
    signal[:2, :, 40:] = 1
    run = run_of({"relu": (("sample", "position", "channel"), signal)})
    assert len(fate(run, "relu:1").header["tiles"]) == 4


def test_the_values_of_a_unit_before_and_after() -> None:
    panel = fate(run_with("10111", samples=3), "relu:0")
    assert [tile["label"] for tile in panel.header["tiles"]] == [
        "epoch 0, below it epoch 1", "epoch 1, below it epoch 2",
    ]  # fmt: skip
    died = panel.pixels(0)
    assert died.shape == (2, 3)
    assert died[0].tolist() == sorted(died[0].tolist(), reverse=True)
    assert died[0].all()
    assert not died[1].any()
    restless = fate(run_with("1010101011"), "relu:0")
    assert len(restless.header["tiles"]) == 4
    assert restless.header["note"] == "4 of 8 times"
    assert restless.header["tiles"][-1]["label"] == "epoch 7, below it epoch 8"


def test_a_unit_that_fired_on_samples_that_were_not_kept() -> None:
    run = run_with("110")
    run._reader.arrays["activations", "relu", "values"][:] = 0
    assert fate(run, "relu:0").header["note"] == (
        "died in epoch 2: on samples of which no values were kept"
    )


def test_what_has_no_before_and_after() -> None:
    run = run_with("111", "000", "110")
    with pytest.raises(ViewError, match="relu:0: fires at each of 3 steps: it neither woke nor"):
        fate(run, "relu:0")
    with pytest.raises(ViewError, match="relu:1: never fired at 3 steps: it neither woke nor"):
        fate(run, "relu:1")
    with pytest.raises(AddressError, match="There is no unit 3 in 'relu'"):
        fate(run, "relu:3")
    group = run._described["relu"]
    del group.variables["values"]
    figures = type(run)(run._reader)
    with pytest.raises(ViewError, match="No values of it were kept, only figures"):
        fate(figures, "relu:2")
    with pytest.raises(ViewError, match="its fate was counted, and not recorded with it"):
        fate(Fates([layer_fate("relu", [[1], [0]], steps=[0, 1])]), "relu:0")


@pytest.mark.parametrize(
    ("address", "how", "match"),
    [
        ("reul", {}, "There is no layer 'reul'"),
        (None, {"order": "size"}, "order='size': pass 'fate' or 'number'"),
        (None, {"sample": 1}, "sample= is for a unit"),
        ("relu:0", {"sample": 9}, "There is no sample 9"),
    ],
)
def test_bad_arguments(address: Any, how: Any, match: str) -> None:
    for given_run in (run_with("10"), run_with("10").fate()):
        with pytest.raises((ViewError, AddressError), match=match):
            fate(given_run, address, **how)


def test_what_is_no_training() -> None:
    with pytest.raises(ViewError, match="fate can't draw a list: pass what open_recording"):
        fate([1])
    with pytest.raises(ViewError, match="no layer whose units can be silent"):
        fate(run_of({"own": (UNITS, -np.ones((2, 2, 2), np.float32))}))


def test_layers_by_name_and_glob() -> None:
    fires = np.ones((3, 2, 4), np.float32)
    run = run_of({"a1": (UNITS, fires), "a2": (UNITS, fires), "b[0]": (UNITS, fires)})
    for source in (run, run.fate()):
        names = lambda address, source=source: [  # noqa: E731
            strip["name"] for strip in fate(source, address).header["strips"]
        ]
        assert names(None) == ["a1", "a2", "b[0]"]
        assert names("a*") == ["a1", "a2"]
        assert names("b[0]") == ["b[0]"]
    assert fate(run, "a1").header["title"] == "a1: the fate of 4 units"


def test_metrics_beside_the_last_events() -> None:
    run = run_with("10101", metrics={"loss": [5, 4, 3, 2, 1]})
    assert metrics_beside(run, run.fate().unit("relu:0")) == (
        "died in epoch 3: loss 3 → 2; revived in epoch 4: loss 2 → 1"
    )


def test_many_layers_are_one_picture(tmp_path: Path) -> None:
    fires = np.ones((3, 1, 300), np.float32)
    panel = fate(run_of({f"relu_{i}": (UNITS, fires) for i in range(120)}))
    assert panel.header["size"][1] < 10_000
    assert len(panel.header["strips"]) == 120
    fate(learner()).save(tmp_path / "learner.svg")
    assert "<svg" in (tmp_path / "learner.svg").read_text(encoding="utf-8")
