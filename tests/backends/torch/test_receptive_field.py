"""Receptive fields of PyTorch models are those that trying finds, whatever the layers."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import layerscope as ls
from cases.amounts import examples
from cases.fields import assert_edges, assert_exact, changed_inputs
from layerscope.instruments.receptive_field import receptive_field

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
        lambda: _of(lambda x: F.relu(x[:, -1:] + 0.5 * x)),
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


@given(seed=st.integers(0, 10**6), count=st.integers(1, 6))
@settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))
def test_no_gradient_comes_from_outside_of_the_box(seed: int, count: int) -> None:
    """Where no largest value is picked, its support is the box."""
    model, inputs = _network(seed, count)
    x = torch.rand_like(inputs[:1]).requires_grad_()
    acts = ls.activations(model, x.detach())
    values = model(x)
    unit, row, column = (random.Random(seed).randrange(n) for n in values.shape[1:])
    values[0, unit, row, column].backward()
    assert x.grad is not None
    rows, columns = (torch.nonzero(x.grad[0].abs().sum((0, axis))).flatten() for axis in (2, 1))
    last = [a for a in acts if acts[a].sizes["channel"] == values.shape[1]][-1]
    box = receptive_field(acts, f"{last}:{unit}@{row},{column}")
    names = [layer.type.lower() for layer in acts.network]
    if not any("max" in name or "lp" in name for name in names) and len(rows):
        assert (rows.min(), rows.max()) == (box.y[0], box.y[-1])
        assert (columns.min(), columns.max()) == (box.x[0], box.x[-1])
    assert set(rows.tolist()) <= set(box.y)
    assert set(columns.tolist()) <= set(box.x)


class Residual(nn.Module):
    """A block whose shortcut takes every second position and pads channels, as CIFAR's resnets."""

    def __init__(self, channels: int, more: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, more, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(more)
        self.conv2 = nn.Conv2d(more, more, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(more)
        self.around = 0 if channels == more else more // 4
        self.stride = stride

    def forward(self, x: Any) -> Any:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.around:
            x = F.pad(
                x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.around, self.around)
            )
        return F.relu(out + x)


class ResNet20(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        for i, (before, after) in enumerate(((16, 16), (16, 32), (32, 64)), 1):
            blocks = [Residual(before if not n else after, after, 1 if i == 1 or n else 2)
                      for n in range(3)]  # fmt: skip
            setattr(self, f"layer{i}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Any) -> Any:
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.linear(F.avg_pool2d(x, x.size()[3]).view(x.size(0), -1))


def test_a_real_residual_network(real: Path) -> None:
    """Its shortcuts are slices and padding between the layers, which are no layers themselves."""
    path = real / "others" / "resnet20-12fca82f.th"
    model = ls.load_model(path, architecture=ResNet20()).eval()
    acts = ls.activations(model, torch.zeros(1, 3, 32, 32))
    assert receptive_field(acts, "linear:3").because == "avg_pool2d"
    for layer, size, stride in (("layer1.2", 15, 1), ("layer2.2", 37, 2), ("layer3.2", 81, 4)):
        last = next(a for a in reversed(acts.network) if a.address.startswith(layer + "."))
        grid = receptive_field(acts, last.address).grid["y"]
        assert (grid.size, grid.stride) == (size, stride)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(
                torch.zeros_like(parameter) if "bias" in name else parameter.abs() + 0.1
            )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    acts = ls.activations(model, torch.zeros(1, 3, 32, 32))
    for layer in ("layer1.0.conv2", "layer2.0.conv2", "layer2.1.conv2", "layer3.0.conv1"):
        assert_edges(model, acts, layer, channels=3, channels_last=False)


def test_a_sequence_and_a_volume() -> None:
    sound = nn.Sequential(nn.Conv1d(1, 2, 5, 2, padding=2), nn.MaxPool1d(3), nn.Conv1d(2, 2, 3))
    assert receptive_field(sound, "2:1@4", torch.zeros(1, 1, 60)).position == range(22, 43)
    volume = nn.Sequential(nn.Conv3d(1, 2, (1, 3, 5)), nn.AvgPool3d((2, 1, 1)))
    box = receptive_field(volume, "1:0@1,2,3", torch.zeros(1, 1, 6, 8, 10))
    assert (box.z, box.y, box.x) == (range(2, 4), range(2, 5), range(3, 8))


@pytest.mark.parametrize(
    ("layer", "because"),
    [
        (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Upsample(size=8)), "1.0"),
        (nn.InstanceNorm2d(4), "1"),
        (nn.GroupNorm(2, 4), "1"),
        (nn.LayerNorm((4, 8, 8)), "1"),
        (nn.AvgPool2d(8), "1"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_mixes_all_positions_is_named(layer: nn.Module, because: str) -> None:
    last = nn.Conv2d(4, 2, 3, padding=1)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), layer, last)
    box = receptive_field(model, "2:1@0,0", torch.zeros(1, 1, 8, 8))
    assert (box.whole, box.because) == (True, because)


def test_what_mixes_along_one_axis_reaches_all_of_that() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Softmax(2))
    box = receptive_field(model, "1:1@3,3", torch.zeros(1, 1, 8, 8))
    assert (box.y, box.x, box.whole, box.because) == (range(8), range(2, 5), False, None)
    assert set(box.grid) == {"x"}


def test_code_between_layers_that_moves_in_ways_unknown_reaches_everything() -> None:
    class Sorted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)
            self.last = nn.Conv2d(2, 2, 1)

        def forward(self, x: Any) -> Any:
            x = self.conv(x)
            y = x.new_zeros(x.shape)
            y[:, :, 1:] = x[:, :, :-1]
            return self.last(y)

    box = receptive_field(Sorted(), "last:0@3,3", torch.zeros(1, 1, 8, 8))
    assert (box.whole, box.because) == (True, "last")
    assert not receptive_field(Sorted(), "conv:0@3,3", torch.zeros(1, 1, 8, 8)).whole
