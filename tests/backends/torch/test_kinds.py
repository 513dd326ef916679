"""What PyTorch's modules and functions say they are, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F
from torch import nn

import layerscope as ls
from cases.standard_torch import IMAGE, ON_IMAGES, Calls
from layerscope.backends.torch.kinds import kind_of


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (lambda: nn.ReLU6(), ("activation", "relu6")),
        (lambda: nn.Hardtanh(), ("activation", "hard_tanh")),
        (lambda: nn.Threshold(0.1, 0), ("activation", "threshold")),
        (lambda: nn.GLU(), ("other", "glu")),
        (lambda: nn.LazyLinear(3), ("dense", None)),
        (lambda: nn.SyncBatchNorm(3), ("batch_norm", None)),
        (lambda: nn.InstanceNorm2d(3), ("group_norm", None)),
        (lambda: nn.LPPool2d(2, 2), ("reduce", None)),
        (lambda: nn.AvgPool2d(2, divisor_override=1), ("reduce", None)),
        (lambda: nn.ConstantPad2d(1, 0.0), ("pad", None)),
        (lambda: nn.ConstantPad2d(1, 5.0), ("other", None)),
        (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), ("resize", None)),
        (lambda: nn.Upsample(scale_factor=2, mode="bicubic"), ("other", None)),
        (lambda: nn.UpsamplingBilinear2d(scale_factor=2), ("resize", None)),
        (lambda: nn.EmbeddingBag(3, 4), ("embedding", None)),
        (lambda: nn.RNN(3, 4, nonlinearity="relu"), ("recurrent", "relu")),
        (lambda: nn.LSTM(3, 4, proj_size=2), ("recurrent", None)),
        (lambda: nn.Sequential(), ("identity", None)),
        (lambda: nn.Sequential(nn.ReLU()), ("container", None)),
        # Of a class of somebody's own, the name tells, as torchvision's and other libraries' do.
        (lambda: type("FrozenBatchNorm2d", (nn.Module,), {})(), ("batch_norm", None)),
        (lambda: type("LayerScale", (nn.Module,), {})(), ("elementwise", None)),
        (lambda: type("StochasticDepth", (nn.Module,), {})(), ("dropout", None)),
        (lambda: type("Normalize", (nn.Module,), {})(), ("standardize", None)),
        (lambda: type("GELUActivation", (nn.Module,), {})(), ("activation", "gelu")),
        (lambda: type("Bottleneck", (nn.Module,), {})(), ("other", None)),
        (lambda: type("ConvBNReLU", (nn.Module,), {})(), ("other", None)),
        (lambda: type("PyramidPooling", (nn.Module,), {})(), ("other", None)),
        (lambda: type("NoiseInjection", (nn.Module,), {})(), ("other", None)),
        (lambda: type("MyReLU", (nn.ReLU,), {})(), ("activation", "relu")),
    ],
)
def test_what_a_module_is(module: Callable[[], Any], expected: tuple[str, str | None]) -> None:
    assert kind_of(module()) == expected


FUNCTIONS: dict[str, tuple[Callable[[Any], Any], tuple[str, str | None]]] = {
    "relu": (F.relu, ("activation", "relu")),
    "relu_": (lambda x: F.relu_(x * 1.0), ("activation", "relu")),
    "relu6": (F.relu6, ("activation", "relu6")),
    "leaky_relu": (F.leaky_relu, ("activation", "leaky_relu")),
    "gelu": (F.gelu, ("activation", "gelu")),
    "silu": (F.silu, ("activation", "silu")),
    "tanh": (torch.tanh, ("activation", "tanh")),
    "hardswish": (F.hardswish, ("activation", "hard_silu")),
    "log_softmax": (lambda x: F.log_softmax(x, 1), ("activation", "log_softmax")),
    "exp": (torch.exp, ("elementwise", "exponential")),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), ("pool", None)),
    "mean": (lambda x: x.mean((2, 3)), ("reduce", None)),
    "stack": (lambda x: torch.stack([x, x]), ("concat", None)),
    "pad": (lambda x: F.pad(x, (1, 1)), ("pad", None)),
    "pad with fives": (lambda x: F.pad(x, (1, 1), value=5.0), ("other", None)),
    "interpolate": (lambda x: F.interpolate(x, scale_factor=2), ("resize", None)),
    "bicubic": (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), ("other", None)),
    "flatten": (lambda x: torch.flatten(x, 1), ("reshape", None)),
    "view": (lambda x: x.view(2, -1), ("reshape", None)),
    "roll": (lambda x: x.roll(1, 2), ("rearrange", None)),
    "matmul": (lambda x: x @ x.transpose(2, 3), ("matmul", None)),
    "where": (lambda x: torch.where(x > 0, x, x * 2.0), ("other", None)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_function_is(name: str) -> None:
    function, expected = FUNCTIONS[name]
    last = ls.describe(Calls(function), IMAGE).layers[-1]
    assert (last.kind, last.activation) == expected


class AllOfThem(nn.Module):
    """Calls each of the modules."""

    def __init__(self) -> None:
        super().__init__()
        names = (name for name in ON_IMAGES if name not in ("nobody knows it", "identity"))
        self.parts = nn.ModuleDict({name.replace(" ", "_"): ON_IMAGES[name]() for name in names})

    def forward(self, x: Any) -> Any:
        return tuple(part(x) for part in self.parts.values())


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
def test_an_exported_program_says_the_same() -> None:
    x = torch.from_numpy(IMAGE)
    model = AllOfThem().eval()
    program = torch.export.unflatten(torch.export.export(model, (x,)))
    kinds = [{(r.type, r.kind, r.activation) for r in ls.describe(m, IMAGE)}
             for m in (model, program)]  # fmt: skip
    lost = {("MyConv", "conv", None), ("dropout", "dropout", None)}
    assert kinds[0] - kinds[1] <= lost, kinds[1]


#: What may stand between a Flatten and a dense layer, which then still sees the maps.
BETWEEN: dict[str, Callable[[], Any]] = {
    "nothing": lambda: nn.Sequential(),
    "batch normalization": lambda: nn.BatchNorm1d(144),
    "layer normalization": lambda: nn.LayerNorm(144),
    **{name: ON_IMAGES[name] for name in ("ReLU", "leaky ReLU", "parametric ReLU", "ELU", "GELU",
                                          "SiLU", "tanh", "sigmoid", "softmax", "identity",
                                          "dropout")},
    **{name: (lambda function=function: Calls(function)) for name, (function, _)
       in FUNCTIONS.items() if name in ("relu", "leaky_relu", "gelu", "silu", "tanh", "hardswish",
                                        "exp", "log_softmax")},
}  # fmt: skip


@pytest.mark.parametrize("flatten", [nn.Flatten, lambda: Calls(lambda x: x.view(len(x), -1))])
@pytest.mark.parametrize("name", BETWEEN)
def test_a_dense_kernel_shows_the_maps_that_were_flattened(
    name: str, flatten: Callable[[], Any]
) -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), flatten(), BETWEEN[name](), nn.Linear(144, 5))
    weights = ls.weights(model, torch.zeros(2, 1, 8, 8).numpy())
    attrs = weights["3.weight"].attrs
    assert (attrs["input_shape"], attrs["input_axes"]) == ((4, 6, 6), ("channel", "y", "x"))
    assert len(ls.sheet(weights, "3.weight")) == 20
