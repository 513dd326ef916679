"""What a pass leaves of each layer: a few numbers for each sample and unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class SampleFigures:
    """The numbers of one layer, (sample, unit) each; of finite values.

    Where none of a unit's values on a sample is finite, ``count`` is 0, and the others are NaN.
    """

    peak: Array  #: the highest value
    place: Array  #: where it is, counted through the map in the order of ``axes``
    low: Array  #: the lowest value
    mean: Array
    squares: Array  #: the sum of squared distances from the mean
    zeros: Array  #: how many values are exactly 0
    count: Array  #: how many are finite
    some: Array  #: some values of each map, (sample, place, unit)
    axes: tuple[str, ...]  #: of the map, without samples and units
    shape: tuple[int, ...]  #: of the map along these

    @property
    def size(self) -> int:
        """How many values a map has."""
        return int(np.prod(self.shape, dtype=np.int64))

    def places(self) -> npt.NDArray[np.int32]:
        """Return where the highest value is along each axis, (sample, unit, axis)."""
        if not self.shape:
            return np.zeros((*self.peak.shape, 0), np.int32)
        at = np.unravel_index(self.place.astype(np.int64), self.shape)
        return np.stack(at, axis=-1).astype(np.int32)


_PER_SAMPLE = ("peak", "place", "low", "mean", "squares", "zeros", "count", "some")


def joined(parts: list[SampleFigures]) -> SampleFigures:
    """Return the figures of several passes whose maps have one shape."""
    if len(parts) == 1:
        return parts[0]
    kept = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _PER_SAMPLE}
    return SampleFigures(**kept, axes=parts[0].axes, shape=parts[0].shape)
