"""Native PyTorch can be differentiated, and is left as it was found."""

from __future__ import annotations

import copy
import gc
import importlib.util
import os
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn

from cases import torch_cases
from layerscope.backends import backend_for
from layerscope.backends.base import Tap
from layerscope.core.errors import AddressError, InputError, MissingDependencyError, ModelError
from layerscope.testing.contract import Case
from layerscope.testing.gradients import (
    DifferentiableCase,
    DifferentiableContract,
)


def state_of(model: Any) -> Any:
    """All that may be seen of a model and of PyTorch."""
    modules = list(model.modules())
    return (
        {k: v.float().tolist() for k, v in model.state_dict().items()},
        [(id(p), p.requires_grad, p.grad is None, p.stride()) for p in model.parameters()],
        [(id(b), b.requires_grad, b.grad_fn is None) for b in model.buffers()],
        [m.training for m in modules],
        [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules],
        [{k: id(v) for k, v in vars(m).items()} for m in modules],
        [id(v) for m in modules for v in (*m._parameters.values(), *m._buffers.values())],
        torch.get_rng_state().tolist(),
        torch.is_grad_enabled(),
        torch.backends.mha.get_fastpath_enabled(),
    )


class Fails(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.register_buffer("runs", torch.zeros(()))

    def forward(self, x: Any) -> Any:
        self.runs += 1
        self.last = self.fc(x)
        raise ZeroDivisionError("midway")


class TestTorchGradients(DifferentiableContract):
    def case(self) -> DifferentiableCase:
        model = torch_cases.reference_cnn().model
        rng = np.random.default_rng(0)
        # Multiples of a power of two, among which no two of a pool are alike.
        x = (rng.integers(-4000, 4000, (2, 6, 8, 1)) / 2**10).astype(np.float32)
        taps = ("conv", "relu", "pool", "flatten", "dense")
        return DifferentiableCase(model, x, x.transpose(0, 3, 1, 2), taps, step=2.0**-12)

    def state(self, model: Any) -> Any:
        return state_of(model)

    def failing(self) -> tuple[Any, Any, str, str, type[Exception]]:
        return Fails(), np.zeros((1, 3), np.float32), "fc", "output", ZeroDivisionError

    def tensor(self, backend: Any, array: Any) -> Any:
        return torch.from_numpy(np.array(array))

    def numpy(self, backend: Any, tensor: Any) -> Any:
        return tensor.detach().numpy()

    @pytest.mark.side_by_side
    def test_adam_ascends(self) -> None:
        if importlib.util.find_spec("keras") is None:
            pytest.skip("needs Keras")
        super().test_adam_ascends()


#: Addresses through which PyTorch itself knows no gradient, or refuses to be asked.
NOT_DIFFERENTIABLE = {"inplace_all_the_way": "relu_op", "writes_through_numpy": "mul"}
CASES = [
    make
    for make in torch_cases.CASES
    if isinstance(x := make().x, np.ndarray) and x.dtype.kind == "f"
]


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_every_value_of_every_case(make: Callable[[], Case]) -> None:
    """Alone, which may stop early, and among all, which may be overwritten by what follows."""
    case = make()
    backend = backend_for(case.model)
    run = backend.run(case.x, backend.select(None))
    x = torch.from_numpy(next(iter(run.inputs.values())).presented().values.astype(np.float32))
    taps = [Tap(a) for a in case.addresses if a != NOT_DIFFERENTIABLE.get(make.__name__)]
    before = state_of(case.model)
    for chosen in (taps, *([tap] for tap in taps)):
        values = backend.values(chosen)
        for _ in range(2):
            (_, found), gradient = backend.gradient(lambda x, of=values: scores_of(of(x)))(x)
            assert gradient.shape == x.shape
            assert gradient.isfinite().all()
            for tap in chosen:
                expected = run.values[tap.layer].presented().values
                np.testing.assert_allclose(found[tap], expected, rtol=1e-5, atol=1e-5)
    assert state_of(case.model) == before


def scores_of(values: dict[Tap, Any]) -> tuple[Any, dict[Tap, Any]]:
    return sum(value.square().sum() for value in values.values()), values


def compare(model: nn.Module, x: Any, order: Any, tap: str = "output") -> None:
    """Against the model itself, called by hand on x with its axes in the order given."""
    model.eval()
    backend = backend_for(model)
    values = backend.values([Tap(tap)])
    scores, gradient = backend.gradient(lambda x: values(x)[Tap(tap)].square().sum())(x)
    leaf = x.clone().requires_grad_()
    expected = model(leaf.permute(order).contiguous()).square().sum()
    torch.testing.assert_close(scores, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, leaf)[0])


class Transposes(nn.Module):
    """Takes (sample, position, channel), though its first layer does not."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x.transpose(1, 2))


class Recurrent(nn.Module):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 3, **options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(x)[0]


class LastIn(nn.Module):
    """Takes images with their channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x.permute(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("make", "shape", "order"),
    [
        (lambda: nn.Conv1d(4, 3, 2), (2, 5, 4), (0, 2, 1)),
        (lambda: nn.Conv1d(5, 3, 2), (2, 5, 5), (0, 2, 1)),  # as many channels as positions
        (lambda: nn.Sequential(nn.BatchNorm1d(4), nn.ReLU()), (2, 5, 4), (0, 2, 1)),
        (Transposes, (2, 5, 4), (0, 1, 2)),
        (lambda: nn.Linear(4, 3), (2, 5, 4), (0, 1, 2)),
        (lambda: Recurrent(batch_first=True), (2, 5, 4), (0, 1, 2)),
        (Recurrent, (2, 5, 4), (1, 0, 2)),
        (lambda: nn.TransformerEncoderLayer(4, 2, 8), (2, 5, 4), (1, 0, 2)),
        (lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), (2, 5, 4), (0, 1, 2)),
        (lambda: nn.Linear(4, 3), (2, 4), (0, 1)),
        (lambda: nn.Conv2d(3, 2, 2), (2, 5, 4, 3), (0, 3, 1, 2)),
        (LastIn, (2, 5, 4, 3), (0, 1, 2, 3)),
        (lambda: nn.Conv3d(3, 2, 2), (2, 5, 4, 6, 3), (0, 4, 1, 2, 3)),
    ],
)
def test_layouts(make: Callable[[], nn.Module], shape: Any, order: Any) -> None:
    torch.manual_seed(0)
    compare(make(), torch.randn(shape), order)


def test_where_values_are_presented() -> None:
    torch.manual_seed(0)
    model = Recurrent(num_layers=2).eval()
    taps = [Tap("lstm"), Tap("lstm[1.0]")]
    found = backend_for(model).values(taps)(torch.randn(2, 5, 4))
    assert [tuple(found[tap].shape) for tap in taps] == [(2, 5, 3), (2, 2, 3)]


def images() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Conv2d(4, 5, 3),
        nn.Flatten(),
        nn.Linear(60, 2),
    )


def test_convolutions_run_with_their_channels_last_in_memory() -> None:
    model = images()
    seen: list[bool] = []

    def look(module: Any, args: Any, result: Any) -> None:
        order = torch.channels_last
        seen.extend(t.is_contiguous(memory_format=order) for t in (args[0], module.weight, result))
        seen.append(not module.weight.requires_grad)

    before = {k: v.stride() for k, v in model.state_dict().items()}
    values = backend_for(model).values([Tap("4")])
    values(torch.randn(1, 5, 6, 3))
    model[4].register_forward_hook(look)
    values(torch.randn(1, 5, 6, 3))
    assert seen == [True] * 4
    assert {k: v.stride() for k, v in model.state_dict().items()} == before


def test_weights_that_change_between_two_passes() -> None:
    model = images()
    values = backend_for(model).values([Tap("6")])
    x = torch.randn(2, 5, 6, 3)
    values(x)
    with torch.no_grad():
        model[0].weight.mul_(-1)
    model[4].weight = nn.Parameter(2 * model[4].weight.detach())
    expected = model.eval()(x.permute(0, 3, 1, 2))
    torch.testing.assert_close(values(x)[Tap("6")], expected)


class Views(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4 * 3 * 4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        self.check(x)
        x.view(torch.int32)  # its bits, which are no maps
        return self.fc(x.view(x.size(0), -1))

    def check(self, x: torch.Tensor) -> None:
        """Whatever it is."""


class Strict(Views):
    """Code that can do with one order in memory alone."""

    def check(self, x: torch.Tensor) -> None:
        assert x.is_contiguous()


def test_maps_that_are_viewed_as_vectors() -> None:
    torch.manual_seed(0)
    model = Views()
    compare(model, torch.randn(2, 5, 6, 3), (0, 3, 1, 2), "fc")
    seen: list[bool] = []
    model.check = lambda x: seen.append(x.is_contiguous())  # type: ignore[method-assign]
    backend_for(model).values([Tap("fc")])(torch.randn(2, 5, 6, 3))
    assert seen[-1] is False


def test_code_that_needs_its_own_order_in_memory() -> None:
    torch.manual_seed(0)
    compare(Strict(), torch.randn(2, 5, 6, 3), (0, 3, 1, 2), "fc")


def test_an_input_that_fits_in_no_layout_is_an_error_of_the_first() -> None:
    with pytest.raises(InputError, match=r"shape \(1, 7, 5, 6\).*to have 3 channels") as raised:
        backend_for(images()).values([Tap("0")])(torch.zeros(1, 5, 6, 7))
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_in_inference_mode() -> None:
    torch.manual_seed(0)
    model, x = images(), np.random.default_rng(0).random((1, 6, 7, 3), np.float32)
    weights = np.ones((2,), np.float32)
    backend = backend_for(model)

    def gradient() -> Any:
        values = backend.values([Tap("0")])
        values(torch.from_numpy(x.copy()))  # what this pass tells serves those with gradients

        def score(x: Any, weights: Any) -> Any:
            return (values(x)[Tap("0")] * weights[0]).sum((1, 2, 3))

        return backend.compiled(backend.gradient(score), "score", network=True)(x, weights)[1]

    outside = gradient()
    with torch.inference_mode():
        inside = gradient()
        made = backend_for(images())
    torch.testing.assert_close(inside, outside)
    with pytest.raises(ModelError, match=r"was made in torch.inference_mode\(\)"):
        made.values([Tap("0")])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_types_go_in_and_come_out_as_float32(dtype: Any) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh()).to(dtype)
    backend = backend_for(model)
    values = backend.values([Tap("1")])
    x = torch.randn(2, 4)
    found, gradient = backend.gradient(lambda x: values(x)[Tap("1")])(x)
    assert (found.dtype, gradient.dtype) == (torch.float32, torch.float32)
    leaf = x.clone().requires_grad_()
    exact = copy.deepcopy(model).float()(leaf)
    tolerance = {torch.float64: 1e-5}.get(dtype, 5e-2)
    torch.testing.assert_close(found, exact.detach(), rtol=tolerance, atol=tolerance)
    (slope,) = torch.autograd.grad(exact.sum(), leaf)
    torch.testing.assert_close(gradient, slope, rtol=tolerance, atol=tolerance)


class Text(nn.Module):
    """Leaves out what is padding, which is index 0."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 4, padding_idx=0)
        self.encode = nn.TransformerEncoderLayer(4, 2, 8, batch_first=batch_first)
        self.head = nn.Linear(4, 3)
        self.place = 1 if batch_first else 0

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        kept = (tokens != 0)[..., None]
        return self.head((self.encode(self.embed(tokens)) * kept).mean(self.place))


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("tap", ["head", "encode.norm2", "mul"])
def test_in_place_of_an_embedding(batch_first: bool, tap: str) -> None:
    torch.manual_seed(0)
    model = Text(batch_first).eval()
    tokens = torch.randint(1, 10, (2, 5))
    order = (0, 1) if batch_first else (1, 0)
    backend = backend_for(model)
    run = backend.run(tokens.permute(order), backend.select([tap]))
    values = backend.values([Tap(tap)], embedding="embed")
    before = state_of(model)
    x = model.embed(tokens).detach()
    found, gradient = backend.gradient(lambda x: values(x)[Tap(tap)].square())(x)
    expected = run.values[tap].presented().values ** 2
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert (gradient != 0).all()
    assert state_of(model) == before


def test_an_embedding_that_is_none() -> None:
    backend = backend_for(Text(True))
    with pytest.raises(AddressError, match="There is no layer 'embedd': did you mean 'embed'"):
        backend.values([Tap("head")], embedding="embedd")


def test_containers_second_calls_and_the_whole() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(torch_cases.Residual(), nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()))
    x = torch.randn(1, 4, 4, 3)
    backend = backend_for(model)
    found = backend.values([Tap(a) for a in ("0.relu", "0.relu#2", "1", "1.1", "output")])(x)
    assert not torch.equal(found[Tap("0.relu")], found[Tap("0.relu#2")])
    torch.testing.assert_close(found[Tap("1")], found[Tap("1.1")])
    torch.testing.assert_close(found[Tap("output")], found[Tap("1.1")])
    assert backend.values([])(x) == {}


def test_what_hooks_of_the_users_own_make_of_a_value() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    model[0].register_forward_hook(lambda module, args, result: result.abs() + 1)
    values = backend_for(model).values([Tap("0"), Tap("1")])
    for _ in range(2):
        found = values(torch.randn(4, 3))
        assert (found[Tap("0")] >= 1).all()
        torch.testing.assert_close(found[Tap("0")], found[Tap("1")])


def test_within_modes_in_which_there_are_no_gradients() -> None:
    model = images()
    backend = backend_for(model)
    values = backend.values([Tap("4")])
    slope = backend.gradient(lambda x: values(x)[Tap("4")])
    x = torch.randn(1, 5, 6, 3)
    _, expected = slope(x)
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            _, found = slope(x.clone())
        torch.testing.assert_close(found, expected)
    assert x.grad is None


def test_arrays_become_tensors_in_what_is_compiled() -> None:
    backend = backend_for(nn.Linear(3, 2))
    add = backend.compiled(lambda x, more: x + more["by"] * more["times"][0], "add", network=False)
    x = np.ones((1, 3), np.float32)
    found = add(torch.from_numpy(x), {"by": x, "times": [2.0, None]})
    assert isinstance(found, torch.Tensor)
    np.testing.assert_array_equal(found, 3 * x)


def test_nothing_keeps_a_model_alive() -> None:
    def looked_at() -> Any:
        model = images()
        backend = backend_for(model)
        values = backend.values([Tap("4")])
        slope = backend.gradient(lambda x: values(x)[Tap("4")])
        backend.compiled(slope, "slope", network=True)(torch.randn(1, 5, 6, 3))
        return weakref.ref(model)

    gone = looked_at()
    gc.collect()
    assert gone() is None


def test_without_keras_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    backend = backend_for(nn.Linear(3, 2))
    sentence = r"keras is not installed: pip install 'layerscope\[features\]'\."
    with pytest.raises(MissingDependencyError, match=sentence):
        _ = backend.ops
    with pytest.raises(MissingDependencyError, match=sentence):
        backend.optimizer("adam", torch.zeros(3))


def test_keras_on_another_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    on_jax = types.SimpleNamespace(backend=types.SimpleNamespace(backend=lambda: "jax"))
    monkeypatch.setitem(sys.modules, "keras", on_jax)
    with pytest.raises(ModelError, match="Keras already runs on jax in this process"):
        _ = backend_for(nn.Linear(3, 2)).ops


@pytest.mark.side_by_side
def test_another_framework_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("keras") is None:
        pytest.skip("needs Keras, though not to import it")
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(ModelError, match="KERAS_BACKEND is 'jax', and a PyTorch model needs"):
        _ = backend_for(nn.Linear(3, 2)).ops
    assert os.environ["KERAS_BACKEND"] == "jax"


def test_what_a_module_makes_by_a_function_is_seen_without_watching_functions() -> None:
    """Every block of an Inception or a ResNet ends in one."""

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 3, 3)

        def forward(self, x: Any) -> Any:
            return torch.cat([self.one(x), self.two(x)], 1)

    model = nn.Sequential(Both(), nn.Flatten(), nn.Linear(80, 2))
    backend: Any = backend_for(model)
    tap = Tap("0.cat")
    values = backend.values([tap])
    x = torch.rand(2, 6, 6, 1)
    first = values(x)[tap]
    expected = model[0](x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    assert torch.allclose(first, expected, atol=1e-6)
    (plan,) = values._plans.values()
    assert dict(plan.seen_at) == {"0": "0.cat"}
