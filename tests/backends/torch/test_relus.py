"""Redirected gradients of PyTorch's ReLUs, as modules and as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F
from torch import nn

from layerscope.backends import backend_for, relu_gradient
from layerscope.backends.base import Tap
from layerscope.backends.torch.relus import RedirectedRelus

Array = npt.NDArray[Any]


def in_place(x: Any) -> Any:
    F.relu_(x)  # what it returns is what it was given
    return x


class Calling(nn.Module):  # type: ignore[misc]
    """A module that calls a function between its modules."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.first = nn.Identity()
        self.last = nn.Identity()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.last(self.function(self.first(x) + 0))


RELUS = {
    "module": nn.ReLU(),
    "module in place": nn.ReLU(inplace=True),
    "F": F.relu,
    "torch": torch.relu,
    "method": lambda x: x.relu(),
    "method in place": lambda x: x.relu_(),
    "in place": in_place,
    "by name": lambda x: F.relu(input=x),
    "operator": torch.ops.aten.relu.default,
}
RELUS_UP_TO_6 = {
    "module": nn.ReLU6(),
    "module in place": nn.ReLU6(inplace=True),
    "F": F.relu6,
    "hardtanh": lambda x: F.hardtanh(x, 0, 6),
    "hardtanh by name": lambda x: F.hardtanh(x, min_val=0.0, max_val=6.0, inplace=True),
}


def slope(model: Any, x: Any, sign: float = 1.0, *, redirected: bool = True) -> Array:
    """The gradient of the sum of what the last module returns, times ``sign``."""
    backend, tap = backend_for(model), Tap("last")
    values: Any = backend.values([tap], redirected=redirected)  # type: ignore[attr-defined]
    score: Any = backend.gradient(lambda x: sign * values(x)[tap])  # type: ignore[attr-defined]
    for _ in range(2):  # the first pass may be another than those that follow
        _, gradient = score(torch.tensor(x, dtype=torch.float32))
    return np.asarray(gradient)


@pytest.mark.parametrize("kind", RELUS)
def test_it_goes_on_where_nothing_gets_through(kind: str) -> None:
    model = Calling(RELUS[kind])
    off, one_on = [-1.0, 0.0], [-1.0, 2.0]

    assert slope(model, [off, one_on], redirected=False).tolist() == [[0, 0], [0, 1]]
    # Sample by sample: where one unit is on, another that is off has no slope.
    assert slope(model, [off, one_on]).tolist() == [[1, 1], [0, 1]]
    assert slope(model, [off, one_on], -1).tolist() == [[0, 0], [0, -1]]


@pytest.mark.parametrize("kind", RELUS_UP_TO_6)
def test_it_comes_back_from_a_ceiling(kind: str) -> None:
    model = Calling(RELUS_UP_TO_6[kind])
    inputs = [[7.0, -1.0], [7.0, 8.0], [7.0, 3.0]]

    assert slope(model, inputs, redirected=False).tolist() == [[0, 0], [0, 0], [0, 1]]
    assert slope(model, inputs).tolist() == [[0, 1], [0, 0], [0, 1]]
    assert slope(model, inputs, -1).tolist() == [[-1, 0], [-1, -1], [0, -1]]


def test_other_functions_have_their_gradient() -> None:
    for function in (F.hardtanh, F.leaky_relu, F.silu, torch.tanh):
        model, x = Calling(function), [[-3.0, -2.0], [0.5, 4.0]]
        np.testing.assert_array_equal(slope(model, x), slope(model, x, redirected=False))


def test_values_are_the_same() -> None:
    x = torch.tensor(np.random.default_rng(0).normal(size=(20, 2)) * 5, dtype=torch.float32)
    for relu in (*RELUS.values(), *RELUS_UP_TO_6.values()):
        expected = relu(x.clone())
        with RedirectedRelus():
            assert torch.equal(relu(x.clone()), expected)


@pytest.mark.side_by_side
def test_it_is_the_rule_that_keras_has() -> None:
    keras = pytest.importorskip("keras")
    drawn = np.random.default_rng(0)
    x = drawn.integers(-2, 4, (60, 2, 2)).astype(np.float32)
    gradient = drawn.integers(-1, 2, x.shape).astype(np.float32)

    found = relu_gradient.redirected(torch, torch.tensor(x), torch.tensor(gradient), 3.0)
    tensors = (keras.ops.convert_to_tensor(array) for array in (x, gradient))
    expected = relu_gradient.redirected(keras.ops, *tensors, 3.0)

    np.testing.assert_array_equal(found, keras.ops.convert_to_numpy(expected))


def test_whole_numbers_stay_what_they_are() -> None:
    with RedirectedRelus():
        assert torch.relu(torch.tensor([-1, 2])).tolist() == [0, 2]


def test_a_model_that_differentiates_itself_has_them_too() -> None:
    class Forces(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Identity()

        def forward(self, x: Any) -> Any:
            with torch.enable_grad():
                x = x if x.requires_grad else x.requires_grad_()
                energy = torch.relu(x).square().sum()
                (force,) = torch.autograd.grad(energy, x, create_graph=True)
            return self.last(force)

    assert slope(Forces(), [[1.0, 2.0]]).tolist() == [[2, 2]]
