"""The kind ``lines``: charts below one another, over one horizontal axis.

``header["x"]`` has the axis' ``label``, and whether it counts ``whole`` numbers. Each of
``header["charts"]`` has a ``label``, the ``form`` of its values (``number`` or ``percent``),
whether it is ``logarithmic``, ``linear_to`` (a value beyond which it is so in both directions) or
None, ``limits`` or None, what stands above its legend (``title``), the
name of its ``reference`` lines, and ``series``: the ``name`` as the model has it, the ``label`` to
write where it is ``named`` in the legend, ``colour``, ``dashed``, ``width``, whether values have
``dots``, ``x`` and ``y`` (offset and count of float64 in the buffer ``numbers``), and
``reference``, a value to draw across, or None. ``header["marks"]`` are vertical lines through all
charts, each with ``at``, ``text``, ``style`` and ``side``; ``header["notes"]`` sentences below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.text import shown_name
from layerscope.views.render import documents
from layerscope.views.render.legend import NOTES, write_around
from layerscope.views.render.line_ends import LineEnd, name_ends
from layerscope.views.render.numbers import Numbers
from layerscope.views.render.panel import VERSION, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED = 10  #: lines that the legend names

_WIDTH, _HIGH, _AROUND, _NOTE = 9.0, 2.3, 0.9, 0.17  #: inches: a figure, a chart, words around
_DPI = 100
_LABEL = 28  #: characters of a name in a legend
_FEW = 30  #: values that get a dot each
_STYLES = {"dotted": ":", "dashdot": "-."}

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """One series of a chart."""

    name: str
    x: Values
    y: Values
    colour: str  #: ``#rrggbb``
    dashed: bool = False
    width: float = 1.5
    named: bool = True
    reference: float | None = None  #: a value drawn across, dashed, in the same colour


@dataclass(frozen=True)
class Chart:
    """One part of the picture, with a vertical axis of its own."""

    label: str
    lines: Sequence[Line]
    percent: bool = False
    logarithmic: bool = False
    linear_to: float | None = None  #: logarithmic both ways beyond this value, linear about zero
    limits: tuple[float, float] | None = None
    title: str = ""  #: above the legend
    reference: str = ""  #: what the values drawn across are


@dataclass(frozen=True)
class Mark:
    """A vertical line through all charts."""

    at: float
    text: str
    style: str = "dotted"  #: or ``dashdot``
    side: str = "left"  #: at which the text stands, or ``right``


def lines_panel(
    title: str,
    charts: Sequence[Chart],
    *,
    x: str,
    address: str = "",
    marks: Sequence[Mark] = (),
    notes: Sequence[str] = (),
    scale: str = "linear",
    figsize: tuple[float, float] | None = None,
    provenance: Callable[[], Mapping[str, str]] = dict,
) -> Panel:
    """Return charts as a panel; ``x`` says what is counted along it."""
    numbers = Numbers()
    height = _AROUND + _HIGH * len(charts) + _NOTE * min(NOTES, len(notes))
    header = {
        "version": VERSION,
        "kind": "lines",
        "title": title,
        "address": address,
        "note": "",
        "notes": [*notes],
        "size": [round(_DPI * inches) for inches in figsize or (_WIDTH, height)],
        "ground": "light",
        "scale": {"mode": scale, "text": scale, "low": None, "high": None},
        "x": {"label": x, "whole": True},
        "charts": [chart_entry(chart, numbers) for chart in charts],
        "marks": [
            {"at": mark.at, "text": mark.text, "style": mark.style, "side": mark.side}
            for mark in marks
        ],
    }
    return Panel(header, {"numbers": numbers.buffer()}, provenance)


def chart_entry(chart: Chart, numbers: Numbers) -> dict[str, Any]:
    """Return a chart as headers hold it; its values are added to the numbers."""
    return {
        "label": chart.label,
        "form": "percent" if chart.percent else "number",
        "logarithmic": chart.logarithmic,
        "linear_to": chart.linear_to,
        "limits": chart.limits and list(chart.limits),
        "title": chart.title,
        "reference": chart.reference,
        "series": [
            {
                "name": line.name,
                "label": shown_name(line.name, _LABEL),
                "colour": line.colour,
                "dashed": line.dashed,
                "width": line.width,
                "named": line.named,
                "dots": len(line.y) <= _FEW,
                "x": numbers.add(line.x),
                "y": numbers.add(line.y),
                "reference": line.reference,
            }
            for line in chart.lines
        ],
    }


def extremes(series: Sequence[tuple[str, Values]]) -> set[str]:
    """Return the names of the series to name: those whose means are highest, and lowest."""
    means = [(float(np.mean(values[np.isfinite(values)])), name) for name, values in series]
    ranked = [name for _, name in sorted(means)]
    return {*ranked[: NAMED // 2], *ranked[-(NAMED - NAMED // 2) :]}


def colour_of(index: int, count: int | None = None) -> str:
    """Return one of ten colours that recur; or, of so many lines in order, one of a rainbow."""
    import matplotlib as mpl
    from matplotlib.colors import to_hex

    if count is None:
        return to_hex(mpl.colormaps["tab10"](index % 10))
    return to_hex(mpl.colormaps["turbo"](0.04 + 0.92 * index / max(1, count - 1)))


def png(panel: Panel, metadata: Mapping[str, str]) -> bytes:
    """Return the figure as a PNG file."""
    return documents.png_of(figure(panel, None, None), metadata, panel.header)


def svg(panel: Panel, metadata: Mapping[str, str]) -> str:
    """Return the figure as an SVG document."""
    return documents.svg_of(figure(panel, None, None), metadata)


def figure(panel: Panel, figsize: tuple[float, float] | None, ax: Axes | None) -> Figure:
    """Draw the charts below one another; axes that are given are divided among several."""
    from layerscope.views.render.shown import ShownFigure

    header = panel.header
    count = len(header["charts"])
    made: Figure | None = None
    if ax is None:
        width, height = header["size"]
        size = figsize or (width / _DPI, height / _DPI)
        made = ShownFigure(figsize=size, dpi=_DPI, layout="constrained")
        rows = list(made.subplots(count, 1, sharex=True, squeeze=False)[:, 0])
    else:
        rows = [ax] if count == 1 else _divided(ax, count)
    for row, chart in zip(rows, header["charts"], strict=True):
        draw_chart(row, chart, panel)
        _draw_marks(row, header["marks"], words=row is rows[0])
    rows[-1].set_xlabel(header["x"]["label"], parse_math=False)
    if header["x"]["whole"]:
        rows[-1].xaxis.get_major_locator().set_params(integer=True)
    write_around(header["title"], header["notes"], made, ax)
    drawn = made or rows[0].get_figure(root=True)
    assert drawn is not None
    return drawn


def _divided(ax: Axes, count: int) -> list[Axes]:
    """Return axes below one another in the place of others, which show their title alone."""
    ax.set_axis_off()
    high = 1 / (count + 0.3 * (count - 1))
    rows = [ax.inset_axes((0, 1 - high - i * 1.3 * high, 1, high)) for i in range(count)]
    for row in rows[:-1]:
        row.sharex(rows[-1])
        row.tick_params(labelbottom=False)
    return rows


def draw_chart(ax: Axes, chart: Mapping[str, Any], panel: Panel) -> None:
    """Draw a chart of a header, whose values are in the panel's numbers, into axes."""
    dots: dict[str, Any] = {"marker": ".", "markersize": 4}
    for series in chart["series"]:
        ax.plot(
            panel.numbers(series["x"]),
            panel.numbers(series["y"]),
            "--" if series["dashed"] else "-",
            color=series["colour"],
            label=series["name"],
            linewidth=series["width"],
            **(dots if series["dots"] else {}),
        )
        if series["reference"] is not None:
            ax.axhline(series["reference"], color=series["colour"], linestyle="--", linewidth=0.9)
    ax.set_ylabel(chart["label"], parse_math=False)
    if chart["limits"] is not None:
        ax.set_ylim(*chart["limits"])
    _scale_axis(ax, chart)
    referred = any(series["reference"] is not None for series in chart["series"])
    above = [chart["title"], f"dashed: {chart['reference']}" * referred]
    name_ends(ax, _named(chart, panel), "\n".join(filter(None, above)))


def _named(chart: Mapping[str, Any], panel: Panel) -> list[LineEnd]:
    return [
        LineEnd(
            series["label"],
            series["colour"],
            panel.numbers(series["x"]),
            panel.numbers(series["y"]),
        )
        for series in chart["series"]
        if series["named"]
    ]


def _scale_axis(ax: Axes, chart: Mapping[str, Any]) -> None:
    """Set the scale of the vertical axis, and how its values are written."""
    from matplotlib.ticker import LogLocator, NullFormatter

    logarithmic, percent = chart["logarithmic"], chart["form"] == "percent"
    if logarithmic:
        ax.set_yscale("log")
    elif chart["linear_to"]:
        ax.set_yscale("asinh", linear_width=chart["linear_to"])
        ax.yaxis.set_minor_formatter(NullFormatter())
    if logarithmic and percent:  # shares often span less than a decade
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_minor_formatter(NullFormatter())
    if percent:
        ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")


def _draw_marks(ax: Axes, marks: Sequence[Mapping[str, Any]], *, words: bool) -> None:
    for mark in marks:
        style = _STYLES[mark["style"]]
        ax.axvline(mark["at"], color="0.55", linestyle=style, linewidth=0.9)
        if words:
            ax.annotate(
                mark["text"], (mark["at"], 1), (0, 2), xycoords=("data", "axes fraction"),
                textcoords="offset points", fontsize=7, color="0.35",
                ha="right" if mark["side"] == "left" else "left", parse_math=False,
            )  # fmt: skip
