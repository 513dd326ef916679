"""Receptive fields of Keras models are those that trying finds, whatever the layers."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import layerscope as ls
from cases.amounts import examples
from cases.fields import assert_exact, changed_inputs
from layerscope.core.errors import InputError

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


def _field(layers: list[Any], address: str, shape: tuple[int, ...] = (8, 8, 1)) -> Any:
    return ls.receptive_field(keras.Sequential([keras.Input(shape), *layers]), address)


def test_a_real_network(real: Path) -> None:
    (path,) = real.glob("emotion_checkpoints/*.110-*.hdf5")
    model = ls.load_model(path)
    acts = ls.activations(model, np.zeros((1, 64, 64, 1), np.float32))
    assert ls.receptive_field(acts, "conv2d_2:3@5,5").ranges == {
        "y": range(5, 10),
        "x": range(5, 10),
    }
    last = ls.receptive_field(acts, acts.network[-1].address)
    assert (last.whole, last.because) == (True, "global_average_pooling2d_1")


@pytest.mark.parametrize(
    ("make", "whole"),
    [
        (lambda L: L.Flatten(), False),
        (lambda L: L.GlobalMaxPooling2D(), True),
        (lambda L: L.GroupNormalization(1), True),
        (lambda L: L.LayerNormalization(axis=(1, 2, 3)), True),
        (lambda L: L.LayerNormalization(), False),
        (lambda L: L.Softmax(), False),
        (lambda L: L.Lambda(lambda x: x), True),
        (lambda L: L.Attention(), True),
    ],
    ids=["flatten", "pool", "group norm", "norm of maps", "norm of channels", "softmax", "lambda",
         "attention"],
)  # fmt: skip
def test_what_mixes_all_positions_is_named(make: Callable[[Any], Any], whole: bool) -> None:
    L, image = keras.layers, keras.Input((8, 8, 2))
    maps = L.Conv2D(4, 3, padding="same", name="conv")(image)
    layer = make(L)
    layer.name = "it"
    if isinstance(layer, L.Attention):
        maps = L.Reshape((64, 4))(maps)
        maps = [maps, maps]
    address = "it:0" if isinstance(layer, L.Flatten | L.GlobalMaxPooling2D) else "it:0@0,0"
    address = "it:0@0" if isinstance(layer, L.Attention) else address
    box = ls.receptive_field(keras.Model(image, layer(maps)), address)
    assert (box.whole, box.because) == (whole, "it" if whole else None)


def test_tokens_sequences_and_volumes() -> None:
    layers = keras.layers
    tokens = [layers.Embedding(9, 4), layers.Conv1D(3, 3, padding="causal", name="conv")]
    box = ls.receptive_field(
        keras.Sequential([keras.Input((12,), dtype="int32"), *tokens]), "conv:1@6"
    )
    assert box.position == range(4, 7)
    lstm = _field([layers.LSTM(3, name="lstm", return_sequences=True)], "lstm:0@2", (9, 2))
    assert (lstm.whole, lstm.because) == (True, "lstm")
    volume = _field([layers.Conv3D(2, (1, 3, 5), name="conv")], "conv:1@1,2,3", (4, 6, 8, 1))
    assert (volume.z, volume.y, volume.x) == (range(1, 2), range(2, 5), range(3, 8))


def test_code_that_is_not_seen_reaches_everything() -> None:
    class Shifted(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.conv = keras.layers.Conv2D(2, 3, padding="same", name="conv")
            self.last = keras.layers.Conv2D(2, 1, name="last")

        def call(self, x: Any) -> Any:
            return self.last(keras.ops.roll(self.conv(x), 1, axis=1))

    x = np.zeros((1, 8, 8, 1), np.float32)
    model = Shifted()
    assert ls.receptive_field(model, "conv:0@3,3", x).y == range(2, 5)
    box = ls.receptive_field(model, "last:0@3,3", x)
    assert (box.whole, box.because) == (True, "last")


def test_a_model_of_any_size_needs_one() -> None:
    model = keras.Sequential([keras.Input((None, None, 1)), keras.layers.Conv2D(2, 3, name="conv")])
    assert ls.receptive_field(model, "conv:0@1,2", size=(9, 9)).x == range(2, 5)
    with pytest.raises(InputError, match="size"):
        ls.receptive_field(model, "conv:0@1,2")
