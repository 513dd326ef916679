"""``layer``: every channel of a layer, to be scaled, ordered and coloured where it is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from layerscope.core.text import shown_name
from layerscope.recordings.answers import outputs_of
from layerscope.recordings.recording import Recording
from layerscope.views.attention import of_heads
from layerscope.views.explorer.difference import compared_panel
from layerscope.views.explorer.inputs import input_of
from layerscope.views.explorer.moment import Moment
from layerscope.views.explorer.steps import activity
from layerscope.views.render.panel import Panel
from layerscope.views.render.stack import Stack, stack_of, stack_panel, strongest
from layerscope.views.render.table import table_panel

_ROWS = 1000  #: texts that are shown


def layer_panel(
    moment: Moment,
    address: str,
    *,
    side: int | None = None,
    most: int | None = None,
    heads: str = "",
) -> Panel:
    """Return all channels of a layer, or of ``"input"``, as a stack.

    ``header["over_steps"]`` is its range over all steps; the buffer ``activity``, of the shape
    that stands under this name, says how far each channel went at each step; ``header["field"]``
    where the receptive fields of its positions lie on the input (``explorer/fields.py``). Where the
    moment is compared with another, each channel stands beside the other's, with the difference.
    Where there is little room, maps of more rows or columns than ``side`` are averaged, and no more
    than ``most`` are kept, the strongest. ``heads`` makes those of attention one map: ``"mean"``,
    or ``"rollout"`` from the input on. Texts are a table.

    Raises
    ------
    AddressError, ViewError
        When there is no such layer, or its values can't be drawn.
    """
    if _is_text(moment.activations, address):
        return _table(moment, address)
    stack = _stack(moment, address, heads)
    if most is not None:
        stack = strongest(stack, most)
    network = moment.activations.network
    known = address in network
    how = f", heads={heads!r}" if heads else ""
    extra: dict[str, Any] = {
        "code": moment.line(f"ls.sheet(acts, {address!r}, sample={moment.written}{how})"),
        "type": shown_name(network[address].type) if known else "",
        "of_kind": network[address].kind if known else "input",
    }
    extra["over_steps"] = moment.ranges(address)
    extra["input"] = input_of(moment.activations, moment.wiring, address) or ""
    extra["field"] = moment.fields(moment.activations, address, extra["input"]) if known else None
    if len(moment.classes) == len(stack.maps) and address in outputs_of(moment.activations):
        extra["names"] = [shown_name(name) for name in moment.classes]
    if moment.against is not None:
        there = moment.against.moment
        other = _stack(there, moment.against.address(address), heads)
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


def _stack(moment: Moment, address: str, heads: str) -> Stack:
    recording = of_heads(moment.activations, address, heads) if heads else moment.activations
    return stack_of(recording, address, moment.sample)


def _is_text(recording: Recording, address: str) -> bool:
    name = _input_name(recording, address)
    return name is not None and recording.named(name).values.dtype.kind in "OSU"


def _input_name(recording: Recording, address: str) -> str | None:
    """Return the input of this address; None for a layer."""
    if address in recording.inputs:
        return address
    is_input = address == "input" and address not in set(recording) and len(recording.inputs)
    return next(iter(recording.inputs)) if is_input else None


def _table(moment: Moment, address: str) -> Panel:
    """Return an input of texts as a table."""
    array = moment.activations.named(_input_name(moment.activations, address))
    values = array.values
    if "sample" in array.axes:
        values = values.take(moment.sample, axis=array.axes.index("sample"))
    rows = [(str(i), _text(value)) for i, value in enumerate(values.reshape(-1).tolist()[:_ROWS])]
    more = f"the first {_ROWS:,} of {values.size:,}" if values.size > _ROWS else ""
    return table_panel(
        shown_name(address), ("place", "text"), rows, right=("place",), address=address, note=more
    )


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
