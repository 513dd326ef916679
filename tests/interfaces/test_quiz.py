"""The quiz: a pupil who sees the clue can answer it, and cannot where it says nothing."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

import layerscope
from cases.digit_surveys import (
    digit_network,
    digit_survey,
    network_of_shuffled_weights,
    shuffled,
)
from layerscope.core.errors import AddressError, InputError, OutputError, ViewError
from layerscope.recordings.survey.questions import controls_of, questions_of
from layerscope.views.survey.gallery import Gallery

pytest.importorskip("torch")
pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def survey():
    return digit_survey()


def blocks_of(path):
    text = path.read_text(encoding="utf-8")
    return re.findall(
        r'<script type="application/octet-stream" id="block-\d+">(.*?)</script>', text
    )


def questions_in(path):
    return json.loads(base64.b64decode(blocks_of(path)[0]))


def windows(image, shape):
    """All pieces of an image of this shape, one a row."""
    pieces = np.lib.stride_tricks.sliding_window_view(image, shape)
    return pieces.reshape(-1, shape[0] * shape[1])


class Pupil:
    """Answers as a pupil would: by the pictures alone.

    What the strongest examples have in common within what the unit sees, and the weakest nowhere
    have, is what the unit looks for; it fires more on the sample on which some place is more like
    that. (It is Fisher's discriminant.)
    """

    def __init__(self, survey):
        self._gallery = Gallery(survey, side=8, outlines=False)  # each pixel as it is

    def answer(self, question):
        layer = question.address.rpartition(":")[0]
        crops = [self._seen(layer, example) for example in question.strongest]
        shape = max(crop.shape for crop in crops)
        strong = np.array([crop.ravel() for crop in crops if crop.shape == shape])
        weak = np.concatenate(
            [windows(self._whole(layer, example), shape) for example in question.weakest]
        )
        spread = np.cov(weak.T) + 0.1 * np.eye(weak.shape[1])
        looked_for = np.linalg.solve(spread, strong.mean(axis=0) - weak.mean(axis=0))

        def fires(example):
            pieces = windows(self._whole(layer, example), shape)
            return (pieces @ looked_for).max()

        return "left" if fires(question.left) > fires(question.right) else "right"

    def _whole(self, layer, example):
        return self._gallery.whole(layer, example).pixels.mean(axis=2) / 255

    def _seen(self, layer, example):
        """What is not dimmed of an example."""
        (array,) = example.sample.inputs.values()
        sizes = dict(zip(array.axes, array.values.shape, strict=True))
        region = self._gallery.regions.of(layer, example, {"input": sizes})
        rows, columns = (region.ranges[axis] for axis in ("y", "x"))
        whole = self._whole(layer, example)
        return whole[rows.start : rows.stop, columns.start : columns.stop]


def score(survey, layer, n=200):
    questions = questions_of(survey, layer, n)
    assert len(questions) == n
    return share_right(survey, questions)


def share_right(survey, questions):
    pupil = Pupil(survey)
    return np.mean([pupil.answer(question) == question.answer for question in questions])


@pytest.mark.parametrize("layer", ["conv", "relu"])
def test_a_pupil_can_answer_the_quiz_of_a_trained_first_layer(survey, layer):
    assert score(survey, layer) > 0.8


@pytest.mark.parametrize("layer", ["conv", "relu"])
def test_nobody_can_answer_where_the_pictures_are_shuffled(survey, layer):
    # Of 200 guesses 99.9 % of all times between 77 and 123 are right.
    assert 0.38 < score(shuffled(survey), layer) < 0.62


def test_a_layer_of_shuffled_weights_shows_what_it_looks_for_as_well():
    # A first layer is a filter whatever its weights: a quiz tells whether examples show what a unit
    # does, not whether training has made it.
    made = network_of_shuffled_weights()
    assert score(digit_survey(made), "relu") > 0.8


@pytest.mark.parametrize("layer", ["conv", "relu"])
def test_by_the_clue_of_another_unit_a_pupil_answers_by_chance(survey, layer):
    controls = controls_of(survey, layer, 120)
    # Of 100 guesses 99.9 % of all times between 34 and 66 are right.
    assert len(controls) >= 100
    assert 0.33 < share_right(survey, controls) < 0.67


def test_the_page_asks_what_the_survey_says(survey, tmp_path):
    path = layerscope.quiz(survey, "relu", tmp_path / "quiz.html", n=12, seed=3, control=0)
    made = questions_in(path)
    expected = questions_of(survey, "relu", 12, seed=3)
    for shown, question in zip(made, expected, strict=True):
        assert shown["address"] == question.address
        assert (shown["left"]["value"], shown["right"]["value"]) == (
            question.left.value,
            question.right.value,
        )
        assert len(shown["strongest"]) == len(question.strongest) == 9
    pictures = blocks_of(path)
    sizes = {
        Image.open(io.BytesIO(base64.b64decode(pictures[number]))).size
        for shown in made
        for number in (*shown["strongest"], *shown["weakest"])
    }
    assert sizes == {(96, 96)}
    with Image.open(io.BytesIO(base64.b64decode(pictures[made[0]["left"]["picture"]]))) as image:
        levels = np.asarray(image.convert("L"), float)[15::30, 15::30]
        sample = expected[0].left.sample.inputs
        (array,) = sample.values()
        np.testing.assert_allclose(levels / 255, array.values.squeeze(), atol=0.01)


def test_controls_stand_among_the_questions(survey, tmp_path):
    for wanted, given in ((None, 6), (0, 0), (4, 4)):
        path = tmp_path / f"{wanted}.html"
        layerscope.quiz(survey, "relu", path, n=20, seed=3, control=wanted)
        made = questions_in(path)
        assert [len([one for one in made if one["control"] is each]) for each in (False, True)] == [
            20,
            given,
        ]
        asked = [one["address"] for one in made if not one["control"]]
        assert asked == [question.address for question in questions_of(survey, "relu", 20, seed=3)]
    with pytest.raises(InputError, match="control=-2: pass how many controls, 0 for none"):
        layerscope.quiz(survey, "relu", tmp_path / "none.html", control=-2)


def test_the_same_seed_makes_the_same_page(survey, tmp_path):
    pages = [
        layerscope.quiz(survey, "relu", tmp_path / f"{i}.html", n=5, seed=seed).read_text()
        for i, seed in enumerate((1, 1, 2))
    ]
    assert pages[0] == pages[1] != pages[2]


def test_the_answers_stand_nowhere_in_plain_words(survey, tmp_path):
    path = layerscope.quiz(survey, "relu", tmp_path / "quiz.html", n=5)
    text = path.read_text(encoding="utf-8")
    for question in questions_of(survey, "relu", 5):
        for example in (question.left, question.right):
            assert str(example.value) not in text
            assert example.sample.name not in text


def test_what_can_not_be_asked_is_an_error(survey, tmp_path):
    path = tmp_path / "quiz.html"
    with pytest.raises(AddressError):
        layerscope.quiz(survey, "quatsch", path)
    with pytest.raises(InputError, match="n=0: pass how many questions"):
        layerscope.quiz(survey, "relu", path, n=0)
    with pytest.raises(InputError, match="A quiz is made of a survey, and this is str"):
        layerscope.quiz("survey.zarr", "relu", path)
    with pytest.raises(InputError, match="images=list"):
        layerscope.quiz(survey, "relu", path, images=[])
    with pytest.raises(ViewError, match=r"'quiz.pdf' does not end in .html"):
        layerscope.quiz(survey, "relu", tmp_path / "quiz.pdf")
    assert not path.exists()
    path.write_text("mine")
    with pytest.raises(OutputError, match="There is a file"):
        layerscope.quiz(survey, "relu", path)
    assert path.read_text() == "mine"
    layerscope.quiz(survey, "relu", path, overwrite=True, n=2)
    assert path.read_text() != "mine"


def test_images_made_for_the_units_can_be_the_clue(tmp_path):
    survey, network = digit_survey(), digit_network()
    images = layerscope.features(network, "conv:3", steps=2, size=8)
    path = layerscope.quiz(survey, "conv:3", tmp_path / "quiz.html", n=2, images=images)
    for question in questions_in(path):
        (number,) = question["made"]
        assert question["strongest"] == question["weakest"] == []
        with Image.open(io.BytesIO(base64.b64decode(blocks_of(path)[number]))) as image:
            assert image.size == (240, 240)
            assert np.asarray(image.convert("L")).std() > 0
    with pytest.raises(AddressError, match="There is no image of 'conv:4', which is asked about"):
        layerscope.quiz(survey, "conv:4", tmp_path / "other.html", images=images)


def test_a_quiz_is_of_what_can_be_seen(tmp_path):
    from torch import nn

    rows = np.random.RandomState(0).normal(size=(60, 5)).astype(np.float32)
    survey = layerscope.survey(nn.Sequential(nn.Linear(5, 4)), rows, progress=False)
    with pytest.raises(ViewError, match="is no picture: a quiz is made of images, or of signals"):
        layerscope.quiz(survey, "0", tmp_path / "quiz.html")
    assert not (tmp_path / "quiz.html").exists()
