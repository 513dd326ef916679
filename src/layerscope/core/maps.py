"""A layer's values as a stack of maps: which axis numbers them, and which show no pattern."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def blank(maps: Array, rectified: bool | None) -> npt.NDArray[np.bool_]:
    """Return which maps are a rectifier's silence: all 0, where no value of the layer is negative.

    The maps of a layer are stacked along the first axis; ``rectified`` is what
    :func:`layerscope.core.silence.rectified` tells of it.
    """
    if rectified is False or (maps < 0).any():
        return np.zeros(len(maps), bool)
    return np.asarray(~maps.reshape(len(maps), math.prod(maps.shape[1:])).any(axis=1))


def constant(maps: Array) -> npt.NDArray[np.bool_]:
    """Return which maps have one finite value throughout, of several; those that are blank, too."""
    flat = maps.reshape(len(maps), math.prod(maps.shape[1:]))
    if flat.shape[1] < 2:
        return np.zeros(len(maps), bool)
    return np.asarray((flat.min(axis=1) == flat.max(axis=1)) & np.isfinite(flat[:, 0]))


def stacked(values: Array, axes: tuple[str, ...]) -> tuple[Array, list[str]]:
    """Return maps ``(n, height, width)`` with their labels, from one sample's values.

    Nothing is dropped: a map for each channel or head; a slice of a volume, and an input of a
    kernel, is a map of its own, labelled ``channel·slice`` or ``channel·input``. Matrices
    ``(position, channel)`` are one map; vectors are a map of one row.
    """
    by = dict(zip(axes, range(len(axes)), strict=True))
    for across, image in _FORMS:
        if set(axes) == {*across, *image}:
            order = [by[name] for name in (*across, *image)]
            return _labelled(values.transpose(order), len(across))
    if values.ndim <= 2:
        ones = (1,) * (3 - values.ndim)
        return _labelled(values.reshape(*ones, *values.shape), 1, single=True)
    # Axes by names of their own: the last numbers the maps, the two before it are the image.
    return _labelled(np.moveaxis(values, -1, 0), values.ndim - 2)


#: Which axes number the maps, and which make up the image, ``(rows, columns)``.
_FORMS: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (("channel",), ("y", "x")),
    (("channel", "z"), ("y", "x")),
    (("channel", "input"), ("y", "x")),
    (("channel", "multiplier"), ("y", "x")),
    (("channel", "input", "z"), ("y", "x")),
    (("channel",), ("position", "input")),
    (("head",), ("query", "key")),
    (("head", "position"), ("query", "key")),
    (("position",), ("query", "key")),
    (("head",), ("position", "channel")),
    (("input",), ("head", "channel")),
]


def _labelled(values: Array, across: int, single: bool = False) -> tuple[Array, list[str]]:
    counts, image = values.shape[:across], values.shape[across:]
    if single:
        return values, [""]
    if math.prod(counts[1:]) == 1:
        labels = [str(i) for i in range(counts[0])]
    else:
        labels = ["·".join(map(str, index)) for index in np.ndindex(*counts)]
    return values.reshape(len(labels), *image), labels
