"""Images that take another path than data are caught, on the backend that Keras has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import layerscope as ls
from cases.fooled import FOOLED, HONEST, fooled_keras, fooled_torch, samples
from layerscope.core.rank_correlation import rank_correlations
from layerscope.instruments.features.ascent.task import task_of
from layerscope.instruments.features.diagnosis.profiles import layers_before
from layerscope.instruments.features.image.recipes import recipe
from layerscope.recordings.image_checks import HoldsUp, LayerLikeness, SamePath
from layerscope.recordings.visualization import FeatureVisualization, Grade


def images_of(model: Any, data: np.ndarray, **options: Any) -> FeatureVisualization:
    given = {"recipe": "chollet", "transforms": [], "samples": data, **options}
    return ls.features(model, "out", units=[HONEST, FOOLED], **given)


def assert_caught(honest: Grade, fooled: Grade) -> None:
    """What either was graded before calls both fine: they rise, and far above the data."""
    for grade in (honest, fooled):
        assert not grade.note
        assert grade.ratio is not None
        assert grade.ratio > 1
        assert grade.same_path is not None
        assert grade.holds_up is not None
        assert len(grade.same_path.telling) >= 2
    assert honest.same_path is not None
    assert honest.same_path.verdict == "same path"
    assert honest.holds_up is not None
    assert honest.holds_up.verdict == "holds up"
    assert fooled.same_path is not None
    assert fooled.same_path.verdict == "another path"
    assert fooled.same_path.apart is not None
    assert fooled.holds_up is not None
    assert fooled.holds_up.verdict == "does not hold up"


class TestANetworkMadeToShowSomethingElse:
    def test_its_units_answer_to_the_same_data(self) -> None:
        values = ls.activations(fooled_keras(), samples(), ["out"])["out"].values
        np.testing.assert_allclose(values[:, HONEST], values[:, FOOLED], atol=1e-4)

    def test_the_image_that_shows_something_else_is_caught_and_the_honest_one_is_not(self) -> None:
        made = images_of(fooled_keras(), samples())

        assert_caught(*made.grades)
        honest, fooled = map(str, made.grades)
        assert "same path as the 6 strongest samples in 2 of 2 layers" in honest
        assert "another path than the 6 strongest samples in 2 of 2 layers" in fooled
        assert "holds up on 120 samples" in honest
        assert "does not hold up on 120 samples" in fooled

    def test_so_it_is_in_pytorch(self) -> None:
        if keras.config.backend() != "torch":
            pytest.skip("Keras runs on another framework")
        pytest.importorskip("torch")
        made = images_of(fooled_torch(), samples().transpose(0, 3, 1, 2).copy())
        assert_caught(*made.grades)


@pytest.mark.one_backend
def test_the_tile_and_the_table_say_it() -> None:
    made = images_of(fooled_keras(), samples())
    labels = [tile["label"].split("\n") for tile in ls.sheet(made).header["tiles"]]
    assert labels[0][2:] == ["same path", "holds up"]
    assert labels[1][2:] == ["another path", "does not hold up"]
    path = made.grades[FOOLED].same_path
    assert path is not None
    heading, *rows = path.table().splitlines()
    assert heading.split()[:4] == ["layer", "image", "strongest", "random"]
    assert [row.split()[0] for row in rows[-2:]] == ["kinds", "routes"]
    assert all(row.endswith("another path") for row in rows[-2:])


@pytest.mark.one_backend
def test_few_samples_say_nothing_of_what_is_normal() -> None:
    (grade, _) = images_of(fooled_keras(), samples(19), steps=2).grades
    assert grade.samples is not None
    assert grade.same_path is None
    assert grade.holds_up is None


@pytest.mark.one_backend
def test_a_unit_that_is_the_same_for_all_samples_is_not_checked() -> None:
    model = fooled_keras()
    model.get_layer("out").set_weights([np.zeros((30, 2), np.float32), np.ones(2, np.float32)])
    for grade in images_of(model, samples(40), steps=2).grades:
        assert grade.same_path is None
        assert grade.holds_up is None


@pytest.mark.one_backend
def test_checks_come_back_from_the_files_of_a_layer(tmp_path: Any) -> None:
    options: dict[str, Any] = {"recipe": "tutorial", "steps": 2, "samples": samples(40)}
    model = fooled_keras()
    first = ls.features(model, "out", to=tmp_path / "units", **options)
    again = ls.features(model, "out", to=tmp_path / "units", **options)
    assert first.grades[0].same_path is not None
    assert again.grades == first.grades


@pytest.mark.one_backend
def test_a_survey_gives_its_samples() -> None:
    model, data = fooled_keras(), samples(60)
    survey = ls.survey(model, data, top=10, progress=False)
    made = images_of(model, survey)  # type: ignore[arg-type]
    assert made.grades[FOOLED].same_path is not None
    assert made.grades[FOOLED].same_path.verdict == "another path"


@pytest.mark.one_backend
def test_layers_whose_values_are_handed_on_are_left_out() -> None:
    layers = keras.layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((16, 16, 3))])
    for number in range(12):
        model.add(layers.Conv2D(4, 3, padding="same", name=f"conv{number}"))
        model.add(layers.BatchNormalization(name=f"norm{number}"))
        model.add(layers.ReLU(name=f"relu{number}"))
        model.add(layers.Dropout(0.5, name=f"dropout{number}"))
    task = task_of(model, "relu9:1", recipe("tutorial"))
    before = layers_before(task)
    assert before[0] == "relu0"
    assert before[-1] == "relu8"
    assert len(before) == 8
    assert all(name.startswith("relu") for name in before)
    assert layers_before(task_of(model, "conv0:1", recipe("tutorial"))) == []


def test_rank_correlation() -> None:
    rows = np.array([[1.0, 2, 3, 4], [4, 3, 2, 1], [1, 1, 2, 2], [5, 5, 5, 5]])
    found = rank_correlations(rows[:3], rows)
    assert found[0, 0] == pytest.approx(1)
    assert found[0, 1] == pytest.approx(-1)
    assert found[0, 2] == pytest.approx(2 / np.sqrt(5))  # ranks 1.5, 1.5, 3.5, 3.5
    assert np.isnan(found[:, 3]).all()


LIKE = LayerLikeness("a", 0.6, 0.8, 0.1, 0.4)
APART = LayerLikeness("b", 0.05, 0.7, 0.1, 0.4)
BETWEEN = LayerLikeness("c", 0.2, 0.7, 0.1, 0.4)
SILENT = LayerLikeness("d", -0.5, 0.3, 0.1, 0.4)


@pytest.mark.parametrize(
    ("layers", "verdict"),
    [
        ((LIKE, SILENT), "same path"),
        ((LIKE, APART, BETWEEN), "another path"),
        ((LIKE, BETWEEN), "partly the same path"),
        ((SILENT,), "no common path"),
    ],
)
def test_only_layers_that_tell_decide(layers: tuple[LayerLikeness, ...], verdict: str) -> None:
    path = SamePath(layers, 5, 100)
    assert path.verdict == verdict
    assert verdict in str(path)


@pytest.mark.parametrize(
    ("interval", "usual", "verdict"),
    [
        ((0.3, 0.6), 0.1, "holds up"),
        ((0.05, 0.6), 0.1, "may hold up"),
        ((-0.4, 0.05), 0.1, "does not hold up"),
        ((-0.4, -0.1), -0.3, "does not hold up"),
    ],
)
def test_it_holds_up_beyond_what_is_usual(
    interval: tuple[float, float], usual: float, verdict: str
) -> None:
    held = HoldsUp("a", float(np.mean(interval)), *interval, usual, 0.7, 80)
    assert held.verdict == verdict
    assert str(held).startswith(verdict)
