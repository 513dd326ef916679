"""What a model does to clean up after itself is done, however a look ends its pass."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn

import layerscope as ls
from layerscope.core.errors import InputError

X = torch.linspace(-1, 1, 8).reshape(2, 4)


class Cleaning(nn.Module):
    """Sets something up before its layers run, and takes it back whatever happens to them."""

    flags: ClassVar[list[str]] = []  #: of the process, not of the model

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Tanh()

    def forward(self, x: Any) -> Any:
        self.set_up(x)
        try:
            y = self.c(self.a(x))
            return self.b(y) if x.sum() > -0.1 else torch.sigmoid(self.c(y))
        finally:
            self.clean_up(x)

    def set_up(self, x: Any) -> None:
        raise NotImplementedError

    def clean_up(self, x: Any) -> None:
        raise NotImplementedError


class Sharded(Cleaning):
    """Its weights have memory for the length of a call alone."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = {name: p.detach().clone() for name, p in self.named_parameters()}
        self.clean_up(None)

    def set_up(self, x: Any) -> None:
        for name, parameter in self.named_parameters():
            parameter.data = self.whole[name]

    def clean_up(self, x: Any) -> None:
        for parameter in self.parameters():
            parameter.data = torch.empty(0)


class Flagging(Cleaning):
    """Computes something before it takes back a flag."""

    def set_up(self, x: Any) -> None:
        self.flags.append("set")

    def clean_up(self, x: Any) -> None:
        torch.sigmoid(x + x).log_softmax(0)
        self.flags.pop()


class Reading(Cleaning):
    """Reads by another library what it has computed, and then takes back a flag."""

    def set_up(self, x: Any) -> None:
        self.flags.append("set")

    def clean_up(self, x: Any) -> None:
        x.numpy()
        self.flags.pop()


@pytest.mark.parametrize("make", [Sharded, Flagging, Reading], ids=lambda make: make.__name__)
@pytest.mark.parametrize("end", ["stops", "diverges", "raises"])
def test_a_look_ends_a_pass_and_the_model_cleans_up(make: type[Cleaning], end: str) -> None:
    torch.manual_seed(0)
    Cleaning.flags.clear()
    model = make()
    right = model(X).detach()
    shapes = [tuple(parameter.shape) for parameter in model.parameters()]
    x = {"stops": X, "diverges": -X - 1, "raises": torch.zeros(2, 3)}[end]
    for _ in range(3):
        np.testing.assert_array_equal(ls.activations(model, X)["output"], right)
        for _ in range(2):
            if end == "raises":
                with pytest.raises(InputError):
                    ls.activations(model, x, layers="a")
            else:
                seen = ls.activations(model, x, layers="a")
                np.testing.assert_array_equal(seen["a"], values_of(model, x))
            assert not model.flags
            assert [tuple(parameter.shape) for parameter in model.parameters()] == shapes
    np.testing.assert_array_equal(model(X).detach(), right)


@pytest.mark.parametrize("make", [Sharded, Flagging, Reading], ids=lambda make: make.__name__)
def test_a_first_look_ends_a_pass_and_the_model_cleans_up(make: type[Cleaning]) -> None:
    torch.manual_seed(0)
    Cleaning.flags.clear()
    model = make()
    right = model(X).detach()
    for address in ("a", "c", "b"):
        seen = ls.activations(make_like(model), X, layers=address)
        assert list(seen) == [address]
        assert not model.flags
    np.testing.assert_array_equal(ls.activations(model, X, layers="b")["b"], right)
    np.testing.assert_array_equal(model(X).detach(), right)


def make_like(model: Cleaning) -> Cleaning:
    """Return the same model, of which nothing is known."""
    return copy.deepcopy(model)


def values_of(model: Cleaning, x: Any) -> Any:
    seen: list[Any] = []
    handle = model.a.register_forward_hook(lambda *call: seen.append(call[-1].detach().clone()))
    model(x)
    handle.remove()
    return seen[0]


class Scripted(nn.Module):
    """Calls functions in TorchScript, which makes errors of its own of whatever is raised there."""

    def __init__(self) -> None:
        super().__init__()
        layers = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid())
        self.scripted, self.b = torch.jit.trace(layers, X), nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        y = x * 2 if x.sum() > -0.1 else x
        return self.b(self.scripted(torch.tanh(y)))


class Translating(nn.Module):
    """Makes an error of its own of whatever is raised in it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        try:
            return self.b(torch.sigmoid(self.a(x)) if x.sum() > -0.1 else self.a(x))
        except BaseException as error:
            raise ValueError("no") from error


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("make", [Scripted, Translating], ids=lambda make: make.__name__)
def test_what_ends_a_pass_may_become_an_error(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    model = make()
    right = {x: model(x).detach() for x in (X, -X - 1)}
    every = list(ls.activations(model, X))
    for _ in range(3):
        for x, output in right.items():
            np.testing.assert_array_equal(ls.activations(model, x)["output"], output)
        for address in every:
            values = ls.activations(model, X)[address]
            np.testing.assert_array_equal(ls.activations(model, X, address)[address], values)
