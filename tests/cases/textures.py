"""Coloured textures of known hue and orientation, a small network for them, and measures of both.

Hue and orientation are crossed, so that a network can tell no class by one of them alone; phase,
spacing, contrast, the grey behind and noise are random, so that nothing else tells it either.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import hsv_to_rgb, rgb_to_hsv

from cases.closed_form import ridge, standardize, values_of, wavelets

Array = npt.NDArray[Any]

SIDE = 32
HUES = (0, 120, 240)  #: degrees on the colour circle
ORIENTATIONS = (0, 45, 90, 135)  #: degrees of the stripes themselves, against the x axis
#: Of each class, by its number: hue and orientation, None for dots.
CLASSES: tuple[tuple[int, int | None], ...] = tuple(
    (hue, way) for hue in HUES for way in (*ORIENTATIONS, None)
)


def textures(labels: Any, generator: np.random.Generator | np.random.RandomState) -> Array:
    """An image for each label, ``(sample, 32, 32, 3)`` in 0..1."""
    labels = np.asarray(labels)
    count, draw = len(labels), generator.uniform
    hue = np.array([CLASSES[n][0] for n in labels]) + draw(-12, 12, count)
    way = np.array([CLASSES[n][1] if CLASSES[n][1] is not None else np.nan for n in labels])
    angle = np.deg2rad(way + draw(-8, 8, count))
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    frequency = 2 * np.pi / draw(5, 9, count)
    phases = draw(0, 2 * np.pi, (2, count))

    def wave(direction: Array, phase: Array) -> Array:
        across = (
            np.sin(direction)[:, None, None] * x + np.cos(direction)[:, None, None] * y
        )  # rows grow downwards
        return np.sin(frequency[:, None, None] * across + phase[:, None, None])

    turned = draw(0, np.pi, count)
    dots = wave(turned, phases[0]) * wave(turned + np.pi / 2, phases[1])
    dotted = np.isnan(angle)
    pattern = np.where(dotted[:, None, None], dots, wave(np.where(dotted, 0, angle), phases[0]))
    share = (0.5 + 0.5 * pattern)[..., None]
    paint = hsv_to_rgb(np.stack([hue % 360 / 360, draw(0.7, 1, count), draw(0.6, 1, count)], -1))
    grey = draw(0.2, 0.8, count)[:, None, None, None]
    images = grey + share * (paint[:, None, None, :] - grey)
    return np.clip(images + generator.normal(0, 0.05, images.shape), 0, 1).astype(np.float32)


def texture_network() -> Any:
    """A network that tells the textures apart, computed instead of trained.

    A unit of ``conv2d`` looks for stripes of one hue and orientation at one of two phases, or for a
    blob of one hue; one of ``conv2d_1`` for what a unit of the first finds beyond what they all
    find. The last layer is learned, from images that are there in every order of the colours: so
    the network treats all three alike, and what it asks for is exactly of a hue.
    """
    import keras
    from keras import layers

    stripes = wavelets(7, ways=len(ORIENTATIONS), phases=2, wavelength=7, width=2)
    blob = np.outer(*[np.exp(-((np.arange(7) - 3) ** 2) / 8)] * 2)[..., None]
    shapes = np.concatenate([stripes, blob / np.linalg.norm(blob)], axis=-1)
    # Of a hue, not of brightness: red without as much green and blue.
    opponent = np.array([2, -1, -1]) / np.sqrt(6)
    kernel = np.concatenate(
        [shapes[:, :, None] * np.roll(opponent, i)[:, None] for i in range(len(HUES))], axis=-1
    )
    count = kernel.shape[-1]
    inhibition = np.broadcast_to((np.eye(count) - 1 / count) / 9, (3, 3, count, count))
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Conv2D(count, 7, strides=2, name="conv2d"),
            layers.BatchNormalization(name="batch_normalization"),
            layers.ReLU(name="re_lu"),
            layers.Conv2D(count, 3, name="conv2d_1"),
            layers.BatchNormalization(name="batch_normalization_1"),
            layers.ReLU(name="re_lu_1"),
            layers.GlobalAveragePooling2D(name="average"),
            layers.Dense(len(CLASSES), activation="softmax", name="dense"),
        ],
        name="textures",
    )
    model.get_layer("conv2d").set_weights([kernel, np.zeros(count)])
    model.get_layer("conv2d_1").set_weights([inhibition, np.zeros(count)])
    images, labels = _in_every_order_of_colours(np.arange(200) % 5)
    standardize(model, "conv2d", "batch_normalization", images)
    standardize(model, "conv2d_1", "batch_normalization_1", images)
    features = values_of(model, "average", images)
    model.get_layer("dense").set_weights(ridge(features, labels, strength=3, gain=30))
    return model


def _in_every_order_of_colours(red: Array) -> tuple[Array, Array]:
    images = textures(red, np.random.RandomState(0))
    orders = list(permutations(range(3)))
    ordered = np.concatenate([images[..., order] for order in orders])
    return ordered, np.concatenate([red + 5 * order.index(0) for order in orders])


def hue_of(image: Array) -> float:
    """The dominant hue in degrees: the circular mean over pixels, by how colourful each is."""
    hue, saturation, value = np.moveaxis(rgb_to_hsv(np.clip(image, 0, 1)), -1, 0)
    mean = (saturation * value * np.exp(2j * np.pi * hue)).sum()
    return float(np.rad2deg(np.angle(mean)) % 360)


def orientation_of(image: Array) -> float:
    """The dominant orientation in degrees, 0 to 180: of the structure tensor over all channels.

    The mean of squared gradients, with the angle doubled, as orientations that are half a circle
    apart are the same.
    """
    dy, dx = np.gradient(image.astype(float), axis=(0, 1))
    mean = ((dx - 1j * dy) ** 2).sum()
    # Stripes run at a right angle to the gradient.
    return float((np.rad2deg(np.angle(mean)) / 2 + 90) % 180)


def apart(a: float, b: float, circle: float) -> float:
    """How far apart two angles are on a circle of so many degrees."""
    return abs((a - b + circle / 2) % circle - circle / 2)
