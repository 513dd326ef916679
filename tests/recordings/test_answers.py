from __future__ import annotations

import numpy as np

from cases.networks import layer, network
from cases.recordings import VECTOR, maps, named
from layerscope.recordings.answers import Answer, answer_text, answers
from layerscope.recordings.recording import Recording


def ending_in(*values: list[float], further: list[float] | None = None) -> Recording:
    """A network whose outputs are these vectors, one for each sample; and another output."""
    rows = [layer("conv", "Conv2D"), layer("out", "Dense", inputs=("conv",))]
    arrays = {"conv": maps(2), "out": named(np.array(values), VECTOR)}
    if further is not None:
        rows.append(layer("value", "Dense", inputs=("conv",)))
        arrays["value"] = named(np.array([further]), VECTOR)
    return Recording(arrays, network=network(rows))


def test_the_largest_of_probabilities_by_name() -> None:
    recording = ending_in([0.1, 0.2, 0.05, 0.6, 0.03, 0.02], [1, 0, 0, 0, 0, 0])
    names = ["a", "b", "c", "d", "e", "f"]
    found = answers(recording, 0, names)
    assert found[0] == Answer("out", 3, "d", 0.6, True)
    assert [answer.unit for answer in found] == [3, 1, 0, 2, 4]
    assert answer_text(found) == "d (60 %), b (20 %), a (10 %), c (5 %), e (3 %)"
    assert answer_text(answers(recording, 1)) == "0 (100 %)"


def test_names_of_another_number_of_classes_are_not_used() -> None:
    assert answer_text(answers(ending_in([0.25, 0.75]), 0, ["a"])) == "1 (75 %), 0 (25 %)"


def test_regressions_are_numbers_in_their_order() -> None:
    assert answer_text(answers(ending_in([1.25, -3, 100.5]), 0)) == "0 = 1.25, 1 = -3, 2 = 100.5"


def test_logits_with_names_are_ordered() -> None:
    found = answers(ending_in([1.25, -3, 100.5]), 0, ["a", "b", "c"])
    assert answer_text(found) == "c = 100.5, a = 1.25, b = -3"


def test_several_outputs_are_named() -> None:
    found = answers(ending_in([0.5, 0.5], further=[7]), 0)
    assert answer_text(found) == "out: 0 (50 %), 1 (50 %); value: 0 = 7"


def test_nothing_is_answered_where_no_output_was_recorded() -> None:
    rows = [layer("dense", "Dense"), layer("out", "Dense", inputs=("dense",))]
    recording = Recording({"dense": named([[1.0, 2.0]], VECTOR)}, network=network(rows))
    assert answers(recording, 0) == []
    assert answer_text([]) == ""


def test_an_input_made_again_is_no_answer() -> None:
    rows = [layer("code", "Dense"), layer("again", "Dense", inputs=("code",))]
    values = np.linspace(-1, 1, 32).reshape(2, 16)
    arrays = {"code": named(values[:, :2], VECTOR), "again": named(values, VECTOR)}

    def answered(shape: tuple[int, ...], axes: tuple[str, ...]) -> list[Answer]:
        inputs = {"input": named(np.zeros((2, *shape)), axes)}
        return answers(Recording(arrays, network=network(rows), inputs=inputs), 0)

    assert answered((16,), VECTOR) == []
    assert answered((4, 4, 1), ("sample", "y", "x", "channel")) == []
    assert [answer.unit for answer in answered((17,), VECTOR)] == [15, 14, 13, 12, 11]
    names = [str(i) for i in range(16)]
    inputs = {"input": named(np.zeros((2, 16)), VECTOR)}
    recording = Recording(arrays, network=network(rows), inputs=inputs)
    assert [answer.unit for answer in answers(recording, 0, names)] == [15, 14, 13, 12, 11]
    shares = {"code": arrays["code"], "again": named(np.full((2, 16), 1 / 16), VECTOR)}
    recording = Recording(shares, network=network(rows), inputs=inputs)
    assert len(answers(recording, 0)) == 5
