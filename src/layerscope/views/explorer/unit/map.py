"""The unit's map, large, with its values as they are."""

from __future__ import annotations

from dataclasses import replace

from layerscope.core.addresses import Place
from layerscope.views.explorer.moment import Moment
from layerscope.views.render.panel import Panel
from layerscope.views.render.stack import Stack, stack_of, stack_panel

TITLE = "Its map"
ORDER = 10


def panel(moment: Moment, place: Place) -> Panel | None:
    """Return the unit's map with its exact values; None for a layer of single values."""
    stack = stack_of(moment.activations, place.layer, moment.sample)
    if stack.form in ("vector", "colour") or place.unit is None:
        return None
    one = _of_unit(stack, place.unit)
    call = f"ls.sheet(acts, {str(place)!r}, sample={moment.sample})"
    extra = {"code": moment.line(call), "over": "input", "over_steps": moment.ranges(place.layer)}
    return stack_panel(
        one, extra=extra, exact=True, provenance=lambda: moment.activations.provenance
    )


def _of_unit(stack: Stack, unit: int) -> Stack:
    """Return a unit's map, or those of all its slices."""
    labels = list(stack.labels) or [str(i) for i in range(len(stack.maps))]
    rows = [i for i, label in enumerate(labels) if label.partition("·")[0] == str(unit)]
    return replace(
        stack,
        address=f"{stack.address}:{unit}",
        title=f"{stack.address}:{unit}",
        maps=stack.maps[rows],
        labels=[labels[i] for i in rows],
        masked=None if stack.masked is None else stack.masked[rows],
    )
