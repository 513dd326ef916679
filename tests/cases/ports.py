"""A small network in Keras, and its port to PyTorch: right, or broken in one way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

Array = np.ndarray[Any, Any]

SIDE, COLOURS = 12, 3


def network(*, name: str = "original") -> Any:
    """Build the original; each of its weights is a number of its own."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, COLOURS)),
            layers.Rescaling(1 / 255, name="rescaling"),
            layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="conv"),
            layers.Conv2D(6, 3, padding="same", use_bias=False, name="conv_1"),
            layers.BatchNormalization(name="norm"),
            layers.Activation("gelu", name="gelu"),
            layers.UpSampling2D(2, interpolation="bilinear", name="up"),
            layers.Flatten(name="flatten"),
            layers.Dropout(0.5, name="dropout"),
            layers.Dense(16, activation="relu", name="dense"),
            layers.Dense(16, name="dense_1"),
            layers.LayerNormalization(name="layer_norm"),
            layers.Dense(5, activation="softmax", name="dense_2"),
        ],
        name=name,
    )
    rng = np.random.default_rng(1)
    for weight in model.weights:
        values = rng.normal(0, 0.3, weight.shape)
        if "variance" in weight.path:
            values = rng.uniform(0.02, 0.5, weight.shape)
        if "mean" in weight.path:
            values = rng.uniform(0.02, 0.5, weight.shape)
        if "dense_1/kernel" in weight.path:
            values *= 0.1  # so that an epsilon behind it tells
        if "gamma" in weight.path:
            values = rng.uniform(0.5, 1.5, weight.shape)
        weight.assign(values.astype("float32"))
    return model


def images(count: int = 4, *, first: bool = False) -> Array:
    """Return images of 0 to 255, channels last or first."""
    x = np.random.default_rng(2).integers(0, 256, (count, SIDE, SIDE, COLOURS)).astype("float32")
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if first else x


def ported(model: Any, **broken: Any) -> Any:
    """Return the port to PyTorch, with some of its settings or weights replaced.

    ``scale``, ``symmetric``, ``epsilon``, ``gelu``, ``up``, ``relu``, ``layer_epsilon`` are
    settings; a weight by its name, as in ``conv_kernel``, is a function of the right one.
    """
    import torch
    from torch import nn

    weights = {w.path.replace("/", "_"): np.asarray(keras.ops.convert_to_numpy(w)) for w in
               model.weights}  # fmt: skip
    weights = {name.removeprefix("original_"): values for name, values in weights.items()}
    change: Callable[[str], Array] = lambda name: broken.get(name, lambda w: w)(weights[name])  # noqa: E731
    features = 6

    class Port(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(COLOURS, features, 3, 2, padding=broken.get("symmetric", 0))
            self.conv_1 = nn.Conv2d(features, features, 3, padding=1, bias=False)
            self.norm = nn.BatchNorm2d(features, eps=broken.get("epsilon", 1e-3))
            self.gelu = nn.GELU(approximate=broken.get("gelu", "none"))
            self.up = broken.get("up") or nn.Upsample(scale_factor=2, mode="bilinear")
            self.dense = nn.Linear(SIDE * SIDE * features, 16)
            self.dense_1 = nn.Linear(16, 16)
            self.layer_norm = nn.LayerNorm(16, eps=broken.get("layer_epsilon", 1e-3))
            self.dense_2 = nn.Linear(16, 5)

        def forward(self, x: Any) -> Any:
            x = x * broken.get("scale", 1 / 255)
            if "symmetric" not in broken:
                x = nn.functional.pad(x, (0, 1, 0, 1))
            x = broken.get("relu", torch.relu)(self.conv(x))
            x = self.up(self.gelu(self.norm(self.conv_1(x))))
            x = torch.relu(self.dense(torch.flatten(x, 1)))
            return torch.softmax(self.dense_2(self.layer_norm(self.dense_1(x))), -1)

    port = Port().eval()
    shape = (SIDE, SIDE, features)
    dense = change("dense_kernel")
    if "flatten_order" not in broken:
        dense = dense.reshape(*shape, 16).transpose(2, 0, 1, 3).reshape(-1, 16)
    tensors = {
        "conv.weight": change("conv_kernel").transpose(3, 2, 0, 1),
        "conv.bias": change("conv_bias"),
        "conv_1.weight": change("conv_1_kernel").transpose(3, 2, 0, 1),
        "norm.weight": change("norm_gamma"),
        "norm.bias": change("norm_beta"),
        "norm.running_mean": change("norm_moving_mean"),
        "norm.running_var": change("norm_moving_variance"),
        "dense.weight": dense.T,
        "dense.bias": change("dense_bias"),
        "dense_1.weight": change("dense_1_kernel").T,
        "dense_1.bias": change("dense_1_bias"),
        "layer_norm.weight": change("layer_norm_gamma"),
        "layer_norm.bias": change("layer_norm_beta"),
        "dense_2.weight": change("dense_2_kernel").T,
        "dense_2.bias": change("dense_2_bias"),
    }
    state = {name: torch.from_numpy(np.array(values)) for name, values in tensors.items()}
    state["norm.num_batches_tracked"] = torch.tensor(0)
    port.load_state_dict(state)
    return port
