"""Maps brought to another size: each place of the result lies between places of the map."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def resized(maps: Array, size: tuple[int, ...]) -> Array:
    """Return maps ``(sample, …)`` of another size along the axes after the first, linearly.

    Places are the middles of cells, and what lies beyond the outermost middles goes on as it is
    there, as PyTorch's ``interpolate`` does it.
    """
    result = np.asarray(maps, np.float64)
    for axis, length in enumerate(size, start=1):
        now = result.shape[axis]
        if now == length:
            continue
        places = np.clip((np.arange(length) + 0.5) * now / length - 0.5, 0, now - 1)
        low = np.floor(places).astype(int)
        high = np.minimum(low + 1, now - 1)
        share = (places - low).reshape([-1 if i == axis else 1 for i in range(result.ndim)])
        result = (1 - share) * result.take(low, axis) + share * result.take(high, axis)
    return result
