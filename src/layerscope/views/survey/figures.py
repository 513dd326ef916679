"""Figures of a surveyed unit: how its values are distributed, which labels it prefers."""

from __future__ import annotations

import numpy as np

from layerscope.core.text import shown_name
from layerscope.recordings.survey.datasets import counted_text
from layerscope.recordings.survey.survey import Survey
from layerscope.recordings.survey.unit_facts import even_histogram
from layerscope.views.render.bars import Counts, bars_panel
from layerscope.views.render.cards import PictureCard, cards_panel
from layerscope.views.render.colour_scale import number
from layerscope.views.render.panel import Panel

_LABELS = 10  #: that are shown, those that the unit prefers most


def histogram_panel(survey: Survey, address: str) -> Panel | None:
    """Return how a unit's values are distributed, zeros apart; None where all are the same."""
    place = survey.place(address)
    tally = survey.tallies[place.layer]
    unit = place.unit or 0
    even = even_histogram(tally, unit)
    if not even.low < even.high:
        return None
    counted = Counts(
        "",
        even.counts.astype(np.float64),
        even.zeros,
        int(tally.nonfinite[unit]),
        int(tally.values.counts[unit].sum()),
    )
    return bars_panel(
        f"{address}: its values",
        np.linspace(even.low, even.high, len(even.counts) + 1),
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
