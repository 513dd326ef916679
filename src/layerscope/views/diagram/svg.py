"""A diagram as an SVG document."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from layerscope.core.text import printable
from layerscope.views.diagram.kinds import colours
from layerscope.views.render import documents
from layerscope.views.render.palette import table

if TYPE_CHECKING:
    from layerscope.views.render.panel import Panel

_FONT = "DejaVu Sans, Verdana, Geneva, sans-serif"


def svg(diagram: Panel, metadata: Mapping[str, str]) -> str:
    """Return the whole document; metadata go into its description."""
    header = diagram.header
    width, height = header["size"]
    look = colours(header["ground"])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{_FONT}">',
        f"<title>{escape(printable(header['title']))}</title>",
        f"<desc>{escape(documents.about(metadata))}</desc>",
        f'<rect width="{width}" height="{height}" fill="{look["paper"]}"/>',
        *_frames(header, look),
        *_lines(header, look),
        *_boxes(header, look),
        *_polygons(header),
        *_thumbnails(diagram),
        *_texts(header, look),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _frames(header: Mapping[str, Any], look: Mapping[str, Any]) -> Iterator[str]:
    for frame in header["frames"]:
        fills = look["frames"]
        fill = fills[min(frame["level"], len(fills) - 1)]
        yield f'<rect {_rectangle(frame["box"])} rx="8" fill="{fill}" stroke="{look["frame"]}"/>'


def _lines(header: Mapping[str, Any], look: Mapping[str, Any]) -> Iterator[str]:
    for line in header["lines"]:
        data = "".join(
            letter + " ".join(f"{x:g},{y:g}" for x, y in points) for letter, points in line["path"]
        )
        yield f'<path d="{data}" fill="none" stroke="{look["line"]}" stroke-width="1.3"/>'
        if line["arrow"]:
            points = " ".join(f"{x:g},{y:g}" for x, y in line["arrow"])
            yield f'<polygon points="{points}" fill="{look["line"]}"/>'


def _boxes(header: Mapping[str, Any], look: Mapping[str, Any]) -> Iterator[str]:
    for box in header["boxes"]:
        fill, bar = look["kinds"][box["kind"]]
        x, y, _, height = box["box"]
        yield (
            f"<g id={quoteattr(_identifier(box['id']))}><title>{escape(box['about'])}</title>"
            f'<rect {_rectangle(box["box"])} rx="4" fill="{fill}" stroke="{bar}" '
            f'stroke-width="0.8"/><rect x="{x:g}" y="{y:g}" width="5" height="{height:g}" rx="2" '
            f'fill="{bar}"/></g>'
        )


def _identifier(name: str) -> str:
    """Return the name without what an identifier can't have; no two names become the same."""
    return "".join(c if c.isprintable() and c not in "% " else f"%{ord(c):X};" for c in name)


def _polygons(header: Mapping[str, Any]) -> Iterator[str]:
    for polygon in header["polygons"]:
        points = " ".join(f"{x:g},{y:g}" for x, y in polygon["points"])
        yield (
            f'<polygon points="{points}" fill="{polygon["fill"]}" stroke="{polygon["edge"]}" '
            f'stroke-width="0.8" stroke-linejoin="round"/>'
        )


def _thumbnails(diagram: Panel) -> Iterator[str]:
    for i, tile in enumerate(diagram.header["tiles"]):
        yield (
            f'<image {_rectangle(tile["box"])} preserveAspectRatio="none" '
            f'style="image-rendering:pixelated" href="data:image/png;base64,{_png(diagram, i)}"/>'
        )


def _png(diagram: Panel, index: int) -> str:
    from PIL import Image

    pixels = diagram.pixels(index)
    if pixels.ndim == 2:
        image = Image.frombuffer("P", pixels.shape[::-1], pixels.tobytes(), "raw", "P", 0, 1)
        image.putpalette(table(diagram.header["palette"], diagram.header["ground"]).tobytes())
    else:
        image = Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return base64.b64encode(file.getvalue()).decode()


def _texts(header: Mapping[str, Any], look: Mapping[str, Any]) -> Iterator[str]:
    for text in header["texts"]:
        weight = ' font-weight="bold"' if text["style"] == "name" else ""
        fill = look["soft" if text["style"] == "soft" else "ink"]
        anchor = "" if text["anchor"] == "start" else f' text-anchor="{text["anchor"]}"'
        # The length is stated, so that nothing overlaps where another font stands in.
        yield (
            f'<text x="{text["x"]:g}" y="{text["y"]:g}" font-size="{text["size"]}"{weight} '
            f'fill="{fill}"{anchor} textLength="{text["width"]:g}" '
            f'lengthAdjust="spacingAndGlyphs">{escape(text["text"])}</text>'
        )


def _rectangle(box: tuple[float, float, float, float]) -> str:
    x, y, width, height = box
    return f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
