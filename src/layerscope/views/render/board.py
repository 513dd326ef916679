"""The kind ``board``: several panels on one picture, in rows.

``header["parts"]`` lists them: ``panel`` is the header of one, whose buffers are those of the board
whose names begin with ``prefix``; ``row`` is in which row it stands. ``header["facts"]`` are
sentences below the title, ``header["code"]`` a line of Python, written at the end.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np

from layerscope.core.text import shown_name
from layerscope.views.render import documents, text
from layerscope.views.render.palette import GROUND, INK, table
from layerscope.views.render.panel import VERSION, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image


_MARGIN, _GAP, _TITLE, _SMALL = 16, 12, 20, 11
_WIDEST = 1400  #: of a row; a wider one is made smaller
_LONGEST = 160  #: characters of a line
_DPI = 100
_SIZE = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
_ROOT = re.compile(r"<svg\b[^>]*>", re.DOTALL)
_SHARED_ID = re.compile(r'(\bid="|url\(#|href="#)')


def board_panel(
    title: str,
    rows: Sequence[Sequence[Panel]],
    *,
    address: str,
    facts: Sequence[str] = (),
    code: str = "",
    ground: str = "light",
    provenance: Callable[[], Mapping[str, str]] = dict,
) -> Panel:
    """Return panels as one, in rows; a row without panels is left out."""
    parts: list[dict[str, Any]] = []
    buffers: dict[str, bytes] = {}
    width, height = 640, 2 * _MARGIN + 40
    for row, panels in enumerate(filter(None, rows)):
        for panel in panels:
            prefix = f"{len(parts)}/"
            parts.append({"row": row, "prefix": prefix, "panel": dict(panel.header)})
            buffers |= {prefix + name: data for name, data in panel.buffers.items()}
        sizes = [panel.header["size"] for panel in panels]
        width = max(width, min(_WIDEST, sum(wide for wide, _ in sizes)))
        height += max(high for _, high in sizes) + _GAP
    header = {
        "version": VERSION,
        "kind": "board",
        "title": shown_name(title),
        "address": address,
        "note": "",
        "facts": [shown_name(fact, _LONGEST) for fact in facts],
        "code": code,
        "size": [width + 2 * _MARGIN, height],
        "ground": ground,
        "scale": {"mode": "", "text": "each part on its own", "low": None, "high": None},
        "parts": parts,
    }
    return Panel(header, buffers, provenance)


def parts_of(panel: Panel) -> list[list[Panel]]:
    """Return the panels on a board, row by row."""
    rows: dict[int, list[Panel]] = {}
    for part in panel.header["parts"]:
        prefix = part["prefix"]
        buffers = {
            name.removeprefix(prefix): data
            for name, data in panel.buffers.items()
            if name.startswith(prefix)
        }
        rows.setdefault(part["row"], []).append(Panel(part["panel"], buffers, panel.provenance))
    return list(rows.values())


def _words(panel: Panel) -> list[tuple[str, int]]:
    """Return what is written above the panels, with its size."""
    return [(panel.header["title"], _TITLE), *((fact, _SMALL) for fact in panel.header["facts"])]


def _code(panel: Panel) -> list[str]:
    """Return the lines of Python as they are drawn: one with a very long name is cut."""
    lines = panel.header["code"].split("\n") if panel.header["code"] else []
    return [shown_name(line, _LONGEST) for line in lines]


def _placed(
    panel: Panel, sizes: Sequence[Sequence[tuple[float, float]]], below: float
) -> tuple[list[list[tuple[float, float, float, float]]], tuple[float, float]]:
    """Return the box of each panel, given their sizes, and the size of the whole."""
    boxes: list[list[tuple[float, float, float, float]]] = []
    top, right = below, 0.0
    for row in sizes:
        whole = sum(width for width, _ in row) + _GAP * (len(row) - 1)
        times = min(1.0, (_WIDEST - _GAP * (len(row) - 1)) / max(1.0, whole))
        left, placed = float(_MARGIN), []
        for width, height in row:
            placed.append((left, top, width * times, height * times))
            left += width * times + _GAP
        boxes.append(placed)
        right = max(right, left - _GAP)
        top += max(height for _, _, _, height in placed) + _GAP
    wide = max([right, *(_MARGIN + text.width(*words) for words in _words(panel))])
    lines = _code(panel)
    if lines:
        wide = max([wide, *(_MARGIN + text.width(line, _SMALL) for line in lines)])
        top += len(lines) * text.line_height(_SMALL) + _GAP
    return boxes, (wide + _MARGIN, top + _MARGIN - _GAP)


def _below_words(panel: Panel) -> int:
    return _MARGIN + sum(text.line_height(size) + 3 for _, size in _words(panel)) + _GAP


def picture(panel: Panel) -> Image:
    """Return the board as an image of Pillow."""
    from PIL import Image

    rows = [
        [Image.open(io.BytesIO(part.png())).convert("RGB") for part in row]
        for row in parts_of(panel)
    ]
    sizes = [[(float(image.width), float(image.height)) for image in row] for row in rows]
    boxes, size = _placed(panel, sizes, _below_words(panel))
    colours = table("gray", panel.header["ground"])
    canvas = np.full((round(size[1]), round(size[0])), GROUND, np.uint8)
    top = _MARGIN
    for words, large in _words(panel):
        text.write(canvas, words, _MARGIN, top, large)
        top += text.line_height(large) + 3
    lines = _code(panel)
    top = canvas.shape[0] - _MARGIN - len(lines) * text.line_height(_SMALL)
    for line in lines:
        text.write(canvas, line, _MARGIN, top, _SMALL)
        top += text.line_height(_SMALL)
    drawn = Image.fromarray(colours[canvas])
    for images, placed in zip(rows, boxes, strict=True):
        for image, (x, y, width, height) in zip(images, placed, strict=True):
            fitting = round(width), round(height)
            if image.size != fitting:
                image = image.resize(fitting, Image.Resampling.LANCZOS)
            drawn.paste(image, (round(x), round(y)))
    return drawn


def png(panel: Panel, metadata: Mapping[str, str]) -> bytes:
    """Return the board as a PNG file with the metadata as text chunks."""
    drawn = picture(panel)
    times = panel.header.get("enlarged", 1)
    if times != 1:
        drawn = drawn.resize((round(drawn.width * times), round(drawn.height * times)))
    dpi = panel.header.get("dpi")
    file = io.BytesIO()
    more = {"dpi": (dpi, dpi)} if dpi else {}
    drawn.save(file, "PNG", pnginfo=documents.chunks(metadata), **more)
    return file.getvalue()


def svg(panel: Panel, metadata: Mapping[str, str]) -> str:
    """Return the board as an SVG document, each part of it as SVG too."""
    rows = [[part.svg() for part in row] for row in parts_of(panel)]
    boxes, (width, height) = _placed(
        panel, [[_size_of(one) for one in row] for row in rows], _below_words(panel)
    )
    colours = table("gray", panel.header["ground"])
    back, ink = (f"#{''.join(f'{c:02x}' for c in colours[i])}" for i in (GROUND, INK))
    elements, top = [], float(_MARGIN)
    for words, large in _words(panel):
        elements.append(_text(words, top, large, ink))
        top += text.line_height(large) + 3
    lines = _code(panel)
    top = height - _MARGIN - len(lines) * text.line_height(_SMALL)
    for line in lines:
        elements.append(_text(line, top, _SMALL, ink, "monospace"))
        top += text.line_height(_SMALL)
    number = 0
    for documents_, placed in zip(rows, boxes, strict=True):
        for document, box in zip(documents_, placed, strict=True):
            elements.append(_nested(document, box, f"part{number}-"))
            number += 1
    joined = "\n".join(elements)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}">\n<title>{escape(panel.header["title"])}</title>\n'
        f"<desc>{escape(documents.about(metadata))}</desc>\n"
        f'<rect width="100%" height="100%" fill="{back}"/>\n{joined}\n</svg>\n'
    )


def _text(words: str, top: float, size: int, ink: str, family: str = "sans-serif") -> str:
    return (
        f'<text x="{_MARGIN}" y="{top + size:g}" font-size="{size}" '
        f'font-family="{family}" fill="{ink}">'
        f"{escape(words)}</text>"
    )


def _size_of(document: str) -> tuple[float, float]:
    match = _SIZE.search(document)
    assert match is not None  # all kinds write one
    return float(match[1]), float(match[2])


def _nested(document: str, box: tuple[float, float, float, float], prefix: str) -> str:
    """Return a document as an element within another, its identifiers its own."""
    root = _ROOT.search(document)
    assert root is not None
    width, height = _size_of(document)
    x, y, wide, high = box
    opened = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" '
        f'viewBox="0 0 {width:g} {height:g}">'
    )
    return opened + _SHARED_ID.sub(rf"\g<1>{prefix}", document[root.end() :].strip())


def figure(panel: Panel, figsize: tuple[float, float] | None, ax: Axes | None) -> Figure:
    """Draw the board into axes, as the picture that it is."""
    from layerscope.views.render.shown import ShownFigure

    drawn = picture(panel)
    if ax is None:
        size = figsize or (drawn.width / _DPI, drawn.height / _DPI)
        made: Figure = ShownFigure(figsize=size, dpi=_DPI)
        ax = made.add_axes((0, 0, 1, 1))
    ax.imshow(np.asarray(drawn), interpolation="antialiased", aspect="equal")
    ax.set_axis_off()
    whole = ax.get_figure(root=True)
    assert whole is not None
    return whole
