"""``passage``: the network's graph with what each layer returned in its box."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from layerscope.core.network import Network, Shape, computing
from layerscope.recordings.recording import Recording
from layerscope.views.diagram import Structure, drawn_structure, structure_of
from layerscope.views.diagram.thumbnails import Thumbnails
from layerscope.views.explorer.answers import answers_beside
from layerscope.views.explorer.moment import Moment
from layerscope.views.render.panel import Panel

OVERVIEW = 60  #: boxes at which a network is shown with blocks closed
_KEPT = 32  #: layouts of one network


class PassageLayouts:
    """The layouts of one network's passage: found once, whatever sample or step is shown."""

    def __init__(self) -> None:
        self._layouts: dict[tuple[int | None, tuple[str, ...]], Structure] = {}

    def structure(
        self, recording: Recording, depth: int | None, opened: tuple[str, ...]
    ) -> Structure:
        """Return which boxes and blocks are drawn."""
        key = (depth, opened)
        known = self._layouts.get(key)
        if known is None or _calls(known.network) != _calls(computing(recording.network)[0]):
            overview = OVERVIEW if depth is None else None
            known = structure_of(recording.network, recording, depth, opened, False, overview)
            if len(self._layouts) >= _KEPT:
                self._layouts.clear()
            self._layouts[key] = known
        return known


def _calls(network: Network) -> list[tuple[str, Shape | None]]:
    """Return what a layout depends on, in order: dynamic networks differ from input to input."""
    return [(layer.address, layer.shape) for layer in network]


def passage_panel(
    moment: Moment,
    layouts: PassageLayouts | None = None,
    *,
    depth: int | None = None,
    opened: Iterable[str] = (),
    scale: str = "layer",
) -> Panel:
    """Return the graph, laid out, with a thumbnail for each layer, and what the network answered.

    ``depth`` is how many levels of blocks to open, and ``opened`` names blocks that are open
    besides; where neither says it, large networks come with their blocks closed. ``layouts`` keeps
    what is the same for the next sample. ``scale="steps"`` draws each layer on its range over all
    steps of the training.
    """
    recording = moment.activations
    structure = (layouts or PassageLayouts()).structure(recording, depth, tuple(opened))
    scaled = moment.ranges if scale == "steps" else scale
    thumbnails = Thumbnails(recording, None, moment.sample, scaled, "viridis")
    panel = drawn_structure(structure, thumbnails, heading=False)
    extra: dict[str, Any] = {
        "answers": [asdict(answer) for answer in answers_beside(moment)],
        "against": list(moment.against.names) if moment.against else [],
        "network": list(recording.extent(moment.sample)),
        "code": moment.line(f"ls.diagram(model, acts, sample={moment.sample})"),
    }
    return replace(panel, header={**panel.header, **extra})
