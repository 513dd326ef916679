"""Recordings made by hand: no framework computes anything here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from layerscope.axes import NamedArray
from layerscope.network import Layer, Network
from layerscope.recording import Recording

MAPS = ("sample", "y", "x", "channel")
VECTOR = ("sample", "unit")
KERNEL = ("y", "x", "input", "channel")


def named(values: Any, axes: tuple[str, ...], **attrs: Any) -> NamedArray:
    """An array with its axes; a list will do."""
    return NamedArray(np.asarray(values), axes, attrs)


def recording(
    arrays: Mapping[str, NamedArray],
    *,
    image: NamedArray | None = None,
    digest: Callable[[], Mapping[str, str]] | None = None,
    **more: Any,
) -> Recording:
    """A recording of a network that is only a name."""
    network = Network("test", "none", tuple(Layer(address, "Any") for address in arrays))
    inputs = {} if image is None else {"input": image}
    return Recording(arrays, network=network, inputs=inputs, digest=digest, **more)


def maps(channels: int, height: int = 5, width: int = 7, samples: int = 2) -> NamedArray:
    """Random maps, the same each time."""
    rng = np.random.default_rng(channels)
    values = rng.normal(size=(samples, height, width, channels)).astype(np.float32)
    return NamedArray(values, MAPS)


def kernel(inputs: int, channels: int, size: int = 3) -> NamedArray:
    """A random convolution kernel."""
    values = np.random.default_rng(inputs).normal(size=(size, size, inputs, channels))
    return NamedArray(values.astype(np.float32), KERNEL)
