"""Data that come some at a time, through PyTorch modules: values are those of one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import layerscope as ls
from cases.amounts import examples
from layerscope.core.errors import InputError
from layerscope.instruments.passes import Passes


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(48, 2)
    )


X = np.random.default_rng(0).normal(size=(7, 2, 6, 6)).astype(np.float32)


def check(acts: ls.Recording, whole: ls.Recording, count: int | None = None) -> None:
    assert list(acts) == list(whole)
    for address in whole:
        assert acts[address].dims == whole[address].dims
        np.testing.assert_allclose(acts[address], whole[address][:count], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(acts.input, whole.input[:count])


@settings(max_examples=examples(8))
@given(size=st.integers(1, 8), count=st.none() | st.integers(1, 8))
def test_values_are_those_of_one_pass(model: Any, size: int, count: int | None) -> None:
    whole = ls.activations(model, X)
    check(ls.activations(model, X, batch_size=size, samples=count), whole, count)
    loader = DataLoader(TensorDataset(torch.from_numpy(X), torch.zeros(7)), batch_size=size)
    check(ls.activations(model, loader, samples=count), whole, count)
    batches = (X[begin : begin + size] for begin in range(0, 7, size))
    check(ls.activations(model, batches, samples=count), whole, count)


def test_a_data_set_without_a_loader_is_named(model: Any) -> None:
    with pytest.raises(InputError) as caught:
        ls.activations(model, TensorDataset(torch.from_numpy(X)))
    assert str(caught.value) == (
        "x is a TensorDataset, which holds single samples: pass "
        "torch.utils.data.DataLoader(x, batch_size=32)."
    )


def test_arguments_by_name_and_flags_stay_with_each_batch() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, x: Any, scale: Any, negate: bool = False) -> Any:
            return self.linear(x) * (-scale if negate else scale)

    module = Scaled()
    x, scale = np.ones((5, 3), np.float32), np.arange(5, dtype=np.float32)[:, None]
    arguments = {"x": x, "scale": scale, "negate": True}
    check_output = ls.activations(module, arguments, layers=-1)
    acts = ls.activations(module, arguments, layers=-1, batch_size=2)
    for address in acts:
        np.testing.assert_allclose(acts[address], check_output[address], rtol=1e-6)


@pytest.mark.parametrize(
    "norm",
    [
        pytest.param(lambda: nn.BatchNorm1d(3, track_running_stats=False), id="no statistics"),
        pytest.param(lambda: InTraining(), id="in training mode"),
    ],
)
def test_values_that_depend_on_the_batch_are_noted(norm: Any) -> None:
    module = nn.Sequential(nn.Linear(3, 3), norm(), nn.Linear(3, 1))
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    for _ in range(2):  # watched, and replayed
        for size in (None, 3):
            notes = ls.activations(module, x, batch_size=size).notes
            assert [note for note in notes if "depend on which samples" in note] == [
                "1 normalizes by the statistics of the batch: its values, and those after it, "
                "depend on which samples are run together"
            ]


class InTraining(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("var", torch.ones(3))

    def forward(self, x: Any) -> Any:
        return nn.functional.batch_norm(x, self.mean, self.var, training=True)


def test_usual_batch_norm_is_not_noted(model: Any) -> None:
    assert not any("depend on" in note for note in ls.activations(model, X).notes)


class Growing(nn.Module):
    """Another layer is called where the values are large."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))
        self.more = nn.Linear(3, 3)
        self.last = nn.Sequential(nn.Linear(3, 2), nn.Sigmoid())

    def forward(self, x):
        y = self.block(x)
        return self.last(self.more(y) if x.max() > 5 else y)


@pytest.mark.parametrize("layers", [-1, [-2], slice(-3, None), [-1, "block"]], ids=str)
@pytest.mark.parametrize("large", [(), (1, 2), (0, 3)], ids=str)
def test_layers_counted_from_the_end_are_those_of_each_batch(layers, large):
    module, x = Growing().eval(), np.random.default_rng(0).random((8, 3), np.float32)
    for batch in large:
        x[2 * batch] = 9
    passes = Passes.on(module, x, layers, batch_size=2)
    counted = [passes.record(prepared) for prepared in passes.inputs()]
    for begin, acts in zip(range(0, 8, 2), counted, strict=True):
        expected = ls.activations(module, x[begin : begin + 2], layers)
        assert list(acts) == list(expected)
        assert [layer.address for layer in acts.network] == [
            layer.address for layer in expected.network
        ]
        for address in expected:
            np.testing.assert_array_equal(acts[address].values, expected[address].values)
