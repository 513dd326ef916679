"""A replay that keeps everything notes each call, and holds all against the plan at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F
from torch import nn

import layerscope as ls
from cases import torch_programs as programs
from layerscope.backends.torch.replay import noting
from layerscope.backends.torch.watching import Watching

X = torch.linspace(-1, 1, 8).reshape(2, 4)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Watching]:
    """The passes that were watched."""
    made: list[Watching] = []
    original = Watching.passed

    def note(self: Watching, *args: Any, **kwargs: Any) -> Any:
        made.append(self)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Watching, "passed", note)
    return made


def same(one: Any, other: Any) -> None:
    assert list(one) == list(other)
    assert one.network.layers == other.network.layers
    for address in one:
        np.testing.assert_array_equal(one[address], other[address], err_msg=address)


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_large_passes_note_what_arguments_were(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than hold on to them; values and edges are the same."""
    monkeypatch.setattr(noting, "_FEW", 0)
    program = programs.program(seed)
    right = programs.expected(program)
    for selection in programs.selections(program, right, count=2):
        programs.check(program, selection, right)


class Switching(nn.Module):
    """Does something else, by the sign of its input, that no other call tells."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Identity()

    def forward(self, x: Any) -> Any:
        other = bool(x.flatten()[0] > 0)
        y, z = self.a(x), self.b(x)
        if self.how == "written":  # before it is handed on, or after
            if other:
                y.mul_(2)
            w = self.c(y)
            if not other:
                y.mul_(2)
            return torch.tanh(w)
        if self.how == "written once":
            w = torch.tanh(y)
            if other:
                y.mul_(2)
            return w + y
        if self.how == "view":  # overwritten between two views of it
            v = y[:, :2]
            w = torch.tanh(v)
            if other:
                y.mul_(2)
            return torch.cat([w, self.c(y[:, 2:])], 1)
        if self.how == "handed on":
            return torch.tanh(self.c(z if other else y))
        if self.how == "list":
            parts = [y, z]
            w = torch.cat(parts[::-1] if other else parts, 1)
            parts.clear()
            return w
        if self.how == "temporary":  # objects that take each other's place in memory
            for _ in range(3):
                y = torch.tanh(z if other else y.reshape(-1).reshape(2, 4))
            return y
        if self.how == "inference":
            if not other:
                return torch.tanh(y)
            with torch.inference_mode():
                return torch.tanh(y + 0)
        if self.how == "fewer":
            return y if other else torch.tanh(y)
        raise AssertionError(self.how)


@pytest.mark.parametrize(
    "how",
    [
        "written", "written once", "view", "handed on", "list", "temporary", "inference", "fewer",
    ],
)  # fmt: skip
@pytest.mark.parametrize("few", [0, 2**24])
def test_what_differs_is_noticed_at_the_end(
    how: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noting, "_FEW", few)
    torch.manual_seed(0)
    model, other = Switching(how), Switching(how)
    other.load_state_dict(model.state_dict())
    right = {sign: ls.activations(_new(model), sign * X) for sign in (1, -1)}
    for sign in (1, 1, 1, -1, -1, -1, 1, -1, 1, 1):
        same(ls.activations(model, sign * X), right[sign])
        np.testing.assert_array_equal(right[sign]["output"], other(sign * X).detach())


def _new(model: Switching) -> Switching:
    """Return the same model, of which nothing is known."""
    new = Switching(model.how)
    new.load_state_dict(model.state_dict())
    return new


class Growing(nn.Module):
    """Collects what it makes in one list, which it gives to a function again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        made: list[Any] = []
        for _ in range(4):
            made.append(self.a(x))
            x = torch.stack(made).mean(dim=(0,))
        return x


class Rectified(nn.Module):
    """Overwrites what its layers return, by modules, functions and methods."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.relu = nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        y = self.relu(self.a(x))
        z = F.relu(self.b(y), inplace=True)
        return torch.tanh(z).mul_(y)


class Attending(nn.Module):
    """Overwrites the query after the attention, where nothing else tells."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.c = nn.Linear(4, 8), nn.Identity()

    def forward(self, x: Any) -> Any:
        both = self.a(x[:, None, None]).reshape(1, 2, 1, 8)
        query, key = both[..., :4], both[..., 4:]
        made = F.scaled_dot_product_attention(query, key, key)
        query.mul_(2)
        return (made + self.c(both[..., :4])).reshape(2, 4)


class Reshaped(nn.Module):
    """Gives another shape to what its layer and a function returned."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        y = self.a(x)
        z = torch.tanh(y)
        y.unsqueeze_(1)
        z.unsqueeze_(1)
        return (y + z).reshape(2, 4)


@pytest.mark.parametrize(
    "make", [Growing, Rectified, Attending, Reshaped], ids=lambda make: make.__name__
)
def test_a_plan_is_followed_from_the_third_look_on(make: Any, watched: list[Any]) -> None:
    torch.manual_seed(0)
    model = make()
    first = ls.activations(model, X)
    for _ in range(4):
        same(ls.activations(model, X), first)
    assert len(watched) == 1
    np.testing.assert_array_equal(first["output"], model(X).detach())


class Least(nn.Module):
    """Takes the least of two values, where others take an axis."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return torch.max(torch.min(self.a(x), self.b(x)), torch.zeros(4))


def test_the_least_of_two_values_is_taken_along_no_axis() -> None:
    model = Least()
    for _ in range(2):
        np.testing.assert_array_equal(ls.activations(model, X)["output"], model(X).detach())


class Transposed(nn.Module):
    """Takes its weights by an attribute, which is another object each time it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.weight = nn.Parameter(torch.eye(4))
        with torch.no_grad():
            self.weight.mul_(2)  # what is a view of it has been written to, as it counts

    def forward(self, x: Any) -> Any:
        return self.a(x) @ self.weight.T @ self.weight.T


def test_what_an_attribute_returned_may_have_been_written_to(watched: list[Any]) -> None:
    torch.manual_seed(0)
    model = Transposed()
    first = ls.activations(model, X)
    for _ in range(3):
        same(ls.activations(model, X), first)
    assert len(watched) == 1
    np.testing.assert_array_equal(first["output"], model(X).detach())
