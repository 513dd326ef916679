"""What comes of an input that a layer can't take: one sentence, without what Keras adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import layerscope as ls
from layerscope.core.errors import AddressError, InputError

L = keras.layers


def odd_sizes() -> tuple[Any, Any]:
    x = keras.Input((None, None, 1))
    up = L.Conv2DTranspose(2, 2, 2, name="up")(L.MaxPooling2D(name="pool")(x))
    model = keras.Model(x, L.Concatenate(name="skip")([up, x]))
    return model, np.ones((1, 5, 3, 1), np.float32)


class Misfit(keras.Model):
    """Two layers that do not fit together."""

    def __init__(self, inner: Any) -> None:
        super().__init__(name="misfit")
        self.first, self.inner = L.Dense(3, name="first"), inner

    def call(self, x: Any) -> Any:
        return self.inner(self.first(x))


def wrong_units() -> tuple[Any, Any]:
    dense = L.Dense(2, name="dense")
    dense.build((None, 4))
    return Misfit(dense), np.ones((2, 5), np.float32)


def wrong_units_of_a_model() -> tuple[Any, Any]:
    return Misfit(keras.Sequential([keras.Input((4,)), L.Dense(2)], name="inner")), np.ones(
        (2, 5), np.float32
    )


@pytest.mark.parametrize(
    ("make", "layer"),
    [
        (odd_sizes, "'skip' (Concatenate)"),
        (wrong_units, "'dense' (Dense)"),
        (wrong_units_of_a_model, "'inner"),
    ],
)
@pytest.mark.parametrize("built", [True, False])
def test_a_layer_that_cannot_take_its_input(
    make: Callable[[], tuple[Any, Any]], layer: str, built: bool
) -> None:
    model, x = make()
    if built:
        model.built = True
    with pytest.raises(InputError) as raised:
        ls.activations(model, x)
    text = str(raised.value)
    assert text.startswith(layer)
    assert "can't take what it gets: " in text
    assert text.endswith(".")
    assert not any(sign in text for sign in ("\x1b", "\n", "Arguments received", "{{", "[Op"))
    assert keras.config.is_traceback_filtering_enabled()


@pytest.mark.parametrize("where", ["model", "layer", "loop"])
def test_what_somebodys_own_code_raises_stays_what_it_is(where: str) -> None:
    class Own(L.Layer):
        state_size = 3

        def call(self, x: Any, states: Any = None) -> Any:
            raise ZeroDivisionError("midway")

    class Model(keras.Model):
        def call(self, x: Any) -> Any:
            raise ZeroDivisionError("midway")

    models: dict[str, Any] = {
        "model": Model(),
        "layer": keras.Sequential([Own()]),
        "loop": keras.Sequential([L.RNN(Own())]),
    }
    with pytest.raises(ZeroDivisionError) as raised:
        ls.activations(models[where], np.ones((2, 4, 3), np.float32))
    text = str(raised.value)
    assert text.endswith("midway")  # a Sequential says of its own that it was being built
    assert not any(sign in text for sign in ("\x1b", "Arguments received"))


def test_a_batch_that_a_stateful_model_cannot_take() -> None:
    model = keras.Sequential(
        [keras.Input(batch_shape=(4, 3, 2)), L.LSTM(5, stateful=True), L.Dense(1)]
    )
    with pytest.raises(InputError, match=r"it takes batches of 4, as a network that keeps states"):
        ls.activations(model, np.ones((2, 3, 2), np.float32))


@pytest.mark.parametrize("layers", ["lstm/cell", ["head", "lstm/cell"]])
def test_a_layer_that_runs_inside_a_loop(layers: Any) -> None:
    lstm = L.RNN(L.LSTMCell(2, name="cell"), name="lstm")
    model = keras.Sequential([keras.Input((4, 3)), lstm, L.Dense(1, name="head")])
    with pytest.raises(AddressError, match=r"^'lstm/cell' runs inside a loop, and has no one"):
        ls.activations(model, np.ones((2, 4, 3), np.float32), layers=layers)
    with pytest.raises(AddressError, match=r"There is no layer 'lstm/other'"):
        ls.activations(model, np.ones((2, 4, 3), np.float32), layers="lstm/other")


@pytest.mark.parametrize("cell", ["lstm/cell", "lstm/cell:1"])
def test_a_recording_says_of_a_layer_that_it_runs_inside_a_loop(cell: str) -> None:
    lstm = L.RNN(L.LSTMCell(2, name="cell"), name="lstm")
    model = keras.Sequential([keras.Input((4, 3)), lstm, L.Dense(1, name="head")])
    x = np.ones((2, 4, 3), np.float32)
    for acts in (ls.activations(model, x), ls.activations(model, x).at(None)):
        with pytest.raises(AddressError, match=r"^'lstm/cell' runs inside a loop, and has no one"):
            acts[cell]
        assert cell not in acts
    with pytest.raises(AddressError, match=r"There is no layer 'lstm/other'"):
        ls.activations(model, x)["lstm/other"]
