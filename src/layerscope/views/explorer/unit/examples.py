"""What the unit fired for, over data: samples of a survey, each where it fired most."""

from __future__ import annotations

from layerscope.core.addresses import Place
from layerscope.core.text import shown_name
from layerscope.views.explorer.moment import Moment
from layerscope.views.render.cards import PictureCard, cards_panel
from layerscope.views.render.panel import Panel
from layerscope.views.survey.examples import about, field_words, never_fired
from layerscope.views.survey.gallery import GalleryUnit

TITLE = "What it fired for"
ORDER = 16
OF_SURVEY = True

_GROUPS = {"top": "the strongest", "drawn": "evenly over its quantiles", "weak": "the weakest"}
_COUNTS = {"top": 8, "drawn": 4, "weak": 4}


def panel(moment: Moment, place: Place) -> Panel | None:
    """Return examples of the unit, where there is a survey that has it."""
    known = GalleryUnit.of(moment.gallery, place)
    if known is None:
        return None
    gallery, survey, name = known.gallery, known.gallery.survey, str(place)
    cards, pictures = [], []
    for group, which in enumerate(_GROUPS):
        for picture in gallery.pictures(name, which, _COUNTS[which]):
            pictures.append(picture)
            sample = picture.example.sample
            named = shown_name(sample.label or sample.name)
            cards.append(PictureCard(named, picture.value, picture=picture.pixels, group=group))
    silent = place.unit in survey.never_fired(place.layer)
    words = [never_fired(survey) if silent else about(survey, name), field_words(pictures)]
    return cards_panel(
        f"what {name} fired for",
        [] if silent else cards,
        address=name,
        groups=[] if silent else list(_GROUPS.values()),
        note="; ".join(filter(None, words)),
        extra={"code": moment.line(f"ls.examples(s, {name!r})")},
        provenance=lambda: survey.provenance,
    )
