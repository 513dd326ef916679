"""Visualizations made by hand: nothing was optimized here."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cases.recordings import named
from layerscope.core.axes import NamedArray
from layerscope.core.network import Layer, Network
from layerscope.recordings.visualization import FeatureVisualization, Grade

IMAGES = ("y", "x", "input", "channel")
UNITS = (3, 42, 57)
STEPS = (0, 9, 18, 20)


def visualization(arrays: Mapping[str, NamedArray], **more: Any) -> FeatureVisualization:
    """Of a network of two convolutions and a dense layer."""
    layers = (Layer("conv", "Conv2D"), Layer("deep", "Conv2D"), Layer("logits", "Dense"))
    return FeatureVisualization(arrays, network=Network("test", "none", layers), **more)


def stripes(count: int = len(UNITS), size: int = 12) -> np.ndarray:
    """Stripes of one hue each, from −1 to 1, ``(y, x, input, channel)``."""
    y, x = np.mgrid[:size, :size] / size
    images = []
    for i in range(count):
        angle = np.pi * i / count
        wave = np.sin(2 * np.pi * 3 * (x * np.cos(angle) + y * np.sin(angle)))
        hue = np.array(colorsys.hsv_to_rgb(i / count, 1, 1))
        images.append((wave[..., None] + 1) * hue - 1)
    return np.stack(images, axis=-1).astype(np.float32)


def coloured(units: Sequence[int] = UNITS, **more: Any) -> FeatureVisualization:
    """Three inputs: an image for each of some units of a layer, with how it came about."""
    names = [f"deep:{unit}" for unit in units]
    history = np.linspace(0.5, 4, 21)[:, None] * np.arange(1, len(units) + 1)
    given: dict[str, Any] = {
        "history": history,
        "images": names,
        "settings": {"recipe": "lucid", "steps": 10, "octaves": 2, "size": (12, 12)},
        "grades": [Grade(name, history[-1, i], history[0, i], 2.5) for i, name in enumerate(names)],
        "input_range": (-1, 1),
        "digest": lambda: {"model": "abc"},
    }
    arrays = {"deep": named(stripes(len(units)), IMAGES, units=tuple(units))}
    return visualization(arrays, **{**given, **more})


def growing(units: Sequence[int] = UNITS) -> FeatureVisualization:
    """The same with intermediate images, from grey to those of ``coloured``."""
    whole = coloured(units)
    shares = np.array(STEPS, np.float32) / STEPS[-1]
    values = shares[:, None, None, None, None] * whole["deep"].values
    array = named(values, ("step", *IMAGES), units=tuple(units), steps=STEPS)
    return visualization(
        {"deep": array},
        history=whole.history,
        images=whole.images,
        grades=whole.grades,
        input_range=(-1, 1),
    )
