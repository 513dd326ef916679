"""The unit's map, large, and over the input that it is a map of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from layerscope.core.addresses import Place
from layerscope.views.explorer.difference import compared_panel
from layerscope.views.explorer.inputs import input_of, under
from layerscope.views.explorer.moment import Moment
from layerscope.views.explorer.pictures import unit_values
from layerscope.views.render.colour_scale import number
from layerscope.views.render.overlay import overlay_panel
from layerscope.views.render.panel import Panel
from layerscope.views.render.stack import Stack, stack_of, stack_panel

TITLE = "Its map"
ORDER = 10


def panel(moment: Moment, place: Place) -> Panel | None:
    """Return the unit's map with its exact values; the input alone for a unit of single values."""
    if place.unit is None:
        return None
    code = moment.line(f"ls.sheet(acts, {str(place)!r}, sample={moment.written})")
    stack = _of_unit(stack_of(moment.activations, place.layer, moment.sample), place.unit)
    if stack.form == "colour" or not len(stack.maps):
        return None
    extra: dict[str, Any] = {"code": code, "over_steps": moment.ranges(place.layer)}
    if moment.against is not None:
        there = moment.against.moment
        layer = moment.against.address(place.layer)
        other = _of_unit(stack_of(there.activations, layer, there.sample), place.unit)
        return compared_panel(moment, stack, other, extra=extra, exact=True)
    if stack.form in ("volume", "attention"):
        return stack_panel(
            stack,
            extra=extra,
            exact=True,
            provenance=lambda: moment.activations.provenance,
        )
    name = input_of(moment.activations, moment.wiring, place.layer)
    below = None if name is None else under(moment.activations, name, moment.sample)
    if name is not None:
        extra["field"] = moment.fields(moment.activations, place.layer, name)
    extra["flat"] = stack.flat
    alone = stack.form == "vector"
    if alone and below is None:
        return None
    return overlay_panel(
        str(place),
        None if alone else stack.maps[0],
        below,
        address=str(place),
        series=stack.form == "series",
        text=_value(moment, place) if alone else "",
        extra=extra,
        provenance=lambda: moment.activations.provenance,
    )


def _value(moment: Moment, place: Place) -> str:
    values = unit_values(moment.activations, place.layer, moment.sample)
    if values is None or place.unit is None or place.unit >= len(values):
        return ""
    return f"{place} = {number(float(values[place.unit].reshape(-1)[0]))}, on this input"


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
