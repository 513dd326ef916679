"""The quiz, opened from the disk: asked, answered, scored, saved, and put together for a class."""

from __future__ import annotations

import csv
import io
import re

import pytest
from playwright.sync_api import expect

import layerscope
from cases import page_models
from cases.digit_surveys import digit_survey
from cases.page_visits import Visit
from layerscope.core.text import printable
from layerscope.recordings.survey.questions import controls_of, questions_of, with_controls

ASKED = 6


@pytest.fixture(scope="session")
def survey():
    return digit_survey()


@pytest.fixture(scope="session")
def questions(survey):
    return questions_of(survey, "relu", ASKED)


@pytest.fixture(scope="session")
def quiz_file(survey, tmp_path_factory):
    path = tmp_path_factory.mktemp("quiz") / "quiz.html"
    return layerscope.quiz(survey, "relu", path, n=ASKED, control=0)


@pytest.fixture
def look_at(chromium):
    visits = []

    def look(path, **context) -> Visit:
        made = Visit(chromium, path.as_uri(), offline=True, **context)
        visits.append(made)
        made.open()
        return made

    yield look
    complaints = [line for made in visits for line in made.close()]
    assert not complaints, "\n".join(complaints)


def begin(there, name=""):
    there.page.get_by_role("textbox", name="Your name").fill(name)
    there.page.get_by_role("button", name="begin").click()


def choose(there, side):
    there.page.get_by_role("button", name=f"the {side} one").click()


def answer(there, questions, wrong=0):
    """Answer all questions, the first so many wrongly."""
    for number, question in enumerate(questions):
        other = {"left": "right", "right": "left"}[question.answer]
        choose(there, other if number < wrong else question.answer)
        there.page.keyboard.press("Enter")  # the next question's button has the focus


def saved(there):
    with there.page.expect_download() as download:
        there.page.get_by_role("button", name="save as CSV").click()
    return download.value.path()


def test_a_question_shows_the_clue_and_no_answer(look_at, quiz_file, questions):
    there = look_at(quiz_file)
    begin(there)
    unit = questions[0].address.rpartition(":")[2]
    expect(there.page.get_by_role("heading", level=2)).to_have_text(
        f"Which of the two makes unit {unit} fire more?"
    )
    for name in ("It fires most on", "It fires least on"):
        expect(there.page.get_by_role("region", name=name).get_by_role("img")).to_have_count(9)
    seen = there.page.evaluate("document.getElementById('layerscope').outerHTML")
    for example in (questions[0].left, questions[0].right):
        assert example.sample.name not in seen
        assert f"{example.value:.3g}" not in re.sub(r"base64,[^\"]*", "", seen)
    assert there.page.locator(".choice img").evaluate_all(
        "(images) => images.map((image) => image.naturalWidth)"
    ) == [240, 240]


def test_an_answer_is_told_and_stands(look_at, quiz_file, questions):
    there = look_at(quiz_file)
    begin(there)
    verdict = there.page.get_by_role("status")
    choose(there, questions[0].answer)
    expect(verdict).to_have_text("Right.")
    left = there.page.get_by_role("button", name="the left one")
    expect(left).to_contain_text(questions[0].left.sample.name)
    there.page.keyboard.press("ArrowLeft")
    there.page.keyboard.press("ArrowRight")
    expect(verdict).to_have_text("Right.")
    there.page.get_by_role("button", name="next").click()
    expect(there.page.get_by_text(f"question 2 of {ASKED}")).to_be_visible()
    other = {"left": "ArrowRight", "right": "ArrowLeft"}[questions[1].answer]
    there.page.keyboard.press(other)
    expect(verdict).to_have_text(f"No: it fires more on the {questions[1].answer} one.")


def test_the_score_of_a_class(look_at, quiz_file, questions):
    there = look_at(quiz_file)
    begin(there, "Ada")
    answer(there, questions)
    expect(there.page.get_by_role("heading", level=2)).to_have_text("Ada: 6 of 6 right")
    there.page.get_by_role("button", name="next pupil").click()
    begin(there, "Ada")  # another of that name
    answer(there, questions, wrong=2)
    expect(there.page.get_by_role("heading", level=2)).to_have_text("Ada (2): 4 of 6 right")
    # Wilson's interval of 10 of 12.
    together = "All together, 2 pupils: 10 of 12 right, 83 % (55–95 %)."
    expect(there.page.get_by_text(together)).to_be_visible()
    rows = there.page.get_by_role("table").get_by_role("row")
    expect(rows).to_have_count(1 + ASKED)
    assert rows.nth(1).inner_text().split() == [
        questions[0].address, "1", "2", "50", "%", "(9–91", "%)"
    ]  # fmt: skip
    there.page.reload()
    there.settled()
    there.page.get_by_role("button", name="the class's score (2 pupils)").click()
    expect(there.page.get_by_text(together)).to_be_visible()


def test_controls_are_counted_by_themselves(look_at, survey, tmp_path):
    asked = questions_of(survey, "relu", 3)
    controls = controls_of(survey, "relu", 2)
    there = look_at(layerscope.quiz(survey, "relu", tmp_path / "quiz.html", n=3, control=2))
    expect(there.page.get_by_text("In 2 of them you see another unit's instead")).to_be_visible()
    begin(there, "Ada")
    mixed = with_controls(asked, controls)
    for question in mixed:
        wrong = {"left": "right", "right": "left"}[question.answer]
        choose(there, wrong if question is controls[0] else question.answer)
        verdict = there.page.get_by_role("status")
        if question.clue_of:
            expect(verdict).to_contain_text("The clue was another unit's.")
        else:
            expect(verdict).to_have_text("Right.")
        there.page.keyboard.press("Enter")
    expect(there.page.get_by_role("heading", level=2)).to_have_text("Ada: 3 of 3 right")
    expect(there.page.get_by_text("With the clue of another unit: 1 of 2 right")).to_be_visible()
    expect(there.page.get_by_role("table").get_by_role("row")).to_have_count(1 + 3)
    assert there.faults() == []


def test_answers_are_saved_and_those_of_others_added_once(look_at, quiz_file, questions):
    there, other = look_at(quiz_file), look_at(quiz_file)
    begin(there, '=1+1, "Bo"')
    answer(there, questions, wrong=3)
    path = saved(there)
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert [row["unit"] for row in rows] == [question.address for question in questions]
    assert [row["right"] for row in rows] == ["0", "0", "0", "1", "1", "1"]
    assert {row["pupil"] for row in rows} == {'\'=1+1, "Bo"'}  # no formula of a spreadsheet
    begin(other, "Cy")
    answer(other, questions)
    for added in (6, 0):
        other.page.get_by_label("Add answers of others").set_input_files(path)
        expect(other.page.get_by_role("status")).to_contain_text(f"{added} answers are new.")
        expect(other.page.get_by_text("2 pupils: 9 of 12 right, 75 %")).to_be_visible()


def test_answers_that_are_none_are_refused(look_at, quiz_file, survey, questions, tmp_path):
    another = layerscope.quiz(survey, "conv", tmp_path / "other.html", n=ASKED, control=0)
    there, elsewhere = look_at(quiz_file), look_at(another)
    begin(elsewhere)
    answer(elsewhere, questions_of(survey, "conv", ASKED))
    foreign, noise = saved(elsewhere), tmp_path / "noise.csv"
    noise.write_text("a,b\n1,2\n")
    begin(there)
    answer(there, questions)
    for path, words in ((foreign, "has answers to another quiz."), (noise, "is no file of a quiz")):
        there.page.get_by_label("Add answers of others").set_input_files(path)
        expect(there.page.get_by_role("status")).to_contain_text(words)
        expect(there.page.get_by_text("1 pupil: 6 of 6 right")).to_be_visible()


@pytest.mark.parametrize("ground", ["light", "dark"])
def test_no_page_has_a_fault(look_at, quiz_file, questions, ground):
    there = look_at(quiz_file, color_scheme=ground)
    assert there.faults() == []
    begin(there)
    assert there.faults() == []
    choose(there, questions[0].answer)
    assert there.faults() == []
    there.page.keyboard.press("Enter")
    answer(there, questions[1:])
    expect(there.page.get_by_role("heading", level=2)).to_have_text("pupil 1: 6 of 6 right")
    assert there.faults() == []


def test_hostile_names_are_text(look_at, tmp_path):
    model, x = page_models.hostile(), page_models.numbers(14, 60, 1, 12, 12)
    labels = [page_models.HOSTILE[i % 5] for i in range(60)]
    made = layerscope.survey(model, x, labels=labels, progress=False)
    for name in (page_models.HOSTILE[0], page_models.HOSTILE[4]):
        path = layerscope.quiz(made, name, tmp_path / "quiz.html", n=3, control=0, overwrite=True)
        there = look_at(path)
        heading = there.page.get_by_role("heading", level=1)
        expect(heading).to_have_text(f"Quiz: {printable(name)}")
        begin(there, name)
        answer(there, questions_of(made, name, 3))
        expect(there.page.get_by_role("heading", level=2)).to_contain_text(printable(name))
        assert there.page.locator("iframe, b i, img[src=x]").count() == 0
