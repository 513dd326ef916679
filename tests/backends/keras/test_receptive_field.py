"""Receptive fields of Keras models are those that trying finds, whatever the layers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import layerscope as ls
from cases.amounts import examples
from cases.fields import assert_exact, changed_inputs

SPACE = (9, 10)


def _next(draw: random.Random, values: list[Any]) -> Any:
    """Return a symbol that follows on the last of these, by layers chosen by chance."""
    layers, x = keras.layers, values[-1]
    channels = x.shape[-1]
    size, stride = draw.randint(1, 4), draw.randint(1, 3)
    padding, dilation = draw.choice(["same", "valid"]), draw.randint(1, 2)
    alike = [v for v in values if v.shape == x.shape]
    beside = [v for v in values if v.shape[:3] == x.shape[:3]]
    pairs = ((draw.randint(0, 2), draw.randint(0, 2)), (draw.randint(0, 2), 1))
    weights = {"kernel_initializer": "uniform", "use_bias": False}
    either = {"strides": stride} if dilation == 1 else {"dilation_rate": dilation}
    steps: list[Callable[[], Any]] = [
        lambda: layers.Conv2D(3, size, padding=padding, **either, **weights)(x),
        lambda: layers.Conv2D(2 * channels, (1, size), padding=padding, groups=channels,
                              **weights)(x),
        lambda: layers.DepthwiseConv2D(size, padding=padding, strides=stride, depth_multiplier=2,
                                       use_bias=False)(x),
        lambda: layers.SeparableConv2D(2, size, padding=padding, use_bias=False)(x),
        lambda: layers.Conv2DTranspose(2, size, padding=padding, strides=stride, **weights)(x),
        lambda: layers.MaxPooling2D(size, stride, padding)(x),
        lambda: layers.AveragePooling2D(size, stride, padding)(x),
        lambda: layers.UpSampling2D((2, size))(x),
        lambda: layers.UpSampling2D(2, interpolation="bilinear")(x),
        lambda: layers.ZeroPadding2D(pairs)(x),
        lambda: layers.Cropping2D(pairs)(x),
        lambda: layers.Permute((2, 1, 3))(x),
        lambda: x[:, stride:, ::stride],
        lambda: keras.ops.transpose(x, (0, 2, 1, 3)),
        lambda: layers.Reshape((x.shape[1] * x.shape[2], 1, channels))(x),
        lambda: layers.Dense(3, **weights)(x),
        lambda: layers.BatchNormalization()(x),
        lambda: layers.ReLU()(x),
        lambda: layers.Add()([draw.choice(alike), x]),
        lambda: draw.choice(alike) + x,
        lambda: layers.Concatenate()([draw.choice(beside), x]),
        lambda: layers.Concatenate(axis=1)([x, x]),
        lambda: layers.Maximum()([draw.choice(alike), x]),
        lambda: layers.GlobalAveragePooling2D(keepdims=True)(x) + x,
    ]  # fmt: skip
    return draw.choice(steps)()


def _network(seed: int, count: int) -> Any:
    draw = random.Random(seed)
    values = [keras.Input((*SPACE, 2))]
    while len(values) <= count:
        try:
            new = _next(draw, values)
        except ValueError:  # too large for what is left
            continue
        if 0 < np.prod(new.shape[1:]) < 1500:
            values.append(new)
    return keras.Model(values[0], values[-1])


@given(seed=st.integers(0, 10**6), count=st.integers(1, 5))
@settings(max_examples=examples(12), deadline=None, suppress_health_check=list(HealthCheck))
def test_the_box_is_the_one_that_trying_finds(seed: int, count: int) -> None:
    model = _network(seed, count)
    generator = np.random.default_rng(seed)
    kept = {"gamma", "beta", "moving_mean", "moving_variance"}
    for variable in model.weights:
        if variable.name not in kept:
            variable.assign(generator.uniform(0.5, 1, variable.shape))
    acts = ls.activations(model, changed_inputs(SPACE, 2, channels_last=True))
    assert_exact(acts)
