"""Every parameter stands in a row of the description, whatever uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F
from torch import nn

import layerscope as ls
from cases import torch_programs as programs


class RMSNorm(nn.Module):
    """Hands on what a function made."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))

    def forward(self, x: Any) -> Any:
        return self.weight * (x / x.pow(2).mean(-1, keepdim=True).sqrt())


class FunctionalNorm(nn.LayerNorm):
    def forward(self, x: Any) -> Any:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


class Scaled(nn.Module):
    """Hands on what its layer returned, and has a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return self.layer(x * self.scale)


class HandsOn(nn.Module):
    """Hands on its argument, and has a parameter that only its parent uses."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: Any) -> Any:
        return x


class Held(nn.Module):
    """Parameters in lists and dicts of them, and in a list of lists."""

    def __init__(self) -> None:
        super().__init__()
        self.list = nn.ParameterList([torch.ones(4), torch.ones(4)])
        self.dict = nn.ParameterDict({"a": torch.ones(4)})
        self.lists = nn.ParameterList([nn.ParameterList([torch.ones(4)])])

    def forward(self, x: Any) -> Any:
        return x * self.list[0] + self.list[1] - self.dict["a"] + self.lists[0][0]


class Writes(nn.Module):
    """Changes in place what its layer returned."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.scale = nn.Linear(4, 4), nn.Parameter(torch.ones(4))

    def forward(self, x: Any) -> Any:
        y = self.layer(x)
        y *= self.scale
        return y


class Pair(nn.Module):
    """Two values, the first of which a layer returned."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.scale = nn.Linear(4, 4), nn.Parameter(torch.ones(4))

    def forward(self, x: Any) -> Any:
        y = self.layer(x)
        return y, y * self.scale


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)
        self.two.weight = self.one.weight

    def forward(self, x: Any) -> Any:
        return self.two(self.one(x))


MAKERS: list[Callable[[], nn.Module]] = [
    RMSNorm, lambda: FunctionalNorm(4), Scaled, HandsOn, Held, Writes, Tied,
    lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)),
    lambda: nn.MultiheadAttention(4, 2), lambda: nn.LSTM(4, 4), lambda: nn.PReLU(4), Pair,
]  # fmt: skip


class Once(nn.Module):
    """A module between two layers; what it returns besides a tensor is left."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(4, 4), inner, nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        y = self.first(x)
        attends = isinstance(self.inner, nn.MultiheadAttention)
        y = self.inner(y, y, y) if attends else self.inner(y)
        return self.last(y[0] if isinstance(y, tuple) else y)


def lost(model: nn.Module, x: Any) -> list[str]:
    """The parameters that stand in no row, or in several."""
    network = ls.describe(model, x)
    listed = [parameter.key for layer in network for parameter in layer.parameters]
    assert network.total == sum(p.numel() for p in model.parameters())
    return [p.key for p in network.parameters if listed.count(p.key) != 1]


def arranged(made: nn.Module, around: str) -> nn.Module:
    """The module by itself or inside of another; a network that hands x on is none."""
    if around == "in the middle" or isinstance(made, nn.MultiheadAttention | HandsOn):
        return Once(made)
    if around == "twice" and not isinstance(made, nn.LSTM | Pair):
        return nn.Sequential(made, nn.ReLU(), made)
    return nn.Sequential(made) if around == "in a list" else made


@pytest.mark.parametrize("number", range(len(MAKERS)))
@pytest.mark.parametrize("around", ["alone", "in a list", "in the middle", "twice"])
def test_every_parameter_stands_in_one_row(number: int, around: str) -> None:
    model = arranged(MAKERS[number](), around)
    assert not lost(model, torch.rand(3, 4))
    assert not [row.address for row in ls.describe(model) if row.type.startswith("Parameter")]


def test_modules_that_are_used_and_not_called_are_named() -> None:
    class Uses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            return F.linear(x, self.layer.weight, self.layer.bias)

    assert "defined, but not called: layer" in ls.describe(Uses(), torch.rand(3, 4)).notes


@pytest.mark.parametrize("seed", range(40))
def test_every_parameter_of_a_random_program_stands_in_one_row(seed: int) -> None:
    """Of modules that are called; those that are not are named in a note."""
    program = programs.program(seed)
    called = {address.partition("#")[0] for address in programs.expected(program)}
    owners = [name for name, _ in program.model.named_modules() if name in called]
    missing = [key for key in lost(program.model, program.x) if key.rpartition(".")[0] in owners]
    assert not missing, program
