"""A PyTorch model of each of the layers that most frameworks have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn


class MyConv(nn.Conv2d):
    """Somebody's own convolution."""


class Mystery(nn.Module):
    """A module that nobody knows: what it returns is no function's, so it is a row of its own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.asarray(x) * 2)


class Calls(nn.Module):
    """Calls a function of its input."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


class Attends(nn.Module):
    """Attends to itself."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> Any:
        return self.attention(x, x, x)[0]


IMAGE = np.linspace(-1, 1, 2 * 4 * 6 * 3).reshape(2, 3, 4, 6).astype("float32")
ON_IMAGES: dict[str, Callable[[], nn.Module]] = {
    "convolution": lambda: nn.Conv2d(3, 2, 3),
    "transposed convolution": lambda: nn.ConvTranspose2d(3, 2, 3),
    "dense": lambda: nn.Linear(6, 4),
    "batch normalization": lambda: nn.BatchNorm2d(3),
    "group normalization": lambda: nn.GroupNorm(3, 3),
    "layer normalization": lambda: nn.LayerNorm(6),
    "ReLU": lambda: nn.ReLU(),
    "leaky ReLU": lambda: nn.LeakyReLU(),
    "parametric ReLU": lambda: nn.PReLU(),
    "ELU": lambda: nn.ELU(),
    "GELU": lambda: nn.GELU(),
    "SiLU": lambda: nn.SiLU(),
    "tanh": lambda: nn.Tanh(),
    "sigmoid": lambda: nn.Sigmoid(),
    "softmax": lambda: nn.Softmax(1),
    "largest values": lambda: nn.MaxPool2d(2),
    "means": lambda: nn.AdaptiveAvgPool2d(1),
    "sum of two": lambda: Calls(lambda x: x + x),
    "product of two": lambda: Calls(lambda x: x * x),
    "side by side": lambda: Calls(lambda x: torch.cat([x, x])),
    "flattened": lambda: nn.Flatten(),
    "transposed": lambda: nn.PixelShuffle(1),
    "padded with zeros": lambda: nn.ZeroPad2d(1),
    "upsampled": lambda: nn.Upsample(scale_factor=2),
    "dropout": lambda: nn.Dropout(),
    "identity": lambda: nn.Identity(),
    "derived from a convolution": lambda: MyConv(3, 2, 3),
    "nobody knows it": lambda: Mystery(),
}


def standard() -> dict[str, tuple[Any, Any]]:
    """A model of each of the layers that most frameworks have, and an input."""
    models: dict[str, tuple[Any, Any]] = {
        name: (nn.Sequential(make()), IMAGE) for name, make in ON_IMAGES.items()
    }
    sequence = np.linspace(-1, 1, 2 * 5 * 4).reshape(2, 5, 4).astype("float32")
    models["embedding"] = (nn.Sequential(nn.Embedding(7, 4)), np.zeros((2, 5), np.int64))
    models["LSTM"] = (nn.LSTM(4, 3, batch_first=True), sequence)
    models["attention"] = (Attends(), sequence)
    return models
