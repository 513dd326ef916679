"""Attention weights in PyTorch equal those of the unfused computation, however they are made."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F
from torch import nn

import layerscope as ls

WEIGHTS = ("sample", "head", "query", "key")


class Attention(nn.Module):
    """Self-attention, with the weights computed in one of several ways."""

    def __init__(self, way: str, mask: Any = None, causal: bool = False, groups: int = 4) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 2 * groups), nn.Linear(8, 2 * groups)
        self.way, self.mask, self.causal, self.groups = way, mask, causal, groups

    def heads(self, x: Any) -> Any:
        return x.view(*x.shape[:2], -1, 2).transpose(1, 2)

    def forward(self, x: Any) -> Any:
        q, k, v = self.heads(self.q(x)), self.heads(self.k(x)), self.heads(self.v(x))
        if self.way == "fused":
            return F.scaled_dot_product_attention(
                q, k, v, self.mask, is_causal=self.causal, enable_gqa=self.groups != 4
            )
        k, v = (t.repeat_interleave(4 // self.groups, 1) for t in (k, v))
        mask = torch.ones(5, 5).tril().bool() if self.causal else self.mask
        scores = q @ k.transpose(-1, -2) / math.sqrt(2)
        if self.way == "einsum":
            scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * 2**-0.5
        if mask is not None and mask.dtype is torch.bool:
            scores = scores.masked_fill(~mask, float("-inf"))
        elif mask is not None:
            scores = scores + mask
        weights = F.softmax(scores, dim=-1)
        return (
            (weights @ v) if self.way != "einsum" else torch.einsum("bhqk,bhkd->bhqd", weights, v)
        )


def by_hand(model: Attention, x: Any) -> Any:
    """The slow obvious version, in float64."""
    with torch.no_grad():
        q, k = (model.heads(layer(x)).double() for layer in (model.q, model.k))
        k = k.repeat_interleave(4 // model.groups, 1)
        scores = q @ k.transpose(-1, -2) / math.sqrt(2)
        mask = torch.ones(5, 5).tril().bool() if model.causal else model.mask
        if mask is not None and mask.dtype is torch.bool:
            scores = scores.masked_fill(~mask, float("-inf"))
        elif mask is not None:
            scores = scores + mask
        return scores.softmax(-1).numpy(), mask


BOOL = torch.rand(5, 5, generator=torch.Generator().manual_seed(0)) > 0.4
BOOL |= torch.eye(5, dtype=torch.bool)
FLOAT = torch.where(BOOL, 0.5, torch.finfo(torch.float32).min)
INFINITE = torch.where(BOOL, 0.25, float("-inf"))


@pytest.mark.parametrize("way", ["fused", "softmax", "einsum"])
@pytest.mark.parametrize("groups", [4, 2])
@pytest.mark.parametrize(
    "mask",
    [None, BOOL, FLOAT, INFINITE, "causal"],
    ids=["none", "bool", "lowest", "-inf", "causal"],
)
def test_the_weights_are_those_of_the_unfused_computation(way: str, groups: int, mask: Any) -> None:
    causal = mask == "causal" if isinstance(mask, str) else False
    model = Attention(way, None if causal else mask, causal, groups)
    x = torch.randn(3, 5, 8)
    right, used = by_hand(model, x)
    for look in range(3):  # watched, replayed, and by name alone
        acts = ls.activations(model, x, layers=None if look < 2 else "attention")
        array = acts["attention"]
        assert array.dims == WEIGHTS
        np.testing.assert_allclose(array.values, right, atol=1e-5)
        if used is None:
            assert not np.signbit(array.values).any()
        else:
            hidden = (~used if used.dtype is torch.bool else used < -1e30).numpy()
            assert (np.signbit(array.values) == hidden).all()


def test_what_is_no_attention_keeps_its_axes() -> None:
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.score, self.table = nn.Linear(8, 3), nn.Parameter(torch.rand(8, 4))

        def forward(self, x: Any) -> Any:
            one = self.score(x).softmax(-1)  # classes at every position
            return one, (x @ self.table).softmax(-1)

    acts = ls.activations(Pooled(), torch.rand(2, 5, 8))
    assert not [a for a in acts if "attention" in a]
    assert {acts[a].dims for a in acts if "softmax" in a} == {("sample", "position", "channel")}


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("masking", ["none", "padding", "causal"])
def test_pytorch_s_own_module(batch_first: bool, need_weights: bool, masking: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attend = nn.MultiheadAttention(8, 4, dropout=0.2, batch_first=batch_first)

        def forward(self, x: Any) -> Any:
            options: dict[str, Any] = {"need_weights": need_weights}
            if masking == "padding":
                options["key_padding_mask"] = torch.arange(5)[None].expand(3, 5) > 3
            if masking == "causal":
                options["attn_mask"] = nn.Transformer.generate_square_subsequent_mask(5)
                options["is_causal"] = not need_weights
            return self.attend(x, x, x, **options)[0]

    model = Net().train()
    x = torch.randn(3, 5, 8) if batch_first else torch.randn(5, 3, 8)
    hidden = np.zeros((5, 5), bool)
    if masking == "padding":
        hidden[:, 4] = True
    if masking == "causal":
        hidden = ~np.tri(5, dtype=bool)
    weight, bias = model.attend.in_proj_weight, model.attend.in_proj_bias
    y = x if batch_first else x.transpose(0, 1)
    with torch.no_grad():
        q, k = (
            (y @ weight[i : i + 8].T + bias[i : i + 8]).view(3, 5, 4, 2).transpose(1, 2)
            for i in (0, 8)
        )
        scores = (q @ k.transpose(-1, -2) / math.sqrt(2)).masked_fill(
            torch.from_numpy(hidden), float("-inf")
        )
    for _ in range(2):
        acts = ls.activations(model, x)
        assert acts["attend/attention"].dims == WEIGHTS
        np.testing.assert_allclose(
            acts["attend/attention"].values, scores.softmax(-1).numpy(), atol=1e-5
        )
        assert (np.signbit(acts["attend/attention"].values) == hidden).all()
    assert model.attend.dropout == 0.2
    assert model.training


def test_every_block_of_an_encoder() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    acts = ls.activations(model, torch.rand(2, 5, 8), layers="*/attention")
    assert list(acts) == [f"layers.{i}.self_attn/attention" for i in range(3)]
    for array in acts.values():
        np.testing.assert_allclose(array.values.sum(-1), 1, atol=1e-5)


def test_a_query_that_may_look_nowhere_has_no_weights() -> None:
    mask = torch.ones(5, 5, dtype=torch.bool)
    mask[2] = False
    acts = ls.activations(Attention("fused", mask), torch.rand(1, 5, 8))
    weights = acts["attention"].values
    assert (weights[:, :, 2] == 0).all()
    np.testing.assert_allclose(weights[:, :, [0, 1, 3, 4]].sum(-1), 1, atol=1e-5)


def test_weights_of_many_positions_are_kept_only_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from layerscope.backends import trace
    from layerscope.backends.torch.replay import plan as torch_plan

    for module in (trace, torch_plan):
        monkeypatch.setattr(module, "MOST_WEIGHTS", 50)
    model, x = Attention("fused"), torch.rand(1, 5, 8)
    for _ in range(2):
        acts = ls.activations(model, x)
        assert "attention" not in list(acts)
        assert any("unless layers= names them: attention" in note for note in acts.notes)
    assert list(ls.activations(model, x, layers="attention")) == ["attention"]


def test_a_product_that_is_added_to_a_bias() -> None:
    class Biased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x: Any) -> Any:
            q, k = (layer(x).view(2, 5, 4, 2).transpose(1, 2) for layer in (self.q, self.k))
            bias = torch.zeros(8, 1, 5)
            scores = bias.baddbmm(batch1=q.reshape(8, 5, 2), batch2=k.reshape(8, 5, 2).mT, beta=1.0)
            return F.softmax(scores.view(2, 4, 5, 5), dim=-1)

    acts = ls.activations(Biased(), torch.rand(2, 5, 8))
    assert acts["attention"].dims == WEIGHTS


class Windowed(nn.Module):
    """Attention by a softmax that is a module, over scores that were masked window by window."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k = nn.Linear(8, 8), nn.Linear(8, 8)
        self.attend, self.drop = nn.Softmax(dim=-1), nn.Dropout(0.5)

    def forward(self, x: Any) -> Any:
        q, k = (layer(x).view(4, 5, 4, 2).transpose(1, 2) for layer in (self.q, self.k))
        scores = q @ k.mT
        mask = torch.zeros(2, 5, 5).masked_fill(torch.eye(5) == 1, float("-inf"))
        scores = (scores.view(-1, 2, 4, 5, 5) + mask[None, :, None]).view(4, 4, 5, 5)
        return self.drop(self.attend(scores)) @ q


def test_a_softmax_that_is_a_module() -> None:
    model, x = nn.Sequential(nn.Identity(), Windowed()), torch.rand(4, 5, 8)
    kept: list[Any] = []
    model[1].attend.register_forward_hook(lambda module, args, result: kept.append(result.clone()))
    for layers in (None, None, "1/attention", "1.attend", "*/attention"):
        acts = ls.activations(model, x, layers=layers)
        array = acts["1/attention" if layers != "1.attend" else "1.attend"]
        assert array.dims == WEIGHTS
        np.testing.assert_array_equal(array.values, kept[-1].numpy())
        assert (np.signbit(array.values) == np.eye(5, dtype=bool)).all()
        if layers is None:
            assert acts.aliases["1.attend"] == "1/attention"
            assert list(acts).count("1.attend") == 0


class Scaled(nn.Module):
    """Attention whose scale is a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(0.5))
        self.project = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.project(x)
        return nn.functional.scaled_dot_product_attention(x, x, x, scale=self.scale)


def _weights(recording: Any) -> np.ndarray:
    return next(array for array in recording.values() if array.dims == WEIGHTS).values


def test_weights_that_are_read_later_are_those_of_the_look() -> None:
    torch.manual_seed(0)
    model, x = Scaled().eval(), torch.randn(2, 3, 5, 8)
    expected = _weights(ls.activations(model, x))
    for change in (lambda: model.scale.fill_(3), lambda: model.project.weight.data.zero_()):
        recording = ls.activations(model, x)
        now = _weights(ls.activations(model, x))
        change()
        with torch.autocast("cpu"):
            later = _weights(recording)
        np.testing.assert_array_equal(later, now)
        assert later.dtype == np.float32
    np.testing.assert_array_equal(
        _weights(ls.activations(Scaled().eval(), x)).shape, expected.shape
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process can be forked here")
def test_a_forked_process_reads_weights() -> None:
    script = """
import os, torch
from torch import nn
import layerscope as ls
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(64, 64)
    def forward(self, x):
        x = self.project(x).view(4, 512, 4, 16).transpose(1, 2)
        return nn.functional.scaled_dot_product_attention(x, x, x)
torch.set_num_threads(2)
model, x = Attention().eval(), torch.randn(4, 512, 64)
ls.activations(model, x)
recording = ls.activations(model, x)
name = "attention"
if os.fork() == 0:
    weights = recording[name]
    os._exit(0 if weights.shape == (4, 4, 512, 512) and weights.values.any() else 1)
assert os.wait()[1] == 0
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
