"""Maps as a PNG file: a palette picture, unless some of the tiles are in colour."""

from __future__ import annotations

import io
import itertools
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import ViewError
from layerscope.views.render import documents, text
from layerscope.views.render.palette import BLACK, GROUND, LEVELS, MARK, WHITE, table

if TYPE_CHECKING:
    from layerscope.views.render.panel import Panel

#: What readers of PNG, and browsers, open without being asked twice.
LONGEST, MOST_PIXELS = 2**16 - 1, 2**28

Canvas = npt.NDArray[np.uint8]


def encode(panel: Panel, metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a PNG file with the metadata as text chunks."""
    from PIL import Image

    canvas = compose(enlarged(panel, panel.header.get("enlarged", 1)))
    height, width = canvas.shape[:2]
    if canvas.ndim == 2:
        image = Image.frombuffer("P", (width, height), canvas, "raw", "P", 0, 1)
        image.putpalette(table(panel.header["palette"], panel.header["ground"]).tobytes())
    else:
        image = Image.frombuffer("RGB", (width, height), canvas, "raw", "RGB", 0, 1)
    chunks = documents.chunks(metadata)
    file = io.BytesIO()
    # Level 1 takes a fifth of the default's time and gives files a tenth larger.
    more = {"dpi": (panel.header["dpi"],) * 2} if panel.header.get("dpi") else {}
    image.save(
        file, "PNG", compress_level=1, compress_type=_strategy(panel), pnginfo=chunks, **more
    )
    return file.getvalue()


def _strategy(panel: Panel) -> int:
    """Return how to deflate: maps that are not enlarged repeat little more than single pixels."""
    enlarged = any(tile["box"][2] != tile["shape"][1] for tile in panel.header["tiles"])
    return zlib.Z_DEFAULT_STRATEGY if enlarged else zlib.Z_RLE


def reduced(data: bytes, times: int) -> bytes:
    """Return a PNG file's picture with ``times`` by ``times`` pixels averaged to one."""
    from PIL import Image

    image = Image.open(io.BytesIO(data)).convert("RGB").reduce(times)
    file = io.BytesIO()
    image.quantize(256, Image.Quantize.FASTOCTREE).save(file, "PNG")
    return file.getvalue()


def enlarged(panel: Panel, times: float) -> Panel:
    """Return a picture so many times larger: its pixels in whole steps, its text drawn anew.

    Raises ViewError where that is no whole number.
    """
    if times == 1:
        return panel
    if times != int(times):
        raise ViewError(f"scale={times!r}: maps are enlarged in whole steps: pass 2, 3 and so on.")
    header, by = panel.header, int(times)

    def larger(box: Sequence[float]) -> list[Any]:
        return [value * by for value in box]

    whole = {
        "size": larger(header["size"]),
        "label_size": header["label_size"] * by,
        "label_height": header["label_height"] * by,
        "value_size": header["value_size"] * by,
        "bar": header["bar"] and larger(header["bar"]),
        "lines": [
            {**line, "at": larger(line["at"]), "size": line["size"] * by}
            for line in header["lines"]
        ],
        "legend": [{**entry, "box": larger(entry["box"])} for entry in header["legend"]],
        "tiles": [{**tile, "box": larger(tile["box"])} for tile in header["tiles"]],
    }
    width, height = whole["size"]
    if max(width, height) > LONGEST or width * height > MOST_PIXELS:
        raise ViewError(
            f"scale={by}: the picture would have {width:,} × {height:,} pixels; the most are "
            f"{LONGEST:,} a side and {MOST_PIXELS:,} in all."
        )
    return replace(panel, header={**header, **whole})


def compose(panel: Panel, *, annotate: bool = True, ground: int = GROUND) -> Canvas:
    """Draw the whole picture: palette indexes ``(height, width)``, or with RGB last in colour.

    ``annotate=False`` leaves out the heading and the labels; ``ground`` is the index of what lies
    between the tiles.
    """
    header = panel.header
    width, height = header["size"]
    canvas = np.full((height, width), ground, np.uint8)
    _paste(canvas, panel, "index")
    for i, tile in enumerate(header["tiles"]):
        if tile["texts"]:
            _write_values(canvas, tile, panel.pixels(i), header)
    if annotate:
        _write_heading(canvas, header)
        _write_labels(canvas, header)
    if all(tile["format"] == "index" for tile in header["tiles"]):
        return canvas
    coloured = table(header["palette"], header["ground"])[canvas]
    _paste(coloured, panel, "rgb")
    return coloured


def _paste(canvas: Canvas, panel: Panel, kind: str) -> None:
    """Put the tiles of one format in their places, each pixel enlarged."""
    depth = (3,) if kind == "rgb" else ()

    def form(tile: Mapping[str, Any]) -> tuple[str, list[int], list[int]]:
        return tile["format"], tile["shape"], tile["box"][2:]

    header = panel.header
    mark = MARK if kind == "index" else table(header["palette"], header["ground"])[MARK]
    for (format_, (rows, columns), _), run in itertools.groupby(panel.header["tiles"], form):
        if format_ != kind:
            continue
        # Maps of one shape lie one after the other in the buffer: all are enlarged at once.
        alike = list(run)
        start, shape = alike[0]["offset"], (len(alike), rows, columns, *depth)
        stack = np.frombuffer(panel.buffers["pixels"], np.uint8, math.prod(shape), start)
        stack = stack.reshape(shape)
        times = alike[0]["box"][2] // columns
        down = alike[0]["box"][3] // rows
        if times > 1 or down > 1:
            stack = stack.repeat(times, axis=2).repeat(down, axis=1)
        for tile, pixels in zip(alike, stack, strict=True):
            x, y, w, h = tile["box"]
            if tile["blank"]:
                canvas[y - 1 : y + h + 1, x - 1 : x + w + 1] = mark
            canvas[y : y + h, x : x + w] = pixels


def _write_labels(canvas: Canvas, header: Mapping[str, Any]) -> None:
    above, size = header["label_height"], header["label_size"]
    for tile in header["tiles"]:
        if tile["label"]:
            x, y, _, _ = tile["box"]
            for i, line in enumerate(tile["label"].split("\n")):
                text.write(canvas, line, x, y - above + i * text.line_height(size), size)


def _write_heading(canvas: Canvas, header: Mapping[str, Any]) -> None:
    for line in header["lines"]:
        x, y = line["at"]
        text.write(canvas, line["text"], x, y, line["size"])
    for entry in header["legend"]:
        x, y, w, h = entry["box"]
        canvas[y : y + h, x : x + w] = entry["index"]
    if header["bar"]:
        x, y, w, h = header["bar"]
        canvas[y : y + h, x : x + w] = np.linspace(0, LEVELS - 1, w).astype(np.uint8)


def _write_values(
    canvas: Canvas, tile: Mapping[str, Any], pixels: Canvas, header: Mapping[str, Any]
) -> None:
    """Write each value in the middle of its cell, in black or white, whichever stands out."""
    x, y, w, _ = tile["box"]
    cell, size = w // pixels.shape[1], header["value_size"]
    colours = table(header["palette"], header["ground"]).astype(float) @ (0.299, 0.587, 0.114)
    for i, value in enumerate(tile["texts"]):
        row, column = divmod(i, pixels.shape[1])
        covered = text.mask(value, size).shape
        left = x + column * cell + (cell - covered[1]) // 2
        top = y + row * cell + (cell - covered[0]) // 2
        index = BLACK if colours[pixels[row, column]] > 140 else WHITE
        text.write_solid(canvas, value, left, top, size, index)
