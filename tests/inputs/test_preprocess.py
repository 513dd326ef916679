import numpy as np
import pytest
from PIL import Image

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec
from layerscope.inputs import prepare

GREY = Image.fromarray(np.array([[0, 51], [102, 255]], np.uint8))
SPEC = [InputSpec("x", (None, 2, 2, 1))]


def test_it_gets_pixels_in_the_model_s_layout_and_replaces_the_range():
    seen = []

    def function(batch):
        seen.append(batch)
        return batch - 100

    prepared = prepare(GREY, SPEC, preprocess=function, input_range=(-1, 1))
    np.testing.assert_array_equal(seen[0].ravel(), [0, 51, 102, 255])
    np.testing.assert_array_equal(prepared.value, seen[0] - 100)
    assert prepared.notes == ("image 0: scaled to 0..255, preprocessed by function",)
    first = [InputSpec("x", (None, 1, 2, 2), layout="channels_first")]
    prepare(GREY, first, preprocess=function)
    assert seen[1].shape == (1, 1, 2, 2)


def test_it_gets_pixels_of_sixteen_bits_in_the_same_range():
    image = Image.fromarray(np.array([[0, 65535], [257, 65535]], np.uint16))
    value = prepare(image, SPEC, preprocess=lambda batch: batch).value
    np.testing.assert_allclose(value.ravel(), [0, 255, 1, 255])


def test_arrays_are_taken_as_they_are():
    x = np.ones((1, 2, 2, 1), np.float32)
    prepared = prepare(x, SPEC, preprocess=lambda batch: batch * 0)
    np.testing.assert_array_equal(prepared.value, x)
    assert prepared.notes == ("preprocess= is for images: x was taken as it is",)


def failing(batch):
    raise KeyError("many\nlines")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (failing, "preprocess=failing raised KeyError: 'many\\nlines'."),
        (lambda batch: batch[0, 0, 0, 0], "preprocess=<lambda> made float32 () of a batch"),
        (lambda batch: batch[:0], "it has to return numbers, for as many samples"),
        (lambda batch: None, "preprocess=<lambda> made object () of a batch (1, 2, 2, 1)"),
        (lambda: None, "preprocess=<lambda> raised TypeError"),
        (3, "preprocess=3: pass a function of a batch of images, or its name"),
    ],
)
def test_what_goes_wrong_is_one_sentence(function, message):
    with pytest.raises(InputError) as caught:
        prepare(GREY, SPEC, preprocess=function)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
