"""``ablate(...).picture()``: what each unit's absence did, the largest effects first."""

from __future__ import annotations

import numpy as np

from layerscope.core.text import shown_name
from layerscope.recordings.ablation import Ablation
from layerscope.views.render.lines import Chart, Line, lines_panel
from layerscope.views.render.panel import Panel

_EFFECT, _BOUND = "#3b6fb6", "#9696a0"
_NAMED = 8  #: units that a note names


def ablation_picture(ablation: Ablation) -> Panel:
    """Draw the change of the metric without each unit, and its interval, largest effects first."""
    order = ablation.order
    ranks = np.arange(1, len(order) + 1, dtype=np.float64)
    share = f"{ablation.confidence:.0%}"
    lines = [
        Line("without the unit", ranks, ablation.effect[order], _EFFECT, reference=0.0),
        Line(f"{share}: from", ranks, ablation.low[order], _BOUND, dashed=True, width=1.0),
        Line(f"{share}: to", ranks, ablation.high[order], _BOUND, dashed=True, width=1.0),
    ]
    first = [f"{ablation.units[i]} ({ablation.effect[i]:+.3g})" for i in order[:_NAMED]]
    beyond = int(((ablation.low > 0) | (ablation.high < 0)).sum())
    return lines_panel(
        f"{shown_name(ablation.layer)} without one unit at a time: change of "
        f"{shown_name(ablation.metric)}, {ablation.intact:.3g} with all",
        [Chart(f"change of {shown_name(ablation.metric)}", lines, reference="no change")],
        x="units, the largest effect first",
        address=ablation.layer,
        notes=[
            f"first: units {', '.join(first)}",
            f"{ablation.samples:,} samples; beyond chance: {beyond} of {len(order)} units",
        ],
        provenance=ablation.provenance,
    )
