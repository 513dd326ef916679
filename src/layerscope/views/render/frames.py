"""A panel as a frame of a film: all of one size, with what changes written below the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layerscope.views.render import text
from layerscope.views.render.grid import MARGIN, SMALL, TITLE
from layerscope.views.render.palette import GROUND, INK, table
from layerscope.views.render.panel import Panel
from layerscope.views.render.png import compose

#: What is left free for notes that come and go.
_MORE = ", 0000 of 0000 blank, 0000 of 0000 constant"
_PROGRESS = 3  #: the height of the line that shows how far the film is

Canvas = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class FrameLayout:
    """Where everything goes in each frame of a film."""

    size: tuple[int, int]  #: width and height
    content: tuple[int, int]  #: where the picture begins, and how high it is
    caption: int  #: where what is written below it begins
    colours: npt.NDArray[np.uint8]  #: the palette, for frames in colour

    @classmethod
    def of(cls, panel: Panel, captions: Sequence[tuple[str, Sequence[str]]]) -> FrameLayout:
        """Lay out panels like this one, with a title and metrics for each frame."""
        header = panel.header
        width = max(
            header["size"][0],
            text.width(header["note"] + _MORE, SMALL) + 2 * MARGIN,
            *(text.width(title, TITLE) + 2 * MARGIN for title, _ in captions),
            *(text.width(word, SMALL) + 2 * MARGIN for _, words in captions for word in words),
        )
        top = _content_top(panel)
        begin = top if header["note"] else top + text.line_height(SMALL)
        height = header["size"][1] - MARGIN - top
        lines = max(len(_wrapped(words, width - 2 * MARGIN)) for _, words in captions)
        caption = begin + height + 8
        below = text.line_height(TITLE) + lines * (text.line_height(SMALL) + 1) + 10
        size = (width, caption + below + _PROGRESS)
        return cls(size, (begin, height), caption, table(header["palette"], header["ground"]))

    def frame(self, panel: Panel, title: str, words: Sequence[str], share: float) -> Canvas:
        """Draw the panel in its place, its caption below, and how much of the film has passed."""
        width, height = self.size
        picture = compose(panel)
        canvas = np.full((height, width), GROUND, np.uint8)
        caption = self.caption
        text.write(canvas, title, MARGIN, caption, TITLE)
        caption += text.line_height(TITLE) + 1
        for line in _wrapped(words, width - 2 * MARGIN):
            text.write(canvas, line, MARGIN, caption, SMALL)
            caption += text.line_height(SMALL) + 1
        canvas[-_PROGRESS:, : round(width * share)] = (GROUND + INK) // 2
        if picture.ndim == 3:
            canvas = self.colours[canvas]
        top, (begin, high) = _content_top(panel), self.content
        _paste(canvas, picture[:top], 0)
        _paste(canvas, picture[top : top + high], begin)
        return canvas


def _content_top(panel: Panel) -> int:
    """Return where the tiles of a panel begin, their labels and marks with them."""
    tiles, header = panel.header["tiles"], panel.header
    labelled = any(tile["label"] for tile in tiles)
    above = header["label_height"] if labelled else 0
    return int(min(tile["box"][1] for tile in tiles)) - above - 2


def _paste(canvas: Canvas, part: Canvas, top: int) -> None:
    """Put a part of a picture at the left, as much of it as there is room for."""
    height = min(part.shape[0], canvas.shape[0] - top)
    width = min(part.shape[1], canvas.shape[1])
    canvas[top : top + height, :width] = part[:height, :width]


def _wrapped(words: Sequence[str], room: int) -> list[str]:
    """Split metrics into as many lines as they need; each fits into one by itself."""
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]}, {word}" if lines else word
        if lines and text.width(longer, SMALL) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
