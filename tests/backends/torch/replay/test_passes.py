"""A pass that follows a plan sees what a watched one sees; one that does not is watched again."""

from __future__ import annotations

import copy
import functools
import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F
from torch import nn

import layerscope as ls
from cases import torch_cases
from layerscope.backends.torch import backend
from layerscope.backends.torch.replay import noting
from layerscope.backends.torch.replay.passes import Replay


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[Replay]:
    """The passes that followed a plan, or began to."""
    made: list[Replay] = []
    original = Replay.__init__

    def note(self: Replay, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        made.append(self)

    monkeypatch.setattr(Replay, "__init__", note)
    return made


class Net(nn.Module):
    """Modules, functions, writes in place, a container and a value that branches."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True))
        self.c = nn.Linear(4, 4)
        self.factor = 2.0

    def forward(self, x: Any) -> Any:
        y = F.gelu(self.a(x)) + x
        z = self.b(y)
        z *= self.factor
        w = self.c(z) if x.sum() > 0 else self.c(y)
        return torch.cat([w, z], 1)


def same(one: Any, other: Any) -> None:
    assert list(one) == list(other)
    assert one.aliases == other.aliases
    assert one.network == other.network
    for address in one:
        assert one[address].dims == other[address].dims
        np.testing.assert_array_equal(one[address].values, other[address].values)


def fresh(model: nn.Module, x: Any, layers: Any = None) -> Any:
    """What a look sees that knows nothing of the model."""
    backend._MEMORY.pop(model, None)
    return ls.activations(model, x, layers=layers)


@pytest.mark.parametrize("make", torch_cases.CASES, ids=lambda make: make.__name__)
def test_the_second_look_is_the_first(make: Any) -> None:
    case = make()
    for layers in (None, list(ls.activations(case.model, case.x))[:1], "*", slice(0, 2)):
        right = fresh(case.model, case.x, layers)
        for _ in range(2):
            again = ls.activations(case.model, case.x, layers=layers)
            assert list(again) == list(right)
            for address in right:
                assert again[address].dims == right[address].dims
                np.testing.assert_allclose(
                    again[address].values, right[address].values, atol=case.tolerance or 1e-6
                )


def test_a_plan_is_followed_and_values_are_new(replays: list[Replay]) -> None:
    model = Net()
    ls.activations(model, torch.rand(2, 4))
    x = torch.rand(2, 4)
    again = ls.activations(model, x)
    assert len(replays) == 1
    same(again, fresh(model, x))
    with torch.no_grad():
        model.a.weight.mul_(2)  # as training does
    ls.activations(model, x)
    same(ls.activations(model, x), fresh(model, x))


def test_another_branch_is_watched_again(replays: list[Replay]) -> None:
    model = Net()
    positive, negative = torch.rand(2, 4), -torch.rand(2, 4)
    first = ls.activations(model, positive)
    assert first.network["c"].inputs == ("b.1",)
    other = ls.activations(model, negative)  # the same calls, from other sources
    assert other.network["c"].inputs == ("add",)
    same(other, fresh(model, negative))
    assert len(replays) == 1
    for _ in range(3):  # a model that is another one each time is watched each time, and right
        for x in (positive, negative):
            same(ls.activations(model, x), fresh(model, x))


def _stride(model: Net) -> None:
    model.factor = 3.0


def _replaced(model: Net) -> None:
    model.c = nn.Linear(4, 4)


def _half(model: Net) -> None:
    model.double()


def _frozen(model: Net) -> None:
    model.a.weight.requires_grad_(False)


def _hooked(model: Net) -> None:
    model.a.register_forward_hook(lambda module, args, result: result * 2)


def _forward(model: Net) -> None:
    model.forward = lambda x: model.c(model.a(x))


def _appended(model: Net) -> None:
    model.b.append(nn.Tanh())


def _no_longer_in_place(model: Net) -> None:
    model.b[1].inplace = False


def _data(model: Net) -> None:
    model.c.weight.data = torch.ones(4, 4)


@pytest.mark.parametrize(
    "change",
    [_stride, _replaced, _half, _frozen, _hooked, _forward, _appended, _no_longer_in_place, _data],
)
def test_a_model_that_was_changed_is_seen_as_it_is_now(change: Any) -> None:
    model, x = Net(), torch.rand(2, 4).numpy()
    for _ in range(2):
        ls.activations(model, x)
    change(model)
    now = ls.activations(model, x)
    same(now, fresh(model, x))


def test_what_is_written_to_only_the_second_time_is_right() -> None:
    class Later(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            y = self.a(x)
            z = self.b(y)
            y[x > 0.5] = 7.0  # not a step of its own, and nothing at first
            return z + y

    model = Later()
    ls.activations(model, torch.zeros(2, 4))
    x = torch.ones(2, 4)
    again = ls.activations(model, x)
    np.testing.assert_allclose(again["a"].values, model.a(x).detach().numpy(), rtol=1e-6)
    same(again, fresh(model, x))


def test_a_buffer_that_is_written_to_only_the_second_time_is_put_back() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)
            self.register_buffer("seen", torch.zeros(4))

        def forward(self, x: Any) -> Any:
            if x.sum() > 0:
                self.seen += 1
                self.seen[0].add_(1)
                self.seen.data.mul_(2)
                torch.add(self.seen, 1, out=self.seen)
            return self.a(x)

    model = Counts()
    for x in (torch.zeros(2, 4), torch.ones(2, 4), torch.ones(2, 4)):
        ls.activations(model, x)
        assert model.seen.tolist() == [0, 0, 0, 0]


def test_a_pass_that_stopped_early_has_a_plan_too(replays: list[Replay]) -> None:
    calls: list[int] = []

    class Counted(nn.Linear):
        def forward(self, x: Any) -> Any:
            calls.append(1)
            return super().forward(x)

    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), Counted(4, 4))
    x = torch.rand(2, 4)
    for _ in range(3):
        assert list(ls.activations(model, x, layers="0")) == ["0"]
    assert not calls
    assert len(replays) == 2
    assert list(ls.activations(model, x, layers="2")) == ["2"]
    same(ls.activations(model, x), fresh(model, x))


def test_what_is_remembered_does_not_keep_a_model_alive() -> None:
    class Child(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.exp()

    class Parent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.child = Child()
            self.child.__dict__["parent"] = self

        def forward(self, x: Any) -> Any:
            return self.child(x)

    for make in (Net, Parent):
        model: nn.Module = make()
        for _ in range(2):
            ls.activations(model, torch.rand(2, 4))
        gone = weakref.ref(model)
        del model
        gc.collect()
        assert gone() is None


def test_nothing_of_a_replay_stays_after_an_error() -> None:
    model, x = Net(), torch.rand(2, 4)
    ls.activations(model, x)
    handle = model.b[0].register_forward_pre_hook(lambda *_: 1 / 0)
    depth = torch._C._len_torch_function_stack()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            ls.activations(model, x)
    handle.remove()
    assert torch._C._len_torch_function_stack() == depth
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    same(ls.activations(model, x), fresh(model, x))


def test_flags_and_sizes_of_the_call_have_plans_of_their_own() -> None:
    class Flagged(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x: Any, double: bool = False) -> Any:
            return self.a(x) * (2 if double else 1)

    model, x = Flagged(), torch.rand(2, 4)
    for _ in range(2):
        for given in ({"x": x}, {"x": x, "double": True}, {"x": torch.rand(3, 4)}):
            acts = ls.activations(model, given)
            right = model(**given).detach().numpy()
            np.testing.assert_allclose(acts["output"].values, right, rtol=1e-6)


@pytest.mark.parametrize("made_inside", [False, True])
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_in_whatever_mode_a_look_is_taken(mode: Any, made_inside: bool) -> None:
    model = Net()
    with mode():
        if made_inside:
            model = Net()
        x = torch.rand(2, 4)
        right = fresh(model, x)
        for _ in range(3):
            same(ls.activations(model, x), right)
        assert torch.is_grad_enabled() is (mode is torch.enable_grad)
        assert torch.is_inference_mode_enabled() is (mode is torch.inference_mode)
    same(ls.activations(model, x), right)


class Writes(nn.Module):
    """Writes to its own weights in one of several ways, where the input is positive."""

    def __init__(self, way: Any) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.w = nn.Parameter(torch.full((4,), 0.1))
        self.way = way

    def forward(self, x: Any) -> Any:
        alias = self.w.data  # met in every pass
        _ = self.w.detach(), alias.clamp(0)
        if x.sum() > 0:
            self.way(self.w, alias)
        return self.a(x)


WAYS = {
    ".data": lambda w, alias: alias.clamp_(0.5),
    "detach": lambda w, alias: w.detach().clamp_(0.5),
    "view": lambda w, alias: w.detach().view(2, 2)[0].fill_(3),
    "inplace=": lambda w, alias: F.threshold(w, 0.5, 0.0, inplace=True),
    "out=": lambda w, alias: torch.add(w.detach(), 1, out=alias),
    "setitem": lambda w, alias: alias.__setitem__(0, 5.0),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_write_to_weights_that_was_not_foreseen_changes_nothing(way: str) -> None:
    model = Writes(WAYS[way])
    with torch.no_grad():
        for x in (-torch.ones(2, 4), torch.ones(2, 4), torch.ones(2, 4)):
            ls.activations(model, x)
            assert torch.equal(model.w, torch.full((4,), 0.1))


def test_what_ends_a_pass_may_be_caught() -> None:
    class Catches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(4, 4) for _ in range(3))

        def forward(self, x: Any) -> Any:
            y = x
            try:
                y = self.a(x) if x.sum() > 0 else self.b(x)
            except BaseException:  # noqa: BLE001
                y = x * 0
            return self.c(y)

    model = Catches()
    for x in (torch.ones(2, 4), -torch.ones(2, 4), -torch.ones(2, 4)):
        right = model.c(model.a(x) if x.sum() > 0 else model.b(x)).detach().numpy()
        np.testing.assert_allclose(ls.activations(model, x)["c"].values, right, rtol=1e-5)
    assert "a" in ls.activations(model, torch.ones(2, 4), layers="a")


def test_a_function_that_was_not_met_is_a_step() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            y = self.a(x) * 2
            return self.b(y.sigmoid() if x.sum() > 0 else y)

    model = Branches()
    ls.activations(model, -torch.ones(2, 4))
    assert "sigmoid" in ls.activations(model, torch.ones(2, 4))


MOVES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "the value itself": lambda v: v,
    "view": lambda v: v.view(1, 4).view(-1, 4),
    "transposed twice": lambda v: v.t().t(),
    "index": lambda v: v[:, :],
    "picked": lambda v: v[:, [0, 1, 2, 3]],
    "part": lambda v: v.chunk(1, dim=1)[0],
    "parts": lambda v: v.unbind(0)[0][None],
    "detach": lambda v: v.detach(),
    "detach and view": lambda v: v.detach().view(-1, 4),
    "contiguous copy": lambda v: v.t().contiguous().t(),
    "clone": lambda v: v.clone(),
    "cast": lambda v: v.double().float(),
    "times a number": lambda v: v * 2,
    "view of times a number": lambda v: (v * 2)[None].squeeze(0),
    "plus a number": lambda v: 1 + v,
    "minus": lambda v: -v,
    "written into": lambda v: _filled(v),
    "copied into": lambda v: torch.zeros(1, 4).copy_(v),
    "reshape": lambda v: v.t().reshape(1, 4),
    "dropout": lambda v: nn.functional.dropout(v, training=False) * 1,
}


def _filled(value: torch.Tensor) -> torch.Tensor:
    made = torch.zeros(1, 4)
    made[:, :4] = value
    return made


@pytest.mark.parametrize("way", MOVES)
@pytest.mark.parametrize("layers", [None, "c", "none of it held"])
def test_another_source_is_seen_behind_what_only_moves_a_value(
    way: str, layers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if layers == "none of it held":
        monkeypatch.setattr(noting, "_FEW", 0)
        layers = None

    class Switch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(4, 4) for _ in range(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            a, b = self.a(x), self.b(x)
            return self.c(MOVES[way](a if x.sum() > 0 else b))

    torch.manual_seed(0)
    model = Switch().eval()
    for sign, source in ((1, "a"), (1, "a"), (-1, "b"), (-1, "b"), (1, "a")):
        network = ls.activations(model, sign * torch.ones(1, 4), layers).network
        assert network["c"].inputs == (source,)


def test_sources_that_are_given_by_name_or_are_inputs() -> None:
    class Chooses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c, self.d = (nn.Linear(4, 4) for _ in range(4))

        def forward(self, x: Any, y: Any) -> Any:
            first = x.sum() > 0
            p, q = self.a(x), self.b(y)
            return self.c(input=p if first else q) + self.d(x if first else y)

    model, one = Chooses(), torch.ones(2, 4)
    for sign, sources in ((1, ("a", "x")), (-1, ("b", "y")), (1, ("a", "x"))):
        network = ls.activations(model, {"x": sign * one, "y": one}).network
        assert (network["c"].inputs, network["d"].inputs) == ((sources[0],), (sources[1],))


def test_a_value_that_is_a_weight_is_copied() -> None:
    class Returns(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c, self.w = nn.Linear(4, 4), nn.Parameter(torch.ones(4))
            self.d = nn.Module()
            self.d.forward = lambda: self.w.detach()  # type: ignore[method-assign]

        def forward(self, x: Any) -> Any:
            return self.c(x) + self.d()

    model, x = Returns(), torch.ones(2, 4)
    ls.activations(model, x, layers=["c*"])
    acts = ls.activations(model, x)
    with torch.no_grad():
        model.w.fill_(7)
    for address in acts:
        if acts[address].shape == (4,):
            assert (acts[address].values == 1).all()


def test_a_value_that_is_a_weight_only_the_second_time_is_copied() -> None:
    class Template(nn.Module):
        template: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("template", torch.ones(1, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.template if x.sum() > 0 else x + 1

    class Uses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = Template()
            self.out = nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.part(x))

    model = Uses().eval()
    for x in (-torch.ones(1, 3), torch.ones(1, 3), torch.ones(1, 3)):
        acts = ls.activations(model, x)
    model.part.template.zero_()
    assert acts["part"].values.tolist() == [[1, 1, 1]]


def test_a_forward_that_copies_its_own_modules() -> None:
    class Target(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.kept = nn.Linear(4, 4), []

        def forward(self, x: Any) -> Any:
            target = copy.deepcopy(self.a)
            outside.append(target)
            return self.a(x) + target(x)

    outside: list[Any] = []
    model, x = Target(), torch.ones(2, 4)
    for _ in range(3):
        acts = ls.activations(model, x)
        np.testing.assert_allclose(acts["output"].values, 2 * acts["a"].values, rtol=1e-6)
    for target in outside:  # what was copied runs as any other module
        assert torch.equal(target(x), model.a(x))


def _holds_a_method(model: Net) -> None:
    model.later = model.forward


def _holds_a_closure(model: Net) -> None:
    model.later = lambda: model


def _holds_a_partial(model: Net) -> None:
    model.later = functools.partial(print, model)


def _holds_a_hook(model: Net) -> None:
    model.a.register_forward_hook(lambda *_: (model, None)[1])


@pytest.mark.parametrize(
    "hold", [_holds_a_method, _holds_a_closure, _holds_a_partial, _holds_a_hook]
)
def test_what_a_model_holds_does_not_keep_it_alive(hold: Any) -> None:
    model = Net()
    hold(model)
    for _ in range(2):
        ls.activations(model, torch.rand(2, 4))
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_a_lazy_model_gets_its_shapes_and_nothing_else() -> None:
    class Lazy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.norm, self.lazy_norm = nn.LazyLinear(4), nn.BatchNorm1d(4), None
            self.log, self.ready = [], False
            self.norm2 = nn.LazyBatchNorm1d()

        def forward(self, x: Any) -> Any:
            self.log.append(1)
            self.ready = True
            return self.norm2(self.norm(self.a(x)))

    model = Lazy().train()
    for _ in range(2):
        ls.activations(model, torch.rand(3, 5))
    assert model.a.weight.shape == (4, 5)
    assert (model.log, model.ready, model.training) == ([], False, True)
    for norm in (model.norm, model.norm2):
        assert norm.num_batches_tracked == 0
        assert norm.running_mean.tolist() == [0, 0, 0, 0]


def test_objects_that_are_given_are_as_before() -> None:
    class Cache:
        def __init__(self) -> None:
            self.items, self.sum = [], torch.zeros(4)

    class Cached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x: Any, cache: Any) -> Any:
            cache.items.append(1)
            cache.sum.add_(1)
            return self.a(x) + len(cache.items) + cache.sum

    model, cache, x = Cached(), Cache(), torch.ones(2, 4)
    right = model(x, Cache()).detach().numpy()
    for _ in range(3):
        acts = ls.activations(model, {"x": x, "cache": cache})
        np.testing.assert_allclose(acts["output"].values, right, rtol=1e-5)
        assert (cache.items, cache.sum.tolist()) == ([], [0, 0, 0, 0])


def test_one_backend_that_looks_again_and_again_sees_the_model_as_it_is() -> None:
    """As a recorder's does, at every step of a training."""

    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.n, self.log = nn.Linear(4, 4), 0, []

        def forward(self, x: Any) -> Any:
            self.n += 1
            self.log.append(self.n)
            return self.a(x) + self.n

    model, x = Counts(), torch.rand(2, 4)
    looks = backend.TorchBackend(model)
    selection = looks.select(None)
    for step in range(4):
        run = looks.run(x, selection)
        right = model.a(x).detach().numpy() + step + 1
        np.testing.assert_allclose(run.values["output"].values, right, rtol=1e-6)
        assert (model.n, len(model.log)) == (step, step)  # the owner's calls are not undone
        model.train()
        model(x)
        if step == 1:
            model.a = nn.Linear(4, 4)


def test_what_the_model_expects_is_asked_of_it_as_it_is() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    look = lambda: ls.activations(model, "noise", size=(4, 4))  # noqa: E731
    for _ in range(3):
        assert look().input.sizes["channel"] == 3
    model[0].in_channels = 1
    model[0].weight = nn.Parameter(torch.rand(4, 1, 1, 1))
    assert look().input.sizes["channel"] == 1
    model[0] = nn.Conv2d(5, 4, 1)
    for _ in range(2):
        assert look().input.sizes["channel"] == 5
    model.insert(0, nn.Conv2d(2, 5, 1))
    assert look().input.sizes["channel"] == 2


class Attends(nn.Module):
    """Attention whose query and key somebody else may write to later on."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.q, self.k = nn.Linear(4, 4), nn.Linear(4, 4)
        self.register_buffer("cache", torch.rand(2, 1, 3, 4))
        self.register_buffer("mask", torch.ones(3, 3).tril().bool())
        self.memory = np.ones((2, 1, 3, 4), np.float32)

    def forward(self, x: Any) -> Any:
        x = x[:, None]
        q, k, mask = self.q(x), self.k(x), None
        if self.how == "cache":
            k = self.cache[:, :, :3]
        if self.how == "data":
            k = self.cache.data
        if self.how == "mask":
            mask = self.mask
        if self.how == "numpy":
            self.memory[:] = k.float().numpy()
            k = torch.as_tensor(self.memory)
        if self.how == "shared":
            k = torch.from_numpy(self.memory)
        if self.how == "memory":
            k = k.float()
            self.memory = k.numpy()
        y = F.scaled_dot_product_attention(q, k, x, mask)
        if self.how == "written":
            k.zero_()
        return y

    def disturb(self) -> None:
        self.cache.zero_()
        self.mask.zero_()
        self.memory[:] = 0


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(
    "how", ["", "cache", "data", "mask", "numpy", "shared", "memory", "written"]
)
def test_attention_weights_are_those_of_the_pass_whenever_they_are_read(
    how: str, autocast: bool, replays: list[Replay]
) -> None:
    torch.manual_seed(0)
    model = Attends(how)
    x = np.random.default_rng(0).random((2, 3, 4), np.float32)
    begin = copy.deepcopy(model)
    expected = None
    for _ in range(4):
        model.load_state_dict(begin.state_dict())
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            acts = ls.activations(model, x)
        model.disturb()
        with torch.inference_mode():
            weights = acts["attention"].values.copy()
        expected = weights if expected is None else expected
        np.testing.assert_array_equal(weights, expected)
        assert "masked" in acts["attention"].coords
        assert acts["attention"].coords["masked"].values.any() == (how == "mask")
    if how in ("", "mask"):
        assert replays
