"""Samples that a person gives by hand, and that another takes the place of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

import layerscope as ls
from cases.closed_form import draw_weights
from layerscope.core.errors import InputError
from layerscope.instruments import samples as module
from layerscope.instruments.samples import SampleRecordings

keras = pytest.importorskip("keras")


def network() -> Any:
    layers = [keras.layers.Conv2D(2, 3, name="conv"), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((8, 10, 1)), *layers, keras.layers.Dense(3, name="out")])
    return draw_weights(model, 0)


def grey(seed: int) -> Image.Image:
    pixels = np.random.RandomState(seed).randint(0, 256, (8, 10)).astype(np.uint8)
    return Image.fromarray(pixels)


def of_image(image: Image.Image, high: float = 1.0) -> Any:
    return np.asarray(image, np.float32)[None, ..., None] / np.float32(255 / high)


def test_an_image_becomes_a_sample_and_another_takes_its_place() -> None:
    model = network()
    samples = SampleRecordings(model, np.zeros((2, 8, 10, 1), np.float32))
    number = samples.put(grey(1), "drawing")
    first, row = samples.recording(number)
    assert (number, len(samples), samples.editions) == (2, 3, {2: 1})

    assert samples.put(grey(2), "drawing again", into=number) == number
    second, row = samples.recording(number)

    assert (len(samples), samples.names[2], samples.editions) == (3, "drawing again", {2: 2})
    for recording, seed in ((first, 1), (second, 2)):
        expected = ls.activations(model, of_image(grey(seed)))
        for name in expected:
            assert np.array_equal(recording[name].values[row], expected[name].values[0])


def test_its_range_is_that_of_samples_that_are_arrays() -> None:
    model = network()
    x = np.full((1, 8, 10, 1), 200, np.float32)
    samples = SampleRecordings(model, x, input_range=(0, 1), size=None, preprocess=None)  # as usual
    recording, _ = samples.recording(samples.put(grey(1), "drawing"))
    (received,) = recording.inputs.values()
    assert np.array_equal(received.values, of_image(grey(1), 255))


def test_what_does_not_fit_leaves_all_as_it_was() -> None:
    samples = SampleRecordings(network(), np.zeros((2, 8, 10, 1), np.float32))
    number = samples.put(grey(1), "drawing")
    before, _ = samples.recording(number)
    with pytest.raises(InputError, match="has shape"):
        samples.put(np.zeros((1, 5)), "numbers", into=number)
    with pytest.raises(InputError, match="one input at a time"):
        samples.put(np.zeros((2, 8, 10, 1)), "two", into=number)
    with pytest.raises(InputError, match="This sample was not given by hand"):
        samples.put(grey(2), "drawing", into=0)
    after, _ = samples.recording(number)
    assert after is before
    assert (len(samples), samples.editions) == (3, {2: 1})


def test_there_are_so_many_and_then_the_oldest_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MOST_PUT", 2)
    samples = SampleRecordings(network(), np.zeros((1, 8, 10, 1), np.float32))
    numbers = [samples.put(grey(i), f"image {i}") for i in range(4)]
    assert numbers == [1, 2, 1, 2]
    assert samples.names == ["sample 0", "image 2", "image 3"]
    samples.put(grey(4), "image 4", into=1)
    assert samples.put(grey(5), "image 5") == 2


def test_examples_are_those_that_were_not_given_by_hand() -> None:
    x = np.random.RandomState(0).rand(3, 8, 10, 1).astype(np.float32)
    samples = SampleRecordings(network(), x)
    samples.put(grey(1), "drawing")
    assert np.array_equal(samples.examples(), x)
    assert np.array_equal(samples.examples(2), x[:2])
    assert SampleRecordings(network()).examples() is None
