"""Values that are reduced as layers return them: what the same reduction gives of kept values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import layerscope as ls
from layerscope.backends import backend_for
from layerscope.backends.reducing import NumpyOps, reduced
from layerscope.instruments.survey.reduction import Reduction

SAMPLES = 3


class Net(nn.Module):
    """Overwrites values, hands one on, adds, and attends."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.relu = nn.ReLU(inplace=True)
        self.block = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(inplace=True))
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.conv(x))
        y = (y + self.block(y)).flatten(2).transpose(1, 2)
        y, _ = self.attention(y, y, y)
        return self.head(y.mean(dim=1))


def test_what_is_reduced_at_once_is_what_is_made_of_kept_values() -> None:
    torch.manual_seed(0)
    model = Net().eval()
    backend = backend_for(model)
    x = np.random.default_rng(0).standard_normal((SAMPLES, 2, 7, 6)).astype(np.float32)
    offsets = np.arange(SAMPLES, dtype=np.int32) * 7
    for layers in (None, ["conv", "relu", "block", "head"]):
        selection = backend.select(layers)
        whole = backend.run(x, selection)
        for _ in range(3):  # watched, and along the plan of the pass before
            got = reduced(backend, x, selection, Reduction(), offsets)
            assert list(got.values) == list(whole.values)
            for address, array in whole.values.items():
                wanted = Reduction()(NumpyOps, array.values, array.axes, offsets)
                assert (got.axes[address], got.shapes[address]) == (array.axes, array.values.shape)
                assert wanted is not None
                for name, figures in wanted.items():
                    np.testing.assert_array_equal(got.values[address][name], figures, name)


def test_a_value_is_reduced_before_it_is_overwritten_and_not_copied() -> None:
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(inplace=True)).eval()
    backend = backend_for(model)
    x = np.random.default_rng(0).standard_normal((2, 1, 16, 16)).astype(np.float32)
    selection, offsets = backend.select(None), np.arange(2, dtype=np.int32)
    memory: list[int] = []

    def reduction(ops: Any, value: Any, axes: Any, offsets: Any) -> dict[str, Any]:
        memory.append(value.__array_interface__["data"][0])
        return {"low": value.min(axis=(2, 3))}

    for _ in range(2):
        memory.clear()
        got = reduced(backend, x, selection, reduction, offsets)
        assert got.values["0"]["low"].max() < 0
        assert got.values["1"]["low"].min() == 0
    assert memory[0] == memory[1]  # where the rectifier has written to


class Overwriting(nn.Module):
    """Overwrites vectors and maps of so few places that all of them are kept for the histogram."""

    def __init__(self) -> None:
        super().__init__()
        self.vectors, self.maps = nn.Linear(5, 6), nn.Conv1d(1, 3, 3)
        self.relu, self.head = nn.ReLU(inplace=True), nn.Linear(12, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.vectors(x))
        return self.head(self.relu(self.maps(y[:, None])).flatten(1))


def test_what_is_handed_on_as_it_is_is_not_overwritten_later() -> None:
    torch.manual_seed(0)
    model, x = Overwriting().eval(), torch.randn(9, 5)
    backend, offsets = backend_for(model), np.arange(9, dtype=np.int32)
    selection = backend.select(None)
    whole = backend.run(x, selection)
    assert (whole.values["vectors"].values < 0).any()
    for _ in range(3):  # watched, and along the plan of the pass before
        got = reduced(backend, x, selection, Reduction(), offsets)
        for address, array in whole.values.items():
            wanted = Reduction()(NumpyOps, array.values, array.axes, offsets)
            assert wanted is not None
            for name, figures in wanted.items():
                np.testing.assert_array_equal(got.values[address][name], figures, name)


class Windowed(nn.Module):
    """Attention in windows puts those of all samples one after the other."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.stem, self.inside = nn.Linear(3, 4), nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, side = len(x), self.side
        maps = self.stem(x).view(n, 2, side, 2, side, 4)
        windows = self.inside(maps.transpose(2, 3).reshape(n * 4, side * side, 4))
        return self.head(windows.view(n, 4 * side * side, 4).mean(1))


@pytest.mark.parametrize("side", [2, 5])
def test_rows_that_are_not_samples_are_left_out_and_told(side: int) -> None:
    """Of 25 places in a window some are drawn for the histogram, of 4 all are taken."""
    x = torch.randn(6, 2 * side, 2 * side, 3)
    survey = ls.survey(Windowed(side).eval(), x, progress=False, batch_size=4)
    assert set(survey) >= {"stem", "head"}
    assert "inside" not in survey
    assert any("no number for each sample: 'inside'" in note for note in survey.notes)
