"""Which units of a recording were silent at which step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from layerscope.core.silence import rectified

if TYPE_CHECKING:
    from layerscope.recordings.run import Run

Silences = npt.NDArray[np.bool_]


def silent_units(run: Run, address: str) -> Silences | None:
    """Return which units are 0 on the whole probe, ``(step, unit)``.

    None of a layer whose zeros are values like others, or of which too little was recorded.
    """
    low, high = run.statistic(address, "min"), run.statistic(address, "max")
    is_rectified = rectified(run.network, address)
    if low is None or high is None or low.ndim != 2 or low.shape != high.shape:
        return None
    if is_rectified is False or (low < 0).any():
        return None
    silent: Silences = np.asarray((low == 0) & (high == 0))
    zeros = run.statistic(address, "zeros")
    # A least and a largest value are kept as float32: of float64 the smallest become 0.
    return silent if zeros is None or zeros.shape != low.shape else silent & (zeros == 1)


def known_units(run: Run, address: str) -> npt.NDArray[np.bool_] | None:
    """Return of which units at which step the least and the largest value are numbers.

    They are not where nothing was recorded, nor where a value was NaN.
    """
    low, high = run.statistic(address, "min"), run.statistic(address, "max")
    if low is None or high is None or low.shape != high.shape:
        return None
    return np.asarray(~(np.isnan(low) | np.isnan(high)))
