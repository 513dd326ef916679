from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.networks import layer
from cases.runs import learner, run_of
from layerscope.core.network import Layer, Network, Parameter
from layerscope.recordings.finding import change_title, since
from layerscope.recordings.findings import findings, layer_series, stopped_epoch

UNITS = ("sample", "unit")


def units(*courses: str) -> np.ndarray:
    """Units of two samples by their courses: ``"1100"`` fires at the first two of four steps."""
    rows = np.array([[float(c) for c in course] for course in courses], np.float32)
    return np.stack([rows.T, rows.T / 2], axis=1)


def said(run) -> list[str]:
    return [str(finding) for finding in findings(run)]


def test_a_unit_that_falls_silent() -> None:
    run = run_of({"relu": (UNITS, units("11100", "11000", "10111", "11110"))})
    assert said(run) == [
        "relu:0 fell silent at epoch 3 and stayed so",
        "relu:1 fell silent at epoch 2 and stayed so",
    ]
    assert run.findings() == findings(run)
    first = findings(run)[1]
    assert (first.address, first.kind, first.step) == ("relu:1", "silent", 2)


def test_units_that_never_fire_and_units_that_wake() -> None:
    run = run_of({"relu": (UNITS, units("0000", "0000", "0011", "1111"))})
    assert said(run) == [
        "relu: 2 of 4 units never fired (0, 1) on the probe at 4 steps",
        "relu:2 was silent until epoch 2",
    ]
    alone = run_of({"relu": (UNITS, units("000"))})
    assert said(alone) == ["relu never fired on the probe at 3 steps"]
    assert said(run_of({"relu": (UNITS, units("000", "000"))}, probed=16)) == [
        "relu: none of its 2 units ever fired in 16 samples at 3 steps"
    ]
    assert said(run_of({"relu": (UNITS, units("000"))}, probed=1)) == [
        "relu never fired in 1 sample at 3 steps"
    ]


def test_many_units_are_one_sentence() -> None:
    falling = ["1100"] * 5 + ["1000"] * 2 + ["0011"] * 6 + ["0000"] * 5 + ["1111"]
    assert said(run_of({"relu": (UNITS, units(*falling))})) == [
        "relu: 5 of 19 units never fired on the probe at 4 steps",
        "relu: 7 of 19 units fell silent, from epoch 1 to 2 and stayed so",
        "relu: 6 of 19 units were silent until epoch 2",
    ]


def test_steps_that_are_no_epochs() -> None:
    run = run_of({"relu": (UNITS, units("100"))}, steps=[0, 50, 100], epochs=[math.nan] * 3)
    assert said(run) == ["relu:0 fell silent at step 50 and stayed so"]


def test_silence_that_is_handed_on_is_told_once() -> None:
    falls = units("1100", "1111")
    network = Network("n", "?", (
        layer("conv", "Conv2D", settings={"activation": "relu"}, parameters=(
            Parameter("k", (1,), "f", True, False, 4),)),
        layer("pool", "MaxPooling2D", inputs=("conv",)),
        layer("flatten", "Flatten", inputs=("pool",)),
    ))  # fmt: skip
    flat = np.concatenate([falls, falls], axis=2)
    layers = {"conv": (UNITS, falls), "pool": (UNITS, falls), "flatten": (UNITS, flat)}
    assert said(run_of(layers, network=network)) == ["conv:0 fell silent at epoch 2 and stayed so"]
    fires = {**layers, "conv": (UNITS, units("1111", "1111"))}
    assert said(run_of(fires, network=network)) == ["pool:0 fell silent at epoch 2 and stayed so"]


@pytest.mark.parametrize(
    ("layer", "values"),
    [
        (layer("out", "Dense", settings={"activation": "softmax"}), units("000", "111")),
        (layer("out", "LogSoftmax"), -units("000", "111")),
        (layer("out", "Linear"), units("000", "111")),
        (layer("out", "Any"), units("000", "111") - units("000", "100")),
        (layer("out", "ReLU"), -units("000", "111")),  # with a slope for what is negative
    ],
)
def test_a_zero_that_is_a_value_like_others_is_no_silence(layer: Layer, values: np.ndarray) -> None:
    values[-1, -1, -1] = -1 if layer.type == "Any" else values[-1, -1, -1]
    run = run_of({"out": (UNITS, values)}, network=Network("n", "?", (layer,)))
    assert said(run) == []
    assert layer_series(run)[0].dead is None


def test_many_small_steps_are_something_learned() -> None:
    values = weights_that_change(*[0.09] * 100)
    run = run_of({}, weights={"dense/kernel": (("input", "unit"), values)})
    assert said(run) == []


def weights_that_change(*changes: float) -> np.ndarray:
    """A kernel of norm about 100 that each step moves by so much."""
    moved = np.concatenate([[0.0], np.cumsum(changes)])
    return np.stack([np.full(len(moved), 100.0), moved], axis=1)[:, :, None]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ((5, 5, 0.05, 0.02, 0.03), "dense hardly learned after epoch 2 "
         "(each step changed its weights by less than 0.05 %)"),
        ((0, 0, 0, 0), "dense learned nothing in 4 steps from epoch 0 on "
         "(its weights stayed the same)"),
        ((0.015, 0.015, 0.015), "dense hardly learned in 3 steps from epoch 0 on "
         "(each step changed its weights by less than 0.02 %)"),
    ],
)  # fmt: skip
def test_a_layer_that_learns_nothing(changes: tuple[float, ...], text: str) -> None:
    values = weights_that_change(*changes)
    run = run_of(
        {"dense": (UNITS, units("1" * len(values)))},
        weights={"dense/kernel": (("input", "unit"), values)},
    )
    (found,) = [finding for finding in findings(run) if finding.kind == "still"]
    assert found.text == text


@pytest.mark.parametrize(
    "changes", [(5, 5, 0.01, 0.01), (5, 0, 0, 5), (0.2, 0.2, 0.2, 0.2), (5, 0, 5, 0, 5), (0, 5, 0)]
)
def test_two_steps_are_too_few_and_one_that_moves_is_enough(changes: tuple[float, ...]) -> None:
    values = weights_that_change(*changes)
    run = run_of({}, weights={"dense/kernel": (("input", "unit"), values)})
    assert said(run) == []


def test_what_is_not_finite() -> None:
    values = units("1111", "1111")
    values[2:, 0, 1] = np.nan
    assert said(run_of({"relu": (UNITS, values)})) == ["relu is not finite from epoch 2 on"]


def test_when_it_was_best() -> None:
    text = "val_loss was lowest at epoch 2: 0.2, 0.6 at the end"
    assert text in said(learner())
    scores = {"validation_score": [0.5, 0.9, 0.7]}
    run = run_of({"relu": (UNITS, units("111"))}, metrics=scores)
    assert said(run) == ["validation_score was highest at epoch 1: 0.9, 0.7 at the end"]
    rising = run_of({"relu": (UNITS, units("111"))}, metrics={"val_loss": [3, 2, 1]})
    assert said(rising) == []


def test_of_a_single_step_there_is_nothing_to_say() -> None:
    assert said(run_of({"relu": (UNITS, units("0"))})) == []


def test_series() -> None:
    run = learner()
    conv, dense = layer_series(run)
    values = run["conv"].values
    assert (conv.address, conv.units) == ("conv", 4)
    np.testing.assert_allclose(conv.mean, values.mean(axis=(1, 2, 3, 4)), rtol=1e-5)
    assert conv.dead.tolist() == [0] * 5
    kernel = run.weights["dense/kernel"].values.astype(float)
    expected = np.linalg.norm(kernel[3] - kernel[2]) / np.linalg.norm(kernel[3])
    assert dense.change[3] == pytest.approx(expected)
    assert math.isnan(dense.change[0])


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=6))
def test_since_when(rows: list[list[bool]]) -> None:
    """Against the definition: the first row from which on a column is true."""
    found = since(np.array(rows))
    for column in range(3):
        own = [row[column] for row in rows]
        expected = next(i for i in range(len(own) + 1) if all(own[i:]))
        assert found[column] == expected


def test_of_two_that_are_as_good_the_earlier_is_told() -> None:
    layers = {"dense": (UNITS, units("1111"))}
    run = run_of(layers, metrics={"validation_score": [0.5, 0.9, 0.8, 0.9]})
    assert said(run) == ["validation_score was highest at epoch 1: 0.9, and again at the end"]
    assert said(run_of(layers, metrics={"val_loss": [1, 1, 1, 1]})) == []
    assert said(run_of(layers, metrics={"val_loss": [2, 1.0001, 1, 1.0001]})) == []


def test_when_it_stopped() -> None:
    layers = {"dense": (UNITS, units("11"))}
    note = "the training stopped by itself after epoch {}"
    assert stopped_epoch(run_of(layers)) is None
    assert stopped_epoch(run_of(layers, notes=["probe.png: resized", note.format(61)])) == 61
    assert stopped_epoch(run_of(layers, notes=[note.format(1), note.format(12)])) == 12


def softmax(*classes: list[int]) -> np.ndarray:
    """Return the answers of a softmax over three units: the class of each sample, step by step."""
    return np.eye(3, dtype=np.float32)[np.array(classes)]


def answering(*classes: list[int]) -> list[str]:
    network = Network("n", "?", (layer("out", "Dense", settings={"activation": "softmax"}),))
    return said(run_of({"out": (UNITS, softmax(*classes))}, network=network))


def test_a_softmax_that_always_says_the_same() -> None:
    mixed = [0, 1, 2, 0, 1, 2, 0, 1]
    assert answering(mixed, [2] * 8, [1] * 8, [1] * 8) == [
        "out always says class 1: to each of 8 samples, from epoch 1 on"
    ]
    assert answering([1] * 8, [0] * 8) == [
        "out always says one and the same class: to each of 8 samples, from epoch 0 on"
    ]
    assert answering([1] * 8, [1] * 8, mixed) == []
    assert answering(mixed, [1] * 8) == []
    assert answering([1] * 7, [1] * 7) == []  # of so few it may be right


def test_a_softmax_over_one_unit() -> None:
    network = Network("n", "?", (layer("out", "Dense", settings={"activation": "softmax"}),))
    run = run_of({"out": (UNITS, np.ones((3, 2, 1), np.float32))}, network=network)
    assert said(run) == ["out is a softmax over one unit: it is 1 whatever comes in"]


def test_the_gravest_comes_first_and_layers_that_stopped_together_are_one_sentence() -> None:
    network = Network("n", "?", (
        *(layer(n, "Dense", parameters=(Parameter(f"{n}/kernel", (2, 1), "f", True, False, 8),))
          for n in "abc"),
        layer("relu", "ReLU", inputs=("c",)),
    ))  # fmt: skip
    kernel = (("input", "unit"), weights_that_change(5, 0, 0, 0))
    run = run_of(
        {"relu": (UNITS, units("11000", "01000", "11000"))},
        weights={f"{name}/kernel": kernel for name in "abc"},
        network=network,
        metrics={"val_loss": [3, 1, 2, 2, 2]},
    )
    assert said(run) == [
        "relu: all 3 units are silent from epoch 2 on",
        "a, b and c learned nothing after epoch 1 (their weights stayed the same): no gradient "
        "passes relu, which is silent",
        "val_loss was lowest at epoch 1: 1, 2 at the end",
    ]


def test_pixels_that_are_zero_are_values_whatever_their_shape() -> None:
    network = Network("n", "?", (layer("flatten", "Flatten", inputs=("pixels",)),))
    assert said(run_of({"flatten": (UNITS, units("000", "111"))}, network=network)) == []


@pytest.mark.parametrize(
    ("epochs", "gaps"),
    [
        ([0, 5, 15, 43], [5, 10, 28]),
        ([0, 0.5, 2, 3], [0.5, 1.5, 1]),
        ([1, 2, 3, 4], [1, 1, 1]),
        ([0, 10, 20, 30], [1, 1, 1]),  # as far apart as one another
        ([0, math.nan, 2, 5], [1, 1, 1]),  # not known of all
    ],
)
def test_weights_change_per_epoch_where_gaps_differ(epochs: list[float], gaps: list[float]) -> None:
    kernel = np.array([[[1.0]], [[2.0]], [[4.0]], [[5.0]]], np.float32)
    run = run_of(
        {"dense": (UNITS, np.ones((4, 2, 1), np.float32))},
        weights={"dense/kernel": (("input", "unit"), kernel)},
        epochs=epochs,
    )
    (series,) = layer_series(run)
    assert series.change is not None
    moved = np.array([1 / 2, 2 / 4, 1 / 5])
    np.testing.assert_allclose(series.change, [math.nan, *(moved / gaps)])
    uneven = len(set(gaps)) > 1
    assert change_title(run) == "change of weights" + " per epoch" * uneven


def test_a_layer_that_learned_nothing_between_checkpoints_of_unequal_gaps() -> None:
    still = np.array([1, 2, 2.0001, 2.0001, 2.0001], np.float32)[:, None, None]
    run = run_of(
        {"dense": (UNITS, np.ones((5, 2, 1), np.float32))},
        weights={"dense/kernel": (("input", "unit"), still)},
        epochs=[0, 1, 3, 7, 20],
    )
    (text,) = said(run)
    assert "each epoch changed its weights by less than 0.003 %" in text
