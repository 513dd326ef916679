"""A recorder as Keras' ``fit`` calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("zarr")

import keras

from layerscope.core.errors import ModelError
from layerscope.instruments.record.recorder import Recorder
from layerscope.recordings.run import open_run

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def network() -> Any:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, name="hidden")])
    model.compile("sgd", "mse")
    return model


def test_a_fit_of_another_model_is_refused(tmp_path: Path) -> None:
    rec = Recorder(tmp_path / "run.zarr", network(), probe=X, quiet=True)
    with pytest.raises(ModelError, match="was made with another model than the one that is") as e:
        network().fit(X, X, verbose=0, callbacks=[rec])
    assert "\n" not in str(e.value)


def test_a_part_of_the_model_that_is_trained_may_be_recorded(tmp_path: Path) -> None:
    encoder = network()
    whole = keras.Sequential([keras.Input((3,)), encoder, keras.layers.Dense(3)])
    whole.compile("sgd", "mse")
    rec = Recorder(tmp_path / "run.zarr", encoder, probe=X, quiet=True)
    whole.fit(X, X, epochs=2, verbose=0, callbacks=[rec])
    change = open_run(tmp_path / "run.zarr").weights.statistics("hidden/kernel")["change"]
    assert change[1] > 0


@pytest.mark.slow
def test_a_fit_that_stops_before_its_time_says_so(tmp_path: Path) -> None:
    class Stops(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.stop_training = epoch == 1

    def fit(epochs: int) -> Recorder:
        rec = Recorder(tmp_path / "run.zarr", model, probe=X, quiet=True, resume=True)
        model.fit(X, X, epochs=epochs, verbose=0, callbacks=[rec, Stops()])
        return rec

    model = network()
    assert fit(epochs=2).notes == ()  # all that was planned
    assert fit(epochs=1).notes == ()
    said = "the training stopped by itself after epoch 5"  # the second of this fit
    assert fit(epochs=9).notes == (said,)
    run = open_run(tmp_path / "run.zarr")
    assert run.epochs.tolist() == [0, 1, 2, 3, 4, 5]
    assert said in run.notes
