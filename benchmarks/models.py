"""The models that are measured, and their framework's own best forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

SHAPES = {"c1": (150, 150, 3), "inception": (299, 299, 3)}


def keras_model(name: str) -> Any:
    """C1 (four convolutions, 3.5 million parameters) or InceptionV3, random weights."""
    import keras
    from keras import layers

    if name == "inception":
        return keras.applications.InceptionV3(weights=None)
    stack: list[Any] = [keras.Input(SHAPES["c1"])]
    for filters in (32, 64, 128, 128):
        stack += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D()]
    stack += [layers.Flatten(), layers.Dense(512, activation="relu"), layers.Dense(1, "sigmoid")]
    return keras.Sequential(stack)


def torch_model() -> Any:
    """C1 as a PyTorch user writes it, with its rectifiers in place."""
    from torch import nn

    stack: list[Any] = []
    channels = 3
    for filters in (32, 64, 128, 128):
        stack += [nn.Conv2d(channels, filters, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        channels = filters
    stack += [nn.Flatten(), nn.Linear(6272, 512), nn.ReLU(), nn.Linear(512, 1), nn.Sigmoid()]
    return nn.Sequential(*stack).eval()


def plain_passes(model: Any, x: np.ndarray, framework: str) -> dict[str, Callable[[], Any]]:
    """The framework's own forward passes, eager and compiled, on an input that is in place."""
    if framework == "torch":
        import torch

        tensor = torch.from_numpy(x)

        def eager() -> Any:
            with torch.inference_mode():
                return model(tensor)

        return {"eager": eager}
    if framework == "keras-jax":
        import jax
        import keras

        variables = [v.value for v in model.trainable_variables]
        others = [v.value for v in model.non_trainable_variables]
        compiled = jax.jit(lambda a, b, x: model.stateless_call(a, b, x, training=False)[0])
        placed = jax.numpy.asarray(x)

        def jax_eager() -> Any:
            with keras.StatelessScope():
                return jax.block_until_ready(model(placed, training=False))

        return {
            "eager": jax_eager,
            "compiled": lambda: jax.block_until_ready(compiled(variables, others, placed)),
        }
    if framework == "keras-tensorflow":
        import tensorflow as tf

        constant = tf.constant(x)
        graph = tf.function(lambda x: model(x, training=False))
        return {
            "eager": lambda: model(constant, training=False),
            "compiled": lambda: graph(constant),
        }
    import torch

    on_torch = torch.from_numpy(x)

    def keras_eager() -> Any:
        with torch.inference_mode():
            return model(on_torch, training=False)

    return {"eager": keras_eager}
