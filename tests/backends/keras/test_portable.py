"""Keras' networks as operations: equal to the framework, or a sentence on what is in the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from cases import keras_networks
from cases.followed import followed, values
from layerscope.errors import ModelError
from layerscope.instruments.portable import portable

L = keras.layers
MAPS = (9, 7, 4)


def of(*layers: Any, shape: tuple[int, ...] = MAPS) -> Any:
    return keras_networks.drawn(keras.Sequential([keras.Input(shape), *layers]))


def kinds(program: Any) -> list[str]:
    return [operation.kind for operation in program.graph.operations]


@pytest.mark.parametrize(
    "make",
    [
        lambda: L.Conv2D(8, 3),
        lambda: L.Conv2D(5, (2, 5), strides=(3, 1), padding="same"),
        lambda: L.Conv2D(5, (4, 2), padding="same", activation="relu"),
        lambda: L.Conv2D(5, 3, dilation_rate=(2, 3), padding="same", use_bias=False),
        lambda: L.Conv2D(6, 3, strides=2, padding="same", groups=2),
        lambda: L.DepthwiseConv2D((3, 2), strides=2, padding="same", depth_multiplier=3),
        lambda: L.DepthwiseConv2D(2, dilation_rate=2, activation="tanh"),
        lambda: L.SeparableConv2D(5, (2, 3), padding="same", depth_multiplier=2, activation="elu"),
        lambda: L.SeparableConv2D(5, 3, strides=2),
        lambda: L.MaxPooling2D(),
        lambda: L.MaxPooling2D((3, 2), strides=(2, 1), padding="same"),
        lambda: L.AveragePooling2D((2, 3)),
        lambda: L.AveragePooling2D(3, strides=1, padding="same"),
        lambda: L.AveragePooling2D((2, 3), strides=2, padding="same"),
        lambda: L.GlobalAveragePooling2D(),
        lambda: L.GlobalMaxPooling2D(keepdims=True),
        lambda: L.ZeroPadding2D(((1, 2), (0, 3))),
        lambda: L.Cropping2D(((1, 2), (0, 3))),
        lambda: L.UpSampling2D((2, 3)),
        lambda: L.BatchNormalization(),
        lambda: L.BatchNormalization(axis=1, scale=False),
        lambda: L.Dense(3, "relu"),
        lambda: L.Softmax(axis=1),
        lambda: L.PReLU(),
        lambda: L.PReLU(shared_axes=[1, 2]),
        lambda: L.Permute((3, 1, 2)),
        lambda: L.Reshape((7, 36)),
        lambda: L.Flatten(),
        lambda: L.Rescaling([1.0, 2, 3, 4], offset=[0.5, 0, 0, 1]),
        lambda: L.Normalization(mean=[0.0, 1, 2, 100], variance=[1.0, 2, 3, 4]),
        lambda: L.Normalization(mean=3.0, variance=2.0, invert=True),
        lambda: L.RandomFlip(),
        lambda: L.RandomRotation(0.1),
        lambda: L.RandomZoom(0.1),
        lambda: L.RandomContrast(0.1),
        lambda: L.Normalization(axis=2, mean=[0.0] * 7, variance=[2.0] * 7),
    ],
    ids=[str(i) for i in range(36)],
)
def test_layers_on_maps(make: Callable[[], Any]) -> None:
    followed(of(make()), values(2, *MAPS))


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "layer",
    [
        *(
            L.Dense(5, name)
            for name in (
                "relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "sigmoid", "tanh",
                "softmax", "log_softmax", "softplus", "softsign", "silu", "mish", "hard_sigmoid",
                "hard_silu", "log_sigmoid", "exponential", "linear", "hard_tanh",
            )
        ),
        L.Dense(5, activation=L.ELU(0.3)), L.Dense(5, activation=keras.ops.relu6),
        L.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.5), L.ReLU(), L.ReLU(6),
        L.LeakyReLU(0.2), L.ELU(0.7), L.Softmax(), L.PReLU(), L.Activation("gelu"),
        L.Activation(L.ReLU(3.0)), L.Dropout(0.5), L.GaussianNoise(1.0), L.Identity(),
        L.BatchNormalization(center=False), L.Reshape((3, 4)), L.Reshape((2, 3, 2)),
    ],
)  # fmt: skip
def test_layers_on_vectors(layer: Any) -> None:
    followed(of(layer, shape=(12,)), 3 * values(3, 12))


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (keras_networks.depthwise_separable, (2, 17, 13, 3)),
        (keras_networks.nested, (2, 9, 7, 4)),
        (keras_networks.perceptron, (3, 12)),
    ],
)
def test_networks(model: Callable[[], Any], shape: tuple[int, ...]) -> None:
    followed(model(), values(*shape))


@pytest.mark.slow
@pytest.mark.one_backend
@pytest.mark.parametrize("name", ["MobileNet", "MobileNetV2", "MobileNetV3Small"])
def test_architectures_of_keras(name: str) -> None:
    make = getattr(keras.applications, name)
    width = 0.75 if name == "MobileNetV3Small" else 0.35 if name == "MobileNetV2" else 0.25
    model = make(weights=None, input_shape=(32, 32, 3), alpha=width, classes=10)
    followed(model, 100 * values(1, 32, 32, 3))


def test_an_address_has_the_value_after_the_activation_that_is_fused() -> None:
    program = followed(of(L.Dense(5, "relu"), shape=(12,)), values(2, 12))
    (layer,) = program.layers
    before, after = program.graph.operations
    assert (before.kind, before.is_layer) == ("dense", False)
    assert (after.address, after.kind) == (layer, "activation")


@pytest.mark.one_backend
def test_channels_first() -> None:
    first = {"data_format": "channels_first"}
    model = of(
        L.Conv2D(6, 3, padding="same", **first),
        L.BatchNormalization(axis=1),
        L.ReLU(),
        L.MaxPooling2D(2, **first),
        L.ZeroPadding2D(1, **first),
        L.Flatten(**first),
        L.Dense(5),
        shape=(4, 9, 7),
    )
    program = followed(model, values(2, 4, 9, 7))
    assert program.graph.input_shape == (9, 7, 4)
    assert "transpose" not in kinds(program)  # Keras, too, flattens with the channels last


@pytest.mark.one_backend
def test_a_reshape_of_channels_first_maps_counts_as_the_framework_does() -> None:
    first = {"data_format": "channels_first"}
    layers = [L.Conv2D(6, 3, **first), L.Reshape((210,)), L.Dense(5)]
    followed(of(*layers, shape=(4, 9, 7)), values(2, 4, 9, 7))


def test_a_model_within_that_adds_the_axis_of_channels_to_what_it_receives() -> None:
    maps = keras.Input((8, 8, 1))
    inner = keras.Model(maps, L.Flatten()(L.Conv2D(3, 3)(maps)))

    class Outer(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.relu, self.inner = L.ReLU(), inner

        def call(self, x: Any) -> Any:
            return self.inner(self.relu(x))

    followed(Outer(), values(2, 8, 8))


def test_a_subclassed_model_of_layers() -> None:
    class Chain(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.add, self.two = L.Dense(12), L.Add(), L.Dense(3)

        def call(self, x: Any) -> Any:
            return self.two(self.add([x, self.one(x), x]))

    program = followed(Chain(), values(2, 12))
    assert kinds(program) == ["dense", "add", "dense"]
    assert program.graph.operations[1].inputs[::2] == (program.graph.input,) * 2


def test_looking_changes_nothing() -> None:
    model = keras_networks.nested()
    before = [np.array(weight) for weight in model.get_weights()]
    calls = keras.Layer.__call__, keras.Operation.__call__
    portable(model, values(1, 9, 7, 4))
    assert (keras.Layer.__call__, keras.Operation.__call__) == calls
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


class Doubling(L.Layer):
    def call(self, x: Any) -> Any:
        return 2 * x


class Attended(L.Conv2D):
    def call(self, x: Any) -> Any:
        return super().call(x) * 2


class AddingByCode(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = L.Conv2D(4, 3, padding="same"), L.ReLU(name="bent")

    def call(self, x: Any) -> Any:
        return self.relu(self.conv(x) + x)


class EndingInCode(AddingByCode):
    def call(self, x: Any) -> Any:
        return self.relu(self.conv(x)) * 2


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: of(L.LSTM(3, name="memory"), shape=(5, 4)),
         "'memory' (LSTM) is of a type that a page does not know."),
        (lambda: of(L.LayerNormalization(name="norm")),
         "'norm' (LayerNormalization) is of a type that a page does not know."),
        (lambda: of(L.Lambda(lambda x: 2 * x, name="twice")),
         "'twice' (Lambda) is of a type that a page does not know."),
        (lambda: of(Doubling(name="twice")), "'twice' (Doubling) computes with code of its own."),
        (lambda: of(Attended(3, 3, name="mine")),
         "'mine' (Attended) computes with code of its own."),
        (lambda: of(L.Conv2D(3, 3, activation=lambda x: 2 * x, name="mine")),
         "'mine' (Conv2D) applies a function of somebody's own, <lambda>."),
        (lambda: of(L.Dense(3, "squareplus", name="rare")),
         "'rare' (Dense) applies the function 'squareplus', which a page does not know."),
        (lambda: of(L.UpSampling2D(interpolation="bilinear", name="up")),
         "'up' (UpSampling2D) resizes by 'bilinear' instead of repeating values."),
        (lambda: of(L.Conv1D(3, 3, name="line"), shape=(9, 4)),
         "'line' (Conv1D) is of a type that a page does not know."),
        (AddingByCode, "'bent' (ReLU) is given a value that code between layers has made"),
        (EndingInCode, "'output' (EndingInCode) computes with code of its own between"),
    ],
    ids=["lstm", "norm", "lambda", "layer", "subclass", "function", "rare", "resized", "1d", "code",
         "end"],
)  # fmt: skip
def test_what_is_in_the_way_is_named(make: Callable[[], Any], sentence: str) -> None:
    model = make()
    shape = model.inputs[0].shape[1:] if getattr(model, "inputs", None) else MAPS
    with pytest.raises(ModelError, match=r"^The network can't be computed in a page: ") as error:
        portable(model, values(2, *shape))
    assert sentence in str(error.value)


@pytest.mark.one_backend
def test_several_inputs_are_refused() -> None:
    one, two = keras.Input((3,)), keras.Input((3,))
    model = keras.Model([one, two], L.Add()([one, two]))
    with pytest.raises(ModelError, match="it takes 2 inputs, and one is what a page can give"):
        portable(model, [values(2, 3), values(2, 3)])


@pytest.mark.one_backend
def test_a_network_with_too_many_weights_is_refused_before_it_is_run() -> None:
    model = of(L.Dense(1500), shape=(1500,))
    with pytest.raises(ModelError, match=r"2,251,500 weights, and a page computes with 2,000,000"):
        portable(model, values(1, 3))


@pytest.mark.one_backend
def test_a_network_of_low_precision_is_no_equal_one() -> None:
    low = keras.Sequential([keras.Input((12,)), L.Dense(400, dtype="mixed_bfloat16", name="low")])
    with pytest.raises(ModelError, match=r"'low' \(Dense\) comes out otherwise than in Keras"):
        portable(keras_networks.drawn(low), values(2, 12))
