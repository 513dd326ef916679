"""``layer``: every channel of a layer, to be scaled, ordered and coloured where it is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from layerscope.core.text import shown_name
from layerscope.views.explorer.difference import compared_panel
from layerscope.views.explorer.moment import Moment
from layerscope.views.explorer.steps import activity
from layerscope.views.render.panel import Panel
from layerscope.views.render.stack import stack_of, stack_panel, strongest


def layer_panel(
    moment: Moment, address: str, *, side: int | None = None, most: int | None = None
) -> Panel:
    """Return all channels of a layer, or of ``"input"``, as a stack.

    ``header["over_steps"]`` is its range over all steps; the buffer ``activity``, of the shape
    that stands under this name, says how far each channel went at each step. Where the moment is
    compared with another, each channel stands beside the other's, with the difference.
    Where there is little room, maps of more rows or columns than ``side`` are averaged, and no more
    than ``most`` are kept, the strongest.

    Raises
    ------
    AddressError, ViewError
        When there is no such layer, or its values can't be drawn.
    """
    stack = stack_of(moment.activations, address, moment.sample)
    if most is not None:
        stack = strongest(stack, most)
    network = moment.activations.network
    known = address in network
    extra: dict[str, Any] = {
        "code": moment.line(f"ls.sheet(acts, {address!r}, sample={moment.sample})"),
        "type": shown_name(network[address].type) if known else "",
        "of_kind": network[address].kind if known else "input",
    }
    extra["over_steps"] = moment.ranges(address)
    if moment.against is not None:
        there = moment.against.moment
        other = stack_of(there.activations, moment.against.address(address), there.sample)
        return compared_panel(moment, stack, other, extra=extra)
    panel = stack_panel(
        stack,
        extra=extra,
        side=side,
        provenance=lambda: moment.activations.provenance,
    )
    levels = activity(moment.over, address) if moment.over and stack.form == "maps" else None
    if levels is None or levels.shape[1] != len(stack.maps):
        return panel
    steps = {"activity": list(levels.shape)}
    buffers = {**panel.buffers, "activity": levels.tobytes()}
    return replace(panel, header={**panel.header, **steps}, buffers=buffers)
