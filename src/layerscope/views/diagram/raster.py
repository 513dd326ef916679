"""A diagram through Matplotlib: as a PNG, a PDF or a figure."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from layerscope.views.diagram.kinds import colours
from layerscope.views.render import documents
from layerscope.views.render.palette import table
from layerscope.views.render.text import font

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from layerscope.views.render.panel import Panel

_DPI = 100
#: Pixels of a PNG for each of the drawing's own, and how long a picture's side may get: most
#: programs refuse to show pictures of more than 32,767.
_SHARP, _LONGEST = 2.0, 30_000
_PIXELS = 16_000_000  #: more than this are not spent on sharpness


def png(diagram: Panel, metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a PNG file with the metadata as text chunks."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    width, height = diagram.header["size"]
    sharp = max(1.0, min(_SHARP, math.sqrt(_PIXELS / (width * height))))
    zoom = min(sharp * diagram.header.get("enlarged", 1), _LONGEST / max(width, height))
    drawing = _drawn(diagram, None, None, written=False)
    drawing.set_dpi(_DPI * zoom)
    canvas: Any = FigureCanvasAgg(drawing)
    canvas.draw()
    size = canvas.get_width_height()
    image = Image.frombuffer("RGBA", size, canvas.buffer_rgba(), "raw", "RGBA", 0, 1).convert("RGB")
    _write(image, diagram.header, zoom)
    chunks = documents.chunks(metadata)
    file = io.BytesIO()
    dpi = diagram.header.get("dpi")
    more = {"dpi": (dpi, dpi)} if dpi else {}
    image.save(file, "PNG", compress_level=1, compress_type=zlib.Z_RLE, pnginfo=chunks, **more)
    return file.getvalue()


def _write(image: Any, header: Mapping[str, Any], zoom: float) -> None:
    """Put the texts on a picture: with Pillow, which takes a twentieth of Matplotlib's time."""
    from PIL import ImageDraw

    look = colours(header["ground"])
    draw_on = ImageDraw.Draw(image)
    anchors = {"start": "ls", "middle": "ms", "end": "rs"}
    for text in header["texts"]:
        draw_on.text(
            (text["x"] * zoom, text["y"] * zoom),
            text["text"],
            fill=look["soft" if text["style"] == "soft" else "ink"],
            font=font(text["size"] * zoom, bold=text["style"] == "name"),
            anchor=anchors[text["anchor"]],
        )


def figure(panel: Panel, figsize: tuple[float, float] | None, ax: Axes | None) -> Figure:
    """Draw the diagram in a figure of its own size, or in the axes given; return the figure."""
    return _drawn(panel, figsize, ax)


def _drawn(
    diagram: Panel,
    figsize: tuple[float, float] | None,
    ax: Axes | None,
    *,
    written: bool = True,
) -> Figure:
    """Draw all; ``written=False`` leaves out all text."""
    from matplotlib.figure import Figure

    header = diagram.header
    width, height = header["size"]
    look = colours(header["ground"])
    if ax is None:
        drawing = Figure(figsize=figsize or (width / _DPI, height / _DPI), dpi=_DPI)
        drawing.set_facecolor(look["paper"])
        ax = drawing.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal", facecolor=look["paper"])
    ax.set_axis_off()
    _rectangles(ax, header, look)
    _lines(ax, header["lines"], look)
    _polygons(ax, header["polygons"])
    _thumbnails(ax, diagram)
    if not written:
        return ax.get_figure(root=True)  # type: ignore[return-value]
    shrunk = min(ax.get_window_extent().width / width, ax.get_window_extent().height / height)
    _texts(ax, header["texts"], look, shrunk * 72 / ax.get_figure(root=True).dpi)  # type: ignore[union-attr]
    return ax.get_figure(root=True)  # type: ignore[return-value]


def _rectangles(ax: Axes, header: Mapping[str, Any], look: Mapping[str, Any]) -> None:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import FancyBboxPatch, Patch, Rectangle

    patches: list[Patch] = []
    fills, edges = [], []
    for frame in header["frames"]:
        x, y, width, height = frame["box"]
        patches.append(
            FancyBboxPatch((x + 8, y + 8), width - 16, height - 16, boxstyle="round,pad=8")
        )
        fills.append(look["frames"][min(frame["level"], len(look["frames"]) - 1)])
        edges.append(look["frame"])
    for box in header["boxes"]:
        x, y, width, height = box["box"]
        fill, bar = look["kinds"][box["kind"]]
        patches.append(
            FancyBboxPatch((x + 4, y + 4), width - 8, height - 8, boxstyle="round,pad=4")
        )
        patches.append(Rectangle((x, y + 1), 5, height - 2))
        fills += [fill, bar]
        edges += [bar, bar]
    if patches:
        collection = PatchCollection(patches, facecolors=fills, edgecolors=edges, linewidths=0.6)
        # Lines run over frames and under boxes: they never cross one, but end at its edge.
        ax.add_collection(collection, autolim=False).set_zorder(1)


def _lines(ax: Axes, lines: Sequence[Mapping[str, Any]], look: Mapping[str, Any]) -> None:
    from matplotlib.collections import PathCollection, PolyCollection
    from matplotlib.path import Path as Outline

    codes = {"M": [Outline.MOVETO], "L": [Outline.LINETO], "C": [Outline.CURVE4] * 3}
    paths = [
        Outline(
            [point for _, points in line["path"] for point in points],
            [code for letter, _ in line["path"] for code in codes[letter]],
        )
        for line in lines
    ]
    colour = look["line"]
    strokes = PathCollection(paths, facecolors="none", edgecolors=colour, linewidths=0.95)
    ax.add_collection(strokes, autolim=False)
    heads = PolyCollection([line["arrow"] for line in lines if line["arrow"]], facecolors=colour)
    ax.add_collection(heads, autolim=False)


def _polygons(ax: Axes, polygons: Sequence[Mapping[str, Any]]) -> None:
    from matplotlib.collections import PolyCollection

    if polygons:
        ax.add_collection(
            PolyCollection(
                [polygon["points"] for polygon in polygons],
                facecolors=[polygon["fill"] for polygon in polygons],
                edgecolors=[polygon["edge"] for polygon in polygons],
                linewidths=0.6,
            ),
            autolim=False,
        )


def _thumbnails(ax: Axes, diagram: Panel) -> None:
    from matplotlib.image import AxesImage

    header = diagram.header
    for i, tile in enumerate(header["tiles"]):
        x, y, width, height = tile["box"]
        pixels = diagram.pixels(i)
        if pixels.ndim == 2:
            pixels = table(header["palette"], header["ground"])[pixels]
        extent = (x, x + width, y + height, y)
        image = AxesImage(ax, extent=extent, interpolation="nearest", origin="upper", zorder=3)
        image.set_data(pixels)
        ax.add_image(image)


def _texts(
    ax: Axes, texts: Sequence[Mapping[str, Any]], look: Mapping[str, Any], points: float
) -> None:
    align = {"start": "left", "middle": "center", "end": "right"}
    for text in texts:
        ax.text(
            text["x"],
            text["y"],
            text["text"],
            fontsize=text["size"] * points,
            fontfamily="DejaVu Sans",
            fontweight="bold" if text["style"] == "name" else "normal",
            color=look["soft" if text["style"] == "soft" else "ink"],
            ha=align[text["anchor"]],
            va="baseline",
            parse_math=False,
            zorder=4,
        )
