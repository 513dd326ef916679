"""A Keras model of each of the layers that most frameworks have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

L = keras.layers


class MyConv(L.Conv2D):
    """Somebody's own convolution."""


class Mystery(L.Layer):
    """A layer that nobody knows."""

    def call(self, x: Any) -> Any:
        return x * 2


IMAGE = np.linspace(-1, 1, 2 * 4 * 6 * 3).reshape(2, 4, 6, 3).astype("float32")
ON_IMAGES: dict[str, Callable[[], Any]] = {
    "convolution": lambda: L.Conv2D(2, 3),
    "transposed convolution": lambda: L.Conv2DTranspose(2, 3),
    "dense": lambda: L.Dense(4),
    "batch normalization": lambda: L.BatchNormalization(),
    "group normalization": lambda: L.GroupNormalization(3),
    "layer normalization": lambda: L.LayerNormalization(),
    "ReLU": lambda: L.ReLU(),
    "leaky ReLU": lambda: L.LeakyReLU(),
    "parametric ReLU": lambda: L.PReLU(),
    "ELU": lambda: L.ELU(),
    "GELU": lambda: L.Activation("gelu"),
    "SiLU": lambda: L.Activation("swish"),
    "tanh": lambda: L.Activation("tanh"),
    "sigmoid": lambda: L.Activation("sigmoid"),
    "softmax": lambda: L.Softmax(),
    "largest values": lambda: L.MaxPooling2D(),
    "means": lambda: L.GlobalAveragePooling2D(),
    "flattened": lambda: L.Flatten(),
    "transposed": lambda: L.Permute((2, 1, 3)),
    "padded with zeros": lambda: L.ZeroPadding2D(),
    "upsampled": lambda: L.UpSampling2D(),
    "dropout": lambda: L.SpatialDropout2D(0.5),
    "identity": lambda: L.Identity(),
    "derived from a convolution": lambda: MyConv(2, 3),
    "nobody knows it": lambda: Mystery(),
}


def standard() -> dict[str, tuple[Any, Any]]:
    """A model of each of the layers that most frameworks have, and an input."""
    models = {
        name: (keras.Sequential([L.Input((4, 6, 3)), make()]), IMAGE)
        for name, make in ON_IMAGES.items()
    }
    words, image = keras.Input((5,), dtype="int32"), keras.Input((4, 6, 3))
    vectors = L.Embedding(7, 4)(words)
    indices = np.zeros((2, 5), "int32")
    sequences = {
        "embedding": vectors,
        "LSTM": L.LSTM(3)(vectors),
        "attention": L.MultiHeadAttention(2, 2)(vectors, vectors),
    }
    models |= {name: (keras.Model(words, out), indices) for name, out in sequences.items()}
    pairs = {
        "sum of two": L.Add()([image, image]),
        "product of two": image * (image + image),
        "side by side": L.Concatenate()([image, image]),
    }
    return models | {name: (keras.Model(image, out), IMAGE) for name, out in pairs.items()}
