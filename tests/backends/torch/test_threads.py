"""PyTorch modules that threads share: looks take turns, and ordinary calls stay themselves."""

from __future__ import annotations

import copy
import functools
import threading
import time
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn

import layerscope as ls
from layerscope.testing.threads import at_once


def net() -> nn.Sequential:
    """A network in training mode, whose values depend on the mode, with parts that share layers."""
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    attention = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.5, batch_first=True)
    return nn.Sequential(inner, nn.Dropout(0.5), nn.Flatten(2), Swapped(), attention)


class Swapped(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.transpose(1, 2) * 2


def state(model: nn.Module) -> Any:
    return (
        {name: tensor.clone() for name, tensor in model.state_dict().items()},
        [module.training for module in model.modules()],
        [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()],
        torch.backends.mha.get_fastpath_enabled(),
    )


def same_state(one: Any, other: Any) -> bool:
    return one[1:] == other[1:] and all(torch.equal(t, other[0][n]) for n, t in one[0].items())


def images(count: int) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.random((2, 1, 6, 6), np.float32) for _ in range(count)]


def test_a_model_its_parts_and_models_that_share_them_are_looked_at_at_once() -> None:
    model = net()
    sharing = nn.Sequential(model[0], nn.Flatten())
    before = state(model)
    xs = images(4)
    models = (model, sharing, model[0])
    expected = [[ls.activations(m, x) for x in xs] for m in models]

    def look(number: int) -> None:
        for turn in range(12):
            m, i = (number + turn) % 3, (number * 5 + turn) % 4
            acts = ls.activations(models[m], xs[i])
            assert list(acts) == list(expected[m][i])
            assert acts.network == expected[m][i].network
            for name in acts:
                np.testing.assert_allclose(acts[name], expected[m][i][name], rtol=1e-5, atol=1e-6)

    at_once([functools.partial(look, number) for number in range(8)])
    assert same_state(state(model), before)
    assert all(module.training for module in model.modules())


@pytest.mark.side_by_side
def test_gradients_and_looks_at_once() -> None:
    if pytest.importorskip("keras").backend.backend() != "torch":
        pytest.skip("Keras runs on another framework in this process")
    model = net()
    before = state(model)
    expected = ls.activations(model, images(1)[0])

    def optimize() -> None:
        ls.features(model, "0.0:1", size=6, steps=3)

    def look() -> None:
        for _ in range(10):
            acts = ls.activations(model, images(1)[0])
            for name in acts:
                np.testing.assert_allclose(acts[name], expected[name], rtol=1e-4, atol=1e-5)

    at_once([optimize, optimize, look, look])
    assert same_state(state(model), before)


class Pausing(nn.Module):
    """A layer at which threads wait for each other, as a test has them."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.points: dict[int, Any] = {}

    def forward(self, x: Any, *, scale: Any) -> Any:
        return self.linear(x) * scale


@pytest.mark.parametrize("looks_before", [0, 2])
def test_a_call_that_outlasts_a_look_or_began_before_it_is_not_part_of_it(
    looks_before: int,
) -> None:
    """Hooks are collected before they are called: those of a look that is over are called, too."""

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Pausing()

        def forward(self, x: Any) -> Any:
            return self.inner(x, scale=torch.ones(3))

    model = Outer().eval()
    x = np.ones((2, 3), np.float32)
    expected = ls.activations(model, x)
    for _ in range(looks_before):
        ls.activations(model, x)
    looking, called, looked = threading.Event(), threading.Event(), threading.Event()
    other: list[int] = []

    def hook(module: nn.Module, args: Any, result: Any) -> None:
        if threading.get_ident() in other:
            called.set()
            assert looked.wait(60)
        elif other:
            looking.set()
            assert called.wait(60)

    model.inner.register_forward_hook(hook)
    ls.activations(model, x)

    def look() -> None:
        other.append(-1)
        try:
            acts = ls.activations(model, x)
            assert list(acts) == list(expected)
            assert acts.notes == expected.notes
            for name in acts:
                np.testing.assert_array_equal(acts[name], expected[name])
        finally:
            looked.set()

    def call() -> None:
        assert looking.wait(60)
        other.append(threading.get_ident())
        result = model(torch.from_numpy(x))
        np.testing.assert_array_equal(result.detach(), expected["inner"])

    at_once([look, call])
    assert state(model)[2] == [0, 1, 0]


class Meeting:
    """Has looks at a model stop where they reach a module, and another thread do something there.

    The hook is there from the beginning: one that is new would have the model watched again.
    """

    def __init__(self, where: nn.Module) -> None:
        self._there, self._done = threading.Event(), threading.Event()
        self._owner = 0
        where.register_forward_pre_hook(self._stop)

    def look(self, model: nn.Module, meanwhile: Any) -> Any:
        self._there.clear(), self._done.clear()
        found: list[Any] = []

        def look() -> None:
            self._owner = threading.get_ident()
            found.append(ls.activations(model, images(1)[0]))

        def other() -> None:
            assert self._there.wait(60)
            try:
                meanwhile()
            finally:
                self._done.set()

        try:
            at_once([look, other])
        finally:
            self._owner = 0
        return found[0]

    def _stop(self, module: nn.Module, args: Any) -> None:
        if threading.get_ident() == self._owner and not self._there.is_set():
            self._there.set()
            assert self._done.wait(60)


def called(model: nn.Module) -> list[str]:
    """The names of the modules that a pass calls."""
    names = []
    handles = [
        module.register_forward_pre_hook(lambda *_, name=name: names.append(name))
        for name, module in model.named_modules()
    ]
    model(torch.from_numpy(images(1)[0]))  # hooks keep it from the fused kernel
    for handle in handles:
        handle.remove()
    return list(dict.fromkeys(names))


@pytest.mark.parametrize("looks_before", [0, 1, 2])
def test_calls_from_another_thread_in_the_midst_of_a_look(looks_before: int) -> None:
    x = torch.from_numpy(images(1)[0])
    expected = ls.activations(net().eval(), images(1)[0])
    for name in called(net().eval()):
        model = net().eval()
        meeting = Meeting(model.get_submodule(name))
        y = model(x).detach()
        for _ in range(looks_before):
            ls.activations(model, images(1)[0])
        outcome: list[Any] = []
        acts = meeting.look(model, lambda: outcome.append(model(x).detach()))  # noqa: B023
        assert list(acts) == list(expected)
        assert acts.notes == expected.notes
        for address in acts:
            np.testing.assert_allclose(acts[address], expected[address], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(outcome[0], y, rtol=1e-5, atol=1e-6)
        assert sum(state(model)[2]) == 1


@pytest.mark.parametrize("looks_before", [0, 2])
def test_training_beside_a_look_is_warned_of(looks_before: int) -> None:
    model = net()
    meeting = Meeting(model[1])
    x = torch.from_numpy(images(1)[0])
    for _ in range(looks_before):
        ls.activations(model, images(1)[0])
    with pytest.warns(UserWarning, match="called by another thread while it was looked at"):
        meeting.look(model, lambda: model(x))
    assert all(module.training for module in model.modules())
    meeting.look(model, lambda: None)  # nothing is said where nobody calls it


def test_weights_that_another_thread_writes_meanwhile_are_said_to_be() -> None:
    model = net().eval()
    meeting = Meeting(model[1])
    weight = model[0][0].weight.detach().clone()

    def train() -> None:
        with torch.no_grad():
            model[0][0].weight.add_(1)

    meeting.look(model, train)  # watched: what another thread writes is not taken back
    assert torch.equal(model[0][0].weight, weight + 1)
    ls.activations(model, images(1)[0])
    with pytest.raises(ls.errors.ModelError, match="by another thread"):
        meeting.look(model, train)
    assert torch.equal(model[0][0].weight, (weight + 1) + 1)


@pytest.mark.parametrize("looks_before", [0, 1, 2])
def test_an_interrupt_leaves_everything_as_it_was(looks_before: int) -> None:
    for name in called(net()):
        model = net()
        interrupted = [False]

        def interrupt(*_: Any, now: list[bool] = interrupted) -> None:
            if now[0]:
                raise KeyboardInterrupt

        model.get_submodule(name).register_forward_hook(interrupt)
        for _ in range(looks_before):
            ls.activations(model, images(1)[0])
        before = state(model)
        interrupted[0] = True
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                ls.activations(model, images(1)[0])
            assert same_state(state(model), before)
            assert torch._C._len_torch_function_stack() == 0
        interrupted[0] = False
        at_once([lambda: ls.activations(model, images(1)[0])])  # noqa: B023


class LooksAtItself(nn.Module):
    """A model whose own code looks at a part of it."""

    def __init__(self, layers: Any) -> None:
        super().__init__()
        self.part = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2))
        self.end = nn.Linear(2, 2)
        self.layers = layers

    def forward(self, x: Any) -> Any:
        seen = ls.activations(self.part, x, layers=self.layers)
        return self.end(self.part(x)) + float(seen["1"].sum())


@pytest.mark.parametrize("inner", [None, "1"])
@pytest.mark.parametrize("outer", [None, "part.0", "part.1", "end", "output"])
def test_a_model_may_look_at_a_part_of_itself(inner: Any, outer: Any) -> None:
    torch.manual_seed(0)
    model = LooksAtItself(inner)
    plain = copy.deepcopy(model)
    x = np.ones((2, 3), np.float32)
    y = plain.eval()(torch.from_numpy(x)).detach()
    for _ in range(4):
        acts = ls.activations(model, x, layers=outer)
        if outer in (None, "output"):
            np.testing.assert_allclose(acts["output"], y, rtol=1e-5)
        if outer in (None, "part.1"):
            hidden = plain.part[1](plain.part[0](torch.from_numpy(x))).detach()
            np.testing.assert_allclose(acts["part.1"], hidden, rtol=1e-5)
    assert all(module.training for module in model.modules())
    assert all(count == 0 for count in state(model)[2])


class InAThread(nn.Module):
    """Calls a part once itself, and once in a thread of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: list[torch.Tensor] = []
        thread = threading.Thread(target=lambda: found.append(self.part(x + 1)))
        thread.start()
        here = self.part(x)
        thread.join()
        return here + found[0]


def test_a_part_that_is_called_in_a_thread_of_the_pass_too_is_noted() -> None:
    model = InAThread().eval()
    for _ in range(3):
        notes = ls.activations(model, torch.randn(2, 4)).notes
        assert "left out, because they ran in another thread: part" in notes


def test_a_thread_whose_method_looks_is_waited_for_by_nobody() -> None:
    class Looking(threading.Thread):
        def look(self) -> Any:
            return ls.activations(slow, torch.ones(1, 2))

        def run(self) -> None:
            self.look()

    class Slow(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            time.sleep(0.8)  # longer than a look that waits is patient
            return x + 1

    slow = Slow()
    thread = Looking()
    thread.start()
    assert len(thread.look()) == 1
    thread.join()
