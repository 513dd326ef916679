"""What the unit looks for: an image made so that it fires, where one was made."""

from __future__ import annotations

from layerscope.core.addresses import Place
from layerscope.views.explorer.feature_image import feature_panel
from layerscope.views.explorer.moment import Moment
from layerscope.views.render.panel import Panel

TITLE = "Feature visualization"
ORDER = 15


def panel(moment: Moment, place: Place) -> Panel | None:
    """Return the image that was made for the unit."""
    made = None if place.unit is None else moment.features(str(place))
    return None if made is None else feature_panel(moment, made, str(place))
