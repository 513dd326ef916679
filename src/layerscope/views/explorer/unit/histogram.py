"""How the unit's values are distributed, over its map and all samples that were run together."""

from __future__ import annotations

from layerscope.core.addresses import Place
from layerscope.views import histogram as view
from layerscope.views.explorer.moment import Moment
from layerscope.views.render.panel import Panel

TITLE = "Histogram"
ORDER = 40


def panel(moment: Moment, place: Place) -> Panel | None:
    """Return the histogram of the unit's values."""
    axes = moment.activations.axes(place.layer)
    values = [n for axis, n in axes.items() if axis not in ("channel", "unit", "head")]
    count = 1
    for length in values:
        count *= length
    if count < 2:
        return None
    return view.histogram(moment.activations, str(place))
