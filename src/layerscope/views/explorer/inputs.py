"""The input that a layer's positions lie on, and the input as a picture or as lines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.wiring import Wiring
from layerscope.recordings.recording import Recording
from layerscope.views.render.overlay import Under
from layerscope.views.render.thinning import extremes, means

_MOST_PIXELS = 1_000_000  #: of an input that is sent; of more, means of several
_MOST_POSITIONS = 8192  #: of a series; of more, the least and the largest of several
_CHANNELS = 4  #: of an input that goes along positions

Array = npt.NDArray[Any]


def input_of(recording: Recording, wiring: Wiring, layer: str) -> str | None:
    """Return the name of an input that a layer's values come from, with its positions if any has.

    None where nothing is known of it.
    """
    reached = wiring.reached_inputs(layer) if layer in wiring.layers else set()
    names = [name for name in recording.inputs if name in reached] or list(recording.inputs)
    axes = {} if layer not in set(recording) else recording.axes(layer)
    for space in ({"y", "x"}, {"position"}):
        if space <= set(axes):
            return next((n for n in names if space <= set(recording.axes(n))), None)
    pictures = [name for name in names if {"y", "x"} <= set(recording.axes(name))]
    return next(iter([*pictures, *names]), None)


def under(recording: Recording, name: str, sample: int) -> Under | None:
    """Return an input as a picture, or along positions; None where it is neither."""
    array = recording.named(name)
    values, axes = _of_sample(array, sample)
    if values.dtype.kind not in "fiub" or not values.size:
        return None
    sizes = dict(zip(axes, values.shape, strict=True))
    if {"y", "x"} <= set(axes) and set(axes) <= {"y", "x", "channel"}:
        if sizes["y"] == 1 and sizes["x"] > 1 and values.dtype.kind == "f":  # a line, no picture
            return _along(name, values.take(0, axis=axes.index("y")), axes, "x")
        return Under(name, _image(values, axes), of=(sizes["y"], sizes["x"]))
    if values.dtype.kind != "f":
        return None  # indexes, such as those of words: they lie along nothing
    if set(axes) in ({"position"}, {"position", "channel"}, {"unit"}):
        across = next(axis for axis in ("position", "unit") if axis in axes)
        if sizes[across] > 1:
            return _along(name, values, axes, across)
    return None


def _along(name: str, values: Array, axes: list[str], across: str) -> Under:
    """Return values along an axis, a row for each channel; other axes than the two are gone."""
    left = [axis for axis in axes if axis in ("channel", across)]
    rows = np.atleast_2d(np.moveaxis(values, left.index(across), -1))[:_CHANNELS]
    thin = extremes(rows.astype(np.float32), _MOST_POSITIONS)
    return Under(name, thin, series=True, of=(len(rows), rows.shape[1]))


def _of_sample(array: NamedArray, sample: int) -> tuple[Array, list[str]]:
    axes = list(array.axes)
    values = array.values
    if "sample" in axes:
        values = values.take(sample, axis=axes.index("sample"))
        axes.remove("sample")
    return values, axes


def _image(values: Array, axes: list[str]) -> Array:
    """Return ``(y, x)``, or ``(y, x, 3)`` where there are colours."""
    if "channel" not in axes:
        return _thinned(values.transpose([axes.index("y"), axes.index("x")]))
    image = values.transpose([axes.index(axis) for axis in ("y", "x", "channel")])
    if image.shape[2] in (3, 4):
        return _thinned(image[:, :, :3])
    return _thinned(image[:, :, 0] if image.shape[2] == 1 else image.mean(axis=2))


def _thinned(image: Array) -> Array:
    times = math.ceil(math.sqrt(image.shape[0] * image.shape[1] / _MOST_PIXELS))
    return image if times <= 1 else means(image[None], times)[0]
