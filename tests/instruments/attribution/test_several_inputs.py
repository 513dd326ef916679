"""Models of several inputs: each gets its map, and all of them together sum up."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import layerscope as ls
from layerscope.errors import InputError
from layerscope.instruments.attribution.attribute import attribute

NAMES = ("image", "ages", "words")
METHODS = (
    "saliency", "input_x_gradient", "smoothgrad", "integrated_gradients", "expected_gradients",
    "guided_backpropagation", "deeplift", "lrp", "occlusion", "rise",
)  # fmt: skip


@pytest.fixture(scope="module")
def network() -> Any:
    """An image, a vector and words, which are added up."""
    keras.utils.set_random_seed(1)
    image, ages = keras.Input((6, 6, 2), name="image"), keras.Input((5,), name="ages")
    words = keras.Input((4,), dtype="int32", name="words")
    seen = layers.Conv2D(3, 3, activation="relu", name="seen")(image)
    read = layers.Flatten()(layers.Embedding(9, 3, name="vectors")(words))
    parts = [layers.GlobalAveragePooling2D()(seen), ages, read]
    out = layers.Dense(3, name="answer")(layers.Concatenate()(parts))
    model = keras.Model([image, ages, words], out)
    rng = np.random.default_rng(0)
    model.set_weights([rng.standard_normal(one.shape) for one in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def given() -> list[Any]:
    rng = np.random.default_rng(2)
    return [
        rng.random((2, 6, 6, 2)).astype(np.float32),
        rng.standard_normal((2, 5)).astype(np.float32),
        np.array([[3, 1, 4, 1], [5, 8, 2, 6]]),
    ]


def test_each_input_has_its_map_by_every_method(network: Any, given: list[Any]) -> None:
    made = attribute(network, given, 1, METHODS, steps=8, repeats=2, masks=12)
    shapes = {"image": (2, 6, 6, 2), "ages": (2, 5), "words": (2, 4)}
    for method in METHODS:
        assert made.of_inputs(method) == NAMES
        for name in NAMES:
            values = made.named(f"{method}@{name}").values
            whole = method not in ("occlusion", "rise") or name != "image"
            assert values.shape == (shapes[name] if whole else (2, 6, 6)), (method, name)
            assert np.isfinite(values).all()
    kernel = network.get_layer("answer").get_weights()[0][3:8, 1]
    for method in ("input_x_gradient", "integrated_gradients", "deeplift", "occlusion"):
        np.testing.assert_allclose(
            made.named(f"{method}@ages").values, given[1] * kernel, rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("method", ["integrated_gradients", "deeplift"])
def test_maps_of_all_inputs_together_sum_up(network: Any, given: list[Any], method: str) -> None:
    start = {"image": 0.5, "ages": np.ones(5), "words": "zeros"}
    made = attribute(network, given, 2, method, baseline=start)
    before = attribute(network, [0 * given[0] + 0.5, 0 * given[1] + 1, given[2]], 2, "saliency")
    vectors = network.get_layer("vectors").get_weights()[0][given[2]].reshape(2, -1)
    of_words = vectors @ network.get_layer("answer").get_weights()[0][8:, 2]
    sums = sum(made.named(f"{method}@{n}").values.reshape(2, -1).sum(axis=1) for n in NAMES)
    gain = made.scores - (before.scores - of_words)
    np.testing.assert_allclose(sums, gain, atol=0.011 * np.abs(gain).max())
    assert made.gaps[method].max() < 0.011


def test_a_layers_map_is_of_the_input_before_it(network: Any, given: list[Any]) -> None:
    made = attribute(network, dict(zip(NAMES, given, strict=True)), 0, ["grad_cam", "occlusion"])
    assert made.of_inputs("grad_cam") == ("image",)
    assert made.settings["grad_cam"] == {"layer": "seen", "input": "image"}
    assert made.named("grad_cam@image").values.shape == (2, 6, 6)
    panel = ls.sheet(made, sample=0)
    labels = [tile["label"] for tile in panel.header["tiles"]]
    assert labels[::3] == [f"sample 0, {name}" for name in NAMES]


def test_controls_are_of_all_inputs(network: Any, given: list[Any]) -> None:
    made = attribute(network, given, method=["input_x_gradient", "grad_cam"]).check(samples=1)
    first, second = made.checks
    assert first.deletion["map"] < first.deletion["random"]
    assert "edges" not in first.deletion
    assert "edges" in second.deletion
    assert set(first.shuffled) == set(second.shuffled)


@pytest.mark.one_backend
def test_a_shared_embedding_has_a_map_at_each_call() -> None:
    first, second = (keras.Input((3,), dtype="int32", name=name) for name in "ab")
    table = layers.Embedding(7, 2, name="table")
    out = layers.Dense(1, use_bias=False)(layers.Flatten()(table(first) * table(second)))
    model = keras.Model({"a": first, "b": second}, out)
    x = {"a": np.array([[1, 2, 3]]), "b": np.array([[4, 0, 6]])}
    made = attribute(model, x, method="input_x_gradient")
    vectors, kernel = table.get_weights()[0], model.layers[-1].get_weights()[0].reshape(3, 2)
    known = (vectors[x["a"]] * vectors[x["b"]] * kernel).sum(axis=-1)
    for name in "ab":
        np.testing.assert_allclose(made.named(f"input_x_gradient@{name}").values, known, atol=1e-6)


@pytest.mark.one_backend
def test_options_are_by_the_inputs_names(network: Any, given: list[Any]) -> None:
    for options, said in (
        ({"baseline": np.zeros((6, 6, 2))}, "pass a dict by their names, 'image', 'ages', 'words'"),
        ({"baseline": {"imag": 0}}, "baseline= names 'imag': the inputs that have maps are"),
        ({"baseline": {"ages": np.ones(4)}}, r"has shape \(4,\), and a sample \(5,\)"),
    ):
        with pytest.raises(InputError, match=said):
            attribute(network, given, 1, "integrated_gradients", **options)  # type: ignore[arg-type]
    made = attribute(network, given, 1, "occlusion", window={"image": 3}, stride={"image": 3})
    assert made.settings["occlusion"]["window"] == (3, 3)
    noise = {"image": np.zeros((1, *given[0].shape)), "ages": np.zeros((1, 2, 5)),
             "words": np.zeros((1, 2, 4, 3))}  # fmt: skip
    made = attribute(network, given, 1, ["saliency", "smoothgrad"], noise=noise)
    for name in NAMES:
        np.testing.assert_allclose(
            made.named(f"smoothgrad@{name}").values, made.named(f"saliency@{name}").values
        )


@pytest.mark.one_backend
def test_the_page_has_maps_of_a_unit_over_each_input(network: Any, given: list[Any]) -> None:
    from layerscope.instruments.attribution.unit_maps import UnitMaps

    recording = ls.activations(network, given)
    made = UnitMaps(network).get(recording, 1, "answer:2")
    assert made is not None
    assert made.of_inputs("input_x_gradient") == NAMES
    known = attribute(network, given, "answer:2", "input_x_gradient")
    for name in NAMES:
        np.testing.assert_allclose(
            made.named(f"input_x_gradient@{name}").values[0],
            known.named(f"input_x_gradient@{name}").values[1], atol=1e-6,
        )  # fmt: skip
