"""Quantized modules: their packed weights, dequantized, and what they were before."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.ao.quantization as quantization
from torch import nn

import layerscope as ls

#: PyTorch announces another package for quantization, and warns of its own methods in use.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.ao.quantization is deprecated.*"),
    pytest.mark.filterwarnings("ignore:.*(is|are) deprecated.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*reduce_range.*:UserWarning"),
]
DYNAMIC = {nn.Linear, nn.LSTM, nn.GRU, nn.LSTMCell, nn.GRUCell, nn.RNNCell}


def dynamic(*modules: nn.Module) -> tuple[nn.Module, nn.Module]:
    """A module and what dynamic quantization makes of it."""
    torch.manual_seed(0)
    plain = nn.Sequential(*modules).eval()
    return plain, quantization.quantize_dynamic(plain, DYNAMIC, dtype=torch.qint8)


class Static(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
        self.conv, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU()
        self.flatten, self.fc = nn.Flatten(), nn.Linear(4 * 36, 5)

    def forward(self, x: Any) -> Any:
        y = self.relu(self.conv(self.quant(x)))
        return self.dequant(self.fc(self.flatten(y)))


def static(fused: bool) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    plain = Static().eval()
    copied = copy.deepcopy(plain)
    copied.qconfig = quantization.get_default_qconfig("x86")
    if fused:
        copied = quantization.fuse_modules(copied, [["conv", "relu"]])
    prepared = quantization.prepare(copied)
    prepared(torch.rand(2, 3, 8, 8))
    return plain, quantization.convert(prepared)


def embeddings() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Embedding(10, 4)).eval()
    copied = copy.deepcopy(plain)
    copied[0].qconfig = quantization.float_qparams_weight_only_qconfig
    return plain, quantization.convert(quantization.prepare(copied))


CASES = {
    "linear": lambda: dynamic(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2, bias=False)),
    "nested": lambda: dynamic(nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8)), nn.Linear(8, 2)),
    "lstm": lambda: dynamic(nn.LSTM(4, 3, num_layers=2, bidirectional=True)),
    "gru": lambda: dynamic(nn.GRU(4, 3, batch_first=True)),
    "cells": lambda: dynamic(nn.LSTMCell(4, 3), nn.GRUCell(3, 3), nn.RNNCell(3, 3)),
    "static": lambda: static(False),
    "fused": lambda: static(True),
    "embedding": embeddings,
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_weights_are_those_before_up_to_a_step_of_the_quantization(case: str) -> None:
    plain, quantized = CASES[case]()
    right, weights = ls.weights(plain), ls.weights(quantized)
    assert set(right) <= set(weights)
    for key, array in right.items():
        other = weights[key]
        assert other.dims == array.dims
        assert other.dtype == np.float32
        whole = np.abs(array.values).max()
        np.testing.assert_allclose(other.values, array.values, atol=whole / 60)
        if "weight" in key and "norm" not in key.lower() and array.ndim > 1:
            assert other.attrs["dtype"] in ("qint8", "quint8")
    assert any("qint8" in note or "quint8" in note for note in weights.notes)
    extra = set(weights) - set(right)
    assert all(key.rpartition(".")[2] in ("scale", "zero_point") for key in extra)


@pytest.mark.parametrize("case", CASES)
def test_the_description_is_that_before(case: str) -> None:
    plain, quantized = CASES[case]()
    right, network = ls.describe(plain), ls.describe(quantized)
    assert network.total == right.total
    rows = {row.address: row for row in network}
    for row in right:
        assert (rows[row.address].weights, rows[row.address].biases) == (row.weights, row.biases)
    assert not [row.address for row in network if "packed" in row.address]
    assert {p.key for p in network.parameters} == {p.key for row in network for p in row.parameters}
    assert not any(p.trainable for p in network.parameters if p.dtype.startswith("q"))


@pytest.mark.parametrize("case", ["linear", "nested", "lstm", "gru", "static", "fused"])
def test_activations_have_the_axes_and_about_the_values_of_those_before(case: str) -> None:
    plain, quantized = CASES[case]()
    shape = (2, 3, 8, 8) if case in ("static", "fused") else (2, 5, 4)
    x = torch.rand(shape)
    right, acts = ls.activations(plain, x), ls.activations(quantized, x)
    for address in set(right) & set(acts):
        assert acts[address].dims == right[address].dims
        if address != "conv" or case == "static":
            spread = np.abs(right[address].values).max()
            np.testing.assert_allclose(acts[address].values, right[address].values, atol=spread / 8)
    assert len(set(right) - set(acts)) == 0
    np.testing.assert_array_equal(
        acts[list(acts)[-1]].values, ls.activations(quantized, x)[list(acts)[-1]].values
    )


def test_the_digest_tells_weights_apart() -> None:
    digests = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        _, quantized = dynamic(nn.Linear(4, 8))
        digests.append(ls.weights(quantized).provenance["model"])
    assert digests[0] == digests[1] != digests[2]


def test_a_kernel_is_drawn(tmp_path: Any) -> None:
    _, quantized = CASES["fused"]()
    ls.sheet(ls.weights(quantized), "conv.weight").save(tmp_path / "kernels.png")
