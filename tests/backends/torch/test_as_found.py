"""After a look a module is as if it had never been called, whatever its forward sets up."""

from __future__ import annotations

import concurrent.futures
import copy
from collections import OrderedDict, deque
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F
from torch import nn

import layerscope as ls


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)


class InstallsHooks(Base):
    def __init__(self) -> None:
        super().__init__()
        self.hooked = False

    def forward(self, x: Any) -> Any:
        if not self.hooked:
            for layer in (self.a, self.b):
                layer.register_forward_hook(lambda module, args, result: self.seen.append(result))
            self.hooked = True
        self.seen = []
        y = self.b(self.a(x))
        return y, torch.stack(self.seen)


class Remembers(Base):
    """State in a list, a dict, a set, a deque, an ordered dict, an object and a counter."""

    def __init__(self) -> None:
        super().__init__()
        self.past, self.queue = [], deque(maxlen=3)
        self.table: dict[str, Any] = {"deep": {"list": []}}
        self.names: set[str] = set()
        self.order = OrderedDict(first=1, second=2)
        self.settings = type("Settings", (), {})()
        self.settings.calls = 0
        self.n = 0

    def forward(self, x: Any) -> Any:
        y = self.a(x)
        self.past.append(y)
        self.queue.append(y)
        self.table["deep"]["list"].append(y)
        self.table[f"call {self.n}"] = y
        self.names.add(str(self.n))
        self.order.move_to_end("first")
        self.settings.calls += 1
        self.n += 1
        return torch.stack(self.past).mean(0) + self.settings.calls


class BuildsLayers(Base):
    def __init__(self) -> None:
        super().__init__()
        self.ready = False

    def forward(self, x: Any) -> Any:
        if not self.ready:
            self.head = nn.Linear(4, 2)
            nn.init.constant_(self.head.weight, 0.5)
            nn.init.constant_(self.head.bias, 0.0)
            self.extra = nn.ModuleList([nn.Identity()])
            self.register_buffer("scale", torch.full((1,), 2.0))
            self.ready = True
        return self.head(self.a(x)) * self.scale


class KeepsTensors(Base):
    def __init__(self) -> None:
        super().__init__()
        self.cache = {"k": torch.zeros(2, 4)}
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x: Any) -> Any:
        y = self.a(x)
        self.cache["k"].add_(y)
        self.mean.mul_(0.5).add_(y.mean(0))
        self.b.weight.data[0] += 1
        return self.b(y) + self.cache["k"]


class GivesNewMemory(Base):
    def forward(self, x: Any) -> Any:
        self.a.weight.data = self.a.weight.data * 2
        return self.a(x)


class ChangesItsMode(Base):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.register_buffer("m", torch.zeros(4))
        self.register_buffer("v", torch.ones(4))

    def forward(self, x: Any) -> Any:
        self.norm.train()
        y = self.norm(self.a(x))
        y = F.batch_norm(y, self.m, self.v, training=True)
        return F.instance_norm(y[:, None], self.m[:1], self.v[:1], use_input_stats=True)[:, 0]


class FreezesItself(Base):
    def forward(self, x: Any) -> Any:
        self.a.weight.requires_grad_(False)
        self.generator = torch.Generator().manual_seed(1)
        return self.b(self.a(x))


class SwitchesInTrain(Base):
    """Merges a factor into its weights for evaluation, as low-rank adapters do."""

    def __init__(self) -> None:
        super().__init__()
        self.merged = False

    def train(self, mode: bool = True) -> Any:
        super().train(mode)
        if mode == self.merged:
            self.a.weight.data += 1.0 if not mode else -1.0
            self.merged = not mode
        return self

    def forward(self, x: Any) -> Any:
        return self.a(x) if self.merged else self.a(x) + x.sum(-1, keepdim=True)


MODELS = [
    InstallsHooks, Remembers, BuildsLayers, KeepsTensors, GivesNewMemory, ChangesItsMode,
    FreezesItself, SwitchesInTrain,
]  # fmt: skip


def state(model: nn.Module) -> Any:
    """Everything that a module holds, as plain values."""

    def plain(value: Any, depth: int = 0) -> Any:
        if isinstance(value, torch.Tensor):
            return value.requires_grad, value.detach().clone().numpy().tolist()
        if isinstance(value, dict):
            return [(str(key), plain(item, depth)) for key, item in value.items()]
        if isinstance(value, set):
            return sorted(map(str, value))
        if isinstance(value, list | tuple | deque):
            return [plain(item, depth) for item in value]
        if isinstance(value, nn.Module) or type(value).__name__ == "Settings":
            return type(value).__name__, plain(vars(value), depth + 1)
        return repr(value) if isinstance(value, int | float | str | bool | None) else type(value)

    return plain(model)


def outputs(model: nn.Module, x: Any) -> list[Any]:
    with torch.no_grad():
        result = model(x.clone())
    return [part.numpy().copy() for part in (result if isinstance(result, tuple) else (result,))]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
def test_a_look_leaves_a_model_as_if_it_had_not_been_called(kind: Any, training: bool) -> None:
    torch.manual_seed(0)
    model = kind()
    model.train(training)
    plain, x = copy.deepcopy(model), torch.randn(2, 4)
    before = state(model)
    recordings = [ls.activations(model, x) for _ in range(3)]
    assert state(model) == before
    recordings.append(ls.activations(model, x, layers="a"))
    assert state(model) == before
    for recording in recordings[1:3]:
        assert list(recording) == list(recordings[0])
        for address in recording:
            np.testing.assert_array_equal(recording[address].values, recordings[0][address].values)
    # It goes on as one that was never looked at: the first call, and the next.
    for _ in range(2):
        for one, other in zip(outputs(model, x), outputs(plain, x), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
def test_also_where_the_pass_raises(kind: Any) -> None:
    model = kind()
    model.b.register_forward_hook(lambda *_: 1 / 0)
    model.a.register_forward_hook(lambda *_: 1 / 0)
    before = state(model)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            ls.activations(model, torch.randn(2, 4))
        assert state(model) == before


def test_what_train_says_is_what_is_seen() -> None:
    model = SwitchesInTrain().train()
    x = torch.randn(3, 4)
    seen = ls.activations(model, x)["output"].values
    np.testing.assert_allclose(seen, model.eval()(x).detach().numpy(), rtol=1e-5)


def test_hooks_of_the_users_own_go_on_collecting() -> None:
    model, seen = Base(), []
    model.forward = lambda x: model.b(model.a(x))
    model.a.register_forward_hook(lambda *_: seen.append(1))
    for _ in range(3):
        ls.activations(model, torch.rand(2, 4))
    assert len(seen) == 3


def test_a_forward_that_differentiates() -> None:
    class Energy(Base):
        def forward(self, position: Any) -> Any:
            position = position.requires_grad_(True)
            energy = self.b(torch.tanh(self.a(position))).sum()
            return energy, -torch.autograd.grad(energy, position)[0]

    model, x = Energy(), torch.rand(3, 4)
    right = [part.detach().numpy() for part in model(x.clone())]
    for _ in range(2):
        acts = ls.activations(model, x)
        np.testing.assert_allclose(acts["output[1]"].values, right[1], rtol=1e-5)
        assert {"a", "tanh", "b"} <= set(acts)
    assert model.a.weight.grad is None
    assert not torch.is_grad_enabled() or x.grad is None


def test_a_backward_pass_in_forward_leaves_gradients_alone() -> None:
    class Adapts(Base):
        def forward(self, x: Any) -> Any:
            self.a(x).sum().backward()
            return self.b(x) * self.a.weight.grad.mean()

    model, x = Adapts(), torch.rand(2, 4)
    ls.activations(model, x)
    assert model.a.weight.grad is None
    model(x)
    gradient = model.a.weight.grad.clone()
    ls.activations(model, x)
    assert torch.equal(model.a.weight.grad, gradient)


def test_layers_in_other_threads_are_said_to_be() -> None:
    class Parallel(Base):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(8, 2)

        def forward(self, x: Any) -> Any:
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                parts = list(pool.map(lambda layer: layer(x), [self.a, self.b]))
            return self.out(torch.cat(parts, 1))

    model = Parallel()
    for _ in range(2):
        acts = ls.activations(model, torch.rand(2, 4))
        assert "out" in acts
        assert any("ran in another thread: a, b" in note for note in acts.notes)
        assert not any("not called" in note for note in acts.notes)


@pytest.mark.parametrize("before", [0, 1])
def test_numbers_that_numpy_draws_two_at_a_time_come_again(before: int) -> None:
    """One normal number is kept for the next draw, and is part of the generator's state."""

    class Draws(Base):
        def forward(self, x: Any) -> Any:
            return self.a(x) * float(np.random.randn())

    model = Draws()
    np.random.seed(0)
    expected = np.random.randn(4).tolist()[before:]
    np.random.seed(0)
    np.random.randn(before)  # the second one of two is drawn by the model
    for _ in range(3):
        ls.activations(model, np.ones((2, 4), np.float32))
    assert np.random.randn(4 - before).tolist() == expected


class Remembers(nn.Module):
    """Keeps what it saw in a dict, by the very tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[Any, Any] = {}
        self.part = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.clear()
        self.seen[x] = True
        return self.part(x)


def test_a_dict_by_tensors_is_compared_by_what_they_are() -> None:
    model = Remembers().eval()
    for looked in range(3):
        key = torch.ones(1, 2)
        model.seen = {key: "mine", 1: "one"}
        ls.activations(model, torch.full((1, 2), float(looked)))
        assert [*model.seen.values()] == ["mine", "one"]
        assert next(iter(model.seen)) is key


def test_a_value_keeps_its_shape_when_the_model_s_own_hook_changes_that_of_the_tensor() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU()).eval()
    kept: list[torch.Tensor] = []
    model[0].register_forward_hook(lambda module, args, result: kept.append(result))
    x = torch.randn(2, 4)
    expected = ls.activations(model, x)["0"].values.copy()
    for change in (lambda t: t.t_(), lambda t: t.unsqueeze_(0), lambda t: t.set_()):
        recording = ls.activations(model, x)
        with torch.no_grad():
            change(kept[-1])
        np.testing.assert_array_equal(recording["0"].values, expected)
        assert recording["0"].dims == ("sample", "unit")
