"""Gradient × attention on PyTorch: however attention is written, it is what is computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from layerscope.errors import InputError
from layerscope.instruments.attribution.attribute import attribute

WIDTH, HEADS, LENGTH = 6, 2, 5
Array = npt.NDArray[Any]


class Attending(nn.Module):
    """Two layers of attention, written in one of four ways; the answer is read at one place."""

    def __init__(self, how: str, read: str = "first") -> None:
        super().__init__()
        self.how, self.read = how, read
        self.vectors = nn.Embedding(11, WIDTH)
        self.layers = nn.ModuleList(
            nn.MultiheadAttention(WIDTH, HEADS, batch_first=True) for _ in range(2)
        )
        self.softmax = nn.Softmax(dim=-1)
        self.end = nn.Linear(WIDTH, 3)
        self.weights: list[torch.Tensor] = []

    def attended(self, layer: Any, x: torch.Tensor) -> Any:
        if self.how == "module":
            return layer(x, x, x, need_weights=False)[0]
        parts = F.linear(x, layer.in_proj_weight, layer.in_proj_bias).chunk(3, -1)
        query, key, value = (p.unflatten(2, (HEADS, -1)).transpose(1, 2) for p in parts)
        if self.how == "fused":
            made = F.scaled_dot_product_attention(query, key, value)
        else:
            scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
            weights = self.softmax(scores) if self.how == "layer" else scores.softmax(-1)
            if weights.requires_grad:
                weights.retain_grad()
            self.weights.append(weights)
            made = weights @ value
        return layer.out_proj(made.transpose(1, 2).flatten(2))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        self.weights = []
        x = self.vectors(ids)
        for layer in self.layers:
            x = x + self.attended(layer, torch.tanh(x))
        x = x[:, 0] if self.read == "first" else x[:, -1] if self.read == "last" else x.mean(1)
        return self.end(torch.tanh(x))


def by_hand(model: Attending, ids: torch.Tensor, target: int) -> Array:
    """Compute the rule of Chefer et al. with autograd."""
    plain = Attending("function", model.read)
    plain.load_state_dict(model.state_dict())
    plain(ids)[:, target].sum().backward()
    total = torch.eye(LENGTH).expand(len(ids), -1, -1)
    for weights in plain.weights:
        assert weights.grad is not None
        total = total + (weights * weights.grad).clamp(min=0).mean(1) @ total
    total = total - torch.eye(LENGTH)
    row = {"first": total[:, 0], "last": total[:, -1], "mean": total.mean(1)}[model.read]
    return np.asarray(row.detach().numpy())


@pytest.mark.parametrize("read", ["first", "last", "mean"])
@pytest.mark.parametrize("how", ["module", "fused", "function", "layer"])
def test_it_is_what_is_computed_by_hand(how: str, read: str) -> None:
    torch.manual_seed(6)
    model = Attending(how, read).eval()
    ids = torch.tensor([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]])
    made = attribute(model, ids, 2, "gradient_x_attention")
    values = made.named("gradient_x_attention")
    assert values.axes == ("sample", "position")
    known = by_hand(model, ids, 2)
    assert known.max() > 1e-3
    np.testing.assert_allclose(values.values, known, atol=1e-5 * known.max())
    assert made.settings["gradient_x_attention"] == {"layers": 2}


def test_the_target_makes_a_difference_as_for_a_rollout_it_does_not() -> None:
    torch.manual_seed(6)
    model = Attending("module").eval()
    ids = torch.tensor([[1, 2, 3, 4, 5]])
    one, other = (
        attribute(model, ids, target, ["gradient_x_attention", "attention_rollout"])
        for target in (0, 1)
    )
    difference = (
        one.named("gradient_x_attention").values - other.named("gradient_x_attention").values
    )
    assert np.abs(difference).max() > 1e-3
    np.testing.assert_array_equal(
        one.named("attention_rollout").values, other.named("attention_rollout").values
    )


def test_without_attention_it_says_what_works() -> None:
    with pytest.raises(InputError, match=r"no attention weights.*saliency"):
        attribute(nn.Linear(3, 2), torch.ones(1, 3), 1, "gradient_x_attention")
