"""Ranges that stay the same over the moments of a film, or of a timeline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.views.moments import Moments
from layerscope.views.render import colour_scale
from layerscope.views.render.feature_maps import extent_of
from layerscope.views.render.select_maps import Chosen


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
