"""What is said of an input on which a module does not run: its type, its shape, its number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn

import layerscope as ls
from layerscope.core.errors import InputError, ModelError

TYPES = ["bfloat16", "float32", "float64"]
LAYERS = {
    "linear": (lambda: nn.Linear(4, 4), (2, 4)),
    "conv2d": (lambda: nn.Conv2d(4, 2, 3), (2, 4, 5, 5)),
    "conv1d without bias": (lambda: nn.Conv1d(4, 2, 3, bias=False), (2, 4, 5)),
    "lstm": (lambda: nn.LSTM(4, 3, batch_first=True), (2, 5, 4)),
    "attention": (lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), (2, 5, 4)),
    "behind others": (lambda: nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(4, 2)), (2, 4)),
}  # fmt: skip


@pytest.mark.parametrize("of_model", TYPES)
@pytest.mark.parametrize("of_x", [*TYPES, "int64"])
@pytest.mark.parametrize("layer", LAYERS)
def test_a_wrong_type_is_called_a_wrong_type(layer: str, of_x: str, of_model: str) -> None:
    make, shape = LAYERS[layer]
    model = make().to(getattr(torch, of_model))
    x = torch.ones(shape).to(getattr(torch, of_x))
    if of_x == of_model:
        assert list(ls.activations(model, x))
        return
    text = f"^x holds {of_x} numbers, and {type(model).__name__} computes in {of_model} "
    with pytest.raises(InputError, match=text) as raised:
        ls.activations(model, x)
    assert "features" not in str(raised.value)
    assert "shape" not in str(raised.value)
    with pytest.raises(InputError, match=text):
        ls.activations(model, [x])
    # What the sentence says works.
    assert list(ls.activations(model, x.to(getattr(torch, of_model))))
    if of_x != "bfloat16":
        assert list(ls.activations(model, x.numpy().astype(np.float32)))


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.embedding = nn.Linear(4, 4), nn.Embedding(5, 4)

    def forward(self, ids: Any, x: Any) -> Any:
        return self.embedding(ids) + self.layer(x)


def test_the_input_of_a_wrong_type_is_named() -> None:
    ids, x = torch.tensor([1, 2]), torch.ones(2, 4, dtype=torch.float64)
    with pytest.raises(InputError, match="Input '1' holds float64 numbers, and Both computes in f"):
        ls.activations(Both(), [ids, x])
    with pytest.raises(InputError, match="Input 'x' holds float64 numbers"):
        ls.activations(Both(), {"x": x, "ids": ids})


def test_a_wrong_shape_is_no_wrong_type() -> None:
    model = nn.Linear(4, 4).bfloat16()
    with pytest.raises(InputError, match=r"shape \(2, 3\).*cannot be multiplied.*that fits\.$"):
        ls.activations(model, torch.ones(2, 3, dtype=torch.bfloat16))


def test_activations_are_not_told_of_features() -> None:
    with pytest.raises(ModelError, match=r"takes several inputs, 'ids', 'x', .* a list of 2\.$"):
        ls.activations(Both(), np.ones((1, 4), np.float32))


@pytest.mark.side_by_side
def test_features_is_told_what_to_do() -> None:
    pytest.importorskip("keras")
    start = np.zeros((1, 2), np.float32)
    with pytest.raises(ModelError, match=r"a list of 2; .* fix the others in a module"):
        ls.features(Both(), "layer:1", steps=3, samples=start)
