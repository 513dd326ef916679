"""What a page tells of single units: which label one prefers, and its histogram on even bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.recordings.survey.layer_tally import LayerTally
from layerscope.recordings.survey.value_counts import limits

Array = npt.NDArray[Any]

NO_LABEL = -1


@dataclass(frozen=True, slots=True)
class Preference:
    """The label of which a unit's mean is highest, and by how much it is."""

    label: npt.NDArray[np.int64]  #: (unit,): its number; NO_LABEL where no label is preferred
    share: npt.NDArray[np.float64]  #: (unit,): of the sum over labels, counted from the lowest


def label_means(tally: LayerTally) -> Array:
    """Return the mean of each unit on the samples of each label, (label, unit); NaN for none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(tally.labels.mean / tally.labels.samples[:, None])


def preference(tally: LayerTally) -> Preference:
    """Return which label each unit prefers; a unit that answers to all alike prefers none."""
    means = label_means(tally)
    known = means[tally.labels.samples > 0]
    none = np.full(tally.units, NO_LABEL, np.int64)
    if len(known) < 2:
        return Preference(none, np.zeros(tally.units))
    above = known - np.minimum(known.min(axis=0), 0)  # rectified units are counted from zero
    total = above.sum(axis=0)
    numbers = np.flatnonzero(tally.labels.samples > 0)
    differs = (known.max(axis=0) > known.min(axis=0)) & np.isfinite(total) & (total > 0)
    best = numbers[np.nan_to_num(above).argmax(axis=0)]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(differs, above.max(axis=0) / total, 0.0)
    return Preference(np.where(differs, best, NO_LABEL), share)


@dataclass(frozen=True, slots=True)
class EvenHistogram:
    """How many values of a unit lie in bins of one width, those that are exactly 0 apart."""

    low: float
    high: float
    counts: npt.NDArray[np.int64]
    zeros: int


def even_histogram(tally: LayerTally, unit: int, bins: int = 40) -> EvenHistogram:
    """Return a unit's histogram on even bins from its lowest value to its highest."""
    low, high = float(tally.low[unit]), float(tally.high[unit])
    counted = tally.values.counts[unit].astype(np.float64)
    begins, ends = limits(tally.values.first, tally.values.bins)
    is_zero = (begins == 0) & (ends == 0)
    zeros = int(counted[is_zero].sum())
    counts = np.zeros(bins, np.int64)
    if not np.isfinite(low) or not np.isfinite(high) or high <= low:
        return EvenHistogram(low, high, counts, zeros)
    # Within one of its bins the survey does not know where values are: they are spread evenly.
    begins, ends = (np.clip(edges, low, high)[~is_zero] for edges in (begins, ends))
    below = np.append(0, np.cumsum(counted[~is_zero]))
    edges = np.append(begins[:1], ends)
    even = np.interp(np.linspace(low, high, bins + 1), edges, below)
    even[0], even[-1] = 0, below[-1]
    return EvenHistogram(low, high, np.diff(np.rint(even)).astype(np.int64), zeros)
