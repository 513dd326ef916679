"""The kind ``maps``: tiles of palette indexes or colours in a grid, with a heading above.

``header["tiles"]`` lists the maps: ``box`` is ``[x, y, width, height]`` in the picture's own
pixels, ``shape`` the map's, ``offset`` where its pixels begin in the buffer ``pixels``, ``format``
``"index"`` (a byte per pixel, an index into the palette) or ``"rgb"``; ``label``, ``range`` (the
values of the first and last colour), ``blank`` and ``texts`` (one per pixel, or none). ``lines``,
``legend`` and ``bar`` are the heading, each with its place.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from layerscope.views.render import documents
from layerscope.views.render.figure import RASTER, draw
from layerscope.views.render.png import encode

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from layerscope.views.render.panel import Panel

VECTOR = False


def png(panel: Panel, metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a PNG file with the metadata as text chunks."""
    return encode(panel, metadata)


def svg(panel: Panel, metadata: Mapping[str, str]) -> str:
    """Return the figure as SVG; a large picture as the PNG that it is."""
    if math.prod(panel.header["size"]) > RASTER:
        return _embedded(panel, metadata)
    return documents.svg_of(draw(panel, None, None), metadata)


def figure(panel: Panel, figsize: tuple[float, float] | None, ax: Axes | None) -> Figure:
    """Draw the maps with title, axes and a colour bar."""
    return draw(panel, figsize, ax)


def _embedded(panel: Panel, metadata: Mapping[str, str]) -> str:
    """Return an SVG that shows the picture's PNG, labels included, and holds no other element."""
    width, height = panel.header["size"]
    picture = base64.b64encode(panel.png()).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">\n<title>{escape(panel.header["title"])}</title>\n'
        f"<desc>{escape(documents.about(metadata))}</desc>\n"
        f'<image width="{width}" height="{height}" image-rendering="pixelated" '
        f'href="data:image/png;base64,{picture}"/>\n</svg>\n'
    )
