"""Edited values of PyTorch modules are what a forward pass with them computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn

import layerscope as ls
from layerscope.errors import AddressError, InputError, ModelError

Tensor = torch.Tensor


class Net(nn.Module):
    """A module that is called twice, writes in place, and one that returns several values."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True)
        self.lin, self.lstm = nn.Linear(144, 3), nn.LSTM(3, 5, batch_first=True)

    def forward(self, x: Tensor, of: dict[str, Callable[[Tensor], Tensor]] | None = None) -> Tensor:
        edit = of or {}
        first = edit.get("conv", lambda v: v)(self.conv(x))
        second = edit.get("relu#2", lambda v: v)(self.relu(self.relu(first) * 2 + 1))
        out, _ = self.lstm(self.lin(second.flatten(1))[:, None])
        return edit.get("lstm", lambda v: v)(out)[:, 0]


def _zero(value: Tensor) -> Tensor:
    value[:, 2] = 0
    return value


def _nine(value: Tensor) -> Tensor:
    value[..., 3] = 9
    return value


EDITS: dict[str, tuple[dict[str, Any], dict[str, Callable[[Tensor], Tensor]]]] = {
    "a unit": ({"conv:2": 0}, {"conv": _zero}),
    "a second call": ({"relu#2:2": 0}, {"relu#2": _zero}),
    "a function": ({"conv": lambda a: a * 0}, {"conv": torch.zeros_like}),
    "the first of several values": ({"lstm:3": 9}, {"lstm": _nine}),
    "two": ({"conv:2": 0, "relu#2:2": torch.tensor(0.0)}, {"conv": _zero, "relu#2": _zero}),
}


@pytest.mark.parametrize(("edits", "by_hand"), EDITS.values(), ids=EDITS)
def test_edits_are_what_a_pass_edited_by_hand_computes(
    edits: dict[str, Any], by_hand: dict[str, Callable[[Tensor], Tensor]]
) -> None:
    torch.manual_seed(0)
    model, x = Net().eval(), torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        before, expected = model(x), model(x, by_hand)
    for _ in range(2):
        np.testing.assert_allclose(
            ls.activations(model, x, edits=edits)["output"], expected, atol=1e-6
        )
    with ls.edited(model, edits), torch.no_grad():
        for _ in range(2):
            torch.testing.assert_close(model(x), expected)
            torch.testing.assert_close(model(x=x), expected)
        np.testing.assert_allclose(ls.activations(model, x)["output"], expected, atol=1e-6)
    with torch.no_grad():
        assert torch.equal(model(x), before)
    np.testing.assert_allclose(ls.activations(model, x)["output"], before, atol=1e-6)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_nothing_remains_also_after_an_exception() -> None:
    model, x = Net().eval(), torch.randn(2, 1, 8, 8)
    with pytest.raises(InputError, match=r"The function that edits '.*' raised ZeroDivisionError"):
        ls.activations(model, x, edits={"relu:1": lambda a: 1 / 0})
    with pytest.raises(ZeroDivisionError), ls.edited(model, {"lin": 0}):
        raise ZeroDivisionError
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_edits_within_edits() -> None:
    torch.manual_seed(0)
    model, x = Net().eval(), torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        outer, both = model(x, {"conv": _zero}), model(x, {"conv": _zero, "relu#2": _zero})
        with ls.edited(model, {"conv:2": 0}):
            with ls.edited(model, {"relu#2:2": 0}):
                torch.testing.assert_close(model(x), both)
            edited = ls.activations(model, x, edits={"relu#2:2": 0})
            np.testing.assert_allclose(edited["output"], both, atol=1e-6)
            torch.testing.assert_close(model(x), outer)


def test_a_layer_that_was_not_called_is_told() -> None:
    class Spare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.spare = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    model, x = Spare().eval(), torch.ones(1, 3)
    with pytest.raises(ModelError, match="'spare' was not called"):
        ls.activations(model, x, edits={"spare": 0})
    some = ls.activations(model, x, layers="used", edits={"spare": 0})
    assert "not edited, as no pass came to it: 'spare'" in some.notes
    with ls.edited(model, {"spare": 0}):
        pass
    with pytest.warns(UserWarning, match="'spare' was not called"), ls.edited(model, {"spare": 0}):
        model(x)


def test_gradients_go_through_what_is_edited() -> None:
    model, x = Net(), torch.randn(2, 1, 8, 8)
    with ls.edited(model, {"conv:2": 0}):
        model(x).sum().backward()
    assert model.conv.weight.grad is not None
    assert model.conv.weight.grad[2].abs().sum() == 0
    assert model.conv.weight.grad[1].abs().sum() > 0


def test_a_layer_alone_and_what_no_module_returns() -> None:
    model, x = Net().eval(), torch.randn(2, 1, 8, 8)
    with (
        pytest.raises(ModelError, match="call the model"),
        ls.edited(model, {"conv:2": 0}),
    ):
        model.conv(x)
    for address in ("mul", "add:1"):
        with pytest.raises(AddressError, match="There is no layer"):
            ls.activations(model, x, edits={address: 0})


def test_the_fused_attention_kernel_does_not_pass_an_edit_by() -> None:
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    x = torch.randn(2, 5, 8)
    with torch.no_grad():
        before = model(x)
        with ls.edited(model, {"linear1:3": 0}):
            edited = model(x)
        assert not torch.allclose(before, edited)
        assert torch.equal(model(x), before)
    np.testing.assert_allclose(
        ls.activations(model, x, edits={"linear1:3": 0})["output"], edited, atol=1e-5
    )
