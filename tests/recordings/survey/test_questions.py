"""Questions of a quiz: the two are apart, no part of the clue, and on either side as often."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from layerscope.core.errors import AddressError, InputError
from layerscope.core.network import Layer, Network
from layerscope.recordings.survey.layer_tally import DRAWN, LayerTally
from layerscope.recordings.survey.questions import controls_of, questions_of, with_controls
from layerscope.recordings.survey.sample_figures import SampleFigures
from layerscope.recordings.survey.survey import Survey, SurveyedSample


def survey_of(peaks):
    """The survey of units that fire so on samples, (sample, unit), at one place."""
    peaks = np.asarray(peaks, np.float32)
    count = len(peaks)
    figures = SampleFigures(
        peak=peaks,
        place=np.zeros(peaks.shape, np.int64),
        low=peaks,
        mean=peaks,
        squares=np.zeros(peaks.shape),
        zeros=(peaks == 0).astype(int),
        count=np.ones(peaks.shape, int),
        some=peaks[:, None],
        axes=(),
        shape=(),
    )
    numbers = np.arange(count)
    tally = LayerTally.of(figures, numbers, np.full(count, -1), 0, top=16, comoments=False)
    network = Network("made", "none", (Layer("dense", "Dense", kind="dense", activation="relu"),))
    samples = {i: SurveyedSample(i, f"sample {i}") for i in range(count)}
    return Survey({"dense": tally}, network=network, ranges=[(0, count)], samples=samples, top=16)


@pytest.fixture(scope="module")
def survey():
    return survey_of(np.random.RandomState(0).rand(1000, 12))


def test_the_two_are_apart_and_no_part_of_the_clue(survey):
    drawn = survey.tallies["dense"].drawn
    assert len(drawn.samples) == DRAWN
    for question in questions_of(survey, "dense", 60):
        unit = int(question.address.rpartition(":")[2])
        peaks = drawn.peaks[:, unit]
        low, high = sorted([question.left.value, question.right.value])
        free = [
            value
            for value, number in zip(peaks, drawn.samples.tolist(), strict=True)
            if number not in {e.sample.number for e in (*question.strongest, *question.weakest)}
        ]
        assert low <= np.quantile(free, 0.25)
        assert high >= np.quantile(free, 0.75)
        assert high - low >= 0.25 * (peaks.max() - peaks.min())
        clue = {e.sample.number for e in (*question.strongest, *question.weakest)}
        asked = {question.left.sample.number, question.right.sample.number}
        assert len(clue) == 18
        assert len(asked) == 2
        assert not clue & asked
        stronger = "left" if question.left.value == high else "right"
        assert question.answer == stronger
        for example in (question.left, question.right):
            at = drawn.samples.tolist().index(example.sample.number)
            assert example.value == peaks[at]


@pytest.mark.parametrize("n", [1, 7, 20, 51])
def test_sides_are_even_and_each_unit_comes_before_one_comes_again(survey, n):
    questions = questions_of(survey, "dense", n)
    assert len(questions) == n
    sides = Counter(question.answer for question in questions)
    assert abs(sides["left"] - sides["right"]) <= 1
    times = Counter(question.address for question in questions).values()
    assert max(times) - min(times) <= (1 if n >= 12 else 0)
    pairs = [(q.address, *sorted([q.left.sample.number, q.right.sample.number])) for q in questions]
    assert len(set(pairs)) == n


def test_a_seed_makes_a_quiz(survey):
    assert questions_of(survey, "dense") == questions_of(survey, "dense", seed=0)
    assert questions_of(survey, "dense") != questions_of(survey, "dense", seed=1)


def test_one_unit_alone_can_be_asked_about(survey):
    questions = questions_of(survey, "dense:7", 5)
    assert {question.address for question in questions} == {"dense:7"}
    assert len(questions) == 5


def test_units_that_nothing_tells_apart_are_left_out():
    peaks = np.random.RandomState(0).rand(200, 3)
    peaks[:, 1] = 0
    peaks[:, 2] = np.nan
    questions = questions_of(survey_of(peaks), "dense", 6)
    assert {question.address for question in questions} == {"dense:0"}
    with pytest.raises(InputError, match=r"No unit of 'dense' can be asked about: none fires"):
        questions_of(survey_of(peaks[:, 1:]), "dense")


def test_a_unit_that_fires_seldom_is_asked_about_where_it_does():
    peaks = np.zeros((500, 1))
    peaks[np.random.RandomState(0).rand(500) < 0.4, 0] = 1
    for question in questions_of(survey_of(peaks), "dense", 5):
        assert {question.left.value, question.right.value} == {0, 1}


@pytest.mark.parametrize("n", [0, -1, 2.5, True])
def test_a_number_of_questions_that_is_none(survey, n):
    with pytest.raises(InputError, match="pass how many questions"):
        questions_of(survey, "dense", n)


def test_a_layer_that_is_not_there(survey):
    with pytest.raises(AddressError, match="conv"):
        questions_of(survey, "conv")


@pytest.mark.parametrize("n", [2, 10, 24])
def test_by_the_clue_of_a_control_half_is_right(survey, n):
    drawn = survey.tallies["dense"].drawn
    controls = controls_of(survey, "dense", n)
    assert len(controls) == n
    by_clue = []
    for control in controls:
        unit, other = (int(a.rpartition(":")[2]) for a in (control.address, control.clue_of))
        assert unit != other
        assert control.strongest == tuple(
            e
            for e in survey.examples(control.clue_of)[:9]
            if e.sample not in (control.left.sample, control.right.sample)
        )
        at = [
            drawn.samples.tolist().index(one.sample.number) for one in (control.left, control.right)
        ]
        assert control.left.value == drawn.peaks[at[0], unit]
        likes = drawn.peaks[at, other]
        assert abs(likes[0] - likes[1]) >= 0.25 * np.ptp(drawn.peaks[:, other])
        by_clue.append(control.answer == ("left" if likes[0] > likes[1] else "right"))
    assert sum(by_clue) == n // 2
    assert abs(sum(control.answer == "left" for control in controls) - n / 2) <= 1
    assert controls == controls_of(survey, "dense", n)


def test_controls_stand_among_the_questions_which_keep_their_order(survey):
    questions, controls = questions_of(survey, "dense", 20), controls_of(survey, "dense", 6)
    mixed = with_controls(questions, controls)
    assert [question for question in mixed if not question.clue_of] == questions
    assert {id(q) for q in mixed if q.clue_of} == set(map(id, controls))
    assert with_controls(questions, []) == questions


def test_controls_need_two_units_that_can_be_told_apart(survey):
    peaks = np.random.RandomState(0).rand(200, 2)
    assert controls_of(survey_of(peaks[:, :1]), "dense", 6) == []
    peaks[:, 1] = peaks[:, 0]  # never on the other side: as many of either, which is none
    assert controls_of(survey_of(peaks), "dense", 6) == []
    of_one = controls_of(survey, "dense:7", 4)
    assert len(of_one) == 4
    assert {control.address for control in of_one} == {"dense:7"}
    shown = controls_of(survey, "dense", 4, shown={2, 3})
    assert {control.clue_of for control in shown} <= {"dense:2", "dense:3"}
