"""PyTorch networks as people write them, for tests of what is computed of them elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class Calling(nn.Module):
    """A model that is a function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


class ResidualBlock(nn.Module):
    def __init__(self, received: int, made: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(received, made, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(made)
        self.conv2 = nn.Conv2d(made, made, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(made)
        self.down: nn.Module = nn.Identity()
        if stride > 1:
            self.down = nn.Sequential(
                nn.Conv2d(received, made, 1, stride, bias=False), nn.BatchNorm2d(made)
            )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> Any:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.down(x)
        return self.relu(y)


class Residual(nn.Module):
    """A small residual network, with arithmetic before its first layer and after its last."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding="same")
        self.pool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.a = ResidualBlock(8, 8, 1)
        self.b = ResidualBlock(8, 16, 2)
        self.fc = nn.Linear(16 * 4, 10)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.pool(F.relu(self.stem(x / 2 - 0.1)))
        x = self.b(self.a(x))
        x = torch.flatten(F.adaptive_avg_pool2d(x, 2), 1)
        return self.fc(F.dropout(x, training=self.training)) * 2


def normed(model: nn.Module) -> nn.Module:
    """The model with weights drawn, also those of its batch normalization."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        for tensor in module.parameters(recurse=False):
            tensor.data = torch.randn(tensor.shape, generator=generator) / max(
                tensor[0].numel() ** 0.5, 1
            )
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features, generator=generator)
            module.running_var = 0.5 + torch.rand(module.num_features, generator=generator)
    return model
