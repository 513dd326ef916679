"""What runs inside Keras' loops, at every step: held to cells that are called step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import layerscope as ls
from layerscope.core.errors import AddressError, ModelError

pytestmark = pytest.mark.combinations

L = keras.layers
X = np.random.default_rng(0).normal(size=(3, 6, 4)).astype("float32")
BEFORE = [np.random.default_rng(n).normal(size=(3, 5)).astype("float32") for n in (1, 2)]


def numpy(value: Any) -> Any:
    return keras.ops.convert_to_numpy(value)


def slow(layer: Any, x: Any, states: list[Any], mask: Any = None) -> list[Any]:
    """All states at every step, by calls of the cell; a masked step hands them on."""
    order = range(x.shape[1])[:: -1 if layer.go_backwards else 1]
    series: list[Any] = [None] * x.shape[1]
    for at in order:
        _, after = layer.cell(x[:, at], [keras.ops.convert_to_tensor(s) for s in states])
        after = [numpy(state) for state in (after if isinstance(after, list) else [after])]
        if mask is not None:
            after = [np.where(mask[:, at, None], a, b) for a, b in zip(after, states, strict=True)]
        states = after
        series[at] = states
    return [np.stack(state, axis=1) for state in zip(*series, strict=True)]


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("masked", [None, "left", "right"])
@pytest.mark.parametrize("given", [False, True], ids=["from zero", "from a state"])
def test_states_are_those_of_the_cell(
    kind: str, backwards: bool, masked: str | None, given: bool
) -> None:
    keras.utils.set_random_seed(0)
    layer = getattr(L, kind)(5, go_backwards=backwards, name="rnn", return_sequences=masked is None)
    count = 2 if kind == "LSTM" else 1
    inputs = keras.Input((6, 4))
    before = [keras.Input((5,)) for _ in range(count)]
    hidden = L.Masking(-9.0)(inputs) if masked else inputs
    state = (before if count == 2 else before[0]) if given else None
    outputs = layer(hidden, initial_state=state) if given else layer(hidden)
    model = keras.Model([inputs, *before] if given else inputs, L.Dense(2, name="out")(outputs))
    x, mask = X.copy(), None
    if masked:
        mask = np.ones((3, 6), bool)
        mask[1, slice(0, 2) if masked == "left" else slice(4, 6)] = False
        x[~mask] = -9
    states = BEFORE[:count] if given else [np.zeros((3, 5), "float32")] * count
    # A masked step is zeros; and Keras hands on no mask to a layer that gets a state as well.
    steps = x if mask is None else x * mask[:, :, None]
    expected = slow(layer, steps, states, None if given else mask)
    names = ["rnn/state", "rnn/cell_state"][:count]
    for _ in range(2):  # once more, as TensorFlow compiles it
        acts = ls.activations(model, [x, *BEFORE[:count]] if given else x, layers=["rnn", *names])
        assert set(acts) == {"rnn", *names}
        for name, value in zip(names, expected, strict=True):
            assert acts[name].dims == ("sample", "position", "channel")
            np.testing.assert_allclose(acts[name], value, atol=1e-5)
        # What the layer itself returned, in the order of processing.
        h = expected[0][:, ::-1] if backwards else expected[0]
        np.testing.assert_allclose(acts["rnn"], h if masked is None else h[:, -1], atol=1e-5)


@pytest.mark.parametrize("backwards", [False, True])
def test_gates_make_the_states(backwards: bool) -> None:
    model = keras.Sequential(
        [
            keras.Input((6, 4)),
            L.LSTM(5, go_backwards=backwards, bias_initializer="normal", name="lstm"),
        ]
    )
    acts = ls.activations(model, X, layers="lstm/*")
    gates = ("input_gate", "forget_gate", "candidate", "output_gate")
    assert set(acts) == {f"lstm/{name}" for name in ("state", "cell_state", *gates)}
    i, f, g, o = (acts[f"lstm/{name}"].values for name in gates)
    h, c = acts["lstm/state"].values, acts["lstm/cell_state"].values
    step = slice(None, None, -1 if backwards else 1)
    first = np.zeros_like(c[:, :1])
    before = np.concatenate([first, c[:, step][:, :-1]], axis=1)[:, step]
    np.testing.assert_allclose(c, f * before + i * g, atol=1e-5)
    np.testing.assert_allclose(h, o * np.tanh(c), atol=1e-5)


@pytest.mark.parametrize("reset_after", [False, True])
@pytest.mark.parametrize("use_bias", [False, True])
def test_gates_of_a_gru(reset_after: bool, use_bias: bool) -> None:
    layer = L.GRU(
        5, reset_after=reset_after, use_bias=use_bias, bias_initializer="normal", name="gru"
    )
    model = keras.Sequential([keras.Input((6, 4)), layer])
    acts = ls.activations(model, X, layers="gru/*")
    z, n, h = (acts[f"gru/{name}"].values for name in ("update_gate", "candidate", "state"))
    before = np.concatenate([np.zeros_like(h[:, :1]), h[:, :-1]], axis=1)
    np.testing.assert_allclose(h, z * before + (1 - z) * n, atol=1e-5)
    r = acts["gru/reset_gate"].values
    assert ((r > 0) & (r < 1)).all()


def test_states_that_are_kept_between_batches() -> None:
    inputs = keras.Input(batch_shape=(3, 6, 4))
    model = keras.Model(inputs, L.LSTM(5, stateful=True, name="lstm")(inputs))
    layer = model.get_layer("lstm")
    model(X)
    states = [numpy(state) for state in layer.states]
    expected = slow(layer, X, states)
    acts = ls.activations(model, X, layers=["lstm/state", "lstm/cell_state"])
    for name, value in zip(acts, expected, strict=True):
        np.testing.assert_allclose(acts[name], value, atol=1e-5)
    for state, was in zip(layer.states, states, strict=True):
        np.testing.assert_array_equal(numpy(state), was)


def test_both_directions_and_several_cells() -> None:
    cells = [L.LSTMCell(5), L.GRUCell(3)]
    inputs = keras.Input((6, 4))
    both = L.Bidirectional(L.GRU(5, return_sequences=True, name="gru"), name="both")(inputs)
    model = keras.Model(inputs, L.RNN(cells, name="deep")(both))
    names = ["both/forward_gru/state", "both/backward_gru/state", "deep/0/state",
             "deep/0/cell_state", "deep/1/state"]  # fmt: skip
    acts = ls.activations(model, X, layers=["both", "deep", *names])
    halves = [acts[name].values for name in names[:2]]
    np.testing.assert_allclose(acts["both"], np.concatenate(halves, axis=-1), atol=1e-5)
    np.testing.assert_allclose(acts["deep"], acts["deep/1/state"][:, -1], atol=1e-5)
    assert acts["deep/0/cell_state"].shape == (3, 6, 5)


def test_maps_of_a_convolution_over_time() -> None:
    inputs = keras.Input((4, 6, 6, 2))
    model = keras.Model(inputs, L.ConvLSTM2D(3, 3, padding="same", name="clstm")(inputs))
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 6, 2)).astype("float32")
    acts = ls.activations(model, x, layers=["clstm", "clstm/state"])
    assert acts["clstm/state"].shape == (2, 4, 6, 6, 3)
    np.testing.assert_allclose(acts["clstm"], acts["clstm/state"][:, -1], atol=1e-5)


def test_layers_for_each_step() -> None:
    conv = L.Conv2D(3, 3, activation="relu", name="conv")
    cnn = keras.Sequential([keras.Input((6, 6, 2)), conv, L.GlobalAveragePooling2D(name="gap")])
    video = keras.Input((4, 6, 6, 2))
    steps = L.TimeDistributed(cnn, name="td")
    model = keras.Model(video, L.GRU(2, name="gru")(steps(video)))
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 6, 2)).astype("float32")
    (address,) = (name for name in ls.activations(model, x).left_out if name.endswith("conv"))
    for _ in range(2):
        acts = ls.activations(model, x, layers=[address, "td"])
        expected = np.stack([numpy(conv(x[:, at])) for at in range(4)], axis=1)
        np.testing.assert_allclose(acts[address], expected, atol=1e-5)
        np.testing.assert_allclose(acts["td"], expected.mean((2, 3)), atol=1e-5)
        assert address not in "".join(acts.notes)


def test_unasked_they_are_left_out_and_named() -> None:
    model = keras.Sequential([keras.Input((6, 4)), L.LSTM(5, name="lstm"), L.Dense(2, name="out")])
    acts = ls.activations(model, X)
    assert list(acts) == ["lstm", "out"]
    with pytest.raises(AddressError) as caught:
        _ = acts["lstm/state"]
    assert str(caught.value) == (
        "'lstm/state' runs inside a loop, and has no one value to show: ask for the layer that "
        "loops, or name it in layers=, which records it at every step where it can."
    )
    with pytest.raises(AddressError, match=r"ask for the layer that loops\.$"):
        ls.activations(model, X, layers="lstm/lstm_cell")


class Louder(L.LSTM):
    """A layer that returns something else than its cell does."""

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        return super().call(sequences, initial_state, mask, training) * 2


class Shifted(L.Layer):
    """A cell whose output is not its state."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.state_size, self.output_size = 4, 3

    def call(self, inputs: Any, states: Any) -> Any:
        state = keras.ops.tanh(inputs + states[0])
        return state[:, :3] + 1, [state]


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("address", ["rnn/state", "rnn/cell_state", "rnn/forget_gate"])
def test_states_that_are_not_the_layers_are_refused(every: bool, address: str) -> None:
    layer = Louder(5, return_sequences=every, name="rnn")
    model = keras.Sequential([keras.Input((6, 4)), layer])
    for _ in range(2):
        with pytest.raises(ModelError, match=f"'{address}' can't be had.*not what the layer ret"):
            ls.activations(model, X, layers=["rnn", address])
    assert set(ls.activations(model, X, layers="rnn")) == {"rnn"}


def test_a_cell_of_ones_own_is_held_to_what_it_returns() -> None:
    layer = L.RNN(Shifted(), return_sequences=True, name="rnn")
    model = keras.Sequential([keras.Input((6, 4)), layer])
    for _ in range(2):
        acts = ls.activations(model, X, layers=["rnn", "rnn/state"])
        np.testing.assert_allclose(acts["rnn"], acts["rnn/state"][..., :3] + 1, atol=1e-6)


def test_states_of_a_network_that_is_broken_are_shown_as_they_are() -> None:
    layer = L.LSTM(5, return_sequences=True, name="rnn")
    model = keras.Sequential([keras.Input((6, 4)), layer])
    x = X.copy()
    x[1, 2:] = np.nan
    acts = ls.activations(model, x, layers=["rnn", "rnn/state"])
    np.testing.assert_allclose(acts["rnn"], acts["rnn/state"], atol=1e-6)
    assert np.isnan(acts["rnn/state"][1, 2:]).all()
