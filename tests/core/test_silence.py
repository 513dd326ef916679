"""Of which layers a zero is silence."""

from __future__ import annotations

from typing import Any

import pytest

from cases.networks import layer
from layerscope.core.network import Network, Parameter
from layerscope.core.silence import rectified

RECTIFY = ["ReLU", "relu", "relu_", "Relu", "ReLU6", "ThresholdedReLU"]
OTHER = [
    "Softmax", "LogSoftmax", "softmax", "log_softmax", "Softmax2d", "Sigmoid", "HardSigmoid",
    "sigmoid", "LogSigmoid", "Tanh", "GELU", "SiLU", "Swish", "ELU", "selu", "LeakyReLU", "PReLU",
    "Mish", "Softplus", "Conv2D", "DepthwiseConv2D", "Dense", "Linear", "Gemm", "MatMul",
    "BatchNormalization", "LayerNorm", "Embedding", "LSTM", "GRU", "MultiHeadAttention",
    "StandardScaler", "Rescaling", "InputLayer",
]  # fmt: skip
HAND_ON = [
    "MaxPooling2D", "AdaptiveAvgPool2d", "GlobalAveragePooling2D", "Flatten", "flatten", "Reshape",
    "Dropout", "ZeroPadding2D", "Identity", "Concatenate", "cat", "Add", "add", "UpSampling2D",
]  # fmt: skip
UNKNOWN = ["Any", "MyBlock", "Clip", "clamp", "Mul", "where", "threshold"]


def of(*layers: tuple[str, dict[str, Any]]) -> bool | None:
    """Of the last of a chain of layers, by type and settings."""
    chain = [
        layer(str(i), kind, settings=settings, inputs=(str(i - 1),) if i else ())
        for i, (kind, settings) in enumerate(layers)
    ]
    return rectified(Network("n", "?", tuple(chain)), str(len(chain) - 1))


@pytest.mark.parametrize("kind", RECTIFY)
def test_rectifiers(kind: str) -> None:
    assert of((kind, {})) is True
    assert of(("Conv2D", {"activation": kind})) is True
    assert of(("Activation", {"activation": kind})) is True


@pytest.mark.parametrize("kind", OTHER)
def test_zeros_that_are_values_like_others(kind: str) -> None:
    assert of((kind, {})) is False
    assert of(("ReLU", {}), (kind, {})) is False


@pytest.mark.parametrize("kind", HAND_ON)
def test_what_is_handed_on_is_as_it_came(kind: str) -> None:
    assert of(("ReLU", {}), (kind, {})) is True
    assert of(("Conv2D", {}), (kind, {}), (kind, {})) is False
    assert of(("Any", {}), (kind, {})) is None
    assert of((kind, {})) is None
    both = Network("n", "?", (
        layer("relu", "ReLU"), layer("conv", "Conv2D"),
        layer("both", kind, inputs=("relu", "conv")),
    ))  # fmt: skip
    assert rectified(both, "both") is False


@pytest.mark.parametrize("kind", UNKNOWN)
def test_of_others_the_type_does_not_tell(kind: str) -> None:
    assert of((kind, {})) is None
    assert of(("Conv2D", {}), (kind, {})) is None


def test_inputs_and_parameters_are_never_silent() -> None:
    kernel = Parameter("conv/kernel", (3, 3), "float32", True, False, 36)
    network = Network("n", "?", (layer("image", "Any", role="input"),), (kernel,))
    assert rectified(network, "image") is False
    assert rectified(network, "conv/kernel") is False
    assert rectified(network, "not a layer") is None


@pytest.mark.parametrize("first", ["ReLU", "Dense", "Any"])
def test_a_deep_network_and_one_of_many_paths_are_as_easy_as_others(first: str) -> None:
    chain = [layer(str(i), "add", inputs=(str(i - 1),) if i else ()) for i in range(5000)]
    doubling = [layer(str(i), "add", inputs=(str(max(i - 2, 0)), str(i - 1))) for i in range(1, 90)]
    for rest in (chain[1:], doubling):
        network = Network("n", "?", (layer("0", first), *rest))
        assert rectified(network, rest[-1].address) is rectified(network, "0")
