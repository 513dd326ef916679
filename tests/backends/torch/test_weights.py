"""The axes of PyTorch's weights, by their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn

import layerscope as ls

DENSE = ("input", "unit")

CASES: dict[str, tuple[Callable[[], Any], dict[str, tuple[str, ...]]]] = {
    "attention": (
        lambda: nn.MultiheadAttention(6, 2, add_bias_kv=True),
        {
            "in_proj_weight": DENSE, "in_proj_bias": ("unit",), "out_proj.weight": DENSE,
            "out_proj.bias": ("unit",), "bias_k": ("axis0", "axis1", "unit"),
            "bias_v": ("axis0", "axis1", "unit"),
        },
    ),
    "attention of other widths": (
        lambda: nn.MultiheadAttention(6, 2, kdim=3, vdim=5, bias=False),
        {
            "q_proj_weight": DENSE, "k_proj_weight": DENSE, "v_proj_weight": DENSE,
            "out_proj.weight": DENSE,
        },
    ),
    "GRU": (
        lambda: nn.GRU(4, 3),
        {
            "weight_ih_l0": DENSE, "weight_hh_l0": DENSE, "bias_ih_l0": ("unit",),
            "bias_hh_l0": ("unit",),
        },
    ),
    "LSTM cell": (
        lambda: nn.LSTMCell(4, 3, bias=False), {"weight_ih": DENSE, "weight_hh": DENSE},
    ),
    "norm": (lambda: nn.LayerNorm(4, bias=False), {"weight": ("channel",)}),
    "norm of two axes": (
        lambda: nn.LayerNorm((8, 4)), dict.fromkeys(("weight", "bias"), ("position", "channel")),
    ),
    "norm of three axes": (
        lambda: nn.LayerNorm((4, 8, 9)), dict.fromkeys(("weight", "bias"), ("y", "x", "channel")),
    ),
    "RMS norm of two axes": (lambda: nn.RMSNorm((8, 4)), {"weight": ("position", "channel")}),
    "bilinear": (
        lambda: nn.Bilinear(3, 4, 5), {"weight": ("axis0", "input", "unit"), "bias": ("unit",)},
    ),
    "embedding bag": (lambda: nn.EmbeddingBag(9, 4), {"weight": ("input", "channel")}),
    "PReLU": (lambda: nn.PReLU(4), {"weight": ("channel",)}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_axes_of_every_module(case: str) -> None:
    make, axes = CASES[case]
    module = make()
    found = ls.weights(module)
    assert {key: set(array.dims) for key, array in found.items()} == {
        key: set(names) for key, names in axes.items()
    }
    for key, parameter in module.named_parameters():
        assert sorted(found[key].shape) == sorted(parameter.shape)
        if case == "norm of three axes":
            assert dict(found[key].sizes) == {"channel": 4, "y": 8, "x": 9}
        if case == "bilinear" and key == "weight":
            assert dict(found[key].sizes) == {"unit": 5, "input": 3, "axis0": 4}
