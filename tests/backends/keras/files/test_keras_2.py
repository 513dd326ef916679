"""Files that Keras 2 itself wrote: the same numbers, from each of its formats."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from layerscope.backends.opening import load_model

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.filterwarnings("ignore")  # Keras 2's own


def images(k):
    layers = k.layers
    return k.Sequential(
        [
            layers.Conv2D(4, 3, padding="same", activation="relu", input_shape=(8, 8, 3)),
            layers.BatchNormalization(),
            layers.SeparableConv2D(5, 3),
            layers.DepthwiseConv2D(3, depth_multiplier=2),
            layers.LeakyReLU(0.1),
            layers.PReLU(),
            layers.Conv2DTranspose(3, 2),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def sequences(k):
    layers = k.layers
    both = layers.LSTM(4, return_sequences=True, recurrent_activation="hard_sigmoid")
    cells = layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(2)])
    return k.Sequential(
        [
            layers.Embedding(11, 6, input_length=7),
            layers.Bidirectional(both),
            layers.TimeDistributed(layers.Dense(5)),
            layers.GRU(3, return_sequences=True, reset_after=False),
            layers.RNN(cells),
            layers.Dense(2, activation="hard_sigmoid"),
        ]
    )


def branches(k):
    """Two inputs; nested, shared and frozen layers; TensorFlow's functions in the graph."""
    layers = k.layers
    a, b = k.Input((6,)), k.Input((4,))
    inner = k.Sequential(
        [layers.Dense(6, input_shape=(10,)), layers.BatchNormalization()], name="inner"
    )
    inner.layers[0].trainable = False
    joined = layers.Concatenate()([layers.Dense(6)(a), layers.Dense(4)(b)])
    shared = layers.Dense(6, activation="elu", name="head/shared")
    once = shared(inner(joined))
    twice = shared(once) * 2.0 + a[:, :6]
    return k.Model([a, b], [layers.Add()([once, twice]), 1.0 - inner(joined)])


def attention(k):
    layers = k.layers
    query, value = k.Input((5, 8)), k.Input((6, 8))
    x = layers.MultiHeadAttention(2, 4)(query, value, key=value)
    return k.Model([query, value], layers.LayerNormalization()(x + query)[:, 0])


@pytest.mark.slow
@pytest.mark.parametrize("make", [images, sequences, branches, attention])
def test_what_keras_2_wrote(tmp_path, make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras_2 = pytest.importorskip("tf_keras")
        model = make(keras_2)
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 0.5, w.shape) for w in model.get_weights()])
    x = [random.uniform(0, 3, (2, *one.shape[1:])).astype("float32") for one in model.inputs]
    if make is sequences:
        x = [np.floor(x[0])]
    expected = model(x if len(x) > 1 else x[0])
    expected = expected if isinstance(expected, list) else [expected]
    for name in ("m.h5", "m.keras", "folder"):
        path = tmp_path / name
        model.save(path, **({} if path.suffix else {"save_format": "tf"}))
        got = load_model(path)(x if len(x) > 1 else x[0])
        got = got if isinstance(got, list | tuple) else [got]
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_allclose(keras.ops.convert_to_numpy(one), other, atol=1e-5)
