"""Data that come some at a time, through Keras models: values are those of one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from hypothesis import given, settings
from hypothesis import strategies as st

import layerscope as ls
from cases.amounts import examples
from layerscope.core.errors import InputError

X = np.random.default_rng(0).normal(size=(7, 6, 6, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    stack = [
        layers.Conv2D(3, 3, activation="relu", name="conv"),
        layers.BatchNormalization(name="norm"),
        layers.Flatten(name="flat"),
        layers.Dense(2, name="out"),
    ]
    return keras.Sequential([keras.Input((6, 6, 2)), *stack])


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    def __init__(self, size: int, endless: bool = False) -> None:
        super().__init__()
        self.size, self.endless = size, endless

    @property
    def num_batches(self) -> int | None:
        return None if self.endless else -(-len(X) // self.size)

    def __getitem__(self, number: int) -> Any:
        begin = number * self.size % len(X)
        return X[begin : begin + self.size], np.zeros(len(X[begin : begin + self.size]))


def check(acts: ls.Recording, whole: ls.Recording, count: int | None = None) -> None:
    assert list(acts) == list(whole)
    for address in whole:
        np.testing.assert_allclose(acts[address], whole[address][:count], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(acts.input, whole.input[:count])


@settings(max_examples=examples(4), deadline=None)
@given(size=st.sampled_from([1, 3, 7]), count=st.sampled_from([None, 4]))
def test_values_are_those_of_one_pass(model: Any, size: int, count: int | None) -> None:
    whole = ls.activations(model, X)
    check(ls.activations(model, X, batch_size=size, samples=count), whole, count)
    check(ls.activations(model, Batches(size), samples=count), whole, count)
    batches = (X[begin : begin + size] for begin in range(0, 7, size))
    check(ls.activations(model, batches, samples=count), whole, count)


def test_a_data_set_that_never_ends_needs_a_number(model: Any) -> None:
    with pytest.raises(InputError, match="The Batches never ends: pass samples="):
        ls.activations(model, Batches(3, endless=True))
    acts = ls.activations(model, Batches(7, endless=True), layers="out", samples=15)
    assert acts["out"].shape == (15, 2)


def test_a_tf_data_set(model: Any) -> None:
    tf = pytest.importorskip("tensorflow")
    samples = tf.data.Dataset.from_tensor_slices((X, np.zeros(7)))
    check(ls.activations(model, samples.batch(3)), ls.activations(model, X))
    assert ls.activations(model, samples.batch(3).repeat(), samples=8)["out"].shape == (8, 2)
    with pytest.raises(InputError, match=r"The tf.data.Dataset never ends: pass samples="):
        ls.activations(model, samples.batch(3).repeat())
    with pytest.raises(InputError, match="has shape \\(6, 6, 2\\), one sample's"):
        ls.activations(model, samples)


def test_a_tf_data_set_that_fetches_ahead(model: Any) -> None:
    """As trainings read: shapes that are not known, batches fetched ahead, the last one short."""
    tf = pytest.importorskip("tensorflow")
    whole = ls.activations(model, X)
    spec = tf.TensorSpec(None, tf.float32), tf.TensorSpec(None, tf.int32)
    samples = tf.data.Dataset.from_generator(
        lambda: ((x, i) for i, x in enumerate(X)), output_signature=spec
    )
    ahead = samples.map(lambda x, y: (x * 1.0, y)).batch(3).prefetch(2)
    acts = ls.activations(model, ahead)
    check(acts, whole)  # batches of 3, 3 and 1
    check(ls.activations(model, ahead, samples=4), whole, 4)
    check(ls.activations(model, ahead), whole)  # it can be run through again
    named = tf.data.Dataset.from_tensor_slices({"keras_tensor": X, "label": np.arange(7)})
    assert len(ls.activations(model, named.map(lambda d: d["keras_tensor"]).batch(2))["out"]) == 7
    ragged = tf.data.Dataset.from_generator(
        lambda: (np.ones((n, 2), "float32") for n in (4, 9)),
        output_signature=tf.TensorSpec((None, 2), tf.float32),
    )
    steps = keras.Sequential([keras.Input((None, 2)), keras.layers.Conv1D(3, 3, name="conv")])
    padded = ls.activations(steps, ragged.padded_batch(2))
    assert padded["conv"].shape == (2, 7, 3)
    with pytest.raises(InputError, match="pad"):
        ls.activations(steps, ragged.ragged_batch(2))


def test_a_pytorch_loader(model: Any) -> None:
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.zeros(7))
    loader = torch.utils.data.DataLoader(data, batch_size=3)
    check(ls.activations(model, loader), ls.activations(model, X))


def test_inputs_by_name_beside_what_is_none(model: Any) -> None:
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    two = keras.Model([a, b], keras.layers.Concatenate(name="join")([a, b]))
    parts = {"a": np.ones((4, 2), "float32"), "b": np.zeros((4, 3), "float32")}
    whole = ls.activations(two, parts)
    for batches in (
        [parts | {"labels": np.zeros(4)}],
        [(parts, np.zeros(4))],
        [tuple(parts.values())],
    ):
        check(ls.activations(two, iter(batches)), whole)
    check(ls.activations(two, parts, batch_size=3), whole)


class Normalized(keras.Model):  # type: ignore[misc]
    """A batch norm that its model keeps in training mode, or does not."""

    def __init__(self, training: bool | None) -> None:
        super().__init__()
        self.norm = keras.layers.BatchNormalization(name="norm")
        self.out = keras.layers.Dense(1, name="out")
        self.training = training

    def call(self, x: Any) -> Any:
        return self.out(self.norm(x, training=self.training))


def test_values_that_depend_on_the_batch_are_noted() -> None:
    x = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    model = Normalized(True)
    for size in (None, 2):
        notes = ls.activations(model, x, batch_size=size).notes
        assert [note for note in notes if "depend on which samples" in note] == [
            "norm normalizes by the statistics of the batch: its values, and those after it, "
            "depend on which samples are run together"
        ]
    assert not any("depend on" in note for note in ls.activations(Normalized(None), x).notes)
