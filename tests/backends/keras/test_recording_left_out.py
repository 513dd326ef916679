"""Models with layers that are never called, or never built, are recorded; what is not is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("zarr")

import keras
from keras import layers as L

import layerscope as ls
from layerscope.core.errors import ModelError

X = np.random.default_rng(0).random((8, 6), np.float32)
Y = np.ones((8, 1), np.float32)

#: What Keras says of such models by itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.build... was called on layer"),
    pytest.mark.filterwarnings("ignore:Gradients do not exist for variables"),
]
ON_TENSORFLOW = keras.config.backend() == "tensorflow"


class Spare(keras.Model):
    """One layer is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.spare, self.o = (
            L.Dense(3, name="a"), L.Dense(4, name="spare"), L.Dense(1, name="o"),
        )  # fmt: skip

    def call(self, x: Any) -> Any:
        return self.o(self.a(x))


class Auxiliary(Spare):
    """The layer has weights, and is called in another way than by a pass."""

    def __init__(self) -> None:
        super().__init__()
        self.spare.build((None, 3))


class WithoutCalling(keras.Model):
    """A layer that holds no weights is used by its ``call``."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.spare, self.o = (
            L.Dense(3, name="a"), L.Rescaling(2.0, name="spare"), L.Dense(1, name="o"),
        )  # fmt: skip

    def call(self, x: Any) -> Any:
        return self.o(self.a(self.spare.call(x)))


class OwnStep(Spare):
    """Its training never calls it as a whole, as that of a VAE."""

    def call(self, x: Any) -> Any:
        return self.o(self.a(x))

    def fit(self, x: Any, y: Any, epochs: int, callbacks: Any, **_: Any) -> None:
        for epoch in range(epochs):
            self.o(self.a(x))
            for callback in callbacks:
                callback.snap(epoch)


def nested() -> Any:
    inner = Spare()
    x = keras.Input((6,))
    return keras.Model(x, L.Dense(1, name="out")(inner(x)))


NOTHING = "not called on the probe, so nothing is recorded of: spare"
MODELS: dict[str, tuple[Callable[[], Any], list[str], str]] = {
    "never built": (Spare, ["a", "o"], NOTHING),
    "an auxiliary head": (
        Auxiliary, ["a", "o"], "not called on the probe, so only weights are recorded of: spare",
    ),
    "used by its call": (WithoutCalling, ["a", "o"], NOTHING),
    "a step of its own": (OwnStep, ["a", "o"], NOTHING),
    "in a part": (
        nested, ["spare/a", "spare", "out"],
        "not called on the probe, so nothing is recorded of: spare/spare",
    ),
}  # fmt: skip


def trained(make: Callable[[], Any], epochs: int, callbacks: list[Any]) -> Any:
    keras.utils.set_random_seed(0)
    model = make()
    model.compile("sgd", "mse")
    callbacks = [callback(model) for callback in callbacks]
    model.fit(X, Y, epochs=epochs, verbose=0, callbacks=callbacks)
    return model, callbacks


@pytest.mark.parametrize("name", MODELS)
def test_the_training_of_a_model_with_a_layer_that_is_not_called(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, called, note = MODELS[name]
    url = tmp_path / "run.zarr"
    keras.utils.clear_session(free_memory=False)
    plain, _ = trained(make, 2, [])
    keras.utils.clear_session(free_memory=False)
    model, (recorder,) = trained(
        make, 2, [lambda model: ls.Recorder(url, model, probe=X[:3], quiet=True)]
    )
    recorder.close()
    run = ls.open_recording(url)
    # A fit is recorded from before its first epoch on; a loop where it says so.
    assert run.steps.tolist() == ([0, 1] if make is OwnStep else [0, 1, 2])
    names = [address.replace("spare_1", "spare") for address in run]
    assert [n.rpartition("/")[2] for n in names] == [n.rpartition("/")[2] for n in called]
    last = list(run)[-1]
    expected = ls.activations(model, X[:3])[last].values
    np.testing.assert_allclose(run.at(None)[last].values, expected, rtol=2e-3, atol=1e-3)
    for mine, theirs in zip(model.weights, plain.weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (mine, theirs)))
    said = note if "/" not in note else note.rpartition("/")[2]
    for notes in (recorder.notes, run.notes, capsys.readouterr().err.splitlines()):
        assert sum("not called on the probe" in text for text in notes) == 1
        assert any(text.rstrip(".").endswith(said) for text in notes)


def test_what_appears_after_the_first_step_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Grows(Spare):
        wide = False

        def call(self, x: Any) -> Any:
            return self.o(self.a(x)) + (self.spare(x)[:, :1] if self.wide else 0)

    model = Grows()
    with ls.Recorder(tmp_path / "run.zarr", model, probe=X, steps=3, quiet=True) as recorder:
        recorder.snap()
        capsys.readouterr()
        model.wide = True
        model.spare.build((None, 6))
        recorder.snap()
        recorder.snap()
        note = "not there at the first step, and so not recorded: spare, spare/bias, spare/kernel"
        assert capsys.readouterr().err == f"layerscope: {note}.\n"
        assert note in recorder.notes
    run = ls.open_recording(tmp_path / "run.zarr")
    assert note in run.notes
    assert list(run) == ["a", "o", "output"]
    assert run.steps.tolist() == [0, 1, 2]


def test_a_model_that_nothing_can_be_run_through(tmp_path: Path) -> None:
    class Parts(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="parts")
            self.encoder = keras.Sequential([keras.Input((6,)), L.Dense(2)], name="encoder")

    sentence = (
        r"^The model 'parts' has no call\(\), so nothing can be run through it: write "
        r"Parts\.call\(\), or pass one of its layers, 'encoder'\.$"
    )
    with pytest.raises(ModelError, match=sentence):
        ls.Recorder(tmp_path / "run.zarr", Parts(), probe=X)
    with pytest.raises(ModelError, match=sentence):
        ls.activations(Parts(), X)


def test_a_recording_of_no_step_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorder = ls.Recorder(tmp_path / "run.zarr", Spare(), probe=X, every=50, quiet=True)
    assert not recorder.snap(3)
    recorder.close()
    recorder.close()
    said = capsys.readouterr().err.splitlines()
    assert sum("nothing was recorded at" in line for line in said) == 1


@pytest.mark.skipif(not ON_TENSORFLOW, reason="only there does a model take texts")
@pytest.mark.combinations
@pytest.mark.parametrize("kind", ["list", "numpy", "tensor", "by name"])
@pytest.mark.parametrize("only", [None, ["emb", "out"]])
def test_a_probe_of_texts(kind: str, only: Any, tmp_path: Path) -> None:
    import tensorflow as tf

    texts = ["one two", "three", "two two three", "four"]
    vectorize = L.TextVectorization(max_tokens=20, output_sequence_length=4, name="vec")
    vectorize.adapt(texts)
    x = keras.Input((), dtype="string", name="text")
    pooled = L.GlobalAveragePooling1D(name="gap")(L.Embedding(20, 3, name="emb")(vectorize(x)))
    out = L.Dense(2, activation="softmax", name="out")(pooled)
    model = keras.Model({"text": x} if kind == "by name" else x, out)
    model.compile("sgd", "sparse_categorical_crossentropy")
    given: dict[str, Any] = {
        "list": texts,
        "numpy": np.array(texts),
        "tensor": tf.constant(texts),
        "by name": {"text": np.array(texts)},
    }
    url = tmp_path / "run.zarr"
    recorder = ls.Recorder(url, model, probe=given[kind], layers=only, dtype="float32", quiet=True)
    data = {"text": tf.constant(texts)} if kind == "by name" else tf.constant(texts)
    model.fit(data, np.array([0, 1, 0, 1]), epochs=2, verbose=0, callbacks=[recorder])
    run = ls.open_recording(url)
    assert run.steps.tolist() == [0, 1, 2]
    assert list(run) == (only or ["vec", "emb", "gap", "out"])
    expected = keras.ops.convert_to_numpy(model(data))
    np.testing.assert_allclose(run.at(2)["out"].values, expected, rtol=1e-5)
    assert run.notes == ("no numbers, and so not kept with the recording: text",)
