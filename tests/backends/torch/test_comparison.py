"""Two PyTorch modules compared, where there is no Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from layerscope.backends.torch.precision import hidden_rounding
from layerscope.instruments.activations import activations
from layerscope.instruments.comparison.compare import compare


class Net(nn.Module):
    """A convolution, a norm, and a layer in half precision or not."""

    def __init__(self, epsilon: float = 1e-5, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4, eps=epsilon)
        self.head = nn.Linear(4, 3)
        with torch.no_grad():
            self.norm.running_var.uniform_(0.01, 0.1)  # type: ignore[union-attr, operator]
        self.to(dtype)

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.norm(self.conv(x.to(self.head.weight.dtype))))
        return self.head(x.mean((2, 3)))


def images() -> Any:
    return np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float32)


def test_an_epsilon_is_told() -> None:
    d = compare(Net(), Net(1e-3), images())
    assert (d.first, d.why) == ("norm", ("the epsilon: 1e-03 in 'norm', 1e-05 in the one",))


def test_half_precision_is_noise_to_itself_and_parts_from_the_whole() -> None:
    half = Net(dtype=torch.bfloat16)
    recorded = activations(half, images())
    assert compare(recorded, half).first is None
    d = compare(half, half, images())
    assert d.first is None
    # One rounding of bfloat16 is 2^-8.
    assert all(pair.noise >= 2**-9 for pair in d.pairs if pair.address != "relu")
    one, other = compare(Net(), half, images()), compare(Net(), Net(), images())
    assert max(pair.relative_error for pair in one.pairs) > 1e-3
    # What a type of few digits explains is noise; the table says how much that is.
    assert one.first is None
    assert other.first is None


def test_nothing_is_left_of_a_comparison() -> None:
    one, other = Net().train(), Net(1e-3)
    before = {name: value.clone() for name, value in one.state_dict().items()}
    compare(one, other, images())
    assert one.training
    assert all(torch.equal(value, before[name]) for name, value in one.state_dict().items())
    assert not any(module._forward_hooks for module in one.modules())


def test_tf32_is_known_where_a_gpu_multiplies_in_it(monkeypatch: Any) -> None:
    assert hidden_rounding(Net()) == 0  # no processor does

    class OnGpu:
        def __init__(self, dtype: torch.dtype) -> None:
            self.device, self.is_cuda, self.dtype = "cuda:0", True, dtype

    net = Net()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(net, "parameters", lambda: iter([OnGpu(torch.float32)]))
    assert hidden_rounding(net) == 2**-10
    monkeypatch.setattr(net, "parameters", lambda: iter([OnGpu(torch.float64)]))
    assert hidden_rounding(net) == 0


class Varied(nn.Module):
    """What may be written otherwise than it was meant."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.settings = settings
        padding = settings.get("padding", 1)
        border = settings.get("border", "zeros")
        self.conv = nn.Conv2d(3, 4, 3, padding=padding, padding_mode=border)
        self.depthwise = nn.Conv2d(4, 4, 3, groups=4)
        self.norm = nn.GroupNorm(2, 4, eps=settings.get("epsilon", 1e-5))
        self.pool = settings.get("pool", nn.MaxPool2d)(2)
        self.head = nn.Linear(4, 5)
        if settings.get("turned"):
            self.depthwise.weight.data = self.depthwise.weight.data.transpose(2, 3)

    def forward(self, x: Any) -> Any:
        x = self.settings.get("first", lambda x: x)(x)
        x = nn.functional.leaky_relu(self.conv(x), self.settings.get("slope", 0.3))
        x = self.pool(self.norm(self.depthwise(x)))
        return self.settings.get("last", torch.sigmoid)(self.head(x.mean((2, 3))))


def imagenet(x: Any) -> Any:
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (x - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)


VARIED: dict[str, tuple[dict[str, Any], str, str]] = {
    "padding": ({"padding": 0}, "conv", "the padding: 'conv' pads 0, 0 × 0, 0"),
    "border": ({"border": "reflect"}, "conv", "the border of its windows: ('reflect', 'reflect')"),
    "slope": ({"slope": 0.01}, "leaky_relu", "leaky_relu with slope 0.01, the one leaky_relu with"),
    "depthwise": ({"turned": True}, "depthwise", "the kernel of 'depthwise' is transposed"),
    "group norm": ({"epsilon": 1e-2}, "norm", "the epsilon: 1e-02 in 'norm', 1e-05 in the one"),
    "pooling": ({"pool": nn.AvgPool2d}, "pool", "'pool' takes means, the one the largest"),
    "range": ({"first": lambda x: x * 2 - 1}, "conv", "what 'conv' receives is 2 · x + -1"),
    "normalization": ({"first": imagenet}, "conv", "receives is (4.367, 4.464, 4.444) · x + ("),
    "colours": ({"first": lambda x: x.flip(1)}, "conv", "in reverse order, BGR for RGB"),
    "function": ({"last": nn.functional.hardsigmoid}, "sigmoid", "hard_sigmoid, z/6 + 1/2"),
}


@pytest.mark.parametrize("name", VARIED)
def test_what_was_written_otherwise_is_told(name: str) -> None:
    settings, first, words = VARIED[name]
    d = compare(Varied().eval(), Varied(**settings).eval(), images())
    assert (d.first, words in " ".join(d.why)) == (first, True), d.why
