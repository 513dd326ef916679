"""The kind ``maps``: tiles of palette indexes or colours in a grid, with a heading above.

``header["tiles"]`` lists the maps: ``box`` is ``[x, y, width, height]`` in the picture's own
pixels, ``shape`` the map's, ``offset`` where its pixels begin in the buffer ``pixels``, ``format``
``"index"`` (a byte per pixel, an index into the palette) or ``"rgb"``; ``label``, ``range`` (the
values of the first and last colour), ``blank`` and ``texts`` (one per pixel, or none). ``lines``,
``legend`` and ``bar`` are the heading, each with its place. ``thinned`` says how many rows and
columns were averaged into one, where there was little room for the panel.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt

from layerscope.views.render import documents
from layerscope.views.render.figure import RASTER, draw
from layerscope.views.render.palette import LEVELS
from layerscope.views.render.png import encode
from layerscope.views.render.thinning import means

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from layerscope.views.render.panel import Panel


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


def thinned(panel: Panel, times: int) -> Panel:
    """Return the panel with ``times`` by ``times`` pixels of each map averaged to one.

    Maps stay where they are, and about as large; cells with values in them stay as they are.
    """
    tiles, parts, offset = [], [], 0
    for number, tile in enumerate(panel.header["tiles"]):
        pixels = panel.pixels(number)
        if not tile["texts"]:
            pixels = _averaged(pixels, times)
        rows, columns = pixels.shape[:2]
        x, y, width, height = tile["box"]
        side = max(1, min(width // columns, height // rows))
        box = [x, y, side * columns, side * rows]
        tiles.append({**tile, "shape": [rows, columns], "offset": offset, "box": box})
        parts.append(pixels.tobytes())
        offset += pixels.size
    words = f"{times} by {times} values of each map are averaged to one: there is no room for all"
    note = "; ".join(filter(None, (panel.header["note"], words)))
    header = {**panel.header, "tiles": tiles, "note": note, "thinned": times}
    return replace(panel, header=header, buffers={**panel.buffers, "pixels": b"".join(parts)})


def _averaged(pixels: npt.NDArray[np.uint8], times: int) -> npt.NDArray[np.uint8]:
    """Return means of colours, or of the indexes that stand for values; else an index of them."""
    if pixels.ndim == 3:
        return np.asarray(np.rint(means(pixels[None], times)[0]), np.uint8)
    counted = pixels < LEVELS
    share = means(counted[None], times)[0]
    total = means(np.where(counted, pixels, 0)[None], times)[0]
    rows, columns = share.shape
    high, wide = (min(times, length) for length in pixels.shape)
    first = pixels[: rows * high : high, : columns * wide : wide]
    averages = np.divide(total, share, out=first.astype(np.float32), where=share > 0)
    return np.asarray(np.rint(averages), np.uint8)


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
