"""The kind ``strips``: what units were at each step, a strip of rows for each layer, charts above.

``header["steps"]`` are the numbers of the steps, ``moments`` what each is called, and ``at`` where
it stands across: its place among them. ``header["states"]`` are what a cell may be, each a ``text``
and a ``colour``. Each of ``header["strips"]`` has the ``name`` of its layer, the ``label`` and the
``text`` that stand above it, its ``box`` in the picture as left, top, width, height, and its
cells: ``shape``, rows and columns, each a byte of the buffer ``cells`` from ``offset`` on, the
place of its state. A row stands for the units from one of ``starts`` up to the next, of those
that ``units`` lists; a column for as many steps as ``each`` says. ``groups`` are rows that are
called by a ``text``, from ``start`` up to ``end``. ``header["charts"]`` and the lines in them are
those of the kind ``lines``, with a ``box``; ``ticks`` are places across and what stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.text import shown_name
from layerscope.views.render import documents
from layerscope.views.render.line_ends import spread
from layerscope.views.render.lines import Chart, chart_entry, draw_chart
from layerscope.views.render.numbers import Numbers
from layerscope.views.render.panel import VERSION, Panel
from layerscope.views.render.text import length

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_DPI = 100
_LEFT, _RIGHT, _WIDE = 64, 190, 720  #: pixels: beside the strips, and how wide they are at most
_MARGIN, _TOP, _GAP, _HEAD = 16, 74, 12, 18
_CHART, _TICKS, _LINE = 84, 32, 16
_CELL = (48, 12)  #: the largest width and height of a cell
_TALL = 240  #: pixels of a strip, where there are few
_ALL, _LEAST = 6000, 24  #: pixels of all strips together, and of one at least
_TITLE, _TEXT, _SMALL = 15, 11, 9
_INK, _SOFT = "#222228", "#6e6e78"
_ACROSS = 12  #: ticks

Cells = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class CellState:
    """What a cell may be."""

    text: str
    colour: str  #: ``#rrggbb``


@dataclass(frozen=True, eq=False)
class UnitGroup:
    """Units that stand together in a strip, and what they are called."""

    units: npt.NDArray[np.int64]
    text: str = ""


@dataclass(frozen=True, eq=False)
class Strip:
    """What the units of a layer were at each step, ``(step, unit)``, and how they are grouped."""

    name: str
    cells: Cells
    groups: Sequence[UnitGroup]
    text: str = ""


#: Makes one cell of several: of cells ``(row, of a row, column, of a column)`` one for each row
#: and column; a cell that is not there is 255.
Folding = Callable[[Cells], Cells]
ABSENT = 255


def strips_panel(
    title: str,
    strips: Sequence[Strip],
    states: Sequence[CellState],
    fold: Folding,
    *,
    steps: Sequence[int],
    moments: Sequence[str],
    x: str,
    charts: Sequence[Chart] = (),
    address: str = "*",
    note: str = "",
    notes: Sequence[str] = (),
    tall: int | None = None,
    extra: Mapping[str, Any] | None = None,
    provenance: Callable[[], Mapping[str, str]] = dict,
) -> Panel:
    """Return strips as a panel; lines of charts stand over the places of the steps.

    ``tall`` is how high a strip is at most, in pixels; by default as high as there is room for.
    Where it has more units, each row stands for as many of them, within their groups; where there
    are more steps than pixels, so does each column; ``fold`` says what such a cell is.
    """
    numbers = Numbers()
    wide = min(_WIDE, max(_CELL[0] * len(steps), _CELL[0]))
    most = tall or max(_LEAST, min(_TALL, _ALL // max(1, len(strips))))
    entries: list[dict[str, Any]] = []
    charted: list[dict[str, Any]] = []
    cells = bytearray()
    y = _TOP
    for chart in charts:
        charted.append({**chart_entry(chart, numbers), "box": [_LEFT, y, wide, _CHART]})
        y += _CHART + _GAP
    for strip in strips:
        y += _HEAD
        entry, folded = _entry(strip, fold, most, wide)
        high = len(folded) * max(1, min(_CELL[1], most // len(folded)))
        entries.append({**entry, "offset": len(cells), "box": [_LEFT, y, wide, high]})
        cells += folded.tobytes()
        y += high + _GAP
    y += _TICKS
    words = max(length(title, _TITLE), length(note, _TEXT), *(length(n, _TEXT) for n in notes), 0)
    header = {
        "version": VERSION,
        "kind": "strips",
        "title": shown_name(title),
        "address": address,
        "note": note,
        "notes": [*notes],
        "size": [
            round(max(_LEFT + wide + _RIGHT, words + 2 * _MARGIN)),
            y + _LINE * len(notes) + _MARGIN,
        ],
        "ground": "light",
        "scale": {"mode": "", "text": "", "low": None, "high": None},
        "x": {"label": x},
        "steps": [*steps],
        "moments": [*moments],
        "at": list(range(len(steps))),
        "ticks": _ticks(moments),
        "states": [{"text": state.text, "colour": state.colour} for state in states],
        "charts": charted,
        "strips": entries,
        **(extra or {}),
    }
    return Panel(header, {"numbers": numbers.buffer(), "cells": bytes(cells)}, provenance)


def _entry(strip: Strip, fold: Folding, most: int, wide: int) -> tuple[dict[str, Any], Cells]:
    """Return a strip as headers hold it, and its cells."""
    groups = [group for group in strip.groups if len(group.units)]
    units = np.concatenate([group.units for group in groups])
    per = max(1, -(-len(units) // most))
    each = max(1, -(-len(strip.cells) // wide))
    starts: list[int] = []
    named: list[dict[str, Any]] = []
    first = 0
    for group in groups:
        rows = list(range(first, first + len(group.units), per))
        named.append({"text": group.text, "start": len(starts), "end": len(starts) + len(rows)})
        starts += rows
        first += len(group.units)
    folded = fold(_blocks(strip.cells.T[units], starts, each))
    several = f"each row {per} units at most" if per > 1 else ""
    steps = f"each column {each} steps" if each > 1 else ""
    entry = {
        "name": strip.name,
        "label": shown_name(strip.name),
        "text": ", ".join(filter(None, (strip.text, several, steps))),
        "shape": list(folded.shape),
        "units": units.tolist(),
        "starts": starts,
        "each": each,
        "groups": named,
    }
    return entry, folded


def _blocks(cells: Cells, starts: Sequence[int], each: int) -> Cells:
    """Return cells ``(unit, step)`` as those that are drawn as one: see ``Folding``."""
    ends = [*starts[1:], len(cells)]
    per = max(end - start for start, end in zip(starts, ends, strict=True))
    columns = -(-cells.shape[1] // each)
    blocks = np.full((len(starts), per, columns * each), ABSENT, np.uint8)
    for block, start, end in zip(blocks, starts, ends, strict=True):
        block[: end - start, : cells.shape[1]] = cells[start:end]
    return blocks.reshape(len(starts), per, columns, each)


def _ticks(moments: Sequence[str]) -> list[list[Any]]:
    """Return places across, evenly, and the numbers of the steps there."""
    count = len(moments)
    every = -(-count // _ACROSS)
    round_numbers = [n for n in (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500) if n >= every]
    every = round_numbers[0] if round_numbers else every
    return [[i, moments[i].rpartition(" ")[2]] for i in range(0, count, every)]


def png(panel: Panel, metadata: Mapping[str, str]) -> bytes:
    """Return the figure as a PNG file."""
    return documents.png_of(figure(panel, None, None), metadata, panel.header)


def svg(panel: Panel, metadata: Mapping[str, str]) -> str:
    """Return the figure as an SVG document."""
    return documents.svg_of(figure(panel, None, None), metadata)


def figure(panel: Panel, figsize: tuple[float, float] | None, ax: Axes | None) -> Figure:
    """Draw title, legend, charts and strips where the header says."""
    from layerscope.views.render.shown import ShownFigure

    header = panel.header
    width, height = header["size"]
    if ax is None:
        made: Figure = ShownFigure(figsize=figsize or (width / _DPI, height / _DPI), dpi=_DPI)
        ax = made.add_axes((0, 0, 1, 1))
    drawn = ax.get_figure(root=True)
    assert drawn is not None
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    extent = ax.get_window_extent()
    points = min(extent.width / width, extent.height / height) * 72 / drawn.dpi
    pen = _Pen(ax, points)
    pen.write(_MARGIN, 26, header["title"], _TITLE)
    _legend(pen, panel)
    pen.write(_MARGIN, 64, header["note"], _SMALL, _SOFT)
    for chart in header["charts"]:
        _draw_chart(ax, chart, panel)
    for strip in header["strips"]:
        _draw_strip(pen, strip, panel)
    _draw_ticks(pen, header)
    for i, sentence in enumerate(reversed(header["notes"])):
        pen.write(_MARGIN, height - _MARGIN / 2 - _LINE * i - 4, sentence, _SMALL, _SOFT)
    return drawn


@dataclass(frozen=True)
class _Pen:
    """Writes into axes whose units are pixels of the picture."""

    ax: Axes
    points: float  #: of a pixel

    def write(
        self, x: float, y: float, text: str, size: float, colour: str = _INK, **how: Any
    ) -> None:
        style: dict[str, Any] = {"va": "baseline", "fontfamily": "DejaVu Sans", **how}
        self.ax.text(
            x, y, text, color=colour, fontsize=size * self.points, parse_math=False, **style
        )


def _legend(pen: _Pen, panel: Panel) -> None:
    """Name the states that some cell has."""
    from matplotlib.patches import Rectangle

    x = float(_MARGIN)
    present = np.unique(np.frombuffer(panel.buffers["cells"], np.uint8)).tolist()
    for state in (panel.header["states"][number] for number in present):
        square = Rectangle((x, 37), 11, 11, facecolor=state["colour"], edgecolor=_SOFT, lw=0.4)
        pen.ax.add_patch(square)
        pen.write(x + 16, 46, state["text"], _TEXT)
        x += 16 + length(state["text"], _TEXT) + 20


def _inset(ax: Axes, box: Sequence[float]) -> Axes:
    left, top, wide, high = box
    return ax.inset_axes((left, top + high, wide, -high), transform=ax.transData)


def _draw_chart(ax: Axes, chart: Mapping[str, Any], panel: Panel) -> None:
    left, top, wide, high = chart["box"]
    inset = ax.inset_axes((left, top, wide, high), transform=ax.transData)
    inset.set_xlim(-0.5, len(panel.header["steps"]) - 0.5)
    inset.tick_params(labelbottom=False, bottom=False, labelsize=7)
    draw_chart(inset, chart, panel)
    inset.yaxis.label.set_fontsize(8)
    inset.set_xlim(-0.5, len(panel.header["steps"]) - 0.5)


def _draw_strip(pen: _Pen, strip: Mapping[str, Any], panel: Panel) -> None:
    left, top, wide, high = strip["box"]
    rows, columns = strip["shape"]
    states = panel.header["states"]
    colours = np.array([_rgb(state["colour"]) for state in states], np.uint8)
    data = np.frombuffer(panel.buffers["cells"], np.uint8, rows * columns, strip["offset"])
    pixels = colours[data.reshape(rows, columns)]
    # The last column may stand for fewer steps than the others.
    right = left + wide * columns * strip["each"] / len(panel.header["steps"])
    image = pen.ax.imshow(
        pixels, extent=(left, right, top + high, top), interpolation="nearest", aspect="auto"
    )
    width, height = panel.header["size"]
    pen.ax.set(xlim=(0, width), ylim=(height, 0))
    if right > left + wide:
        from matplotlib.patches import Rectangle

        clip = Rectangle((left, top), wide, high, transform=pen.ax.transData)
        image.set_clip_path(clip)
    pen.write(left, top - 5, strip["label"], _TEXT)
    beside = left + length(strip["label"], _TEXT) + 12
    pen.write(beside, top - 5, strip["text"], _SMALL, _SOFT)
    _name_groups(pen, strip)


def _name_groups(pen: _Pen, strip: Mapping[str, Any]) -> None:
    """Write what groups of rows are called at their right, apart from each other."""
    left, top, wide, high = strip["box"]
    groups = [group for group in strip["groups"] if group["text"]]
    rows = strip["shape"][0]
    if not groups:
        return
    middles = [high * (group["start"] + group["end"]) / 2 / rows for group in groups]
    room = max(high, (len(groups) - 1) * (_SMALL + 2)) + 1e-6
    for group, middle, place in zip(
        groups,
        middles,
        spread([middle / room for middle in middles], (_SMALL + 2) / room),
        strict=True,
    ):
        x = left + wide
        ends = [top + high * group[end] / rows for end in ("start", "end")]
        apart = min(1.5, (ends[1] - ends[0]) / 4)
        pen.ax.plot([x + 4, x + 4], [ends[0] + apart, ends[1] - apart], color=_SOFT, lw=1)
        pen.ax.plot([x + 4, x + 14], [top + middle, top + place * room], color=_SOFT, lw=0.5)
        pen.write(x + 17, top + place * room, group["text"], _SMALL, va="center")


def _draw_ticks(pen: _Pen, header: Mapping[str, Any]) -> None:
    boxes = [part["box"] for part in (*header["charts"], *header["strips"])]
    if not boxes:
        return
    left, top, wide, high = boxes[-1]
    below = top + high
    each = wide / len(header["steps"])
    for place, text in header["ticks"]:
        x = left + (place + 0.5) * each
        pen.ax.plot([x, x], [below + 1, below + 4], color=_SOFT, lw=0.6)
        pen.write(x, below + 14, text, _SMALL, _SOFT, ha="center")
    pen.write(left + wide / 2, below + 28, header["x"]["label"], _SMALL, _SOFT, ha="center")


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
