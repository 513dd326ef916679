"""Recordings made by hand: no framework computes anything here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from layerscope.core.axes import NamedArray
from layerscope.core.network import Layer, Network, Parameter
from layerscope.recordings.recording import Recording

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


def weights(layers: Mapping[str, Mapping[str, NamedArray]]) -> Recording:
    """A recording of parameters, by the addresses of their layers and then their keys."""
    arrays = {key: array for own in layers.values() for key, array in own.items()}
    described = tuple(
        Layer(address, "Any", parameters=tuple(_parameter(*item) for item in own.items()))
        for address, own in layers.items()
    )
    return Recording(arrays, network=Network("test", "none", described))


def _parameter(key: str, array: NamedArray) -> Parameter:
    values = array.values
    return Parameter(key, values.shape, str(values.dtype), True, values.ndim == 1, values.nbytes)


def maps(channels: int, height: int = 5, width: int = 7, samples: int = 2) -> NamedArray:
    """Random maps, the same each time."""
    rng = np.random.default_rng(channels)
    values = rng.normal(size=(samples, height, width, channels)).astype(np.float32)
    return NamedArray(values, MAPS)


def kernel(inputs: int, channels: int, size: int = 3) -> NamedArray:
    """A random convolution kernel."""
    values = np.random.default_rng(inputs).normal(size=(size, size, inputs, channels))
    return NamedArray(values.astype(np.float32), KERNEL)
