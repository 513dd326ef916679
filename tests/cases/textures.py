"""Coloured textures of known hue and orientation, a small network for them, and measures of both.

Hue and orientation are crossed, so that a network can tell no class by one of them alone; phase,
spacing, contrast, the grey behind and noise are random, so that nothing else tells it either.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import hsv_to_rgb, rgb_to_hsv

Array = npt.NDArray[Any]

SIDE = 32
HUES = (0, 120, 240)  #: degrees on the colour circle
ORIENTATIONS = (0, 45, 90, 135)  #: degrees of the stripes themselves, against the x axis
#: Of each class, by its number: hue and orientation, None for dots.
CLASSES: tuple[tuple[int, int | None], ...] = tuple(
    (hue, way) for hue in HUES for way in (*ORIENTATIONS, None)
)


def textures(labels: Any, generator: np.random.Generator) -> Array:
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


def texture_network(images: int = 3000, epochs: int = 6, seed: int = 0) -> Any:
    """A network that was trained to tell the textures apart."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    labels = np.arange(images) % len(CLASSES)
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Conv2D(24, 7, strides=2, name="conv2d"),
            layers.BatchNormalization(name="batch_normalization"),
            layers.ReLU(name="re_lu"),
            layers.Conv2D(32, 3, name="conv2d_1"),
            layers.BatchNormalization(name="batch_normalization_1"),
            layers.ReLU(name="re_lu_1"),
            layers.GlobalAveragePooling2D(name="average"),
            layers.Dense(len(CLASSES), activation="softmax", name="dense"),
        ],
        name="textures",
    )
    rate = keras.optimizers.schedules.CosineDecay(0.01, epochs * (images // 60))
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    images_of = textures(labels, np.random.default_rng(seed))
    model.fit(images_of, labels, batch_size=60, epochs=epochs, verbose=0)
    return model


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
