"""A layer's tally as an ``xarray.Dataset``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from layerscope.recordings.survey.layer_tally import LayerTally
from layerscope.recordings.survey.ranking import NOBODY, Ranking
from layerscope.recordings.survey.value_counts import limits

if TYPE_CHECKING:
    import xarray as xr

#: Which quantiles stand in a dataset.
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def dataset_of(tally: LayerTally, labels: Sequence[str], top: int) -> xr.Dataset:
    """Return what is known of a layer's units, as a Survey's docstring says."""
    import xarray as xr

    with np.errstate(invalid="ignore", divide="ignore"):
        figures = {
            "count": tally.counted,
            "mean": tally.mean,
            "std": np.sqrt(tally.squares / tally.counted),
            "min": tally.low,
            "max": tally.high,
            "zeros": tally.zeros / tally.counted,
            "silent": tally.silent / tally.samples,
            "nonfinite": tally.nonfinite,
        }
        by_label = {
            "label_mean": tally.labels.mean / tally.labels.samples[:, None],
            "label_peak": tally.labels.peak / tally.labels.samples[:, None],
        }
    variables: dict[str, Any] = {name: ("unit", values) for name, values in figures.items()}
    for name, ranking in (
        ("top", tally.top), ("weak", tally.weak), ("drawn", tally.drawn.spread(top)),
    ):  # fmt: skip
        ranked = padded(ranking, top)
        variables[f"{name}_value"] = ("unit", "rank"), ranked.values
        variables[f"{name}_sample"] = ("unit", "rank"), ranked.samples
        for i, axis in enumerate(tally.axes):
            variables[f"{name}_{axis}"] = ("unit", "rank"), ranked.places[:, :, i]
    quantiles = tally.values.quantile(np.array(QUANTILES))
    variables["quantile"] = (
        ("unit", "q"),
        np.clip(quantiles, tally.low[:, None], tally.high[:, None]),
    )
    variables["histogram"] = ("unit", "bin"), tally.values.counts
    low, high = limits(tally.values.first, tally.values.bins)
    coordinates: dict[str, Any] = {
        "unit": np.arange(tally.units),
        "rank": np.arange(top),
        "q": np.array(QUANTILES),
        "bin_low": ("bin", low),
        "bin_high": ("bin", high),
    }
    if labels:
        variables["label_mean"] = ("label", "unit"), by_label["label_mean"]
        variables["label_peak"] = ("label", "unit"), by_label["label_peak"]
        coordinates["label"] = list(labels)
        coordinates["label_samples"] = "label", tally.labels.samples
    attributes = {
        "samples": tally.samples,
        "map": dict(zip(tally.axes, tally.shape, strict=True)),
        "histogram": counted_text(tally),
    }
    return xr.Dataset(variables, coordinates, attributes)


def counted_text(tally: LayerTally) -> str:
    """Return which values a histogram counts."""
    size = int(np.prod(tally.shape, dtype=np.int64))
    most = int(tally.values.counts.sum(axis=1).max(initial=0))
    if most >= tally.counted.max(initial=0):
        return "of all values"
    each = most / max(tally.samples, 1)
    return f"of {each:.3g} of the {size} values of each map, at other places for each sample"


def padded(ranking: Ranking, ranks: int) -> Ranking:
    """Return a ranking with exactly so many ranks; those without a sample hold NaN and -1."""
    units, have, axes = ranking.places.shape
    values = np.full((units, ranks), np.nan, ranking.values.dtype)
    samples = np.full((units, ranks), NOBODY, np.int64)
    places = np.full((units, ranks, axes), -1, np.int32)
    have = min(have, ranks)
    there = ranking.samples[:, :have] != NOBODY
    values[:, :have] = np.where(there, ranking.values[:, :have], np.nan)
    samples[:, :have] = ranking.samples[:, :have]
    places[:, :have] = np.where(there[:, :, None], ranking.places[:, :have], -1)
    return Ranking(values, samples, places, ranking.strongest)
