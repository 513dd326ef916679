"""A layer's channels, as a person looks at them: scaling, palettes, order, silence, scrolling."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import layerscope
from cases import page_models
from cases.page_colours import DIVERGING, levels, shows


@functools.cache
def truth(network: str) -> Any:
    """What the network computes on all its samples, in this process."""
    model = getattr(page_models, network)()
    return layerscope.activations(model, page_models.INPUTS[network]())


def maps(network: str, layer: str, sample: int = 0) -> np.ndarray:
    """A layer's maps, ``(n, height, width)``."""
    array = truth(network)[layer].transpose("sample", "channel", "y", "x")
    return array.values[sample].astype(np.float64)


@pytest.mark.parametrize("palette", ["viridis", "diverging"])
@pytest.mark.parametrize(
    ("scale", "shown"),
    [("layer", "each layer"), ("unit", "each map"), ("network", "network"), ("zscore", "z-score")],
)
def test_every_value_has_the_colour_of_its_scaling_and_palette(visit, scale, shown, palette):
    there = visit("digits", "conv2d_1")
    there.choose("Scaling", shown)
    there.choose("Palette", palette)
    extent = truth("digits").extent(0)
    expected = levels(maps("digits", "conv2d_1"), scale, extent, palette in DIVERGING)
    probes = there.probed(there.canvas("conv2d_1"), step=9)
    assert {probe.unit for probe in probes} == set(range(12))
    assert len(probes) > 300
    wrong = [
        probe for probe in probes
        if not shows(probe.colour, expected[probe.unit, probe.y, probe.x], palette)
    ]  # fmt: skip
    assert not wrong, wrong[:5]
