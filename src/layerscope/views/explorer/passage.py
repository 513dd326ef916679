"""``passage``: the network's graph with what each layer returned in its box."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from layerscope.views.diagram import diagram
from layerscope.views.explorer.answers import answers
from layerscope.views.explorer.moment import Moment
from layerscope.views.render.panel import Panel

OVERVIEW = 60  #: boxes at which a network is shown with blocks closed


def passage_panel(
    moment: Moment,
    *,
    depth: int | None = None,
    opened: Iterable[str] = (),
    scale: str = "layer",
    ground: str = "light",
) -> Panel:
    """Return the graph, laid out, with a thumbnail for each layer, and what the network answered.

    ``depth`` is how many levels of blocks to open, and ``opened`` names blocks that are open
    besides; where neither says it, large networks come with their blocks closed.
    """
    recording = moment.activations
    panel = diagram(
        recording.network,
        recording,
        depth=depth,
        expand=tuple(opened),
        collapse=False,
        sample=moment.sample,
        scale=scale,
        ground=ground,
        heading=False,
        overview=OVERVIEW if depth is None else None,
    )
    extra: dict[str, Any] = {
        "answers": [asdict(answer) for answer in answers(recording, moment.sample, moment.classes)],
        "network": list(recording.extent(moment.sample)),
        "code": moment.line(f"ls.diagram(model, acts, sample={moment.sample})"),
    }
    return replace(panel, header={**panel.header, **extra})
