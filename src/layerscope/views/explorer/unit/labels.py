"""Which labels the unit prefers, over data that were surveyed."""

from __future__ import annotations

from dataclasses import replace

from layerscope.core.addresses import Place
from layerscope.views.explorer.moment import Moment
from layerscope.views.render.panel import Panel
from layerscope.views.survey.figures import labels_panel
from layerscope.views.survey.gallery import GalleryUnit

TITLE = "Which labels it prefers"
ORDER = 42
OF_SURVEY = True


def panel(moment: Moment, place: Place) -> Panel | None:
    """Return the unit's mean on the samples of each label, where a survey with labels has it."""
    known = GalleryUnit.of(moment.gallery, place)
    made = None if known is None else labels_panel(known.gallery.survey, str(place))
    if made is None:
        return None
    code = moment.line(f"s[{str(place)!r}]['label_mean'].to_series().sort_values(ascending=False)")
    return replace(made, header={**made.header, "code": code})
