"""``layer``: every channel of a layer, to be scaled, ordered and coloured where it is seen."""

from __future__ import annotations

from layerscope.core.text import shown_name
from layerscope.views.explorer.moment import Moment
from layerscope.views.render.panel import Panel
from layerscope.views.render.stack import stack_of, stack_panel


def layer_panel(moment: Moment, address: str) -> Panel:
    """Return all channels of a layer, or of ``"input"``, as a stack.

    Raises
    ------
    AddressError, ViewError
        When there is no such layer, or its values can't be drawn.
    """
    stack = stack_of(moment.activations, address, moment.sample)
    network = moment.activations.network
    known = address in network
    extra = {
        "code": moment.line(f"ls.sheet(acts, {address!r}, sample={moment.sample})"),
        "type": shown_name(network[address].type) if known else "",
        "of_kind": network[address].kind if known else "input",
    }
    return stack_panel(stack, extra=extra, provenance=lambda: moment.activations.provenance)
