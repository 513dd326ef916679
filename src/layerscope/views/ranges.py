"""Ranges that stay the same over the moments of a film, or of a timeline."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.recordings.array_parts import finite_range
from layerscope.views.moments import Moments
from layerscope.views.render import colour_scale
from layerscope.views.render.feature_maps import extent_of
from layerscope.views.render.select_maps import Chosen

if TYPE_CHECKING:
    from layerscope.recordings.run import Run


def limits_of(chosen: Iterable[Chosen]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the smallest and largest finite value of each map over all moments.

    Infinite where a map has none; of kernels in colour one range for all.
    """
    low: npt.NDArray[Any] | None = None
    high: npt.NDArray[Any] | None = None
    for moment in chosen:
        together = moment.colour and not moment.feature
        maps = moment.maps.reshape(1, -1) if together else moment.maps
        flat = maps.reshape(len(maps), -1).astype(np.float64, copy=False)
        finite = np.isfinite(flat)
        least = flat.min(axis=1, where=finite, initial=np.inf)
        most = flat.max(axis=1, where=finite, initial=-np.inf)
        low = least if low is None else np.minimum(low, least)
        high = most if high is None else np.maximum(high, most)
    nothing = np.zeros(0)
    return (nothing, nothing) if low is None or high is None else (low, high)


def extent_over(moments: Moments, scale: colour_scale.Scaling) -> tuple[float, float] | None:
    """Return the range that a scaling takes from whole recordings over all moments; else None.

    Of the network, the smallest and largest finite value of any layer at any moment.
    """
    if scale != "network":
        return extent_of(moments.recording(0)[0], scale, 0)
    ranges = [rec.extent(i) for rec, i in map(moments.recording, range(len(moments)))]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


class StepRanges:
    """The range of each layer over all steps of a training and all of its samples, read once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._known: dict[str, tuple[float, float] | None] = {}

    def __call__(self, address: str) -> tuple[float, float] | None:
        """Return the least and the largest finite value; None of what the steps don't change."""
        if address not in self._known:
            self._known[address] = self._read(address) if address in set(self._run) else None
        return self._known[address]

    def clear(self) -> None:
        """Forget what was read: there are more steps."""
        self._known.clear()

    def _read(self, address: str) -> tuple[float, float] | None:
        least, most = (self._run.statistic(address, name) for name in ("min", "max"))
        if least is None or most is None:
            ranges = [self._of_step(address, at) for at in range(len(self._run.steps))]
            low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        else:
            low = float(np.min(least, where=np.isfinite(least), initial=math.inf))
            high = float(np.max(most, where=np.isfinite(most), initial=-math.inf))
        return (low, high) if low < high else None

    def _of_step(self, address: str, position: int) -> tuple[float, float]:
        array = self._run.part(address, position)
        samples = array.axes.index("sample") if "sample" in array.axes else None
        count = 1 if samples is None else array.values.shape[samples]
        ranges = [finite_range(array, sample) for sample in range(count)]
        return min(low for low, _ in ranges), max(high for _, high in ranges)
