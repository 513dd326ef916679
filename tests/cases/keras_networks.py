"""Keras networks as people write them, for tests of what is computed of them elsewhere."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

L = keras.layers


def drawn(model: Any) -> Any:
    """The model with weights drawn, also those of its batch normalization."""
    generator = np.random.default_rng(0)
    for weight in model.weights:
        if "variance" in weight.name:
            weight.assign(generator.uniform(0.5, 2, weight.shape))
        else:
            weight.assign(generator.normal(size=weight.shape) / max(weight.shape[0], 3))
    return model


def depthwise_separable() -> Any:
    """Depthwise-separable blocks with batch normalization, pools, and branches put together."""
    entry = keras.Input((17, 13, 3))
    x = L.Rescaling(1 / 127.5, offset=-1)(entry)
    x = L.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = L.ReLU(6.0)(L.BatchNormalization()(x))
    one = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    one = L.Conv2D(8, 1, activation="swish")(L.ReLU(max_value=6)(L.BatchNormalization()(one)))
    other = L.SeparableConv2D(6, (5, 3), padding="same", activation="gelu")(x)
    x = L.Concatenate()([L.Add()([x, one]), other])
    x = L.MaxPooling2D(3, 2, padding="same")(L.SpatialDropout2D(0.2)(x))
    weighed = L.Dense(14, "sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(x))
    x = L.Multiply()([x, weighed])
    x = L.ZeroPadding2D(((0, 1), (2, 0)))(x)
    x = L.GlobalAveragePooling2D()(L.AveragePooling2D(2)(x))
    return drawn(keras.Model(entry, L.Dense(5, activation="softmax")(x)))


def nested() -> Any:
    """A model in a model, called twice, and arithmetic between layers."""
    block = keras.Sequential(
        [L.Conv2D(4, 3, padding="same", activation=L.LeakyReLU()), L.BatchNormalization()],
        name="block",
    )
    entry = keras.Input((9, 7, 4))
    x = keras.ops.relu(block(entry) + entry * 0.5)
    x = L.Subtract()([block(x), x])
    return drawn(keras.Model(entry, L.Dense(3)(L.Flatten()(x))))


def perceptron() -> Any:
    layers = [keras.Input((12,)), L.Dense(9, "tanh"), L.Dropout(0.5), L.Dense(4, "softmax")]
    return drawn(keras.Sequential(layers))
