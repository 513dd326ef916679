from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.networks import layer
from cases.runs import MAPS, run_of
from layerscope.core.errors import AddressError, InputError
from layerscope.core.network import Network, Parameter
from layerscope.recordings.fate import FATES, UnitFate, layer_fate
from layerscope.recordings.fates import fate_of_unit
from layerscope.recordings.store.kept import FROM_BEFORE

UNITS = ("sample", "unit")
FROM_START = {"settings": FROM_BEFORE}


def courses(*texts: str) -> np.ndarray:
    """Units of two samples by their courses: ``"1100"`` fires at the first two of four steps.

    ``"?"`` is a step at which nothing was recorded.
    """
    values = {"?": math.nan}
    rows = np.array([[values.get(c, c) for c in text] for text in texts], np.float32)
    return np.stack([rows.T, rows.T / 2], axis=1)


def fate_of(course: str, **how) -> UnitFate:
    run = run_of({"relu": (UNITS, courses(course))}, **{**FROM_START, **how})
    return run.fate().unit("relu:0")


@pytest.mark.parametrize(
    ("course", "fate", "words"),
    [
        ("11111", "fires throughout", "fires at each of 5 steps"),
        ("00000", "never fired", "never fired on 8 samples at 5 steps"),
        ("00111", "woke", "born silent, woke in epoch 2"),
        ("11000", "died", "fires from the start, died in epoch 2"),
        ("11001", "revived", "fires from the start, died in epoch 2, revived in epoch 4"),
        ("01101", "revived", "born silent, woke in epoch 1, died in epoch 3, revived in epoch 4"),
        ("01100", "died", "born silent, woke in epoch 1, died in epoch 3"),
        ("10101", "revived", "fires from the start, died in epoch 1, revived in epoch 2, "
         "died in epoch 3, revived in epoch 4"),
        ("101010", "died", "fires from the start, died 3 times, first in epoch 1, is silent at "
         "the last step, since it died in epoch 5"),
        ("0101011", "revived", "born silent, woke in epoch 1, died 2 times, first in epoch 2, "
         "fires at the last step, since it revived in epoch 5"),
        ("1??00", "died", "fires from the start, died between epoch 0 and epoch 3, "
         "nothing known at 2"),
        ("?0011", "woke", "silent when first seen, woke in epoch 3, nothing known at 1"),
        ("1?1", "fires throughout", "fires at each of 2 steps, nothing known at 1"),
        ("???", "unknown", "nothing is known of whether it fires"),
        ("1", "fires throughout", "fires at 1 step"),
    ],
)  # fmt: skip
def test_what_became_of_a_unit(course: str, fate: str, words: str) -> None:
    unit = fate_of(course, probed=8)
    assert (unit.fate, unit.words) == (fate, words)
    assert str(unit) == f"relu:0: {words}"


def test_steps_at_which_nothing_was_recorded_are_not_claimed() -> None:
    unit = fate_of("1101", steps=[0, 300, 400, 401], epochs=[0, 1.5, 2, 2.005])
    assert unit.words == (
        "fires from the start, died between step 300 and step 400 (epoch 1.5 to 2), "
        "revived in step 401"
    )
    assert fate_of("10", steps=[0, 7], epochs=[math.nan] * 2).words == (
        "fires from the start, died between step 0 and step 7"
    )
    died = unit.died
    assert died is not None
    assert (died.after, died.step, died.epoch_after, died.epoch) == (300, 400, 1.5, 2)


def test_only_what_was_seen_before_the_training_is_born_so() -> None:
    assert fate_of("011").born == "silent"
    assert fate_of("110").born == "fires"
    for how in (
        {"steps": [1, 2, 3]},
        {"settings": {}},  # an early version: epoch 0 is after the first one
        {"metrics": {"loss": [3.0, 2.0, 1.0]}},  # of a training that there was
        {"steps": [0, 1, 2], "epochs": [1, 2, 3]},
    ):
        unit = fate_of("011", **how)
        assert (unit.born, unit.first) == (None, "silent")
        assert unit.words.startswith("silent when first seen, woke in")
        assert fate_of("110", **how).words.startswith("fires when first seen, died in")
    nothing = {"loss": [math.nan, 2, 1], "val_loss": [3, 2, 1], "learning_rate": [1, 1, 1]}
    assert fate_of("011", metrics=nothing).born == "silent"


def test_a_unit_that_fires_on_one_sample_fires() -> None:
    values = np.zeros((4, 50, 3, 3, 2), np.float32)
    values[1, 37, 2, 1, 0] = 1e-30
    run = run_of({"relu": (MAPS, values)}, **FROM_START)
    assert run.fate().unit("relu:0").words == "born silent, woke in epoch 1, died in epoch 2"
    assert run.fate().unit("relu:1").fate == "never fired"


def test_what_is_too_small_for_the_extremes_that_are_kept_fires() -> None:
    run = run_of({"relu": (UNITS, courses("11"))}, **FROM_START)
    arrays = run._reader.arrays
    for name in ("min", "max"):
        arrays["activations", "relu", name] = np.zeros((2, 1), np.float32)
    arrays["activations", "relu", "zeros"] = np.array([[0.5], [1]], np.float32)
    assert run.fate().unit("relu:0").words == "fires from the start, died in epoch 1"


def test_figures_that_do_not_go_together_tell_nothing() -> None:
    run = run_of({"relu": (UNITS, courses("10", "11"))}, **FROM_START)
    arrays = run._reader.arrays
    arrays["activations", "relu", "zeros"] = np.zeros((2, 3), np.float32)
    assert run.fate().unit("relu:0").fate == "died"
    run = run_of({"relu": (UNITS, courses("10", "11"))}, **FROM_START)
    run._reader.arrays["activations", "relu", "max"] = np.zeros((2, 3), np.float32)
    assert run.fate().others == {"relu": "no extremes were recorded"}
    assert run.findings() == []


def test_a_value_that_is_no_number_is_not_known() -> None:
    unit = fate_of("10??")
    assert (unit.known, unit.last, unit.fate) == (2, "silent", "died")
    assert fate_of("11??").words == "fires at each of 2 steps, nothing known at 2"


def test_the_table_of_the_layers() -> None:
    run = run_of(
        {"relu": (UNITS, courses("11111", "00111", "11000", "10000", "11100", "11001", "00000"))},
        probed=300,
        metrics={"val_loss": [5, 4, 3, 2, 1]},
        **FROM_START,
    )
    fates = run.fate()
    assert fates["relu"].counts == {
        "fires throughout": 1, "woke": 1, "revived": 1, "died": 3, "never fired": 1, "unknown": 0,
    }  # fmt: skip
    assert fates["relu"].born_silent == 2
    lines = str(fates).splitlines()
    assert lines[0] == (
        "learner: the fate of every unit over 5 steps (epoch 0 to epoch 4), on 300 samples"
    )
    assert lines[1].split() == (
        ["layer", "units", "born", "silent", "fires", "throughout", "woke", "revived", "died",
         "never", "fired", "most", "died"]
    )  # fmt: skip
    assert lines[3].split() == (
        ["relu", "7", "2", "1", "1", "1", "3", "1", "1", "in", "epoch", "1"]
    )  # fmt: skip
    assert "fewer than 3/300 of such data, 1 % (with a certainty of 95 %)" in str(fates)
    frame = fates.to_frame()
    assert frame["fate"].tolist() == [
        "fires throughout", "woke", "died", "died", "died", "revived", "never fired",
    ]  # fmt: skip
    assert frame["died"].tolist()[2:6] == [2, 1, 3, 2]
    assert frame["woke"].dropna().tolist() == [2]
    assert frame["n"].tolist() == [300] * 7
    assert frame["unit"].tolist() == list(range(7))
    events = fates.events_frame()
    killed = events[events["event"] == "died"]
    assert killed["val_loss"].tolist() == [3, 4, 2, 3]
    assert killed["after"].tolist() == [1, 0, 2, 1]
    told = fates.to_json()
    assert told["units"][3]["words"] == "fires from the start, died in epoch 1"
    assert told["layers"]["relu"]["died"] == 3


def test_few_samples_tell_nothing_of_others() -> None:
    for probed in (1, 3, None):
        text = str(run_of({"relu": (UNITS, courses("00"))}, probed=probed).fate())
        assert "%" not in text
        assert "on all 3 samples" in text or probed != 3


def test_when_the_most_died_it_is_the_earliest_of_equals() -> None:
    run = run_of({"relu": (UNITS, courses("1100", "1000", "1100", "1000", "1110"))}, **FROM_START)
    most = run.fate()["relu"].when_most_died
    assert most is not None
    assert (most[0], most[1].step) == (2, 1)
    assert run_of({"relu": (UNITS, courses("11"))}).fate()["relu"].when_most_died is None
    nowhere = [math.nan] * 4  # steps without an epoch
    texts = ("1100", "1000", "1000", "1?00")
    most = run_of({"relu": (UNITS, courses(*texts))}, epochs=nowhere).fate()["relu"].when_most_died
    assert most is not None
    assert (most[0], str(most[1])) == (2, "died in step 1")


def test_units_of_one_fate_are_together() -> None:
    texts = ("0000", "1100", "0011", "1111", "1000", "1011", "0111", "????", "1101")
    run = run_of({"relu": (UNITS, courses(*texts))}, **FROM_START)
    ordered = [texts[unit] for unit in run.fate()["relu"].order()]
    assert ordered == [
        "1111", "0111", "0011", "1011", "1101", "1100", "1000", "0000", "????",
    ]  # fmt: skip


def test_layers_of_which_a_zero_tells_nothing_are_not_counted() -> None:
    fires, falls = courses("111", "111"), courses("100", "111")
    kernel = (Parameter("k", (1,), "f", True, False, 4),)
    network = Network("n", "?", (
        layer("conv", "Conv2D", settings={"activation": "relu"}, parameters=kernel),
        layer("pool", "MaxPooling2D", inputs=("conv",)),
        layer("flatten", "Flatten", inputs=("pool",)),
        layer("out", "Dense", settings={"activation": "softmax"}, inputs=("flatten",)),
        layer("shift", "Linear", parameters=kernel),
        layer("own", "Any"),
    ))  # fmt: skip
    layers = {
        "conv": (UNITS, falls), "pool": (UNITS, falls), "flatten": (UNITS, np.tile(falls, 2)),
        "out": (UNITS, fires), "shift": (UNITS, fires), "own": (UNITS, -fires),
    }  # fmt: skip
    run = run_of(layers, network=network, **FROM_START)
    fates = run.fate()
    assert list(fates) == ["conv"]
    value = "a zero of it is a value like any other"
    assert fates.others == {
        "pool": "hands on what conv returns", "flatten": "hands on what pool returns",
        "out": value, "shift": value, "own": value,
    }  # fmt: skip
    assert f"Not counted: out, shift, own ({value})." in str(fates)
    # What is named is counted, also where it hands on.
    assert list(run.fate(["flatten", "out"])) == ["flatten"]
    assert list(run.fate("*o*")) == ["conv", "pool"]
    with pytest.raises(AddressError, match=f"Nothing is known of silence in 'out': {value}"):
        run.fate("out")
    with pytest.raises(AddressError, match="Nothing is known of silence in 'pool': hands on"):
        fates.unit("pool:3")
    del layers["conv"], layers["pool"]
    assert list(run_of(layers, network=network).fate()) == ["flatten"]


def test_units_and_layers_that_there_are_not() -> None:
    fates = run_of({"relu": (UNITS, courses("10", "11"))}).fate()
    with pytest.raises(AddressError, match="There is no unit 2 in 'relu': it has 2"):
        fates.unit("relu:2")
    with pytest.raises(AddressError, match="'relu' is a layer: name one of its units, 'relu:0'"):
        fates.unit("relu")
    with pytest.raises(AddressError, match="There is no layer 'reul'"):
        fates["reul"]
    with pytest.raises(AddressError, match="no layer 'reul'"):
        run_of({"relu": (UNITS, courses("10"))}).fate("reul")
    with pytest.raises(AddressError, match="holds no steps yet"):
        run_of({"relu": (UNITS, courses("1")[:0])}).fate()
    none = run_of({"own": (UNITS, -courses("11"))}).fate()
    assert len(none) == 0
    assert "no layer whose units can be silent" in str(none)


@pytest.mark.parametrize(
    ("fired", "how", "match"),
    [
        ([[1]], {"steps": []}, "needs a step at least"),
        ([[1]], {"steps": [1, 2]}, "a step and an epoch for each row"),
        ([1], {"steps": [1]}, "a step and an epoch for each row"),
        ([[1], [0]], {"steps": [2, 1]}, "in their order"),
        ([[1], [0]], {"steps": [1, 2], "epochs": [1]}, "a step and an epoch for each row"),
    ],
)
def test_arrays_that_do_not_go_together(fired, how, match: str) -> None:
    with pytest.raises(InputError, match=match):
        layer_fate("relu", fired, **how)


def by_hand(course: str) -> tuple[str, list[tuple[str, int, int]]]:
    """The fate of one unit and its events, one step after the other."""
    events: list[tuple[str, int, int]] = []
    seen = [(i, c) for i, c in enumerate(course) if c != "?"]
    for (before, was), (i, now) in itertools.pairwise(seen):
        if was == "1" and now == "0":
            events.append(("died", before, i))
        elif was == "0" and now == "1":
            fired = "1" in course[:i]
            events.append(("revived" if fired else "woke", before, i))
    kinds = [kind for kind, _, _ in events]
    if not seen:
        return "unknown", events
    if not events:
        return ("fires throughout" if seen[0][1] == "1" else "never fired"), events
    if kinds[-1] == "died":
        return "died", events
    return ("revived" if "died" in kinds else "woke"), events


COURSES = st.integers(1, 12).flatmap(
    lambda steps: st.lists(st.text("01?", min_size=steps, max_size=steps), min_size=1, max_size=8)
)


@given(COURSES)
def test_the_fates_of_any_units(texts: list[str]) -> None:
    counts = np.array([[{"?": math.nan}.get(c, c) for c in t] for t in texts], float).T
    numbers = np.cumsum(np.arange(1, len(counts) + 1))
    found = layer_fate("relu", counts, steps=numbers, n=9)
    for unit, text in enumerate(texts):
        fate, events = by_hand(text)
        one = found.unit(unit)
        assert one.fate == fate
        assert [(e.kind, e.after, e.step) for e in one.events] == [
            (kind, numbers[after], numbers[by]) for kind, after, by in events
        ]
        assert one.words
    assert sum(found.counts.values()) == len(texts)
    assert sorted(found.order()) == list(range(len(texts)))
    run = run_of({"relu": (UNITS, courses(*texts))}, **FROM_START)
    for unit, text in enumerate(texts):
        assert fate_of_unit(run, "relu", unit) == run.fate().unit(f"relu:{unit}"), text
    masked = layer_fate("relu", np.ma.masked_invalid(counts), steps=numbers, n=9)
    np.testing.assert_array_equal(masked.states, found.states)


@given(COURSES, st.randoms(use_true_random=False))
def test_the_order_of_the_samples_does_not_matter_nor_how_they_are_split(texts, random) -> None:
    steps, units, samples = len(texts[0]), len(texts), 7
    fires = np.array([[c == "1" for c in text] for text in texts]).T
    where = np.array([[random.randrange(samples) for _ in range(units)] for _ in range(steps)])
    values = np.zeros((steps, samples, units), np.float32)
    np.put_along_axis(values, where[:, None], fires[:, None].astype(np.float32), axis=1)
    order = random.sample(range(samples), samples)
    one = run_of({"relu": (UNITS, values)}, **FROM_START).fate()
    other = run_of({"relu": (UNITS, values[:, order])}, **FROM_START).fate()
    np.testing.assert_array_equal(one["relu"].states, other["relu"].states)
    assert one.to_frame().equals(other.to_frame())
    cut = random.randrange(1, samples)
    parts = [(part > 0).sum(axis=1) for part in (values[:, :cut], values[:, cut:])]
    merged = layer_fate(
        "relu", parts[0] + parts[1], steps=range(steps), epochs=range(steps), untrained=True
    )
    np.testing.assert_array_equal(merged.states, one["relu"].states)
    np.testing.assert_array_equal(merged.events, one["relu"].events)


def test_the_names_of_fates_are_those_of_the_table() -> None:
    assert set(FATES) == set(run_of({"relu": (UNITS, courses("1"))}).fate()["relu"].counts)
