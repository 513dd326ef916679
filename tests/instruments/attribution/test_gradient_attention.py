"""Gradient × attention in Keras: whatever layer attends, it is what is computed by hand."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from keras import layers

from layerscope.instruments.attribution.attribute import attribute

Array = npt.NDArray[Any]
WIDTH, HEADS, LENGTH = 6, 2, 5


def network(*, dropout: float, read: int) -> Any:
    """Words, two layers of attention past which they go, and an answer that reads one place.

    With dropout Keras computes the weights, without it they are fused away.
    """
    keras.utils.set_random_seed(7)
    ids = keras.Input((LENGTH,), dtype="int32")
    x = layers.Embedding(11, WIDTH, name="vectors")(ids)
    for i in (1, 2):
        attend = layers.MultiHeadAttention(HEADS, 3, dropout=dropout, name=f"attend{i}")
        x = layers.Add()([x, attend(x, x)])
    at = layers.Lambda(lambda v: v[:, read])(x)
    return keras.Model(ids, layers.Dense(3, name="answer")(at))


def by_hand(model: Any, ids: Array, target: int, read: int) -> Array:
    """Compute the rule of Chefer et al. with finite differences of the weights."""
    table = model.get_layer("vectors").get_weights()[0].astype(np.float64)
    parts = [
        [w.astype(np.float64) for w in model.get_layer(f"attend{i}").get_weights()] for i in (1, 2)
    ]
    kernel, bias = model.get_layer("answer").get_weights()

    def score(shifts: Array) -> tuple[float, list[Array]]:
        x, weights = table[ids], []
        for shift, (wq, bq, wk, bk, wv, bv, wo, bo) in zip(shifts, parts, strict=True):
            query, key, value = (
                np.einsum("ti,ihd->htd", x, w) + b[:, None]
                for w, b in ((wq, bq), (wk, bk), (wv, bv))
            )
            scores = query @ key.transpose(0, 2, 1) / np.sqrt(wq.shape[-1])
            powers = np.exp(scores - scores.max(-1, keepdims=True))
            weights.append(powers / powers.sum(-1, keepdims=True))
            made = (weights[-1] + shift) @ value
            x = x + np.einsum("htd,hdi->ti", made, wo) + bo
        return float(x[read] @ kernel[:, target] + bias[target]), weights

    zeros = np.zeros((2, HEADS, LENGTH, LENGTH))
    _, weights = score(zeros)
    total = np.eye(LENGTH)
    for layer in range(2):
        gradient = np.zeros(zeros.shape[1:])
        for place in np.ndindex(gradient.shape):
            ends = []
            for step in (1e-4, -1e-4):
                shifts = zeros.copy()
                shifts[layer][place] = step
                ends.append(score(shifts)[0])
            gradient[place] = (ends[0] - ends[1]) / 2e-4
        total = total + np.maximum(weights[layer] * gradient, 0).mean(0) @ total
    return (total - np.eye(LENGTH))[read]


@pytest.mark.parametrize(("dropout", "read"), [(0.0, 0), (0.1, -1)])
def test_it_is_what_is_computed_by_hand(dropout: float, read: int) -> None:
    model = network(dropout=dropout, read=read)
    ids = np.array([[1, 2, 3, 4, 5], [9, 8, 7, 6, 1]])
    made = attribute(model, ids, 1, "gradient_x_attention").named("gradient_x_attention")
    assert made.axes == ("sample", "position")
    known = np.stack([by_hand(model, one, 1, read) for one in ids])
    assert known.max() > 1e-4
    np.testing.assert_allclose(made.values, known, atol=1e-3 * known.max())


@pytest.mark.one_backend
def test_class_tokens_of_a_vision_transformer_are_set_apart() -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 12, 3))
    x = layers.Reshape((6, 5))(layers.Conv2D(5, 4, strides=4, name="patches")(image))
    x = layers.ZeroPadding1D((1, 0))(x)  # a class token, as far as shapes tell
    x = layers.Dense(5, name="tokens")(x)
    x = layers.Add()([x, layers.MultiHeadAttention(1, 4)(x, x)])
    out = layers.Dense(3)(layers.Lambda(lambda v: v[:, 0])(x))
    model = keras.Model(image, out)
    given = np.random.default_rng(0).random((2, 8, 12, 3)).astype(np.float32)
    made = attribute(model, given, [0, 2], "gradient_x_attention")
    assert made.settings["gradient_x_attention"] == {
        "layers": 1, "grid": (2, 3), "tokens apart": 1
    }  # fmt: skip
    assert made.named("gradient_x_attention").values.shape == (2, 8, 12)
    assert made.named("gradient_x_attention@layer").values.max() > 0


@pytest.mark.one_backend
def test_attention_layers_of_one_head_have_theirs() -> None:
    keras.utils.set_random_seed(3)
    x = keras.Input((4, 3))
    hidden = layers.Attention(name="attend")([layers.Dense(3, name="q")(x), x])
    model = keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(hidden)))
    given = np.random.default_rng(1).standard_normal((1, 4, 3)).astype(np.float32)
    made = attribute(model, given, 0, "gradient_x_attention")
    kernel = model.layers[-1].get_weights()[0][:, 0] / 4
    query = given[0] @ model.get_layer("q").get_weights()[0] + model.get_layer("q").get_weights()[1]
    scores = query @ given[0].T
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    known = np.maximum(weights * (given[0] @ kernel), 0).mean(0)
    np.testing.assert_allclose(made.named("gradient_x_attention").values[0], known, rtol=1e-3)
