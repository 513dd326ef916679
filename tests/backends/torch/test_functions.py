"""Modules of functions alone: a description, weights and a diagram, as of any other network."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F
from torch import nn

import layerscope as ls
from layerscope.core.errors import ViewError


class Pooled(nn.Module):
    def forward(self, x: Any) -> Any:
        return F.avg_pool2d(torch.cat([x, F.relu(x - 0.5)], 1), 2)


class Around(nn.Module):
    """A module of functions alone around another."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Pooled()

    def forward(self, x: Any) -> Any:
        return torch.tanh(self.inner(x))


class WithWeight(nn.Module):
    """Functions of a parameter that no layer has."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.ones(2, 3, 1, 1))

    def forward(self, x: Any) -> Any:
        return F.relu(F.conv2d(x, self.kernel))


@pytest.mark.parametrize("make", [Pooled, Around, WithWeight])
def test_a_network_of_functions(make: Callable[[], nn.Module], tmp_path: Path) -> None:
    net, x = make(), torch.rand(1, 3, 8, 8)
    acts = ls.activations(net, x)
    assert len(ls.describe(net, x)) >= len(acts) > 0
    assert set(acts) <= {*(row.address for row in ls.describe(net, x)), *acts.aliases}
    for options in ({}, {"collapse": True}, {"style": "horizontal"}, {"depth": 1}):
        path = tmp_path / "picture.svg"
        ls.diagram(net, acts, **options).save(path)
        assert re.search("relu|Pooled|inner", path.read_text())
    weights = ls.weights(net)
    assert list(weights) == list(dict(net.named_parameters()))
    assert weights.provenance["model"]


def test_without_an_input_there_is_nothing_to_describe() -> None:
    network = ls.describe(Pooled())
    assert list(network) == []
    assert any("pass an input to see the functions" in note for note in network.notes)
    with pytest.raises(ViewError, match=r"'Pooled' has no layers: .* pass an input to see the"):
        ls.diagram(Pooled())


def test_activations_of_another_network_are_refused() -> None:
    acts = ls.activations(nn.Sequential(nn.Linear(4, 2)), torch.rand(1, 4))
    with pytest.raises(ViewError, match="which has other parameters than 'Pooled'"):
        ls.diagram(Pooled(), acts)


def test_a_module_that_only_holds_parameters_is_a_box() -> None:
    class Holds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))

        def forward(self, x: Any) -> Any:
            return x

    network = ls.describe(Holds(), torch.rand(1, 2))
    assert [p.key for layer in network for p in layer.parameters] == ["weight"]
    boxes = ls.diagram(network).header["boxes"]
    assert ["output"] in [box["addresses"] for box in boxes]
