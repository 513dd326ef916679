"""How the unit's values are distributed over data that were surveyed."""

from __future__ import annotations

from dataclasses import replace

from layerscope.core.addresses import Place
from layerscope.views.explorer.moment import Moment
from layerscope.views.render.panel import Panel
from layerscope.views.survey.figures import histogram_panel
from layerscope.views.survey.gallery import GalleryUnit

TITLE = "Its values over the survey"
ORDER = 41
OF_SURVEY = True


def panel(moment: Moment, place: Place) -> Panel | None:
    """Return the histogram of the unit's values, where there is a survey that has it."""
    known = GalleryUnit.of(moment.gallery, place)
    made = None if known is None else histogram_panel(known.gallery.survey, str(place))
    if made is None:
        return None
    code = moment.line(f"s[{str(place)!r}][['histogram', 'bin_low', 'bin_high']]")
    return replace(made, header={**made.header, "code": code})
