"""States and gates of recurrent modules at every step, and the modules on parts of sequences."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn

from layerscope import activations
from layerscope.core.errors import AddressError

SAMPLES, STEPS, INPUTS, UNITS = 3, 6, 4, 5
KINDS = (nn.LSTM, nn.GRU, nn.RNN)


class Reader(nn.Module):
    """A recurrent module, and what reads its last step."""

    def __init__(self, kind: type[nn.RNNBase], first: Any = None, **settings: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rnn = kind(INPUTS, UNITS, **settings)
        width = (settings.get("proj_size") or UNITS) * (1 + self.rnn.bidirectional)
        self.head = nn.Linear(width, 2)
        self.first = first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.rnn(x) if self.first is None else self.rnn(x, self.first)
        return self.head(states)


def sequences(batch_first: bool = True) -> np.ndarray:
    x = np.random.default_rng(1).normal(size=(SAMPLES, STEPS, INPUTS)).astype(np.float32)
    return x if batch_first else np.ascontiguousarray(x.swapaxes(0, 1))


def on_parts(model: Reader, x: torch.Tensor, at: int, *, backward: bool) -> list[torch.Tensor]:
    """Return the last states of a layer on the sequence as far as each step."""
    steps = range(STEPS)
    parts = [x[:, step:] if backward else x[:, : step + 1] for step in steps]
    module = model.rnn
    parts = parts if module.batch_first else [part.transpose(0, 1) for part in parts]
    arguments = [(part,) if model.first is None else (part, model.first) for part in parts]
    with torch.no_grad():
        last = [module(*each)[1] for each in arguments]
    if isinstance(last[0], tuple):
        return [torch.stack([one[i][at] for one in last], 1) for i in range(2)]
    return [torch.stack([one[at] for one in last], 1)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("bidirectional", "batch_first", "bias"), list(itertools.product([0, 1], repeat=3))
)
def test_states_are_those_of_the_module_on_a_part_of_the_sequence(
    kind: type[nn.RNNBase], bidirectional: int, batch_first: int, bias: int
) -> None:
    settings = {"bidirectional": bool(bidirectional), "batch_first": bool(batch_first)}
    model = Reader(kind, bias=bool(bias), **settings).eval()
    x = sequences(bool(batch_first))
    upright = torch.from_numpy(x if batch_first else x.swapaxes(0, 1))
    for _ in range(2):  # the second look follows what the first has seen
        acts = activations(model, x, layers=["rnn/*", "head"])
        for at, direction in enumerate(["forward/", "backward/"] if bidirectional else [""]):
            parts = on_parts(model, upright, at, backward=at == 1)
            for name, expected in zip(("state", "cell_state"), parts, strict=False):
                states = acts[f"rnn/{direction}{name}"]
                assert states.dims == ("sample", "position", "channel")
                np.testing.assert_allclose(states, expected, atol=1e-5)
        activations(model, x)  # everything: nothing of the loop, which nobody has asked for


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_numbered_and_begin_where_they_are_told_to(kind: type[nn.RNNBase]) -> None:
    first: Any = torch.randn(3, SAMPLES, UNITS, generator=torch.Generator().manual_seed(2))
    first = (first, first + 1) if kind is nn.LSTM else first
    model = Reader(kind, first, num_layers=3, batch_first=True).eval()
    acts = activations(model, sequences(), layers="rnn/*/state")
    assert list(acts) == ["rnn/0/state", "rnn/1/state", "rnn/2/state"]
    for layer in range(3):
        expected = on_parts(model, torch.from_numpy(sequences()), layer, backward=False)[0]
        np.testing.assert_allclose(acts[f"rnn/{layer}/state"], expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_plain_recurrent_modules_and_projections(nonlinearity: str) -> None:
    plain = Reader(nn.RNN, nonlinearity=nonlinearity, batch_first=True).eval()
    acts = activations(plain, sequences(), layers=["rnn", "rnn/state"])
    np.testing.assert_allclose(acts["rnn/state"], acts["rnn"], atol=1e-5)
    projected = Reader(nn.LSTM, proj_size=2, batch_first=True).eval()
    acts = activations(projected, sequences(), layers=["rnn", "rnn/*"])
    np.testing.assert_allclose(acts["rnn/state"], acts["rnn"], atol=1e-5)
    assert acts["rnn/cell_state"].shape == (SAMPLES, STEPS, UNITS)


def test_gates_make_the_states() -> None:
    lstm = activations(Reader(nn.LSTM, batch_first=True).eval(), sequences(), layers="rnn/*")
    gates = {name.partition("/")[2]: lstm[name].values for name in lstm}
    before = np.pad(gates["cell_state"], ((0, 0), (1, 0), (0, 0)))[:, :-1]
    cell = gates["forget_gate"] * before + gates["input_gate"] * gates["candidate"]
    np.testing.assert_allclose(gates["cell_state"], cell, atol=1e-6)
    np.testing.assert_allclose(gates["state"], gates["output_gate"] * np.tanh(cell), atol=1e-6)
    gru = activations(Reader(nn.GRU, batch_first=True).eval(), sequences(), layers="rnn/*")
    z, n, state = (gru[f"rnn/{name}"].values for name in ("update_gate", "candidate", "state"))
    before = np.pad(state, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    np.testing.assert_allclose(state, (1 - z) * n + z * before, atol=1e-6)
    assert ((gru["rnn/reset_gate"] > 0) & (gru["rnn/reset_gate"] < 1)).all()


def test_a_second_call_has_states_of_its_own_and_looking_changes_nothing() -> None:
    class Twice(Reader):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.rnn(x)[0]) + self.head(self.rnn(x.flip(1))[0])

    model = Twice(nn.GRU, batch_first=True).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = sequences()
    acts = activations(model, x, layers=["rnn*"])
    np.testing.assert_allclose(acts["rnn#2"], acts["rnn#2/state"], atol=1e-5)
    np.testing.assert_allclose(acts["rnn"], acts["rnn/state"], atol=1e-5)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_what_has_no_steps_to_show_is_not_there() -> None:
    class Single(Reader):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.rnn(x[0])[0])[None]

    with pytest.raises(AddressError, match="no layer 'rnn/state'"):
        activations(Single(nn.LSTM, batch_first=True).eval(), sequences()[:1], layers="rnn/state")
    acts = activations(Reader(nn.LSTM, batch_first=True).eval(), sequences())
    with pytest.raises(AddressError, match="name it in layers="):
        acts["rnn/state"]


class PackedReader(nn.Module):
    """A recurrent module on packed sequences of different lengths, not sorted."""

    def __init__(self, kind: type[nn.RNNBase], *, stated: bool = False, **settings: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rnn = kind(INPUTS, UNITS, **settings)
        layers = self.rnn.num_layers * (1 + self.rnn.bidirectional)
        state = torch.randn(layers, SAMPLES, UNITS)
        both = (state, state + 1) if kind is nn.LSTM else state
        self.first: Any = both if stated else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.rnn.batch_first
        x = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, first, enforce_sorted=False)
        states, _ = self.rnn(x, self.first)
        return nn.utils.rnn.pad_packed_sequence(states, batch_first=True)[0]


LENGTHS = [3, 6, 4]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stated", [False, True])
@pytest.mark.parametrize(
    "settings",
    [{}, {"batch_first": True, "bidirectional": True}, {"bidirectional": True, "num_layers": 2}],
    ids=["plain", "both ways", "two layers"],
)
def test_packed_sequences_have_the_states_of_each_alone(
    kind: type[nn.RNNBase], stated: bool, settings: dict[str, Any]
) -> None:
    model = PackedReader(kind, stated=stated, **settings).eval()
    first = bool(settings.get("batch_first"))
    x = sequences(batch_first=first)
    top = "1/" if model.rnn.num_layers > 1 else ""
    ways = ("forward/", "backward/") if model.rnn.bidirectional else ("",)
    for _ in range(2):
        acts = activations(model, x, layers=["output", "rnn/*"])
        states = np.concatenate([acts[f"rnn/{top}{way}state"] for way in ways], -1)
        for sample, length in enumerate(LENGTHS):
            alone = torch.from_numpy(x[sample] if first else x[:, sample])[:length]
            begun = model.first
            if begun is not None:
                both = begun if isinstance(begun, tuple) else (begun,)
                parts = tuple(state[:, sample : sample + 1] for state in both)
                begun = parts if isinstance(begun, tuple) else parts[0]
            with torch.no_grad():
                expected, _ = model.rnn(alone[None] if first else alone[:, None], begun)
            expected = expected[0] if first else expected[:, 0]
            np.testing.assert_allclose(states[sample, :length], expected, atol=1e-5)
            assert np.isnan(states[sample, length:]).all()
        for name in acts:
            if name != "output":
                assert np.isfinite(acts[name].values[1]).all()
                assert np.isnan(acts[name].values[0, 3:]).all()
