"""Networks that are computed instead of trained: known kernels, and a readout by least squares.

What a training by gradients ends with differs from processor to processor, and so does all that is
made of such a network. Here only the last layer is learned, and by a convex problem with one
answer: rounding moves its weights by some millionths.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def wavelets(side: int, ways: int, phases: int, wavelength: float, width: float) -> Array:
    """Waves under a Gaussian, each of mean 0 and length 1: ``(side, side, ways · phases)``.

    Their stripes run at multiples of 180 / ``ways`` degrees against the x axis, as those of
    :mod:`cases.textures` do; phases are half a circle apart for 1 of 2, a quarter for 1 of 4.
    """
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    envelope = np.exp(-(x**2 + y**2) / (2 * width**2))
    made = []
    for way in np.pi * np.arange(ways) / ways:
        across = np.sin(way) * x + np.cos(way) * y  # rows grow downwards
        for phase in np.pi / 2 * np.arange(phases):
            wave = envelope * np.cos(2 * np.pi * across / wavelength + phase)
            wave -= wave.mean()
            made.append(wave / np.linalg.norm(wave))
    return np.stack(made, axis=-1)


def ridge(features: Array, labels: Array, strength: float, gain: float) -> tuple[Array, Array]:
    """The kernel and the bias that tell the labels from the features: ridge regression.

    ``strength`` is in units of the features' variance, so that how well conditioned the problem is
    does not depend on theirs; ``gain`` makes logits of what is fitted to be 0 or 1.
    """
    values = features.astype(np.float64)
    mean = values.mean(axis=0)
    centred = values - mean
    targets = np.eye(labels.max() + 1)[labels]
    targets -= targets.mean(axis=0)
    held = strength * (centred**2).sum(axis=1).mean()
    if len(centred) < centred.shape[1]:
        gram = centred @ centred.T + held * np.eye(len(centred))
        kernel = gain * centred.T @ np.linalg.solve(gram, targets)
    else:
        gram = centred.T @ centred + held * np.eye(centred.shape[1])
        kernel = gain * np.linalg.solve(gram, centred.T @ targets)
    return kernel, -mean @ kernel


def values_of(model: Any, layer: str, images: Array) -> Array:
    """What a layer of a Keras model returns in inference, in float64."""
    import keras

    until = keras.Model(model.inputs[0], model.get_layer(layer).output)
    parts = [until(images[i : i + 250], training=False) for i in range(0, len(images), 250)]
    whole: Array = np.concatenate([keras.ops.convert_to_numpy(part) for part in parts])
    return whole.astype(np.float64)


def standardize(model: Any, layer: str, normalization: str, images: Array) -> None:
    """Give a batch normalization the mean and variance that the layer before it has on images."""
    values = values_of(model, layer, images)
    over = tuple(range(values.ndim - 1))
    mean, variance = values.mean(over), values.var(over)
    model.get_layer(normalization).set_weights(
        [np.ones_like(mean), np.zeros_like(mean), mean, variance]
    )


def draw_weights(model: Any, seed: int = 0) -> Any:
    """Give a Keras model random weights that are the same on each backend; return the model.

    The numbers that a unit multiplies its inputs by have a mean of 0, and its bias is 0.1: so on an
    image of one colour it fires, and is no unit that nothing could move.
    """
    drawn = np.random.RandomState(seed)
    weights = []
    for array in model.get_weights():
        if array.ndim == 1:
            weights.append(np.full(array.shape, 0.1))
            continue
        kernel = drawn.normal(size=array.shape) / np.sqrt(np.prod(array.shape[:-1]))
        weights.append(kernel - kernel.mean(axis=tuple(range(array.ndim - 1))))
    model.set_weights(weights)
    return model
