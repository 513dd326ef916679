"""PyTorch's networks as operations: equal to the framework, or a sentence on what is in the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cases.amounts import examples
from cases.followed import followed, values
from cases.torch_networks import Calling, Residual, normed
from layerscope.errors import ModelError
from layerscope.instruments.portable import portable

MAPS = (2, 4, 9, 7)


def kinds(program: Any) -> list[str]:
    return [operation.kind for operation in program.graph.operations]


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"kernel_size": 3}, MAPS),
        ({"kernel_size": (2, 5), "stride": (3, 1), "padding": (1, 2)}, MAPS),
        ({"kernel_size": (4, 2), "padding": "same"}, MAPS),
        ({"kernel_size": 3, "dilation": (2, 3), "padding": (3, 2)}, MAPS),
        ({"kernel_size": 2, "dilation": 2, "padding": "same", "bias": False}, MAPS),
        ({"kernel_size": 3, "groups": 2, "padding": 1}, MAPS),
        ({"kernel_size": 1, "stride": 2}, MAPS),
        ({"kernel_size": (3, 2), "groups": 4, "stride": (1, 2)}, MAPS),
        ({"kernel_size": 3, "padding": "valid"}, (1, 4, 3, 3)),
    ],
)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
def test_convolutions(options: dict[str, Any], shape: tuple[int, ...]) -> None:
    program = followed(nn.Conv2d(4, 8, **options), values(*shape))
    depthwise = options.get("groups") == 4
    assert kinds(program) == ["depthwise_conv2d" if depthwise else "conv2d"]


pairs = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))  # noqa: E731


@given(
    kernel=pairs(1, 4), stride=pairs(1, 3), padding=pairs(0, 3), dilation=pairs(1, 2),
    groups=st.sampled_from([1, 2, 4]), size=pairs(7, 9),
)  # fmt: skip
@settings(max_examples=examples(25))
def test_any_convolution(
    kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int, size: Any
) -> None:
    conv = nn.Conv2d(4, 8, kernel, stride, padding, dilation, groups)
    followed(nn.Sequential(conv), values(2, 4, *size))


@given(
    kernel=pairs(1, 4), stride=pairs(1, 3), padding=pairs(0, 2), size=pairs(4, 9),
    ceil_mode=st.booleans(), largest=st.booleans(),
)  # fmt: skip
@settings(max_examples=examples(25))
def test_any_pool(
    kernel: Any, stride: Any, padding: Any, size: Any, ceil_mode: bool, largest: bool
) -> None:
    # PyTorch takes no more padding than half of the window.
    around = tuple(min(n, width // 2) for n, width in zip(padding, kernel, strict=True))
    if largest:
        pool: nn.Module = nn.MaxPool2d(kernel, stride, around, ceil_mode=ceil_mode)
    else:
        pool = nn.AvgPool2d(kernel, stride, around, ceil_mode, count_include_pad=False)
    followed(nn.Sequential(pool), values(2, 3, *size))


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(2),
        nn.MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0)),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.MaxPool2d(2, 2, padding=1, ceil_mode=True),
        nn.AvgPool2d((2, 3)),
        nn.AvgPool2d(3, 2, padding=1),
        nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
        nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False),
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveMaxPool2d((1, 1)),
        nn.AdaptiveAvgPool2d((3, None)),
        nn.AdaptiveMaxPool2d((9, 1)),
        nn.ZeroPad2d((1, 2, 0, 3)),
        nn.ZeroPad2d((-1, 2, 1, -3)),
        nn.ConstantPad2d((1, 0, 2, 0), -1.5),
        nn.ReplicationPad2d((1, 2, 0, 1)),
        nn.Upsample(scale_factor=2),
        nn.Upsample(size=(18, 7)),
        nn.Dropout2d(),
        nn.BatchNorm2d(4),
        nn.Softmax(1),
        nn.Softmax(-1),
        nn.Softmax2d(),
        nn.PReLU(4),
        nn.Flatten(),
        nn.Flatten(2),
        nn.Unflatten(1, (2, 2)),
    ],
)
def test_layers_on_maps(pool: nn.Module) -> None:
    followed(nn.Sequential(pool), values(*MAPS))


@pytest.mark.parametrize(
    "module",
    [
        nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.2), nn.PReLU(), nn.ELU(0.7), nn.CELU(1.3), nn.SELU(),
        nn.GELU(), nn.GELU("tanh"), nn.Sigmoid(), nn.Tanh(), nn.Softplus(2.0), nn.Softsign(),
        nn.SiLU(), nn.Mish(), nn.Hardsigmoid(), nn.Hardswish(), nn.LogSigmoid(), nn.Hardtanh(-1, 2),
        nn.Softmax(1), nn.LogSoftmax(1), nn.Identity(), nn.Dropout(), nn.BatchNorm1d(12),
        nn.Linear(12, 5), nn.Linear(12, 1, bias=False),
    ],
)  # fmt: skip
def test_layers_on_vectors(module: nn.Module) -> None:
    followed(nn.Sequential(module), 3 * values(3, 12))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.relu(x / 2 - 0.1),
        lambda x: (1 - x * 3).tanh(),
        lambda x: torch.rsub(x, 2).tanh() - x,
        lambda x: 2 / (x.abs() + 1),
        lambda x: -x.exp(),
        lambda x: torch.clamp(x, min=-0.5),
        lambda x: x.clamp(-0.5, 0.25),
        lambda x: F.max_pool2d(x, kernel_size=2, stride=1, padding=1),
        lambda x: F.avg_pool2d(x, 3, stride=2, count_include_pad=False, padding=1),
        lambda x: F.adaptive_avg_pool2d(x, 1),
        lambda x: F.pad(x, (1, 2, 0, 1)),
        lambda x: F.interpolate(x, scale_factor=3),
        lambda x: x.mean((2, 3)),
        lambda x: x.mean(1),
        lambda x: x.mean(dim=(2, 3), keepdim=True) * x,
        lambda x: x.amax((2, 3)),
        lambda x: torch.cat([x, F.relu(x), x * 0.5], 1),
        lambda x: torch.cat([x, x], dim=-1),
        lambda x: x + x,
        lambda x: torch.maximum(x, -x),
        lambda x: F.relu_(x.clone()) + x,
        lambda x: x.view(x.shape[0], -1).tanh(),
        lambda x: torch.flatten(x, 1).view(-1, 3, 84).tanh(),
        lambda x: x.permute(0, 2, 3, 1).flatten(1).tanh(),
        lambda x: x.permute(0, 2, 3, 1).reshape(len(x), 63, 4).transpose(1, 2).sigmoid(),
        lambda x: x.reshape(-1, 2, 2, 9, 7).transpose(1, 2).reshape(-1, 4, 9, 7).sigmoid(),
        lambda x: x.mean((2, 3)).unsqueeze(2).unsqueeze(3).sigmoid() * x,
        lambda x: F.softmax(x.flatten(2), dim=-1),
        lambda x: F.dropout(x, training=False).sigmoid(),
        lambda x: (x.to(torch.float32).contiguous() * torch.linspace(0, 1, 7)).tanh(),
        lambda x: torch.batch_norm(
            x, torch.ones(4), None, torch.arange(4.0), 1 + torch.arange(4.0), False, 0.1, 1e-3, True
        ),
        lambda x: (torch.arange(4.0).view(4, 1, 1) - x).tanh(),
        lambda x: (x.flatten(1) @ torch.ones(252, 3)).tanh(),
    ],
    ids=[str(i) for i in range(33)],
)
def test_functions_between_modules(function: Callable[[Any], Any]) -> None:
    followed(Calling(function), values(*MAPS))


def test_a_residual_network_with_in_place_functions() -> None:
    model = normed(Residual())
    program = followed(model, values(2, 3, 14, 14))
    assert {"a.add", "a.relu#2", "b.down.1", "output"} <= set(program.layers)
    assert program.graph.output == "output"
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
def test_an_exported_program() -> None:
    x = values(2, 3, 14, 14)
    model = normed(Residual()).eval()
    exported = torch.export.export(model, (torch.from_numpy(x),))
    program = followed(torch.export.unflatten(exported), x)
    assert {"a.add", "a.relu#2", "b.down.1", "output"} <= set(program.layers)


def test_a_module_of_somebodys_own_is_read_by_the_functions_that_it_calls() -> None:
    class SameConv(nn.Conv2d):
        def forward(self, x: Any) -> Any:
            return F.conv2d(F.pad(x, (1, 1, 1, 1)), self.weight, bias=self.bias, stride=2)

    class Swish(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * torch.sigmoid(x)


def test_a_dense_layer_after_flattened_maps_takes_them_in_the_order_of_the_framework() -> None:
    model = nn.Sequential(nn.Conv2d(4, 3, 2), nn.Flatten(), nn.Linear(144, 5))
    program = followed(model, values(*MAPS))
    assert kinds(program) == ["conv2d", "transpose", "reshape", "dense"]


def test_a_shared_module_is_written_down_once_more_for_each_call_and_its_weights_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 6)

        def forward(self, x: Any) -> Any:
            return self.fc(F.relu(self.fc(x)))

    program = followed(Twice(), values(2, 6))
    assert program.layers == ("fc", "relu", "fc#2")
    assert program.weights == 42


def test_a_model_in_which_channels_come_last_keeps_them_there() -> None:
    program = followed(Calling(lambda x: F.relu(F.linear(x, torch.ones(5, 4)))), values(2, 9, 7, 4))
    assert kinds(program) == ["dense", "activation"]


REFUSED: list[tuple[Any, Any, str]] = [
    (nn.Sequential(nn.LSTM(3, 4, batch_first=True)), (2, 5, 3),
     "'0' (LSTM) is of a type that a page does not know."),
    (nn.Sequential(nn.GroupNorm(2, 4)), MAPS, "'0' (GroupNorm) is of a type that a page does not"),
    (nn.Sequential(nn.Conv1d(4, 4, 3)), (2, 4, 9), "'0' (Conv1d) is of a type that a page does"),
    (nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular")), MAPS,
     "'0' (Conv2d) pads by 'circular' instead of zeros."),
    (nn.Sequential(nn.MaxPool2d(2, dilation=2)), MAPS, "'0' (MaxPool2d) takes the largest of"),
    (nn.Sequential(nn.AdaptiveAvgPool2d(4)), MAPS,
     "'0' (AdaptiveAvgPool2d) pools 9×7 values to 4×4, in windows of different sizes."),
    (nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear")), MAPS,
     "'0' (Upsample) resizes by 'bilinear' instead of repeating values."),
    (nn.Sequential(nn.BatchNorm2d(4, track_running_stats=False)), MAPS,
     "'0' (BatchNorm2d) normalizes by the mean of the batch"),
    (Calling(lambda x: torch.fft.fft(x).real), MAPS, "'fft_fft' (fft_fft) "),
    (Calling(lambda x: torch.sin(x)), MAPS,
     "'sin' (sin) is a function that a page does not know."),
    (Calling(lambda x: F.relu(x[:, :2])), MAPS,
     "'relu' (relu) is given a value by 'getitem', which is a function that a page does not know."),
    (Calling(lambda x: F.relu(torch.chunk(x, 2, 1)[0])), MAPS,
     "'relu' (relu) is given what 'chunk' returns, which a page does not know."),
    (Calling(lambda x: F.relu(x - x.mean(0))), MAPS, "'mean' (mean) works across samples."),
    (Calling(lambda x: x @ x.transpose(2, 3)), MAPS, "multiplies values with one another."),
    (Calling(lambda x: torch.add(x, x, alpha=2)), MAPS, "'add' (add) adds a multiple (alpha)."),
    (Calling(lambda x: x.relu() + torch.from_numpy(x.numpy()[:1])), MAPS,
     "comes out otherwise than in PyTorch"),
    (Calling(lambda x: F.relu(x) if float(x.sum()) > 0 else F.relu(-x)), MAPS, "'sum' (sum) "),
]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "shape", "sentence"), REFUSED, ids=[sentence[:30] for *_, sentence in REFUSED]
)
def test_what_is_in_the_way_is_named(model: nn.Module, shape: Any, sentence: str) -> None:
    x = np.abs(values(*shape))
    with pytest.raises(ModelError, match=r"^The network can't be computed in a page: ") as error:
        portable(model, x)
    assert sentence in str(error.value)


def test_several_inputs_are_refused() -> None:
    class Two(nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            return F.relu(x + y)

    with pytest.raises(ModelError, match="it takes 2 inputs, and one is what a page can give"):
        portable(Two(), [values(2, 3), values(2, 3)])


def test_a_network_with_too_many_weights_is_refused_before_it_is_run() -> None:
    model = nn.Sequential(nn.Linear(1500, 1500))
    with pytest.raises(ModelError, match=r"2,251,500 weights, and a page computes with 2,000,000"):
        portable(model, values(1, 3))
