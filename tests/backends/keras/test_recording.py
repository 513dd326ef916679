"""A recorder among the callbacks of Keras' ``fit``: nothing of the training changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("zarr")

import keras
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from cases.amounts import examples
from layerscope.core.errors import InputError
from layerscope.instruments.record.recorder import Recorder
from layerscope.recordings.run import open_run

DATA = np.random.default_rng(0)
X = DATA.random((24, 6, 6, 1), np.float32)
Y = DATA.integers(0, 3, 24)
BATCH, STEPS = 8, 3


def network() -> Any:
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu", name="conv2d"),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(name="flatten"),
            layers.Dropout(0.5, name="dropout"),
            layers.Dense(3, activation="softmax", name="dense"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def state(model: Any) -> list[Any]:
    variables = [*model.variables, *model.optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables]


def fit(model: Any, recorder: Any, epochs: int = 2, **options: Any) -> Any:
    callbacks = [] if recorder is None else [recorder]
    options = {"batch_size": BATCH, "verbose": 0, "shuffle": True, **options}
    return model.fit(X, Y, epochs=epochs, callbacks=callbacks, **options)


@pytest.mark.slow
@settings(max_examples=examples(4))
@given(
    every=st.sampled_from(["epoch", 2, lambda step: step in (1, 4)]),
    seed=st.integers(0, 9),
    validation=st.sampled_from([0.0, 1 / 3]),
)
def test_training_is_bit_identical(
    tmp_path_factory: pytest.TempPathFactory, every: Any, seed: int, validation: float
) -> None:
    def trained(place: Path | None) -> Any:
        keras.utils.set_random_seed(seed)
        model = network()
        recorder = place and Recorder(place, model, probe=X[:3], every=every, quiet=True)
        history = fit(model, recorder, validation_split=validation).history
        assert recorder is None or recorder.closed
        return [*state(model), np.random.rand()], history

    place = tmp_path_factory.mktemp("run") / "run.zarr"
    (plain, history), (watched, _) = trained(None), trained(place)
    for one, other in zip(plain, watched, strict=True):
        np.testing.assert_array_equal(one, other)
    run = open_run(place)
    if every == "epoch":
        assert run.steps.tolist() == run.epochs.tolist() == [0, 1, 2]
        for name, values in history.items():  # nothing of it is known before the training
            np.testing.assert_allclose(run.metrics[name], [np.nan, *values])
        np.testing.assert_allclose(run.metrics["learning_rate"], 1e-2)


def test_steps_are_batches_and_begin_before_the_first(tmp_path: Path) -> None:
    model = network()
    kernel = state(model)[0]
    recorder = Recorder(
        tmp_path / "run.zarr", model, probe=X[:3], every=2, dtype="float32", quiet=True
    )
    fit(model, recorder, epochs=3)
    run = open_run(tmp_path / "run.zarr")
    assert run.steps.tolist() == [0, 2, 4, 6, 8]
    np.testing.assert_allclose(run.epochs, np.array([0, 2, 4, 6, 8]) / STEPS)
    found = run.weights["conv2d/kernel"]
    np.testing.assert_array_equal(found[0], kernel)
    assert all((found[i] != found[i + 1]).any() for i in range(4))  # in the midst of an epoch, too
    assert recorder.plan.startswith("5 steps × 3 samples × ")


@pytest.mark.slow
def test_an_interrupted_fit_leaves_whole_steps_and_can_go_on(tmp_path: Path) -> None:
    class Stops(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    model = network()
    recorder = Recorder(tmp_path / "run.zarr", model, probe=X[:3], quiet=True)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=4, verbose=0, callbacks=[recorder, Stops()])
    recorder.flush()
    assert open_run(tmp_path / "run.zarr").steps.tolist() == [0, 1, 2]
    fit(model, recorder, epochs=2)  # a fit that begins anew goes on after the last step
    assert recorder.closed
    assert open_run(tmp_path / "run.zarr").steps.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match="is closed: a new Recorder with resume=True goes on"):
        fit(model, recorder)
    again = Recorder(tmp_path / "run.zarr", model, probe=X[:3], quiet=True, resume=True)
    fit(model, again, epochs=6, initial_epoch=3)  # the fourth epoch is there already
    run = open_run(tmp_path / "run.zarr")
    assert run.steps.tolist() == run.epochs.tolist() == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_epochs_begin_before_the_training(tmp_path: Path) -> None:
    model = network()
    kernel, options = state(model)[0], {"probe": X[:3], "dtype": "float32", "quiet": True}
    recorder = Recorder(tmp_path / "run.zarr", model, **options)
    fit(model, recorder)
    assert recorder.plan.startswith("3 steps × 3 samples × ")
    run = open_run(tmp_path / "run.zarr")
    found = run.weights["conv2d/kernel"]
    np.testing.assert_array_equal(found[0], kernel)
    assert run.weights.statistics("conv2d/kernel")["change"][1] > 0
    np.testing.assert_array_equal(found[2], state(model)[0])
    # Of a fit that begins later, the first step is what its first epoch began with.
    late = Recorder(tmp_path / "late.zarr", model, **options)
    fit(model, late, epochs=6, initial_epoch=4)
    run = open_run(tmp_path / "late.zarr")
    assert run.steps.tolist() == run.epochs.tolist() == [4, 5, 6]
    np.testing.assert_array_equal(run.weights["conv2d/kernel"][0], found[2])


@pytest.mark.slow
def test_an_earlier_recording_goes_on_as_it_was_numbered(tmp_path: Path) -> None:
    """Its first step, 0, is after the first epoch."""
    model = network()
    with Recorder(tmp_path / "run.zarr", model, probe=X[:3], quiet=True) as recorder:
        recorder.snap(0)
        recorder.snap(1)
    about = tmp_path / "run.zarr" / "about" / "zarr.json"
    document = json.loads(about.read_text())
    del document["attributes"]["schema"]["attrs"]["settings"]["epoch 0"]
    about.write_text(json.dumps(document))
    again = Recorder(tmp_path / "run.zarr", model, probe=X[:3], quiet=True, resume=True)
    fit(model, again, epochs=4, initial_epoch=2)
    assert open_run(tmp_path / "run.zarr").steps.tolist() == [0, 1, 2, 3]
    anew = Recorder(tmp_path / "run.zarr", model, probe=X[:3], quiet=True, resume=True)
    fit(model, anew, epochs=1)
    assert open_run(tmp_path / "run.zarr").steps.tolist() == [0, 1, 2, 3, 4]


def test_a_model_that_is_not_built_waits_for_the_fit(tmp_path: Path) -> None:
    model = keras.Sequential([layers.Flatten(), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    recorder = Recorder(tmp_path / "run.zarr", model, probe=X[:3], quiet=True)
    assert recorder.plan == ""
    assert not model.built
    fit(model, recorder, epochs=2)
    run = open_run(tmp_path / "run.zarr")
    # TensorFlow makes weights with the first batch, but the look before it makes the same ones.
    assert run.steps.tolist() == [0, 1, 2]
    assert run.notes == ()


def test_within_a_block_several_fits_are_one_recording(tmp_path: Path) -> None:
    model = network()
    with Recorder(tmp_path / "run.zarr", model, probe=X[:3], quiet=True) as recorder:
        fit(model, recorder, epochs=1)
        fit(model, recorder, epochs=1)
        assert not recorder.closed
    assert open_run(tmp_path / "run.zarr").steps.tolist() == [0, 1, 2]


def test_keras_needs_no_more_of_a_callback_than_is_there(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run.zarr", network(), probe=X[:3], quiet=True)
    callbacks = [name for name in dir(keras.callbacks.Callback) if name.startswith("on_")]
    assert all(callable(getattr(recorder, name)) for name in [*callbacks, "set_model"])
    assert recorder.async_safe
    by_steps = Recorder(tmp_path / "run.zarr", network(), probe=X[:3], every=3, quiet=True)
    assert not by_steps.async_safe


def test_classes_are_among_the_metrics(tmp_path: Path) -> None:
    model = network()
    recorder = Recorder(
        tmp_path / "run.zarr", model, probe=X[:3], classes=["a", "b", "c"], layers="conv2d",
        quiet=True,
    )  # fmt: skip
    fit(model, recorder, epochs=1)
    run = open_run(tmp_path / "run.zarr")
    assert list(run) == ["conv2d"]
    expected = model.predict(X[:3], verbose=0).mean(axis=0)
    found = [run.metrics[f"P({name})"][-1] for name in "abc"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


class HugeStep(keras.callbacks.Callback):
    """One epoch with a learning rate that is far too large."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.huge = epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = 1e3 if epoch == self.huge else 1e-9


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_the_step_that_killed_the_units_is_named(tmp_path: Path, dtype: str) -> None:
    x = DATA.random((16, 4)).astype(np.float32) + 0.5
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, activation="relu", kernel_initializer="ones", name="hidden"),
            layers.Dense(1, kernel_initializer="ones", name="out"),
        ]
    )
    hidden = model.get_layer("hidden")
    kernel, bias = hidden.get_weights()
    bias[[1, 4]] = -100  # silent from the start, and no gradient reaches them
    hidden.set_weights([kernel, bias])
    model.compile(keras.optimizers.SGD(1e-9), "mse")
    recorder = Recorder(tmp_path / "run", model, probe=x, samples=2, dtype=dtype, quiet=True)
    model.fit(x, np.full(16, -100.0), epochs=6, verbose=0, callbacks=[HugeStep(3), recorder])
    fates = open_run(tmp_path / "run").fate()
    assert list(fates) == ["hidden"]
    died = "fires from the start, died in epoch 4"
    never = "never fired on 16 samples at 7 steps"
    assert [unit.words for unit in fates.units()] == [died, never, died, died, never, died]
    events = fates.events_frame()
    assert events["step"].tolist() == [4] * 4
    assert (events["loss"] == open_run(tmp_path / "run").metrics["loss"][4]).all()


def test_between_the_steps_that_were_recorded_no_death_is_claimed(tmp_path: Path) -> None:
    model = network()
    conv = model.get_layer("conv2d")

    class Kill(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if self.model.optimizer.iterations == 3:
                kernel, bias = conv.get_weights()
                conv.set_weights([kernel, np.where([0, 1, 0, 0], -1000, bias)])

    kernel, bias = conv.get_weights()
    conv.set_weights([np.abs(kernel), bias + 1])
    recorder = Recorder(tmp_path / "run", model, probe=X[:3], every=2, quiet=True)
    callbacks = [Kill(), recorder]
    model.fit(X, Y, epochs=2, batch_size=BATCH, verbose=0, callbacks=callbacks)
    unit = open_run(tmp_path / "run").fate().unit("conv2d:1")
    assert unit.born == "fires"
    assert str(unit.died) == "died between step 2 and step 4 (epoch 0.6667 to 1.333)"
