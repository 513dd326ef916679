"""``fate``: when each unit of a layer fired and was silent over the training, in a strip."""

from __future__ import annotations

from layerscope.recordings.fate import THROUGHOUT
from layerscope.recordings.fates import Fates, fate_of_layer
from layerscope.views.explorer.moment import Moment
from layerscope.views.fate import strips_of
from layerscope.views.render.panel import Panel

_TALL = 96  #: pixels: the layer's maps stand below it


def fate_panel(moment: Moment, address: str) -> Panel | None:
    """Return a strip with a row for each unit of a layer, and a column for each step.

    None where there are no steps, where a zero of the layer is no silence, and where all of its
    units fire throughout.
    """
    run = moment.over
    if run is None or address not in run.activations.described or len(run.steps) < 2:
        return None
    layer = fate_of_layer(run.activations, address)
    if layer is None or (layer.fates == THROUGHOUT).all():
        return None
    return strips_of(
        Fates([layer], name=run.network.name, provenance=lambda: run.provenance),
        charts=False,
        tall=_TALL,
        extra={"code": moment.line(f"run.fate().picture({address!r})")},
    )
