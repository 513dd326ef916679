from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.recordings import named
from cases.visualizations import IMAGES, STEPS, UNITS, coloured, growing, stripes, visualization
from layerscope.core.errors import AddressError
from layerscope.recordings.visualization import FeatureVisualization, Grade


def test_units_go_by_their_numbers() -> None:
    features = coloured()
    for i, unit in enumerate(UNITS):
        found = features[f"deep:{unit}"]
        assert found.dims == ("y", "x", "input")
        assert (found.values == stripes()[..., i]).all()
        assert (features.image(f"deep:{unit}") == stripes()[..., i]).all()
    assert "deep:42" in features
    assert "deep:0" not in features


def test_an_image_is_as_the_network_receives_it() -> None:
    images = stripes(1)
    features = visualization(
        {
            "deep:42@7,7": named(images, IMAGES),
            "conv + deep": named(images[None].repeat(2, axis=0) * [[[[[1]]]], [[[[2]]]]],
                                 ("sample", *IMAGES)),
            "conv": named(np.arange(12).reshape(4, 3, 1), ("position", "input", "channel")),
            "logits": named(np.arange(8).reshape(4, 2), ("input", "channel"), units=(5, 6)),
        }
    )  # fmt: skip
    assert (features.image("deep:42@7,7") == images[..., 0]).all()
    assert (features.image("conv + deep", sample=1) == 2 * images[..., 0]).all()
    assert features.image("conv").tolist() == np.arange(12).reshape(4, 3).tolist()
    assert features.image("logits:6").tolist() == [1, 3, 5, 7]
    assert not features.image("logits:6").flags.writeable


def test_where_there_is_one_image_it_need_not_be_named() -> None:
    assert (coloured((42,)).image() == stripes(1)[..., 0]).all()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("deep:4", r"There is no image of 'deep:4': of 'deep' 3, 42, 57\."),
        ("deep:42@3,3", r"There is no image of 'deep:42@3,3': there are 'deep:3', 'deep:42', "),
        ("conv", r"There is no image of 'conv': there are 'deep:3', 'deep:42', 'deep:57'\."),
        ("dep:3", r"There is no layer 'dep:3': did you mean 'deep'\?"),
        ("deep", r"'deep' has 3 images: say which, as in 'deep:3'\."),
    ],
)
def test_what_there_is_no_image_of(address: str, message: str) -> None:
    with pytest.raises(AddressError, match=message):
        coloured().image(address)


def test_samples_that_are_not_there() -> None:
    features = visualization({"deep": named(stripes(1)[None], ("sample", *IMAGES))})
    with pytest.raises(AddressError, match=r"There is no sample 1 of 'deep': it has 1\."):
        features.image("deep", sample=1)


def test_of_several_objectives_one_is_to_be_named() -> None:
    images = {name: named(stripes(1), IMAGES) for name in ("conv", "deep")}
    with pytest.raises(AddressError, match=r"Say which image: there are 'conv', 'deep'\."):
        visualization(images).image()


def test_steps_go_by_their_numbers() -> None:
    features = growing()
    assert features.steps.tolist() == list(STEPS)
    assert coloured().steps.tolist() == []
    for step in STEPS:
        moment = features.at(step)
        assert isinstance(moment, FeatureVisualization)
        expected = stripes()[..., 1] * np.float32(step / STEPS[-1])
        assert np.allclose(moment.image("deep:42"), expected)
        assert np.allclose(features.image("deep:42", step=step), expected)
        assert "steps" not in moment["deep"].attrs
        assert moment.history.equals(features.history)
    assert (features.image("deep:3") == features.at(20).image("deep:3")).all()
    with pytest.raises(AddressError, match=r"There is no step 3: there are 0, 9, 18, 20\."):
        features.at(3)
    with pytest.raises(AddressError, match="There is no step True"):
        features.at(True)


def test_grades_are_those_of_the_last_step() -> None:
    features = growing()
    assert features.at(20).grades == features.at(None).grades == features.grades
    assert features.at(9).grades == ()


def test_what_is_not_of_several_steps_has_one_moment() -> None:
    features = coloured()
    assert features.at(None) is features
    with pytest.raises(AddressError, match="There is no step 3: this recording is of a single"):
        features.at(3)


def test_history_goes_by_step_and_image() -> None:
    history = coloured().history
    assert history.sizes == {"step": 21, "image": 3}
    assert history.sel(image="deep:42", step=20).item() == 8
    assert visualization({"deep": named(stripes(1), IMAGES)}).history.sizes == {
        "step": 0,
        "image": 0,
    }


def test_what_it_tells_of_itself() -> None:
    units = tuple(range(10))
    shown = repr(coloured(units, notes=("Started again.",)))
    head, listing, settings, *grades = shown.split("\n")
    assert head == "<layerscope.FeatureVisualization of 'test': 1 array>"
    assert listing == "  deep  (y: 12, x: 12, input: 3, channel: 10) float32"
    assert settings == "  settings: recipe lucid, steps 10, octaves 2, size 12×12"
    assert grades[0] == "  deep:0: 4, from 0.5 at the start, 1.6 × the samples' largest (2.5)"
    assert grades[7].startswith("  deep:7: 32, from 4 at the start")
    assert grades[8:] == ["  and 2 more", "  note: Started again."]


def test_settings_that_are_lists_are_told_in_one_line() -> None:
    shown = repr(coloured(settings={"transforms": [], "factors": (0.9, 1.1), "which": ["a", "b"]}))
    assert "  settings: transforms [], factors [0.9, 1.1], which [a, b]" in shown


@pytest.mark.parametrize(
    ("grade", "said"),
    [
        (Grade("a:1", 8.31, 0.12), "a:1: 8.31, from 0.12 at the start"),
        (
            Grade("a:1", 8.31, 0.12, 2.68),
            "a:1: 8.31, from 0.12 at the start, 3.1 × the samples' largest (2.68)",
        ),
        (
            Grade("a:1", 8.31, 0.12, -2.0),
            "a:1: 8.31, from 0.12 at the start, the samples' largest is -2",
        ),
        (
            Grade("a:1", 0.0, 0.0, 1.5, "it never fired"),
            "a:1: 0, from 0 at the start, the samples' largest is 1.5; it never fired",
        ),
        (
            Grade("a", 123456.0, 1234.5, 10.0),
            "a: 123,456, from 1,234 at the start, 12,346 × the samples' largest (10)",
        ),
    ],
)
def test_a_grade_in_words(grade: Grade, said: str) -> None:
    assert str(grade) == said


numbers = st.floats(allow_nan=True, allow_infinity=False, width=32)


@given(numbers, numbers, st.none() | numbers)
def test_a_ratio_is_of_positive_numbers(
    reached: float, start: float, samples: float | None
) -> None:
    grade = Grade("a:1", reached, start, samples)
    if samples is None or not samples > 0 or not reached > 0:
        assert grade.ratio is None
        assert "×" not in str(grade)
    else:
        assert grade.ratio is not None
        assert math.isclose(grade.ratio * samples, reached, rel_tol=1e-9)
        assert "× the samples' largest (" in str(grade)


def test_an_end_before_its_time_is_told() -> None:
    assert "  interrupted after 20 steps\n" in repr(coloured(interrupted=True))


def test_the_extent_is_that_of_all_images() -> None:
    images = np.stack([stripes(), 3 * stripes()])
    images[0, 0, 0, 0, 0] = np.nan
    axes = ("sample", *IMAGES)
    features = visualization({"deep": named(images, axes), "conv": named(stripes() - 5, IMAGES)})
    low, high = float(stripes().min()), float(stripes().max())
    assert features.extent() == (low - 5, 3 * high)
    assert features.extent(0, "conv") == (low - 5, high - 5)
    assert visualization({"deep": named(np.full((1, 1, 1, 1), np.nan), IMAGES)}).extent() == (0, 0)


def test_images_say_what_they_are_and_how_strongly_they_fire_at_each_step() -> None:
    features = growing()
    assert (features.kind, features.scale, features.input_range) == ("features", "input", (-1, 1))
    assert features.at(9).kind == "features"
    history = features.history.sel(step=list(STEPS)).values
    for name, column in zip(features.images, history.T, strict=True):
        assert (features.metrics[name] == column).all()
    assert dict(coloured().metrics)["deep:3"].size == 0
