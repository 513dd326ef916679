"""Figures of a surveyed unit: how its values are distributed, which labels it prefers."""

from __future__ import annotations

import numpy as np

from layerscope.core.text import shown_name
from layerscope.recordings.survey.datasets import counted_text
from layerscope.recordings.survey.survey import Survey
from layerscope.recordings.survey.value_counts import limits, middles
from layerscope.views.render.bars import Counts, bars_panel
from layerscope.views.render.cards import PictureCard, cards_panel
from layerscope.views.render.colour_scale import number
from layerscope.views.render.panel import Panel

_BINS = 48
_LABELS = 10  #: that are shown, those that the unit prefers most


def histogram_panel(survey: Survey, address: str) -> Panel | None:
    """Return how a unit's values are distributed, zeros apart; None where it has none.

    The survey's bins are put together to bins of equal width, each as a whole.
    """
    place = survey.place(address)
    tally = survey.tallies[place.layer]
    unit = place.unit or 0
    low, high = float(tally.low[unit]), float(tally.high[unit])
    if not low < high:
        return None
    counts = tally.values.counts[unit]
    values = middles(tally.values.first, tally.values.bins)
    zero = values == 0
    some = (counts > 0) & ~zero
    below, above = limits(tally.values.first, tally.values.bins)
    widest = float((np.minimum(above, high) - np.maximum(below, low))[some].max(initial=0))
    # Narrower ones would be empty where the survey's are wider.
    number_of_bins = int(np.clip((high - low) / widest if widest > 0 else 1, 1, _BINS))
    edges = np.linspace(low, high, number_of_bins + 1)
    inside = np.clip(np.searchsorted(edges, values, "right") - 1, 0, number_of_bins - 1)
    weights = counts[some].astype(np.float64)
    bins = np.bincount(inside[some], weights, number_of_bins).astype(np.float64)
    zeros = int(counts[zero].sum())
    counted = Counts("", bins, zeros, int(tally.nonfinite[unit]), int(counts.sum()))
    return bars_panel(
        f"{address}: its values",
        edges,
        [counted],
        address=address,
        logarithmic=True,
        x="value",
        note=f"{counted_text(tally)}, of {tally.samples:,} samples",
        provenance=lambda: survey.provenance,
    )


def preferences(survey: Survey, address: str) -> list[tuple[str, float, int]]:
    """Return the labels with the mean of a unit's values on their samples, and how many these are.

    The one it prefers most comes first.
    """
    place = survey.place(address)
    sums = survey.tallies[place.layer].labels
    if not survey.labels or not sums.samples.any():
        return []
    some = np.flatnonzero(sums.samples)
    means = sums.mean[some, place.unit or 0] / sums.samples[some]
    order = np.argsort(-means, kind="stable")
    return [(survey.labels[some[i]], float(means[i]), int(sums.samples[some[i]])) for i in order]


def labels_panel(survey: Survey, address: str) -> Panel | None:
    """Return a bar for each label, the mean of the unit's values; None where there are none."""
    preferred = preferences(survey, address)
    if not preferred:
        return None
    cards = [
        PictureCard(shown_name(label, 40), number(mean), value=mean)
        for label, mean, _ in preferred[:_LABELS]
    ]
    more = len(preferred) - len(cards)
    return cards_panel(
        f"{address}: mean by label",
        cards,
        address=address,
        note=f"the first {len(cards)} of {len(preferred)} labels" if more > 0 else "",
        provenance=lambda: survey.provenance,
    )
