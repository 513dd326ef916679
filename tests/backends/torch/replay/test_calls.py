"""A replay sees calls of modules without hooks; where that would show, by hooks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn
from torch.overrides import TorchFunctionMode

import layerscope as ls
from layerscope.backends.torch.replay.passes import Replay
from layerscope.backends.torch.watching import Watching


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


class Part(nn.Module):
    """A layer, a function of its own, and another layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return self.b(torch.tanh(self.a(x)))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.part, self.last = Part(), nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        return self.last(self.part(x))


class Hooking(Net):
    """Puts hooks on its own layers at its first call, which change what goes in and comes out."""

    def __init__(self, *paths: str) -> None:
        super().__init__()
        self.paths, self.is_ready = paths, False

    def forward(self, x: Any) -> Any:
        if not self.is_ready:
            self.is_ready = True
            for path in self.paths:
                self.get_submodule(path).register_forward_pre_hook(lambda m, args: (args[0] + 1,))
                self.get_submodule(path).register_forward_hook(lambda m, args, y: y * 2)
        return super().forward(x)


X = torch.linspace(-1, 1, 8).reshape(2, 4)


def same(one: Any, other: Any) -> None:
    assert list(one) == list(other)
    assert one.network == other.network
    for address in one:
        np.testing.assert_array_equal(one[address], other[address], err_msg=address)


@pytest.mark.parametrize("paths", [("part",), ("part", "last"), ("part.a",), ("part.a", "part")])
def test_hooks_that_appear_in_the_pass(paths: tuple[str, ...], watched: list[Any]) -> None:
    torch.manual_seed(0)
    model = Hooking(*paths)
    expected = Hooking(*paths)
    expected.load_state_dict(model.state_dict())
    first = ls.activations(model, X)
    for _ in range(3):
        same(ls.activations(model, X), first)
        assert not model.is_ready
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    np.testing.assert_array_equal(first["output"], expected(X).detach())
    if paths == ("part",):
        assert len(watched) == 1  # that one is seen by a hook, and the plan is followed


@pytest.mark.parametrize("where", ["a container", "a layer"])
def test_a_module_that_calls_something_else_goes_on_doing_so(
    where: str, watched: list[Any]
) -> None:
    model, calls = Net(), []
    module = model.part if where == "a container" else model.last
    original = module._call_impl

    def compiled(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return original(*args, **kwargs)

    module._compiled_call_impl = compiled
    first = ls.activations(model, X)
    same(ls.activations(model, X), first)
    assert len(watched) == 1
    assert len(calls) == 2
    assert vars(module)["_compiled_call_impl"] is compiled


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_stays_in_a_module(fails: bool) -> None:
    class Failing(Net):
        fails = False

        def forward(self, x: Any) -> Any:
            y = super().forward(x)
            if self.fails:
                raise ArithmeticError
            return y

    model = Failing()
    before = [dict(vars(module)) for module in model.modules()]
    ls.activations(model, X)
    Failing.fails = fails
    if fails:
        with pytest.raises(ArithmeticError):
            ls.activations(model, X)
    else:
        ls.activations(model, X)
    for module, attributes in zip(model.modules(), before, strict=True):
        assert list(vars(module)) == list(attributes)
        assert all(value is attributes[name] for name, value in vars(module).items())


class Stating(nn.Linear):
    """A layer that says itself what its copies hold."""

    def __getstate__(self) -> Any:
        return dict(vars(self))


class Copying(nn.Linear):
    def __deepcopy__(self, memo: Any) -> Any:
        other = Copying(4, 4)
        vars(other).update(vars(self))
        other._parameters = {name: p.detach().clone() for name, p in self._parameters.items()}
        return other


@pytest.mark.parametrize("make", [nn.Linear, Stating, Copying], ids=lambda make: make.__name__)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=lambda way: way.__name__)
def test_copies_of_a_module_are_modules_of_their_own(
    make: Callable[..., Any], copied: Callable[..., Any]
) -> None:
    class Averaging(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = make(4, 4)

        def forward(self, x: Any) -> Any:
            other = copied(self.layer)
            other._parameters = {name: 3 * p for name, p in other._parameters.items()}
            return self.layer(x) - other(x)

    model = Averaging()
    for _ in range(3):
        acts = ls.activations(model, X)
        np.testing.assert_allclose(acts["output"], -2 * acts["layer"], rtol=1e-5, atol=1e-6)


def test_a_layer_that_raises_where_the_model_goes_on(watched: list[Any]) -> None:
    class Trying(Net):
        def forward(self, x: Any) -> Any:
            try:
                x = self.last(x[:, :3])
            except RuntimeError:
                x = self.part(x)
            return self.last(x)

    model = Trying()
    first = ls.activations(model, X)
    same(ls.activations(model, X), first)
    assert len(watched) == 1
    np.testing.assert_array_equal(first["output"], model(X).detach())


def test_a_mode_of_the_model_sees_what_its_layers_call(watched: list[Any]) -> None:
    names: list[str] = []

    class Mode(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            names.append(func.__name__)
            return func(*args, **(kwargs or {}))

    class Moded(Net):
        def forward(self, x: Any) -> Any:
            with Mode():
                return super().forward(x)

    model = Moded()
    model(X)
    expected, names[:] = names.count("linear"), []
    first = ls.activations(model, X)
    names.clear()
    same(ls.activations(model, X), first)
    assert names.count("linear") >= expected  # more where the look is made again


def test_a_call_that_is_made_by_name(watched: list[Any]) -> None:
    class Named(Net):
        def forward(self, x: Any) -> Any:
            return self.last(input=self.part(x=x))

    model = Named()
    first = ls.activations(model, X)
    same(ls.activations(model, X), first)
    assert len(watched) == 1


def test_a_replay_does_not_outlive_its_look(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    original = Replay.see

    def note(self: Replay, *args: Any) -> None:
        seen.append(self.is_active)
        original(self, *args)

    monkeypatch.setattr(Replay, "see", note)
    model = Net()
    ls.activations(model, X)
    ls.activations(model, X)
    assert seen
    assert all(seen)
    seen.clear()
    model(X)
    assert not seen
