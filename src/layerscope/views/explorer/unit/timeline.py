"""The unit's map at each step of the training, all on one range."""

from __future__ import annotations

import numpy as np

from layerscope.core.addresses import Place
from layerscope.views.explorer.moment import Moment
from layerscope.views.explorer.pictures import small
from layerscope.views.explorer.steps import fate_in_words
from layerscope.views.moments import StepMoments
from layerscope.views.render.cards import PictureCard, cards_panel
from layerscope.views.render.panel import Panel

TITLE = "Its map over the training"
ORDER = 12

_MOST = 60  #: steps that are shown; of more, as many at even distances


def panel(moment: Moment, place: Place) -> Panel | None:
    """Return the unit's map over the recorded steps; None where it has none, or no steps."""
    over = moment.over
    if over is None or not moment.probed or place.layer not in set(over) or len(over.steps) < 2:
        return None
    axes = over.axes(place.layer)
    if place.unit is None or not {"y", "x", "position", "query"} & set(axes):
        return None
    count = len(over.steps)
    shown = sorted({round(i) for i in np.linspace(0, count - 1, min(count, _MOST)).tolist()})
    moments = StepMoments(over, moment.sample, tuple(shown))
    pictures = [
        small(chosen.maps[len(chosen.maps) // 2]) for chosen in moments.chosen(str(place), None)
    ]
    finite = np.concatenate([picture[np.isfinite(picture)] for picture in pictures])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    cards = [
        PictureCard(
            moments.label(i).rpartition(", ")[2], "", {"step": int(over.steps[at])}, picture
        )
        for i, (at, picture) in enumerate(zip(shown, pictures, strict=True))
    ]
    some = "" if len(shown) == count else f"{len(shown)} of {count} steps"
    fate = fate_in_words(over, place.layer, place.unit)
    call = f"ls.timeline(run, {str(place)!r}, sample={moment.written})"
    return cards_panel(
        f"{place} over {moments.span}",
        cards,
        address=str(place),
        note="; ".join(filter(None, (fate, some))),
        limits=(low, high) if high > low else None,
        extra={"code": moment.line(call)},
        provenance=lambda: over.provenance,
    )
