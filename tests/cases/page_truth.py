"""What the networks of :mod:`cases.page_models` compute, computed in this process."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import layerscope
from cases import page_models


@functools.cache
def truth(network: str) -> Any:
    """The activations of a network on all its samples."""
    model = getattr(page_models, network)()
    return layerscope.activations(model, page_models.INPUTS[network]())


def maps(network: str, layer: str, sample: int = 0) -> np.ndarray:
    """A layer's maps, ``(n, height, width)``."""
    array = truth(network)[layer].transpose("sample", "channel", "y", "x")
    return array.values[sample].astype(np.float64)


def vector(network: str, layer: str, sample: int = 0) -> np.ndarray:
    """The values of a layer that has one for each unit."""
    return truth(network)[layer].values[sample].astype(np.float64)


def near(shown: float, value: float) -> bool:
    """Whether three digits may stand for the value."""
    return abs(shown - value) <= 0.51 * 10 ** (np.floor(np.log10(max(abs(value), 1e-300))) - 2)
