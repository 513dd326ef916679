"""Input that a person gives by hand: what a model takes, and samples that are replaced."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs import InputSettings
from layerscope.inputs.images import image_of
from layerscope.instruments.own_input import InputForm, input_form


def form_of(spec: InputSpec | None, example: Any = None, **settings: Any) -> InputForm:
    specs = [] if spec is None else [spec]
    pixels = settings.pop("pixels", False)
    return input_form(specs, InputSettings(**settings), example, pixels)


def test_images_are_given_in_the_shape_and_range_that_the_model_takes() -> None:
    grey = form_of(InputSpec("x", (None, 28, 28, 1)))
    assert (grey.form, grey.shape, grey.grey, grey.range) == ("image", (28, 28, 1), True, (0, 1))

    first = InputSpec("x", (None, 3, 32, 48), layout="channels_first")
    colour = form_of(first, input_range=(-1, 1))
    assert (colour.shape, colour.grey, colour.range) == ((32, 48, 3), False, (-1, 1))


def test_the_range_and_the_ground_are_those_of_samples_that_are_arrays() -> None:
    digits = np.zeros((4, 64), np.float32)
    digits[:, :9] = 16
    form = form_of(InputSpec("x", (None, 64)), digits)
    assert (form.form, form.shape, form.range, form.dark) == ("image", (8, 8, 1), (0, 16), True)
    assert not form_of(InputSpec("x", (None, 64)), 16 - digits).dark


def test_the_range_of_images_is_that_of_the_settings() -> None:
    dim = np.full((2, 28, 28, 1), 0.25, np.float32)
    form = form_of(InputSpec("x", (None, 28, 28, 1)), dim, pixels=True)
    assert form.range == (0, 1)
    scaled = form_of(InputSpec("x", (None, 28, 28, 1)), dim, input_range=(0, 255))
    assert scaled.range == (0, 255)


def test_lengths_that_are_open_are_those_of_the_samples() -> None:
    guess = InputSpec("x", (None, 3, None, None), layout="channels_first", certain=False)
    assert form_of(guess, np.zeros((2, 3, 40, 30), np.float32)).shape == (40, 30, 3)
    assert form_of(guess).shape == (224, 224, 3)
    assert form_of(None, np.zeros((2, 1, 28, 28), np.float32)).shape == (28, 28, 1)


def test_numbers_have_their_names_and_the_range_among_the_samples() -> None:
    spec = InputSpec("x", (None, 3), values=("length", "width", "age"))
    form = form_of(spec, np.array([[1, 5, 9], [3, 4, np.nan]]))
    assert (form.form, form.shape, form.names) == ("vector", (3,), spec.values)
    assert (form.lows, form.highs) == ((1, 4, 0), (3, 5, 9))


@pytest.mark.parametrize(
    ("specs", "reason"),
    [
        ([InputSpec("a", (None, 3)), InputSpec("b", (None, 3))], "2 inputs, 'a', 'b'"),
        ([InputSpec("x", (None, 1), "string")], "takes text"),
        ([InputSpec("x", (None, 1000))], "up to 256 numbers"),
        ([InputSpec("x", (None, 8, 8, 8, 1))], "no image can be made into that"),
        ([InputSpec("x", (None, 8, 8, 7))], "7 channels"),
        ([InputSpec("x", (None, None), "int32")], "up to 256 numbers"),
    ],
)
def test_what_can_not_be_given_by_hand_says_why(specs: list[InputSpec], reason: str) -> None:
    form = input_form(specs, InputSettings(), None, False)
    assert form.form == "none"
    assert reason in form.reason


def test_numbers_become_a_batch_of_one() -> None:
    form = InputForm("vector", (3,), names=("a", "b", "c"))
    assert form.array([1, 2.5, -3]).tolist() == [[1, 2.5, -3]]
    assert InputForm("vector", (2,), whole=True).array([4, 5.0]).dtype == np.int64


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ([1, 2], "takes 3 numbers"),
        ("abc", "takes 3 numbers"),
        ({"a": 1}, "takes 3 numbers"),
        ([1, float("nan"), 2], "b is nan"),
        ([1, -float("inf"), 2], "b is -inf"),
        ([1, 2, 10**400], "c is 1000"),
        ([1, 2, "3"], "c is '3'"),
        ([True, 2, 3], "a is True"),
        ([1, 2, [3]], "c is [3]"),
    ],
)
def test_numbers_that_do_not_fit_are_named(numbers: Any, sentence: str) -> None:
    form = InputForm("vector", (3,), names=("a", "b", "c"))
    with pytest.raises(InputError) as error:
        form.array(numbers)
    assert sentence in str(error.value)


def test_whole_numbers_must_be_whole() -> None:
    with pytest.raises(InputError, match=r"Value 1 is 2\.5: the model takes whole numbers"):
        InputForm("vector", (2,), whole=True).array([1, 2.5])
    with pytest.raises(InputError, match=r"Value 0 is 1e\+30: the model takes whole numbers"):
        InputForm("vector", (2,), whole=True).array([1e30, 2])


def test_bytes_that_are_no_image_are_a_sentence() -> None:
    with pytest.raises(InputError, match=r"'notes\.txt' is no image that opens"):
        image_of(b"hello", "notes.txt")
    with pytest.raises(InputError, match=r"cut\.png can't be read as an image"):
        image_of(_png(np.arange(1600, dtype=np.uint8).reshape(40, 40))[:90], "cut.png")


def _png(pixels: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_an_image_carries_its_name() -> None:
    image = image_of(_png(np.arange(64, dtype=np.uint8).reshape(8, 8)), "eight.png")
    assert image.filename == "eight.png"
    assert np.asarray(image)[7, 7] == 63
