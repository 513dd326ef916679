"""Small pictures of units, and single numbers of them, as they are at a moment."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import UNIT_AXES
from layerscope.recordings.recording import Recording
from layerscope.views.explorer.moment import Moment

_LONGEST = 160  #: of a picture's longer side: more is seen on the unit's page

Array = npt.NDArray[Any]


def picture_of(moment: Moment, layer: str, unit: int) -> Array | None:
    """Return a unit's map, ``(height, width)``, made small; None for a unit of single values.

    ``layer`` may be an input of the network.
    """
    values = unit_values(moment.activations, layer, moment.sample)
    if values is None or unit >= len(values) or values[unit].size < 2:
        return None
    one = values[unit]
    while one.ndim > 2:
        one = one[len(one) // 2]  # of a volume, the slice in the middle
    return small(np.atleast_2d(one))


def small(picture: Array) -> Array:
    """Return a picture whose rows and columns are means of so many that it is small."""
    for axis in (0, 1):
        times = -(-picture.shape[axis] // _LONGEST)
        if times > 1:
            length = picture.shape[axis] // times
            part = picture.take(range(length * times), axis=axis)
            shape = (*part.shape[:axis], length, times, *part.shape[axis + 1 :])
            picture = part.reshape(shape).mean(axis=axis + 1)
    return picture


def unit_values(recording: Recording, layer: str, sample: int) -> Array | None:
    """Return the values of a layer on a sample, ``(unit, …)``; None where units are not numbered.

    ``layer`` may be an input of the network.
    """
    if layer in set(recording):
        array = recording.named(layer)
    elif layer in recording.inputs or len(recording.inputs) == 1:
        array = recording.named(layer if layer in recording.inputs else None)
    else:
        return None
    values, axes = array.values, list(array.axes)
    if "sample" in axes:
        values = values.take(sample, axis=axes.index("sample"))
        axes.remove("sample")
    axis = next((i for i, name in enumerate(axes) if name in UNIT_AXES), None)
    if axis is None or values.dtype.kind not in "fiub":
        return None
    return np.moveaxis(values, axis, 0)
