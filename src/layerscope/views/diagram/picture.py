"""A diagram as a panel: everything placed, in a header that any host can draw as it stands."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.views.render.panel import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN = 16


class Diagram(Panel):
    """A picture of an architecture: an SVG first of all, and a PNG, a PDF or a figure.

    Besides what every panel's header has, this one's lists ``boxes`` (``id``, ``addresses``,
    ``box`` as left, top, width, height, ``kind``, ``about``), ``frames`` (``title``, ``box``,
    ``level``), ``lines`` (``source``, the box whose value it carries; ``path``, as commands ``M``,
    ``L`` and ``C`` with their points; ``arrow``), ``polygons`` (``points``, ``fill``, ``edge``) and
    ``texts`` (``x``, ``y`` of the baseline, ``text``, ``size``, ``style``, ``anchor``, ``width``).
    """

    def svg(self, metadata: Mapping[str, str] | None = None) -> str:
        """The picture as an SVG document."""
        from layerscope.views.diagram.svg import document

        return document(self, metadata or {})

    def png(self, metadata: Mapping[str, str] | None = None) -> bytes:
        """The picture as a PNG file's bytes."""
        from layerscope.views.diagram.raster import png

        return png(self, metadata or {})

    def figure(self, figsize: tuple[float, float] | None = None, ax: Axes | None = None) -> Figure:
        """The picture as a Matplotlib figure, or in axes of yours; ``figsize`` is in inches."""
        from layerscope.views.diagram.raster import draw

        return draw(self, figsize, ax)

    def _save_drawing(self, path: Path, metadata: Mapping[str, str]) -> None:
        if path.suffix.lower() == ".svg":
            path.write_text(self.svg(metadata), encoding="utf-8")
            return
        from layerscope.views.diagram.raster import save_pdf

        save_pdf(self, path, metadata)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"image/svg+xml": self.svg()}


Point = tuple[float, float]
Command = tuple[str, tuple[tuple[float, float], ...]]


def path_of(points: tuple[tuple[float, float], ...], horizontal: bool) -> list[Command]:
    """A line that runs along, and bends where its points change lanes."""
    commands: list[Command] = [("M", (_rounded(points[0]),))]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if abs(y1 - y0 if horizontal else x1 - x0) < 0.5:
            commands.append(("L", (_rounded((x1, y1)),)))
            continue
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        one = (middle[0], y0) if horizontal else (x0, middle[1])
        other = (middle[0], y1) if horizontal else (x1, middle[1])
        commands.append(("C", (_rounded(one), _rounded(other), _rounded((x1, y1)))))
    return commands


def _rounded(point: tuple[float, float]) -> tuple[float, float]:
    return round(point[0], 1), round(point[1], 1)
