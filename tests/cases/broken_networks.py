"""A small network in Keras and in PyTorch, and the same network broken on purpose, way by way.

Its weights are numbers that are written down, so what is found in it does not depend on a training.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Weights = dict[str, tuple[Array, ...]]

SAMPLES = 96
#: The layers, by what Keras and PyTorch call them, and where their rectified values are.
SHAPES = {"first": (3, 3, 1, 8), "second": (3, 3, 8, 12), "hidden": (48, 16), "out": (16, 10)}
SIDE = 6


def images() -> Array:
    """Noise about 0, (sample, y, x, channel)."""
    return np.random.default_rng(5).normal(size=(SAMPLES, SIDE, SIDE, 1)).astype(np.float32)


def labels() -> Array:
    """A class for each sample."""
    return np.arange(SAMPLES) % 10


def healthy() -> Weights:
    """Weights whose spread keeps that of what comes in; statistics are those of the data."""
    random = np.random.default_rng(3)
    weights: Weights = {}
    for name, shape in SHAPES.items():
        inputs = int(np.prod(shape[:-1]))
        kernel = random.normal(size=shape) * np.sqrt(2 / inputs)
        bias = random.normal(size=shape[-1:]) * 0.05
        weights[name] = (kernel.astype(np.float32), bias.astype(np.float32))
    ones, zeros = np.ones(8, np.float32), np.zeros(8, np.float32)
    weights["norm"] = (ones, zeros, zeros, ones)  # gamma, beta, mean, variance
    return with_statistics(weights)


def with_statistics(weights: Weights) -> Weights:
    """Give the normalization the mean and variance of what the first layer makes of the images."""
    kernel, bias = weights["first"]
    x = images()
    size = SIDE - 2
    patches = np.stack(
        [x[:, i : i + size, j : j + size, 0] for i in range(3) for j in range(3)], axis=-1
    )
    values = patches.reshape(-1, 9) @ kernel.reshape(9, -1) + bias
    gamma, beta, _, _ = weights["norm"]
    mean, variance = values.mean(axis=0), values.var(axis=0)
    return weights | {"norm": (gamma, beta, mean.astype("float32"), variance.astype("float32"))}


@dataclass(frozen=True)
class Broken:
    """One way to break it."""

    name: str
    kind: str  #: of the finding that there must be
    layer: str  #: that is broken
    change: Callable[[Weights], Weights] = field(default=lambda weights: weights)
    rectified: bool = False  #: whether what is found is of the layer's ReLU
    two_softmaxes: bool = False
    scale: float = 1.0  #: of the input
    label_shift: int = 0


def _scaled(layer: str, factor: float) -> Callable[[Weights], Weights]:
    def change(weights: Weights) -> Weights:
        kernel, bias = weights[layer]
        return weights | {layer: (kernel * np.float32(factor), bias * np.float32(min(factor, 1)))}

    return change


def _with_bias(
    layer: str, value: float, units: slice = slice(None)
) -> Callable[[Weights], Weights]:
    def change(weights: Weights) -> Weights:
        kernel, bias = weights[layer]
        moved = bias.copy()
        moved[units] = value
        return weights | {layer: (kernel, moved)}

    return change


def _alike(weights: Weights) -> Weights:
    kernel, bias = weights["second"]
    same = np.repeat(kernel[..., :1], kernel.shape[-1], axis=-1)
    return weights | {"second": (same, np.zeros_like(bias))}


def _one_direction(weights: Weights) -> Weights:
    kernel, bias = weights["hidden"]
    random = np.random.default_rng(9)
    line = np.outer(kernel[:, 0], random.uniform(0.02, 0.2, kernel.shape[1]))
    return weights | {"hidden": (line.astype(np.float32), bias)}


def _zero(weights: Weights) -> Weights:
    kernel, bias = weights["hidden"]
    return weights | {"hidden": (kernel * 0, np.full_like(bias, 0.3))}


def _not_a_number(weights: Weights) -> Weights:
    kernel, bias = weights["second"]
    kernel = kernel.copy()
    kernel[0, 0, 0, 4] = np.nan
    return weights | {"second": (kernel, bias)}


def _overflowing(weights: Weights) -> Weights:
    kernel, bias = weights["second"]
    large = np.clip(kernel.astype(np.float64) * 1e40, -3e38, 3e38)
    return weights | {"second": (large.astype(np.float32), bias)}


def _statistics(mean: float, factor: float) -> Callable[[Weights], Weights]:
    def change(weights: Weights) -> Weights:
        gamma, beta, before, variance = weights["norm"]
        return weights | {"norm": (gamma, beta, before + np.float32(mean),
                                   variance * np.float32(factor))}  # fmt: skip

    return change


BROKEN = (
    Broken("a dead layer", "silent", "second", _with_bias("second", -1e3), rectified=True),
    Broken("nearly all dead", "silent", "second", _with_bias("second", -1e3, slice(0, 11)),
           rectified=True),
    Broken("a constant layer", "constant", "hidden", _zero),
    Broken("a saturated layer", "saturation", "hidden", _scaled("hidden", 1e2), rectified=True),
    Broken("copies", "duplicates", "second", _alike),
    Broken("one direction", "rank", "hidden", _one_direction),
    Broken("growing values", "exploding", "second", _scaled("second", 1e5)),
    Broken("fading values", "vanishing", "second", _scaled("second", 1e-6)),
    Broken("a weight that is NaN", "nan", "second", _not_a_number),
    Broken("an overflow", "nan", "second", _overflowing),
    Broken("always one class", "same-class", "out", _with_bias("out", 1e3, slice(3, 4))),
    Broken("input from 0 to 255", "input-scale", "first", scale=255.0),
    Broken("a running variance of next to nothing", "running-statistics", "norm",
           _statistics(0, 1e-4)),
    Broken("a running mean that is off", "running-statistics", "norm", _statistics(20, 1)),
    Broken("modes that differ", "batch-norm", "norm", _statistics(5, 0.05)),
    Broken("two softmaxes", "softmax-twice", "again", two_softmaxes=True),
    Broken("labels from 1", "guessing", "out", label_shift=1),
)  # fmt: skip


def keras_network(weights: Weights, *, two_softmaxes: bool = False) -> Any:
    """The network in Keras, functions fused into the layers, but after the normalization."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Conv2D(8, 3, name="first"),
            layers.BatchNormalization(name="norm", epsilon=1e-5),
            layers.Activation("relu", name="relu"),
            layers.Conv2D(12, 3, activation="relu", name="second"),
            layers.Flatten(name="flatten"),
            layers.Dense(16, activation="tanh", name="hidden"),
            layers.Dense(10, activation="softmax", name="out"),
            *([layers.Activation("softmax", name="again")] if two_softmaxes else []),
        ]
    )
    set_keras_weights(model, weights)
    return model


def set_keras_weights(model: Any, weights: Mapping[str, tuple[Array, ...]]) -> None:
    """Give it weights, layer by layer."""
    for name, arrays in weights.items():
        model.get_layer(name).set_weights(list(arrays))


def torch_network(weights: Weights, *, two_softmaxes: bool = False) -> Any:
    """The same in PyTorch, functions as modules of their own; it answers with logits."""
    from torch import nn

    class Flatten(nn.Module):
        """Channels last, as Keras flattens."""

        def forward(self, x: Any) -> Any:
            return x.permute(0, 2, 3, 1).flatten(1)

    model = nn.Sequential()
    model.add_module("first", nn.Conv2d(1, 8, 3))
    model.add_module("norm", nn.BatchNorm2d(8))
    model.add_module("relu", nn.ReLU())
    model.add_module("second", nn.Conv2d(8, 12, 3))
    model.add_module("second_relu", nn.ReLU())
    model.add_module("flatten", Flatten())
    model.add_module("hidden", nn.Linear(48, 16))
    model.add_module("hidden_tanh", nn.Tanh())
    model.add_module("out", nn.Linear(16, 10))
    if two_softmaxes:
        model.add_module("softmax", nn.Softmax(dim=1))
        model.add_module("again", nn.Softmax(dim=1))
    set_torch_weights(model, weights)
    return model.eval()


def set_torch_weights(model: Any, weights: Mapping[str, tuple[Array, ...]]) -> None:
    """Give it weights in Keras' layout."""
    import torch

    for name, arrays in weights.items():
        module = getattr(model, name)
        state = module.state_dict()
        if name == "norm":
            named = dict(
                zip(("weight", "bias", "running_mean", "running_var"), arrays, strict=True)
            )
        else:
            kernel, bias = arrays
            order = (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
            named = {"weight": kernel.transpose(order), "bias": bias}
        with torch.no_grad():
            for key, array in named.items():
                state[key].copy_(torch.from_numpy(np.ascontiguousarray(array)))


def torch_address(broken: Broken) -> str:
    """How PyTorch calls the place that is broken."""
    functions = {"second": "second_relu", "hidden": "hidden_tanh"}
    return functions[broken.layer] if broken.rectified else broken.layer


@dataclass(frozen=True)
class BrokenTraining:
    """A training that goes wrong: the weights at each of its steps, and what must be found."""

    name: str
    kind: str
    layer: str
    steps: Callable[[], list[Weights]]
    rectified: bool = False
    losses: tuple[float, ...] = ()


def learning(count: int = 5, still: Mapping[str, float] | None = None) -> list[Weights]:
    """The weights of a training of so many steps in which every layer turns by some percent.

    ``still`` says of layers how much slower they are.
    """
    random = np.random.default_rng(8)
    weights, made = healthy(), []
    for _ in range(count):
        made.append(with_statistics(copy.deepcopy(weights)))
        for name in SHAPES:
            pace = 0.04 * (still or {}).get(name, 1.0)
            if pace:
                weights[name] = tuple(
                    (a + pace * np.std(a) * random.normal(size=a.shape)).astype(np.float32)
                    for a in weights[name]
                )
    return made


def _dying() -> list[Weights]:
    made = learning()
    return [*made[:3], *(_with_bias("second", -1e3)(weights) for weights in made[3:])]


def _certain() -> list[Weights]:
    made = learning()
    kernel, bias = made[0]["out"]
    return [made[0] | {"out": (kernel * np.float32(60), bias)}, *made[1:]]


def _decaying() -> list[Weights]:
    made = learning(still={"second": 0.0})
    for i, weights in enumerate(made):
        kernel, bias = weights["second"]
        weights["second"] = (kernel * np.float32(0.97**i), bias * np.float32(0.97**i))
    return made


def _nan_later() -> list[Weights]:
    made = learning()
    return [*made[:3], *(_not_a_number(weights) for weights in made[3:])]


BROKEN_TRAININGS = (
    BrokenTraining("a layer that dies", "dying", "second", _dying, rectified=True),
    BrokenTraining("a start without doubt", "start-loss", "out", _certain),
    BrokenTraining("a frozen layer", "frozen", "first", lambda: learning(still={"first": 0.0})),
    BrokenTraining("a layer that only decays", "still", "second", _decaying),
    BrokenTraining("a slow layer", "slow", "first", lambda: learning(still={"first": 0.002})),
    BrokenTraining("NaN from a step on", "nan", "second", _nan_later),
)
