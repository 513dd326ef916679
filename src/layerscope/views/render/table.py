"""The kind ``table``: rows of text under headings.

``header["columns"]`` are the headings, each with ``label``, whether it is flush ``right``, and
where it stands, ``x``, in pixels; ``header["rows"]`` the cells of each row, as they are written.
``header["row_height"]`` is the distance of rows, and ``header["top"]`` where the headings stand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from layerscope.core.text import shown_name
from layerscope.views.render import documents
from layerscope.views.render.panel import VERSION, Panel
from layerscope.views.render.text import length

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_DPI = 100
_MARGIN, _GAP, _ROW, _TOP = 16, 18, 18, 62  #: pixels
_SIZE, _TITLE, _NOTE = 11, 15, 11
_LONGEST = 200  #: characters of a cell
_INK, _SOFT = "#222228", "#6e6e78"


def table_panel(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[str] = (),
    address: str = "",
    note: str = "",
    provenance: Callable[[], Mapping[str, str]] = dict,
) -> Panel:
    """Return a table as a panel; the columns named in ``right`` are flush right."""
    cells = [[shown_name(cell, _LONGEST) for cell in row] for row in rows]
    labels = [shown_name(column, _LONGEST) for column in columns]
    widths = [
        max((length(cell, _SIZE) for cell in column), default=0.0)
        for column in zip(labels, *cells, strict=True)
    ]
    placed: list[dict[str, Any]] = []
    x = float(_MARGIN)
    for name, label, width in zip(columns, labels, widths, strict=True):
        flush = name in right
        placed.append({"label": label, "right": flush, "x": round(x + width * flush, 1)})
        x += width + _GAP
    heading = max(length(title, _TITLE), length(note, _NOTE)) + _MARGIN
    header = {
        "version": VERSION,
        "kind": "table",
        "title": title,
        "address": address,
        "note": note,
        "size": [
            round(max(x - _GAP, heading) + _MARGIN),
            _TOP + _ROW * (len(cells) + 1) + _MARGIN,
        ],
        "ground": "light",
        "scale": {"mode": "", "text": "", "low": None, "high": None},
        "columns": placed,
        "rows": cells,
        "row_height": _ROW,
        "top": _TOP,
    }
    return Panel(header, {}, provenance)


def png(panel: Panel, metadata: Mapping[str, str]) -> bytes:
    """Return the figure as a PNG file."""
    return documents.png_of(figure(panel, None, None), metadata, panel.header)


def svg(panel: Panel, metadata: Mapping[str, str]) -> str:
    """Return the figure as an SVG document."""
    return documents.svg_of(figure(panel, None, None), metadata)


def figure(panel: Panel, figsize: tuple[float, float] | None, ax: Axes | None) -> Figure:
    """Draw title, headings and rows where the header says."""
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
    write: Any = {"parse_math": False, "va": "baseline", "fontfamily": "DejaVu Sans"}
    ax.text(_MARGIN, 26, header["title"], color=_INK, fontsize=_TITLE * points, **write)
    ax.text(_MARGIN, 44, header["note"], color=_SOFT, fontsize=_NOTE * points, **write)
    headings = [column["label"] for column in header["columns"]]
    for i, cells in enumerate([headings, *header["rows"]]):
        y = header["top"] + i * header["row_height"]
        colour = _INK if i else _SOFT
        for column, cell in zip(header["columns"], cells, strict=True):
            side = "right" if column["right"] else "left"
            ax.text(column["x"], y, cell, color=colour, ha=side, fontsize=_SIZE * points, **write)
    rule = header["top"] + 5
    ax.plot([_MARGIN, width - _MARGIN], [rule, rule], color=_SOFT, linewidth=0.6)
    return drawn
