"""The kinds of panel: each is a module that says how its panels become what people see.

A kind is looked up by the name in a panel's header, and its module is imported when a panel is
first drawn. Packages bring kinds of their own by the entry point group ``layerscope.panels``:
``heatmap = "package.heatmap"``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from layerscope.core.errors import ViewError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from layerscope.views.render.panel import Panel

GROUP = "layerscope.panels"

_MODULES = {
    "maps": "layerscope.views.render.maps",
    "lines": "layerscope.views.render.lines",
    "bars": "layerscope.views.render.bars",
    "table": "layerscope.views.render.table",
    "graph": "layerscope.views.diagram.lowering",
    "stack": "layerscope.views.render.stack",
    "cards": "layerscope.views.render.cards",
    "overlay": "layerscope.views.render.overlay",
    "board": "layerscope.views.render.board",
    "strips": "layerscope.views.render.strips",
}


@runtime_checkable
class PanelKind(Protocol):
    """What a module of a kind has; whatever a header holds, it decides nothing but how to draw."""

    def png(self, panel: Panel, metadata: Mapping[str, str]) -> bytes:
        """Return the bytes of a PNG file, with the metadata in it."""
        ...

    def svg(self, panel: Panel, metadata: Mapping[str, str]) -> str:
        """Return an SVG document, with the metadata in it."""
        ...

    def figure(self, panel: Panel, figsize: tuple[float, float] | None, ax: Axes | None) -> Figure:
        """Draw into the axes given, or into a new Matplotlib figure; return the figure."""
        ...


def check_kind(name: Any) -> None:
    """Raise ViewError where no kind of panel has this name."""
    if name not in _MODULES and name not in _plugged_in():
        names = ", ".join(map(repr, sorted({*_MODULES, *_plugged_in()})))
        raise ViewError(f"There is no kind of panel {name!r}: {names} are known.")


def lowering(name: str) -> PanelKind:
    """Return the kind of panel of this name.

    Raises
    ------
    ViewError
        When there is none, or what a package brings lacks some of what a kind has.
    """
    check_kind(name)
    if name in _MODULES:
        kind: Any = importlib.import_module(_MODULES[name])
    else:
        kind = _plugged_in()[name].load()
    if not isinstance(kind, PanelKind):
        raise ViewError(
            f"The kind of panel {name!r} ({_plugged_in()[name].value}) lacks one of png, svg and "
            "figure."
        )
    return kind


def _plugged_in() -> Mapping[str, Any]:
    """Return the kinds that installed packages bring, by name."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}
