"""Networks as programs that need no framework: what travels, and what is checked before."""

from __future__ import annotations

import json

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import layerscope as ls
from cases import keras_networks
from cases.followed import values
from layerscope.backends.keras import digits_network
from layerscope.errors import InputError, ModelError
from layerscope.instruments.portable import TOLERANCE, portable
from layerscope.interfaces.page.wire import packed

L = keras.layers


def test_what_travels_is_plain_json_and_bytes() -> None:
    model = keras_networks.drawn(
        keras.Sequential([keras.Input((2,)), L.Dense(3, "relu", name="hidden")])
    )
    program = portable(model, values(1, 2))
    header = json.loads(json.dumps(program.header, allow_nan=False))
    first, second = header["operations"]
    assert header["input"]["shape"] == [2]
    assert header["output"] == "hidden"
    assert (first["kind"], first["inputs"]) == ("dense", [header["input"]["address"]])
    assert (first["is_layer"], second["is_layer"]) == (False, True)
    assert (second["address"], second["settings"]) == ("hidden", {"function": "relu"})
    place = first["arrays"]["kernel"]
    kernel = np.frombuffer(program.buffers[place["buffer"]], "<f4").reshape(place["shape"])
    np.testing.assert_array_equal(kernel, ls.weights(model)["hidden/kernel"])
    assert program.weights == 9
    assert program.nbytes == 36


def test_it_travels_as_panels_do() -> None:
    program = portable(keras_networks.perceptron(), values(1, 12))
    assert len(packed(program)) > program.nbytes


def test_how_far_each_layer_is_from_the_framework_is_known() -> None:
    model = keras_networks.depthwise_separable()
    program = portable(model, 255 * np.abs(values(2, 17, 13, 3)))
    assert list(program.deviations) == list(ls.activations(model, values(1, 17, 13, 3)))
    assert 0 < max(program.deviations.values()) < TOLERANCE / 10


def test_more_weights_where_they_are_asked_for() -> None:
    model = keras_networks.perceptron()
    with pytest.raises(ModelError, match="157 weights, and a page computes with 100 at most"):
        portable(model, values(1, 12), max_weights=100)
    assert portable(model, values(1, 12), max_weights=157).weights == 157


def test_samples_have_names_and_are_more_than_a_check_needs() -> None:
    pytest.importorskip("sklearn")
    program = portable(keras_networks.drawn(digits_network.build()), "digits")
    assert program.weights == 34_826


def test_an_input_that_does_not_fit_is_a_plain_error() -> None:
    with pytest.raises(InputError, match="the model expects"):
        portable(keras_networks.perceptron(), values(1, 5))
