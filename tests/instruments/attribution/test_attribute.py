"""What attribute takes, and what it says of what it can't."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from keras import layers

import layerscope as ls
from cases import attribution_networks as cases
from layerscope.errors import AddressError, InputError
from layerscope.instruments.attribution.attribute import attribute

Array = npt.NDArray[Any]


@pytest.fixture(scope="module")
def network() -> Any:
    return cases.keras_network()


@pytest.fixture(scope="module")
def words() -> Any:
    keras.utils.set_random_seed(2)
    return keras.Sequential([
        keras.Input((6,), dtype="int32"),
        layers.Embedding(20, 4, mask_zero=True, name="vectors"),
        layers.GlobalAveragePooling1D(),
        layers.Dense(2, activation="softmax", name="answer"),
    ])  # fmt: skip


IDS = np.array([[3, 7, 1, 0, 0, 0], [5, 5, 2, 9, 4, 0]])


def test_the_target_is_the_top_class_of_each_sample_which_is_named(network: Any) -> None:
    x = cases.samples()
    answers = keras.ops.convert_to_numpy(network(x)).argmax(axis=1)
    made = attribute(network, x, method="saliency", classes=["a", "b", "c", "d"])
    assert made.units == tuple(answers)
    names = ["abcd"[n] for n in answers]
    assert made.targets == tuple(
        f"{name} (o:{n}), its logit" for name, n in zip(names, answers, strict=True)
    )
    each = [
        attribute(network, x[i : i + 1], int(n), "saliency").named("saliency").values[0]
        for i, n in enumerate(answers)
    ]
    np.testing.assert_allclose(made.named("saliency").values, each, atol=1e-5)


def test_logit_and_probability_are_told_apart(network: Any) -> None:
    x = cases.samples(1)
    shares = keras.ops.convert_to_numpy(network(x))[0]
    probability = attribute(network, x, 2, "saliency", read="probability")
    assert probability.targets == ("o:2, its probability",)
    assert probability.scores[0] == pytest.approx(shares[2], rel=1e-4)
    logits = [attribute(network, x, n, "saliency").scores[0] for n in (1, 2)]
    assert logits[1] - logits[0] == pytest.approx(np.log(shares[2] / shares[1]), rel=1e-3)


@pytest.mark.one_backend
def test_units_neurons_layers_and_objectives_are_targets(network: Any) -> None:
    x = cases.samples(2)
    acts = ls.activations(network, x)
    unit = attribute(network, x, "c1:3", "saliency")
    np.testing.assert_allclose(unit.scores, acts["c1:3"].mean(("y", "x")), rtol=1e-3, atol=1e-5)
    assert unit.units == (3, 3)
    neuron = attribute(network, x, "c1:3@4,5", "saliency")
    np.testing.assert_allclose(neuron.scores, acts["c1:3@4,5"], rtol=1e-3, atol=1e-5)
    seen = np.abs(neuron.named("saliency").values).sum(axis=(0, 3)) > 0
    assert np.argwhere(seen).min(axis=0).tolist() == [3, 4]
    assert np.argwhere(seen).max(axis=0).tolist() == [5, 6]
    objective = ls.objectives.channel("c1", 3) - ls.objectives.channel("c1", 1)
    both = attribute(network, x, objective, "saliency")
    known = unit.named("saliency").values - attribute(network, x, "c1:1", "saliency").named(
        "saliency"
    ).values  # fmt: skip
    np.testing.assert_allclose(both.named("saliency").values, known, atol=1e-5)


def test_tokens_have_a_number_each_and_what_is_masked_has_none(words: Any) -> None:
    made = attribute(words, IDS, 1, ["integrated_gradients", "saliency", "occlusion"])
    for name in made.methods:
        values = made.named(name)
        assert values.axes == ("sample", "position")
        np.testing.assert_allclose(values.values[IDS == 0], 0, atol=1e-6)
        assert np.abs(values.values[IDS != 0]).min() > 0
    assert made.gaps["integrated_gradients"].max() < 0.01
    vectors = words.get_layer("vectors").get_weights()[0][IDS]
    kernel = words.get_layer("answer").get_weights()[0][:, 1]
    counted = (IDS != 0).sum(axis=1, keepdims=True)
    known = np.where(IDS != 0, vectors @ kernel / counted, 0)
    np.testing.assert_allclose(made.named("integrated_gradients").values, known, atol=1e-5)


@pytest.mark.one_backend
def test_patches_of_a_vision_transformer_lie_on_the_image() -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 12, 3))
    x = layers.Reshape((6, 5))(layers.Conv2D(5, 4, strides=4, name="patches")(image))
    x = layers.LayerNormalization(name="block")(x + layers.MultiHeadAttention(1, 4)(x, x))
    out = layers.Dense(3)(layers.GlobalAveragePooling1D()(x))
    model = keras.Model(image, out)
    given = np.random.default_rng(0).random((2, 8, 12, 3)).astype(np.float32)
    made = attribute(model, given, 0, ["attention_rollout", "grad_cam"], layer="block")
    for name in made.methods:
        assert made.named(f"{name}@layer").values.shape == (2, 2, 3)
        assert made.named(name).values.shape == (2, 8, 12)
    rolled = made.named("attention_rollout@layer").values
    np.testing.assert_allclose(rolled.sum(axis=(1, 2)), 1, rtol=1e-4)
    assert any("whatever the target" in note for note in made.notes)


@pytest.mark.one_backend
def test_every_call_of_a_shared_layer_has_its_map() -> None:
    keras.utils.set_random_seed(1)
    image = keras.Input((6, 6, 2))
    shared = layers.Conv2D(2, 3, padding="same", activation="relu", name="shared")
    out = layers.Dense(2)(layers.GlobalAveragePooling2D()(shared(shared(image))))
    model = keras.Model(image, out)
    x = np.random.default_rng(0).random((1, 6, 6, 2)).astype(np.float32)
    first, second = (
        attribute(model, x, 0, "layer_cam", layer=name).named("layer_cam").values
        for name in ("shared", "shared#2")
    )
    acts = ls.activations(model, x)
    kernel = model.layers[-1].get_weights()[0][:, 0] / 36
    known = np.maximum(np.maximum(kernel, 0) * acts["shared#2"].values, 0).sum(axis=-1)
    np.testing.assert_allclose(second, known, atol=1e-5)
    assert np.abs(first - second).max() > 1e-6


@pytest.mark.one_backend
def test_a_layer_off_the_way_has_a_map_of_zeros_and_says_so() -> None:
    image = keras.Input((6, 6, 1))
    used = layers.Conv2D(2, 3, name="used")(image)
    aside = layers.Conv2D(2, 3, name="aside")(image)
    model = keras.Model(image, [layers.GlobalAveragePooling2D(name="end")(used), aside])
    x = np.ones((1, 6, 6, 1), np.float32)
    made = attribute(model, x, "end:0", "grad_cam", layer="aside")
    assert not made.named("grad_cam").values.any()
    assert "zero everywhere" in made.line("grad_cam")


@pytest.mark.one_backend
def test_frozen_layers_and_training_flags_make_no_difference(network: Any) -> None:
    x = cases.samples(1)
    known = attribute(network, x, 1, "saliency").named("saliency").values
    network.trainable = False
    try:
        np.testing.assert_array_equal(
            attribute(network, x, 1, "saliency").named("saliency").values, known
        )
        assert not network.trainable
    finally:
        network.trainable = True


def test_half_precision_gives_maps_in_single_precision() -> None:
    kernel = np.array([[1.0, -2.0], [0.5, 3.0]])
    dense = layers.Dense(2, use_bias=False, dtype="float16")
    model = keras.Sequential([keras.Input((2,)), dense])
    model.set_weights([kernel])
    made = attribute(model, np.ones((1, 2), np.float32), 1, "integrated_gradients")
    values = made.named("integrated_gradients").values
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, [[-2, 3]], rtol=1e-2)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("options", "words_of_error"),
    [
        ({"method": "salience"}, "There is no method 'salience': did you mean 'saliency'"),
        ({"method": []}, "name one or more"),
        ({"read": "softmax"}, "read='softmax': pass 'logit' or 'probability'"),
        ({"target": [1, 2]}, "target= has 2 classes, and there are 3 samples"),
        ({"target": -1}, "classes are counted from 0"),
        ({"target": 9}, "'o' has 4 along unit"),
        ({"method": "saliency", "steps": 5}, "steps= says nothing to saliency: it is for"),
        ({"method": "integrated_gradients", "steps": 0}, "steps=0: pass a whole number"),
        ({"baseline": "grey"}, "baseline='grey': pass one of 'zeros'"),
        ({"baseline": np.zeros((5, 5))}, "baseline= has shape"),
        ({"method": "occlusion", "window": 40}, "window=40: pass a whole number for each of 2"),
        ({"method": "smoothgrad", "noise": -1.0}, "noise=-1.0: pass a share"),
        ({"method": "smoothgrad", "noise": np.zeros((2, 5))}, "noise= has shape"),
        ({"method": "grad_cam", "layer": "d"}, "name a layer that returns maps"),
        ({"method": "grad_cam", "layer": "c9"}, "c9"),
        ({"method": "attention_rollout"}, "no attention weights"),
        ({"target": "c1:99"}, "99 is not among them"),
    ],
)
def test_what_can_not_be_is_one_sentence(
    network: Any, options: dict[str, Any], words_of_error: str
) -> None:
    with pytest.raises((InputError, AddressError)) as caught:
        attribute(network, cases.samples(), **options)
    assert words_of_error in str(caught.value)


@pytest.mark.one_backend
def test_a_network_without_classes_asks_for_a_target() -> None:
    image = keras.Input((6, 6, 1))
    model = keras.Model(image, layers.Conv2D(2, 3, name="maps")(image))
    with pytest.raises(InputError, match="say target="):
        attribute(model, np.ones((1, 6, 6, 1), np.float32))


@pytest.mark.one_backend
def test_an_image_without_channels_is_one() -> None:
    model = keras.Sequential([
        keras.Input((6, 8)), layers.Reshape((6, 8, 1)), layers.Conv2D(2, 3, name="maps"),
        layers.GlobalAveragePooling2D(), layers.Dense(2),
    ])  # fmt: skip
    x = np.random.default_rng(0).random((2, 6, 8)).astype(np.float32)
    made = attribute(model, x, 1, ["grad_cam", "saliency", "occlusion"], layer="maps")
    assert {made.named(name).axes for name in made.methods} == {("sample", "y", "x")}


@pytest.mark.one_backend
def test_a_map_of_what_speaks_for_a_class_may_be_empty_where_others_are_not() -> None:
    given = keras.Input((6, 6, 1))
    maps = keras.layers.Conv2D(1, 3, activation="relu", name="maps")(given)
    out = keras.layers.Dense(1, name="out")(keras.layers.Flatten()(maps))
    model = keras.Model(given, out)
    model.set_weights([np.ones((3, 3, 1, 1)), np.zeros(1), -np.ones((16, 1)), np.zeros(1)])
    x = np.ones((1, 6, 6, 1), np.float32)
    made = ls.attribute(model, x, target="out:0", method=["grad_cam", "saliency"], layer="maps")
    assert made.line("grad_cam") == "zero everywhere: nothing of this layer speaks for the target"
    assert np.any(made.map("saliency", 0).values)
