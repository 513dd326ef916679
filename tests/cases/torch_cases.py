"""PyTorch modules of every kind that people have, each with what looking at it must find."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from layerscope.testing import reference
from layerscope.testing.contract import Case

MAP = ("sample", "y", "x", "channel")
HEADS = ("sample", "head", "query", "key")
SEQUENCE = ("sample", "position", "channel")


def array(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


class ReferenceCNN(nn.Module):
    """Modules defined in another order than run."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(12, 3)
        self.pool = nn.MaxPool2d(2)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(1, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.relu(self.conv(x)))
        # Keras flattens with the channels last.
        flat = x.permute(0, 2, 3, 1).flatten(1)
        return self.dense(flat)


def reference_cnn() -> Case:
    model = ReferenceCNN()
    weights = {key: torch.tensor(value) for key, value in reference.cnn_weights().items()}
    with torch.no_grad():
        model.conv.weight.copy_(weights["conv/kernel"].permute(3, 2, 0, 1))
        model.conv.bias.copy_(weights["conv/bias"])
        model.dense.weight.copy_(weights["dense/kernel"].T)
        model.dense.bias.copy_(weights["dense/bias"])
    values = dict(reference.cnn_activations())
    values["flatten"] = values.pop("flat")
    return Case(
        model, reference.cnn_input().transpose(0, 3, 1, 2),
        ("conv", "relu", "pool", "flatten", "dense"),
        {"conv": MAP, "relu": MAP}, values, tolerance=0,
    )  # fmt: skip


def inplace_all_the_way() -> Case:
    """Every value but the last is overwritten by what comes after it."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 1, bias=False)
            self.relu = nn.ReLU(inplace=True)
            self.keep = nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.keep(self.relu(self.conv(x)))
            y += 1
            y.data.mul_(2)
            y[:, 0].zero_()
            torch.neg(y, out=y)
            return F.relu_(y)

    model = Net()
    nn.init.dirac_(model.conv.weight)
    x = array(2, 2, 3, 4)
    seen = x.transpose(0, 2, 3, 1)
    rectified = np.maximum(seen, 0)
    return Case(
        model, x, ("conv", "relu", "keep", "relu_op"),
        values={
            "conv": seen, "relu": rectified, "keep": rectified,
            "relu_op": np.zeros_like(seen),
        },
    )  # fmt: skip


def writes_into_its_input() -> Case:
    x = array(2, 3)
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, 2))
    return Case(model, x, ("0", "1"), values={"0": np.maximum(x, 0)})


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.relu(self.conv(x)) + x)


def reused_modules_nested() -> Case:
    model = nn.Sequential(nn.Sequential(Residual(), Residual()), nn.Flatten(), nn.Linear(48, 2))
    blocks = tuple(f"0.{i}.{name}" for i in (0, 1) for name in ("conv", "relu", "add", "relu#2"))
    return Case(model, array(1, 3, 4, 4), (*blocks, "1", "2"), {"0.1.add": MAP})


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.fc = nn.Linear(2 * 3 * 3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        return torch.softmax(self.fc(x.view(x.size(0), -1)), dim=1)


def functional_operations() -> Case:
    return Case(
        Functional(), array(2, 1, 8, 8), ("conv", "relu", "max_pool2d", "flatten", "fc", "softmax"),
        {"max_pool2d": MAP, "flatten": ("sample", "unit")},
    )  # fmt: skip


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


class ReturnsMuch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.split = Splits()
        self.named = Names()

    def forward(self, x: torch.Tensor) -> dict[str, Any]:
        pair = self.split(x)
        return {"both": self.named(pair.left), "none": None, "right": pair.right}


class Splits(nn.Module):
    def forward(self, x: torch.Tensor) -> Pair:
        return Pair(x[:, :2].clone(), x[:, 2:].clone())


class Names(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"plus": x.exp(), "minus": (-x).exp()}


def dicts_and_named_tuples() -> Case:
    x = array(3, 4)
    return Case(
        ReturnsMuch(), x, ("split", "split[right]", "named", "named[minus]"),
        values={"split[right]": x[:, 2:], "named": np.exp(x[:, :2])},
    )  # fmt: skip


def attention() -> Case:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attend = nn.MultiheadAttention(6, 2, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.attend(x, x, x)[0]

    return Case(
        Net(), array(2, 5, 6), ("attend/attention", "attend", "attend[1]"),
        {"attend/attention": HEADS, "attend": SEQUENCE, "attend[1]": ("sample", "query", "key")},
    )  # fmt: skip


def transformer() -> Case:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    inner = (
        "self_attn/attention",
        "self_attn",
        "dropout1",
        "norm1",
        "linear1",
        "relu",
        "dropout",
        "linear2",
        "dropout2",
    )
    names = (*(f"layers.0.{n}" for n in inner if n != "relu"), "layers.0.norm2")
    model = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
    return Case(model, array(2, 5, 8), names, {"layers.0.norm2": SEQUENCE}, tolerance=1e-4)


def lstm_with_states() -> Case:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(3, 4)
            self.head = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.lstm(x)[0])

    x = array(7, 2, 3)  # (position, sample, channel): batch_first is False
    return Case(
        Net(), x, ("lstm", "lstm[1.0]", "lstm[1.1]", "head"),
        {"lstm": SEQUENCE, "lstm[1.0]": ("sample", "layer", "unit"), "head": SEQUENCE},
    )  # fmt: skip


def lazy_parameters() -> Case:
    torch.manual_seed(0)
    model = nn.Sequential(nn.LazyConv2d(3, 3), nn.Flatten(), nn.LazyLinear(2))
    return Case(model, array(2, 1, 6, 6), ("0", "1", "2"), {"0": MAP})


def compiled_module() -> Case:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    return Case(torch.compile(model, backend="eager"), array(2, 4), ("0", "1", "2"))


def compiled_inside() -> Case:
    inner = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    inner.compile(backend="eager")
    other = torch.compile(nn.Sequential(nn.Linear(3, 3), nn.Tanh()), backend="eager")
    model = nn.Sequential(inner, other, nn.Linear(3, 2))
    return Case(model, array(2, 4), ("0.0", "0.1", "1.0", "1.1", "2"))


def empty_containers() -> Case:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.nothing = nn.ModuleDict()
            self.none = nn.ModuleList()
            self.fc = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x)

    return Case(Net(), array(2, 4), ("fc",))


class KeywordInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, *, image: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return self.fc(image) * scale


def keyword_inputs() -> Case:
    return Case(KeywordInputs(), {"image": array(2, 4), "scale": array(2, 2)}, ("fc", "mul"))


def several_inputs() -> Case:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 2), nn.Linear(3, 2)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.a(x), self.b(y)], dim=1)

    return Case(Net(), [array(2, 4), array(2, 3)], ("a", "b", "cat"))


def dimensions_one_and_three() -> Case:
    model = nn.Sequential(
        nn.Conv1d(2, 3, 3),
        nn.BatchNorm1d(3),
        nn.ReLU(),
        nn.Unflatten(2, (4, 1, 2)),
        nn.Conv3d(3, 2, 1),
    )
    return Case(
        model, array(2, 2, 10), ("0", "1", "2", "3", "4"),
        {"0": SEQUENCE, "2": SEQUENCE, "4": ("sample", "z", "y", "x", "channel")},
    )  # fmt: skip


def embedding_of_integers() -> Case:
    model = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2))
    x = np.random.default_rng(0).integers(0, 10, (3, 6))
    return Case(model, x, ("0", "1"), {"0": SEQUENCE, "1": SEQUENCE})


def bfloat16() -> Case:
    return Case(nn.Linear(4, 2).to(torch.bfloat16), array(2, 4), ("output",), tolerance=2e-2)


def draws_and_counts() -> Case:
    """Draws random numbers, and notes in a buffer how often it ran."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 2)
            self.drop = nn.Dropout(0.5)
            self.register_buffer("runs", torch.zeros(()))
            self.register_buffer("last", torch.zeros(2, 2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.runs += 1
            torch.rand(3)
            self.last = self.drop(self.fc(x))
            return self.last

    return Case(Net(), array(2, 4), ("fc", "drop"))


def returns_a_buffer() -> Case:
    """What it returns is a tensor of its own, which the next run overwrites."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.state = Remembers()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.state(x) * torch.ones(())

    return Case(Net(), array(2, 3), ("state", "output"))


class Remembers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kept = torch.zeros(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.kept.copy_(x)
        return self.kept


class Encoder(nn.Module):
    """As written before batches came first: (position, sample, channel) inside."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.drop = nn.Dropout(0.1)
        self.encode = nn.TransformerEncoderLayer(8, 2, 16)
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encode(self.drop(self.embed(x))).mean(0))


def batches_second() -> Case:
    x = np.random.default_rng(0).integers(0, 10, (7, 3))
    inner = (
        "self_attn/attention",
        "self_attn",
        "dropout1",
        "norm1",
        "linear1",
        "dropout",
        "linear2",
        "dropout2",
        "norm2",
    )
    names = ("embed", "drop", *(f"encode.{n}" for n in inner), "mean", "head")
    axes = dict.fromkeys(names[:-2], SEQUENCE) | {"head": ("sample", "unit")}
    axes["encode.self_attn/attention"] = HEADS
    return Case(Encoder(), x, names, axes, tolerance=1e-4)


def replaced_buffer() -> Case:
    """Keeps what a buffer holds, and puts another tensor in its place."""

    class Average(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(2))
            self.keep = nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.keep(self.mean.add_(x.sum(0)))
            self.mean = self.mean + 0
            return x - y

    x = array(3, 2)
    return Case(
        Average(), x, ("sum", "add", "keep", "sub"), values={"keep": x.sum(0), "sub": x - x.sum(0)}
    )


def scripted_inside() -> Case:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(nn.Sequential(nn.Linear(4, 3), nn.ReLU()))
    return Case(nn.Sequential(scripted, nn.Linear(3, 2)), array(2, 4), ("1",), left_out=("0",))


def packed_sequence() -> Case:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(3, 4, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            packed = nn.utils.rnn.pack_padded_sequence(x, [5, 2], batch_first=True)
            return self.lstm(packed)[1][0][-1] * torch.ones(())

    return Case(
        Net(), array(2, 5, 3), ("lstm", "lstm[1.0]", "lstm[1.1]", "output"),
        {"lstm[1.0]": ("sample", "layer", "unit")},
    )  # fmt: skip


def writes_through_numpy() -> Case:
    """NumPy shares a tensor's memory, and PyTorch does not see what it writes."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.keep = nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.keep(x + torch.ones(()))
            y.numpy()[:] = 7
            return y * torch.ones(1)

    x = array(2, 3)
    return Case(Net(), x, ("keep", "mul"), values={"keep": x + 1, "mul": np.full_like(x, 7)})


def inputs_in_structures() -> Case:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 2), nn.Linear(3, 2)

        def forward(self, pair: Any, extra: Any) -> torch.Tensor:
            return self.a(pair[0]) + self.b(pair[1]) + extra["bias"]

    x = [(array(2, 4), array(2, 3)), {"bias": array(2, 2)}]
    return Case(Net(), x, ("a", "b", "add", "add#2"))


CASES = [
    reference_cnn, inplace_all_the_way, writes_into_its_input, reused_modules_nested,
    functional_operations, dicts_and_named_tuples, attention, transformer, lstm_with_states,
    lazy_parameters, compiled_module, compiled_inside, empty_containers, keyword_inputs,
    several_inputs, dimensions_one_and_three, embedding_of_integers, bfloat16, draws_and_counts,
    returns_a_buffer, batches_second, replaced_buffer, scripted_inside, packed_sequence,
    writes_through_numpy, inputs_in_structures,
]  # fmt: skip
