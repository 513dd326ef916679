"""Where in the input the unit's value comes from: maps of the input, made as they are asked for."""

from __future__ import annotations

from layerscope.core.addresses import Place
from layerscope.views.attribution import map_pictures
from layerscope.views.explorer.moment import Moment
from layerscope.views.render.cards import PictureCard, cards_panel
from layerscope.views.render.panel import Panel

TITLE = "Where it was seen"
ORDER = 12
ON_REQUEST = True
_SIDE = 160

#: What some maps show, in words.
_WORDS = {
    "grad_cam": "a layer's map of what speaks for it",
    "input_x_gradient": "red speaks for it, blue against it",
    "occlusion": "how much it falls where a part is hidden",
}


def panel(moment: Moment, place: Place) -> Panel | None:
    """Return the maps of the unit over this sample."""
    made = None if place.unit is None else moment.attribution(str(place))
    if made is None:
        return None
    pictures = map_pictures(made, 0, side=_SIDE)
    cards = [PictureCard(method, words, picture=pixels) for method, words, pixels in pictures]
    methods = list(made.methods)
    call = f"ls.sheet(ls.attribute(model, x, {str(place)!r}, {methods!r}), sample={moment.written})"
    words_of_maps = [f"{name}: {_WORDS[name]}" for name in methods if name in _WORDS]
    return cards_panel(
        f"where {place} was seen",
        cards,
        address=str(place),
        note="; ".join([f"of {made.targets[0]}", *words_of_maps]),
        extra={"code": moment.line(call), "large": True},
        provenance=lambda: made.provenance,
    )
