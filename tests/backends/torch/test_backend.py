"""Native PyTorch keeps the contract."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn

import layerscope as ls
from cases import standard_torch, torch_cases
from layerscope.backends import backend_for
from layerscope.core.errors import AddressError, InputError, ModelError
from layerscope.testing import reference
from layerscope.testing.contract import BackendContract, Case


class Fails(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.register_buffer("runs", torch.zeros(()))

    def forward(self, x: Any) -> Any:
        self.runs += 1
        self.fc(x)
        raise ZeroDivisionError("midway")


def numpy_of(output: Any) -> Any:
    if isinstance(output, dict):
        return {key: numpy_of(value) for key, value in output.items()}
    if isinstance(output, list | tuple):
        return [numpy_of(value) for value in output]
    return None if output is None else output.detach().float().numpy()


class TestTorch(BackendContract):
    def standard(self) -> Any:
        return standard_torch.standard()

    def mlp(self) -> Any:
        model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
        with torch.no_grad():
            for layer, kernel, bias in zip(
                (model[0], model[2]), reference.MLP_KERNELS, reference.MLP_BIASES, strict=True
            ):
                layer.weight.copy_(torch.from_numpy(kernel.T))
                layer.bias.copy_(torch.from_numpy(bias))
        return model

    def predict(self, model: Any, x: Any) -> Any:
        # A copy runs, for the modules here that count their runs.
        if any(nn.parameter.is_lazy(p) for p in model.parameters()):
            model(torch.from_numpy(x))
        plain = copy.deepcopy(getattr(model, "_orig_mod", model)).eval()
        dtype = next((p.dtype for p in plain.parameters()), torch.float32)

        def tensor(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: tensor(item) for key, item in value.items()}
            if isinstance(value, tuple):
                return tuple(map(tensor, value))
            value = torch.from_numpy(value.copy())
            return value.to(dtype) if value.is_floating_point() else value

        with torch.no_grad():
            if isinstance(x, dict):
                return numpy_of(plain(**{k: tensor(v) for k, v in x.items()}))
            if isinstance(x, list):
                return numpy_of(plain(*map(tensor, x)))
            return numpy_of(plain(tensor(x)))

    def state(self, model: Any) -> Any:
        return (
            {k: v.float().tolist() for k, v in model.state_dict().items()},
            [id(p) for p in model.parameters()],
            [m.training for m in model.modules()],
            [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()],
            [p.requires_grad for p in model.parameters()],
            nn.Module.__call__,
            torch.get_rng_state().tolist(),
            torch.is_grad_enabled(),
            torch.backends.mha.get_fastpath_enabled(),
        )

    def failing(self) -> tuple[Any, Any, type[Exception]]:
        return Fails(), np.zeros((1, 3), np.float32), ZeroDivisionError

    @pytest.mark.parametrize("make", torch_cases.CASES, ids=lambda make: make.__name__)
    def test_case(self, make: Callable[[], Case]) -> None:
        self.check_case(make())


@pytest.mark.parametrize(
    "make",
    [torch_cases.reference_cnn, torch_cases.inplace_all_the_way, torch_cases.functional_operations,
     torch_cases.reused_modules_nested],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_each_module_returned_what_a_hook_copies(make: Callable[[], Case]) -> None:
    """A hook that clones every output is the slow obvious version."""
    case = make()
    copies: dict[str, list[Any]] = {}
    names = {m: name for name, m in case.model.named_modules()}

    def copy_output(module: Any, _: Any, output: Any) -> None:
        copies.setdefault(names[module], []).append(output.clone())

    handles = [m.register_forward_hook(copy_output) for m in case.model.modules()]
    with torch.no_grad():
        case.model.eval()(torch.from_numpy(case.x.copy()))
    for handle in handles:
        handle.remove()
    acts = ls.activations(case.model, case.x)
    for name, outputs in copies.items():
        for i, output in enumerate(outputs):
            address = name if i == 0 else f"{name}#{i + 1}"
            if address in acts and name:
                found = acts[address].values
                expected = output.numpy()
                if found.ndim == 4:
                    expected = expected.transpose(0, 2, 3, 1)
                np.testing.assert_array_equal(found, expected)


def test_hooks_of_the_users_own_run_and_stay() -> None:
    model = TestTorch().mlp()
    seen: list[int] = []
    model[0].register_forward_hook(lambda module, args, output: seen.append(1) or output + 1)
    acts = ls.activations(model, reference.MLP_INPUT)
    assert seen == [1]
    # What the layer returns is what its hook made of it.
    assert np.array_equal(acts["1"].values, np.maximum(acts["0"].values, 0))
    assert len(model[0]._forward_hooks) == 1


def test_the_mode_is_inference_and_each_module_gets_its_own_back() -> None:
    model = nn.Sequential(nn.Dropout(0.9), nn.Linear(3, 3), nn.Dropout(0.9))
    model[1].eval()
    x = np.ones((1, 3), np.float32)
    assert np.array_equal(ls.activations(model, x)["0"].values, x)
    assert [m.training for m in model.modules()] == [True, True, False, True]


def test_what_a_module_notes_as_it_runs_is_taken_back() -> None:
    class Notes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.runs, self.last, self.kept = 0, None, torch.zeros(2)

        def forward(self, x: Any) -> Any:
            self.runs += 1
            self.last = x
            self.kept += 1
            return x + self.kept

    model = nn.Sequential(Notes())
    acts = ls.activations(model, np.zeros((1, 2), np.float32))
    assert np.array_equal(acts["0.add"].values, [[1, 1]])
    assert (model[0].runs, model[0].last, model[0].kept.tolist()) == (0, None, [0, 0])


def test_a_missing_batch_axis_gets_a_sentence() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 1))
    with pytest.raises(InputError, match=r"\(3, 6, 6\).*add the batch axis with x\[None\]"):
        ls.activations(model, np.zeros((3, 6, 6), np.float32))


class Declared(nn.Module):
    """Its layers in another order than they are called in."""

    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x))


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 3, 3)), (None, 3, None, None)),
        (
            nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 4, 3))),
            (None, 1, None, None),
        ),
        (
            nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Conv2d(2, 4, 3))),
            (None, 2, None, None),
        ),
        (
            Declared(second=nn.Conv2d(4, 4, 3), first=nn.Conv2d(1, 4, 3)),
            (None, 1, None, None),
        ),
        # What concatenates maps has convolutions that take more channels than any puts out.
        (
            nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(24, 8, 3), nn.Conv2d(8, 3, 1)),
            (None, 3, None, None),
        ),
        (nn.Sequential(nn.LazyConv2d(4, 3)), (None, None, None, None)),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), (None, 64)),
        (nn.Sequential(nn.LazyLinear(3)), None),
        (nn.Sequential(nn.Conv1d(5, 3, 3), nn.Flatten(), nn.Linear(9, 2)), (None, 5, None)),
        (nn.Sequential(nn.Conv3d(5, 3, 3)), (None, 5, None, None, None)),
        (nn.LSTM(5, 3), (None, None, 5)),
        (nn.TransformerEncoderLayer(8, 2, batch_first=True), (None, None, 8)),
        (nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 2)), (None, None)),
        (nn.Sequential(nn.ConvTranspose2d(9, 3, 3)), None),
        (nn.ReLU(), None),
    ],
)
def test_the_first_layers_suggest_an_input(model: Any, shape: Any) -> None:
    (spec,) = backend_for(model).inputs()
    assert spec.shape == shape
    assert spec.certain is False


def test_noise_for_what_the_first_layer_takes() -> None:
    assert ls.activations(nn.LSTM(5, 3, batch_first=True), "noise").input.shape == (1, 16, 5)
    words = ls.activations(nn.Sequential(nn.Embedding(7, 3)), "noise").input
    assert words.dtype.kind == "i"
    assert words.max() < 7


class Two(nn.Module):
    def forward(self, x: Any, y: Any) -> Any:
        return torch.relu(x) + y


class Raises(nn.Module):
    def forward(self, x: Any) -> Any:
        torch.relu(x)
        raise RuntimeError("its own")


@pytest.mark.parametrize(
    ("model", "shape", "text"),
    [
        (nn.Conv2d(3, 4, 3), (1, 4, 9, 9), r"Conv2d does not run on .* \(1, 4, 9, 9\).*3 channels"),
        (nn.Conv2d(3, 4, 9), (1, 3, 5, 5), "Kernel size can't be greater"),
        (nn.Sequential(nn.Flatten(), nn.Linear(8, 2)), (1, 3, 3), "shapes cannot be multiplied"),
        (nn.Embedding(4, 2), (1, 5), "x holds float32 numbers, and an Embedding takes indices"),
    ],
)
def test_an_input_that_does_not_fit_gets_a_sentence(model: Any, shape: Any, text: str) -> None:
    with pytest.raises(InputError, match=text) as raised:
        ls.activations(model, np.zeros(shape, np.float32))
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_a_missing_argument_gets_a_sentence() -> None:
    x = np.zeros((1, 3), np.float32)
    with pytest.raises(ModelError, match="takes several inputs, 'x', 'y', and x is 1: pass a list"):
        ls.activations(Two(), x)
    with pytest.raises(InputError, match="takes 'input', and x is 2 inputs"):
        ls.activations(nn.Linear(3, 2), [x, x])


def test_an_error_of_the_modules_own_code_is_left() -> None:
    with pytest.raises(RuntimeError, match=r"^its own$"):
        ls.activations(Raises(), np.zeros((1, 3), np.float32))


def test_the_meta_device_holds_no_values() -> None:
    model = nn.Conv2d(3, 4, 3, device="meta")
    assert ls.describe(model)
    with pytest.raises(ModelError, match="on the meta device"):
        ls.activations(model, np.zeros((1, 3, 9, 9), np.float32))
    with pytest.raises(ModelError, match="on the meta device"):
        ls.weights(model)


def test_bytes_are_pixels() -> None:
    acts = ls.activations(nn.Conv2d(1, 1, 1), np.full((1, 1, 2, 2), 7, np.uint8))
    assert (acts.input == 7).all()


def test_numbers_of_no_axis_are_weights_too() -> None:
    model = nn.Linear(2, 1)
    model.scale = nn.Parameter(torch.tensor(3.0))
    weights = ls.weights(model)
    assert weights["scale"].dims == ()
    assert float(weights["scale"]) == 3


def test_a_recording_does_not_follow_what_the_model_does_next() -> None:
    case = torch_cases.returns_a_buffer()
    acts = ls.activations(case.model, case.x)
    case.model(torch.zeros(2, 3))
    np.testing.assert_array_equal(acts["state"].values, case.x)


def test_a_pass_stops_early() -> None:
    calls = []

    class Counts(nn.Module):
        def forward(self, x: Any) -> Any:
            calls.append(1)
            return x

    model = nn.Sequential(nn.Linear(3, 2), Counts())
    for layers in ("0", 0, slice(0, 1), ["0"]):
        ls.activations(model, np.zeros((1, 3), np.float32), layers=layers)
    assert not calls


def test_modules_of_the_model_select_their_calls() -> None:
    case = torch_cases.reused_modules_nested()
    block = case.model[0][0]
    acts = ls.activations(case.model, case.x, layers=[block.relu, case.model[2]])
    assert list(acts) == ["0.0.relu", "0.0.relu#2", "2"]
    container = ls.activations(case.model, case.x, layers=case.model[0])
    assert list(container) == ["0"]
    with pytest.raises(ModelError, match="not one of this model's modules"):
        ls.activations(case.model, case.x, layers=nn.ReLU())


def test_edges_follow_the_values() -> None:
    case = torch_cases.reused_modules_nested()
    network = ls.describe(case.model, case.x)
    assert network["0.0.add"].inputs == ("0.0.relu", "input")
    assert network["0.1.add"].inputs == ("0.1.relu", "0.0.relu#2")


def test_a_scripted_module_is_refused_in_a_sentence() -> None:
    with pytest.warns(DeprecationWarning, match="script"):
        scripted = torch.jit.script(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(ModelError, match="scripted module, which hides its layers"):
        ls.describe(scripted)


def test_a_model_without_layers() -> None:
    class Empty(nn.Module):
        def forward(self, x: Any) -> Any:
            return x

    with pytest.raises(ModelError, match="has no layers"):
        ls.activations(Empty(), np.zeros((1, 2), np.float32))
    described = ls.describe(Empty())
    assert list(described) == []
    assert "pass an input to see the functions" in described.notes[0]


def test_weights_are_named_as_in_the_state_dict() -> None:
    case = torch_cases.reference_cnn()
    weights = ls.weights(case.model, case.x)
    assert set(weights) == set(case.model.state_dict())
    assert weights["conv.weight"].dims == ("y", "x", "input", "channel")
    assert np.array_equal(weights["conv.weight"], reference.cnn_weights()["conv/kernel"])
    # Snapshots: training on does not change them.
    with torch.no_grad():
        case.model.conv.weight.zero_()
    assert np.array_equal(weights["conv.weight"], reference.cnn_weights()["conv/kernel"])


def test_a_linear_kernel_after_a_flatten_knows_what_was_flattened() -> None:
    case = torch_cases.functional_operations()
    attrs = ls.weights(case.model, case.x)["fc.weight"].attrs
    assert (attrs["input_shape"], attrs["input_axes"]) == ((2, 3, 3), ("channel", "y", "x"))


def test_low_precision_is_shown_as_float32_and_said() -> None:
    case = torch_cases.bfloat16()
    acts = ls.activations(case.model, case.x)
    assert acts["output"].dtype == np.float32
    assert "bfloat16" in " ".join(acts.notes)


def test_nothing_keeps_a_model_alive() -> None:
    model = TestTorch().mlp()
    acts = ls.activations(model, reference.MLP_INPUT)
    gone = weakref.ref(model)
    del model, acts
    gc.collect()
    assert gone() is None


def test_an_index_beyond_the_last_unit() -> None:
    acts = ls.activations(TestTorch().mlp(), reference.MLP_INPUT)
    with pytest.raises(AddressError, match="has 2 along unit, counted from 0"):
        acts["0:2"]


def test_what_comes_before_a_recurrent_layer_keeps_its_axes():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(20, 8)
            self.lstm = nn.LSTM(8, 6, batch_first=True)

        def forward(self, tokens):
            return self.lstm(self.embed(tokens))[0]

    acts = ls.activations(Recurrent(), np.zeros((2, 7), np.int64))
    assert acts["embed"].dims == ("sample", "position", "channel")
    assert acts["embed"].shape == (2, 7, 8)
    assert acts["lstm[1.0]"].dims == ("sample", "layer", "unit")


def test_the_residuals_of_pytorch_s_own_modules() -> None:
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    network = ls.activations(torch.nn.TransformerEncoder(layer, 1), torch.rand(1, 5, 8)).network
    inside = "layers.0."
    expected = {
        "self_attn": ("input",),
        "dropout1": ("self_attn",),
        "norm1": ("input", "dropout1"),
        "linear1": ("norm1",),
        "linear2": ("dropout",),
        "norm2": ("norm1", "dropout2"),
    }
    for name, sources in expected.items():
        named = tuple(s if s == "input" else inside + s for s in sources)
        assert network[inside + name].inputs == named


class Unpacked(torch.nn.Module):
    """Heads, parts of a tuple, a buffer that is written to, and one only shaped alike."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("q", "k", "v", "b", "c", "e", "out"):
            setattr(self, name, torch.nn.Linear(8, 8))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        n, steps, _ = x.shape
        q, k, v = (f(x).view(n, steps, 2, 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        y = (q @ k.transpose(-1, -2)).softmax(-1) @ v
        y = self.out(y.transpose(1, 2).reshape(n, steps, 8))
        first, second = self.b(y).chunk(2, -1)
        buffer = torch.zeros_like(self.c(y))
        buffer[..., :4] = first
        return self.e(buffer), second * 2


def test_the_sources_of_what_functions_between_modules_make() -> None:
    network = ls.activations(Unpacked(), torch.rand(1, 3, 8)).network
    expected = {
        "q": {"input"},
        "k": {"input"},
        "v": {"input"},
        "matmul": {"q", "k"},
        "attention": {"matmul"},
        "matmul#2": {"attention", "v"},
        "out": {"matmul#2"},
        "b": {"out"},
        "c": {"out"},
        "e": {"b"},
        "output[1]": {"b"},
    }
    found = {layer.address: set(layer.inputs) for layer in network}
    assert {name: found.get(name) for name in expected} == expected
