"""What Keras' layers say they are, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

keras = pytest.importorskip("keras")

import layerscope as ls
from cases.standard_keras import ON_IMAGES
from layerscope.backends.keras.kinds import kind_of

L = keras.layers


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda: L.ReLU(), ("activation", "relu")),
        (lambda: L.ReLU(max_value=6), ("activation", "relu6")),
        (lambda: L.Dense(3, activation=L.ReLU()), ("dense", "relu")),
        (lambda: L.Conv2D(3, 3, activation=L.LeakyReLU()), ("conv", "leaky_relu")),
        (lambda: L.ReLU(negative_slope=0.1), ("activation", "leaky_relu")),
        (lambda: L.ReLU(threshold=1), ("activation", "thresholded_relu")),
        (lambda: L.Dense(3, "relu"), ("dense", "relu")),
        (lambda: L.Dense(3, "linear"), ("dense", None)),
        (lambda: L.Dense(3, "hard_silu"), ("dense", "hard_silu")),
        (lambda: L.Dense(3, lambda x: x), ("dense", "<lambda>")),
        (lambda: L.DepthwiseConv2D(3, activation="relu6"), ("depthwise_conv", "relu6")),
        (lambda: L.SeparableConv1D(3, 3), ("separable_conv", None)),
        (lambda: L.EinsumDense("abc,cd->abd", (None, 3)), ("matmul", None)),
        (lambda: L.UpSampling2D(interpolation="bicubic"), ("other", None)),
        (lambda: L.Resizing(3, 3), ("resize", None)),
        (lambda: L.Flatten(data_format="channels_first"), ("rearrange", None)),
        (lambda: L.Rescaling(1 / 255), ("rescale", None)),
        (lambda: L.Normalization(), ("standardize", None)),
        (lambda: L.RandomFlip(), ("augment", None)),
        (lambda: L.Lambda(lambda x: x), ("function", None)),
        (lambda: L.TimeDistributed(L.Dense(3, "relu")), ("other", None)),
        (lambda: keras.Sequential([L.Dense(3)]), ("container", None)),
    ],
)  # fmt: skip
def test_what_a_layer_is(layer: Callable[[], Any], expected: tuple[str, str | None]) -> None:
    assert kind_of(layer()) == expected


def test_what_a_layer_of_texts_is() -> None:
    pytest.importorskip("tensorflow")  # which Keras looks texts up with
    assert kind_of(L.StringLookup(vocabulary=["a"])) == ("encode", None)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (keras.ops.leaky_relu, ("activation", "leaky_relu")),
        (keras.ops.silu, ("activation", "silu")),
        (keras.ops.exp, ("elementwise", "exponential")),
        (lambda x: x + x, ("add", None)),
        (lambda x: x / (x * 2), ("merge", None)),
        (lambda x: keras.ops.mean(x, axis=1), ("reduce", None)),
        (lambda x: keras.ops.concatenate([x, x]), ("concat", None)),
        (lambda x: keras.ops.reshape(x, (-1, 72)), ("reshape", None)),
        (lambda x: x[:, 1:], ("rearrange", None)),
        (lambda x: keras.ops.transpose(x, (0, 2, 1, 3)), ("rearrange", None)),
        (lambda x: keras.ops.cast(x, "float16"), ("quantize", None)),
        (lambda x: keras.ops.matmul(x, keras.ops.swapaxes(x, 2, 3)), ("matmul", None)),
    ],
)
def test_what_an_operation_is(
    function: Callable[[Any], Any], expected: tuple[str, str | None]
) -> None:
    x = keras.Input((4, 6, 3))
    last = ls.describe(keras.Model(x, function(x))).layers[-1]
    assert (last.kind, last.activation) == expected


#: What may stand between a Flatten and a dense layer, which then still sees the maps.
BETWEEN: dict[str, Callable[[], Any]] = {
    "nothing": lambda: L.Activation("linear"),
    **{name: ON_IMAGES[name] for name in ("ReLU", "leaky ReLU", "parametric ReLU", "ELU", "GELU",
                                          "SiLU", "tanh", "sigmoid", "softmax", "identity",
                                          "batch normalization", "layer normalization")},
    "dropout": lambda: L.Dropout(0.5),
    "noise": lambda: L.GaussianNoise(0.5),
    "scaled": lambda: L.Rescaling(0.5),
}  # fmt: skip


@pytest.mark.parametrize("name", BETWEEN)
def test_a_dense_kernel_shows_the_maps_that_were_flattened(name: str) -> None:
    model = keras.Sequential([
        L.Input((8, 8, 1)), L.Conv2D(4, 3), L.Flatten(), BETWEEN[name](), L.Dense(5, name="top"),
    ])  # fmt: skip
    attrs = ls.weights(model)["top/kernel"].attrs
    assert attrs["input_shape"] == (6, 6, 4)
    assert attrs["input_axes"] == ("y", "x", "channel")
    assert len(ls.sheet(ls.weights(model), "top/kernel")) == 20


def test_what_moves_positions_takes_the_maps_away() -> None:
    model = keras.Sequential([
        L.Input((8, 8, 1)), L.Conv2D(4, 3), L.Flatten(), L.Reshape((12, 12)), L.Permute((2, 1)),
        L.Reshape((144,)), L.Dense(5, name="top"),
    ])  # fmt: skip
    assert ls.weights(model)["top/kernel"].attrs["input_shape"] == (12, 12)


def test_an_operation_as_well_as_a_layer() -> None:
    x = keras.Input((8, 8, 1))
    flat = keras.ops.reshape(L.Conv2D(4, 3)(x), (-1, 144))
    model = keras.Model(x, L.Dense(5, name="top")(keras.ops.silu(flat)))
    assert ls.weights(model)["top/kernel"].attrs["input_shape"] == (6, 6, 4)
