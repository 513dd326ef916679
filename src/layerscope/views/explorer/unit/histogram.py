"""How the unit's values are distributed: over its map, or over the samples run with this one."""

from __future__ import annotations

import math
from dataclasses import replace

from layerscope.core.addresses import Place
from layerscope.views import histogram as view
from layerscope.views.explorer.moment import Moment
from layerscope.views.render.panel import Panel

TITLE = "Histogram"
ORDER = 40


def panel(moment: Moment, place: Place) -> Panel | None:
    """Return the histogram of the unit's values; None where there is a single one."""
    axes = moment.activations.axes(place.layer)
    along = [n for axis, n in axes.items() if axis not in ("channel", "unit", "head", "sample")]
    sample = moment.sample if "sample" in axes and math.prod(along) > 1 else None
    if math.prod(along) * (axes.get("sample", 1) if sample is None else 1) < 2:
        return None
    panel = view.histogram(moment.activations, str(place), sample=sample)
    chosen = "" if sample is None else f", sample={moment.written}"
    code = moment.line(f"ls.histogram(acts, {str(place)!r}{chosen})")
    return replace(panel, header={**panel.header, "code": code})
