"""A port to another framework: one that is right parts nowhere, one that is broken at its layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from cases.ports import images, network, ported
from layerscope.instruments.comparison.compare import compare

Array = np.ndarray[Any, Any]

pytestmark = pytest.mark.side_by_side


@pytest.fixture(scope="module")
def original() -> Any:
    return network()


def upsampling(**settings: Any) -> Callable[[], Any]:
    import torch

    return torch.nn.Upsample(scale_factor=2, **settings)


def weight(model: Any, end: str) -> Array:
    import keras

    whose = next(w for w in model.weights if w.path.endswith(end))
    return np.asarray(keras.ops.convert_to_numpy(whose))


def clamped(x: Any) -> Any:
    return x.clamp(0, 0.5)


def leaking(x: Any) -> Any:
    import torch

    return torch.nn.functional.leaky_relu(x)


#: What is broken: how, the first layer that parts, and what is said of it.
BROKEN: Mapping[str, tuple[Callable[[Any], Mapping[str, Any]], str, str]] = {
    "padding": (
        lambda _: {"symmetric": 1},
        "conv",
        "the padding: 'conv' pads 1, 0 × 1, 0 (before, after), the one 0, 1 × 0, 1",
    ),
    "epsilon": (
        lambda _: {"epsilon": 1e-5},
        "norm",
        "the epsilon: 1e-05 in 'norm', 1e-03 in the one",
    ),
    "epsilon of a layer norm": (
        lambda _: {"layer_epsilon": 1e-5},
        "layer_norm",
        "the epsilon: 1e-05 in 'layer_norm', 1e-03 in the one",
    ),
    "interpolation": (
        lambda _: {"up": upsampling()},
        "up",
        "the interpolation: nearest in 'up', linear in the one",
    ),
    "corners": (
        lambda _: {"up": upsampling(mode="bilinear", align_corners=True)},
        "up",
        "the grid of the interpolation: 'up' aligns first and last pixels",
    ),
    "gelu": (
        lambda _: {"gelu": "tanh"},
        "gelu",
        "'gelu' applies gelu by tanh, the approximate one, the one gelu, the exact one",
    ),
    "leaky relu": (
        lambda _: {"relu": leaking},
        "conv",
        "'leaky_relu' applies leaky_relu with slope 0.01, the one relu",
    ),
    "clamped": (
        lambda _: {"relu": clamped},
        "conv",
        "'clamp' applies relu up to 0.5, the one relu",
    ),
    "dense kernel": (
        lambda _: {"dense_1_kernel": np.transpose},
        "dense_1",
        "the kernel of 'dense_1' is transposed: inputs and units are swapped",
    ),
    "kernel": (
        lambda _: {"conv_kernel": lambda w: w.swapaxes(0, 1)},
        "conv",
        "the kernel of 'conv' is transposed: y and x are swapped",
    ),
    "turned kernel": (
        lambda _: {"conv_1_kernel": lambda w: w[::-1, ::-1]},
        "conv_1",
        "the kernel of 'conv_1' is turned by 180°",
    ),
    "colours": (
        lambda _: {"conv_kernel": lambda w: w[:, :, ::-1]},
        "conv",
        "the inputs of the kernel of 'conv' are in reverse order in the other, as BGR is",
    ),
    "swapped statistics": (
        lambda model: {
            "norm_moving_mean": lambda _: weight(model, "norm/moving_variance"),
            "norm_moving_variance": lambda _: weight(model, "norm/moving_mean"),
        },
        "norm",
        "the statistics of 'norm' are swapped",
    ),
    "statistics not loaded": (
        lambda _: {
            "norm_moving_mean": np.zeros_like,
            "norm_moving_variance": np.ones_like,
        },
        "norm",
        "the statistics of 'norm' were not loaded in the other",
    ),
    "input range": (
        lambda _: {"scale": 1.0},
        "conv",
        "the range of the input: what 'conv' receives is 255 times as large, 0 … 255 in the "
        "place of 0 … 1; 'rescaling' of the one has no counterpart",
    ),
    "order of flattening": (
        lambda _: {"flatten_order": True},
        "dense",
        "the kernel of 'dense' is for channels last, as in the one, and the other flattens its "
        "maps channels first",
    ),
    "bias": (
        lambda _: {"conv_bias": np.zeros_like},
        "conv",
        "the bias of 'conv' is 0 throughout in the other, as where it was not loaded",
    ),
}


def test_a_port_that_is_right_parts_nowhere(original: Any) -> None:
    d = compare(original, ported(original), images())
    assert d.first is None
    assert d.why == ()
    partners = {pair.address: pair.partner for pair in d.pairs}
    # A layer of Keras with its activation is a layer and a function in PyTorch.
    assert (partners["conv"], partners["dense"]) == ("relu", "relu#2")
    assert list(partners) == [
        "conv", "conv_1", "norm", "gelu", "up", "flatten", "dense", "dense_1", "layer_norm",
        "dense_2",
    ]  # fmt: skip
    assert d.unmatched == (("rescaling", "dropout"), ("pad", "conv", "dense", "dense_2"))
    assert all(pair.relative_error < 1e-5 for pair in d.pairs)
    assert "All 10 layers that have a partner agree within the noise." in str(d)


def test_the_same_the_other_way_round(original: Any) -> None:
    d = compare(ported(original), original, images(first=True))
    assert d.first is None
    assert {pair.partner for pair in d.pairs} >= {"conv", "conv_1", "norm", "flatten", "dense"}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_port_parts_where_it_is_broken(name: str, original: Any) -> None:
    broken, first, words = BROKEN[name]
    d = compare(original, ported(original, **broken(original)), images())
    assert d.first == first
    assert words.replace("\\", "") in " ".join(d.why)
    before = [pair for pair in d.pairs if not pair.parts]
    assert len(before) >= [pair.address for pair in d.pairs].index(first)


def test_the_other_way_round_each_is_told_too(original: Any) -> None:
    port = ported(original, epsilon=1e-5)
    d = compare(port, original, images(first=True))
    assert (d.first, d.why) == ("norm", ("the epsilon: 1e-03 in 'norm', 1e-05 in the one",))


def test_one_sample_is_enough(original: Any) -> None:
    image = images()[:1]
    assert compare(original, ported(original), image).first is None
    assert compare(original, ported(original, epsilon=1e-5), image).first == "norm"


def test_a_tolerance_takes_the_place_of_the_noise(original: Any) -> None:
    port = ported(original, gelu="tanh")
    d = compare(original, port, images(), tolerance=0.01)
    assert d.first is None
    assert "agree within the tolerance 0.01" in str(d)
    assert compare(original, port, images(), tolerance=1e-9).first is not None
