"""Receptive fields of PyTorch models are those that trying finds, whatever the layers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import layerscope as ls
from cases.amounts import examples
from cases.fields import assert_exact, changed_inputs

Step = Callable[[Any, list[Any]], Any]


class Steps(nn.Module):
    """Modules and functions, one after the other; each is given all values that there were."""

    def __init__(self, steps: list[tuple[nn.Module | None, Step]]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(module for module, _ in steps if module is not None)
        self.steps = [step for _, step in steps]

    def forward(self, x: Any) -> Any:
        values = [x]
        for step in self.steps:
            values.append(step(values[-1], values))
        return values[-1]


def _by(module: nn.Module) -> tuple[nn.Module, Step]:
    return module, lambda x, _: module(x)


def _of(function: Callable[[Any], Any]) -> tuple[None, Step]:
    return None, lambda x, _: function(x)


def _step(draw: random.Random, x: Any, values: list[Any]) -> tuple[nn.Module | None, Step]:
    """Return a step that may follow on ``x``, chosen by chance."""
    channels = x.shape[1]
    size, stride = draw.randint(1, 4), draw.randint(1, 3)
    padding, dilation = draw.randint(0, 2), draw.randint(1, 2)
    further = draw.choice([1, 2]) * channels
    groups = draw.choice([1, channels]) if further % channels == 0 else 1
    alike = [i for i, v in enumerate(values[1:], 1) if v.shape == x.shape]
    beside = [i for i, v in enumerate(values[1:], 1) if v.shape[2:] == x.shape[2:]]
    earlier = draw.choice(alike) if alike else None
    at = draw.choice(beside) if beside else None
    mode = draw.choice(["zeros", "reflect", "replicate", "circular"])
    around = [draw.randint(0, 2) for _ in range(4)]
    start = draw.randint(0, 2)
    steps: list[Callable[[], tuple[nn.Module | None, Step]]] = [
        lambda: _by(nn.Conv2d(channels, further, size, stride, padding, dilation, groups,
                              bias=False, padding_mode=mode)),
        lambda: _by(nn.Conv2d(channels, 2, (size, 1), 1, "same", dilation, bias=False)),
        lambda: _by(nn.ConvTranspose2d(channels, further, size, stride, min(padding, size - 1),
                                       0, groups, bias=False, dilation=dilation)),
        lambda: _by(nn.MaxPool2d(size, stride, min(padding, size // 2), dilation, ceil_mode=True)),
        lambda: _by(nn.AvgPool2d((size, 2), stride, ceil_mode=draw.random() < 0.5)),
        lambda: _of(lambda x: F.max_pool2d(x, size, stride)),
        lambda: _by(nn.AdaptiveAvgPool2d((draw.randint(1, 7), draw.randint(1, 5)))),
        lambda: _by(nn.LPPool2d(2, size, stride)),
        lambda: _by(nn.Upsample(scale_factor=draw.randint(2, 3))),
        lambda: _by(nn.Upsample(scale_factor=2, mode="bilinear")),
        lambda: _by(nn.Upsample(size=(2 * x.shape[2], x.shape[3] + 2))),
        lambda: _of(lambda x: F.interpolate(x, scale_factor=1.5, mode="nearest-exact")),
        lambda: _by(nn.ZeroPad2d(tuple(around))),
        lambda: _by(nn.ReplicationPad2d(tuple(around))),
        lambda: _by(nn.ReflectionPad2d(1)),
        lambda: _of(lambda x: F.pad(x, (*around, 0, 1))),
        lambda: _of(lambda x: F.relu(x[:, :, start:, ::stride])),
        lambda: _of(lambda x: F.relu(x.transpose(2, 3))),
        lambda: _of(lambda x: F.relu(x.flip(2)) + 0.0),
        lambda: _of(lambda x: F.relu(x.chunk(2, 1)[-1])),
        lambda: _of(lambda x: F.relu(x[:, -1:] + 0 * x)),
        lambda: _by(nn.PixelShuffle(2)) if channels % 4 == 0 else _by(nn.ReLU()),
        lambda: _by(nn.BatchNorm2d(channels)),
        lambda: _by(nn.ReLU()),
        lambda: (None, lambda x, values: x + values[earlier]) if earlier else _by(nn.Identity()),
        lambda: (None, lambda x, values: torch.cat([values[at], x], 1))
        if at and values[at].shape[1] + channels < 9 else _by(nn.Dropout()),
        lambda: (None, lambda x, values: torch.cat([x, x[:, :, :1]], 2)),
    ]  # fmt: skip
    return draw.choice(steps)()


def _network(seed: int, count: int) -> tuple[nn.Module, Any]:
    """Return a network of chance steps, and inputs in each of which one position is changed."""
    draw = random.Random(seed)
    inputs = torch.from_numpy(changed_inputs((11, 12), 2, channels_last=False)).double()
    values = [inputs[:1]]
    steps: list[tuple[nn.Module | None, Step]] = []
    while len(steps) < count:
        step = _step(draw, values[-1], values)
        try:
            new = step[1](values[-1], values)
        except (RuntimeError, ValueError):  # too large for what is left
            continue
        if 0 < new[0].numel() < 3000:
            steps.append(step)
            values.append(new)
    model = Steps(steps).double().eval()
    for parameter in model.parameters():
        nn.init.uniform_(parameter, 0.5, 1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.zeros_(module.bias)
    return model, inputs


@given(seed=st.integers(0, 10**6), count=st.integers(1, 6))
@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
def test_the_box_is_the_one_that_trying_finds(seed: int, count: int) -> None:
    model, inputs = _network(seed, count)
    acts = ls.activations(model, inputs)
    assert_exact(acts)
