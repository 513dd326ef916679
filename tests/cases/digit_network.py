"""A network like the demo's that knows handwritten digits, computed instead of trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from cases.closed_form import ridge, values_of, wavelets
from layerscope.backends.keras.digits_network import SIDE, Digits


def digit_network(digits: Digits) -> Any:
    """The textbook's layers with fewer channels, of which only the last is learned.

    The units of ``conv2d`` look for edges and lines in eight directions, with a bias by which each
    fires a little on grey; those of ``conv2d_1`` add up whatever random weights say.
    """
    import keras
    from keras import layers

    kernel = wavelets(3, ways=8, phases=2, wavelength=4, width=1.2)
    lines, mixtures = kernel.shape[-1], 40
    # RandomState's numbers are promised to be the same in every version of NumPy.
    mixing = np.random.RandomState(0).normal(size=(3, 3, lines, mixtures)) / np.sqrt(9 * lines)
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Conv2D(lines, 3, activation="relu", name="conv2d"),
            layers.MaxPooling2D(2, name="max_pooling2d"),
            layers.Conv2D(mixtures, 3, activation="relu", name="conv2d_1"),
            layers.MaxPooling2D(2, name="max_pooling2d_1"),
            layers.Flatten(name="flatten"),
            layers.Dropout(0.2, name="dropout"),
            layers.Dense(10, activation="softmax", name="dense"),
        ],
        name="digits",
    )
    model.get_layer("conv2d").set_weights([kernel[:, :, None], np.full(lines, 0.1)])
    model.get_layer("conv2d_1").set_weights([mixing, np.zeros(mixtures)])
    features = values_of(model, "flatten", digits.x_train)
    model.get_layer("dense").set_weights(ridge(features, digits.y_train, strength=10, gain=20))
    return model
