"""Tables of a run: its metrics, and for each layer its figures at some of its steps."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from layerscope.core.text import shown_name
from layerscope.recordings.finding import change_title, moment_text
from layerscope.recordings.findings import layer_series
from layerscope.recordings.run import Run
from layerscope.views.render.panel import Panel
from layerscope.views.render.table import table_panel

_MOMENTS = 8  #: columns of a table over time
_SILENT = "silent units"
_CHANGE = "change of weights"

Figures = npt.NDArray[np.float64]


def run_tables(run: Run) -> list[Panel]:
    """Return a table of the metrics, and of each figure of the layers, at up to eight steps.

    A table without rows is left out, unless its note says something: layers in which no unit is
    ever silent are counted in the note of the table of silent units, and are not among its rows.
    """
    count = len(run.steps)
    if not count:
        return []
    moments = sorted({round(i) for i in np.linspace(0, count - 1, min(count, _MOMENTS))})
    series = layer_series(run)
    tables: list[tuple[str, list[tuple[str, Figures | None]], str]] = [
        ("metric", list(run.metrics.items()), ".3g"),
        (_SILENT, [(one.address, one.dead) for one in series], ".0%"),
        ("mean activation", [(one.address, one.mean) for one in series], ".3g"),
        (
            change_title(run),
            [(one.address, _since_before(one.change, moments)) for one in series],
            ".2%",
        ),
    ]
    made = [_table(run, *table, moments) for table in tables]
    return [panel for panel in made if panel.header["rows"] or panel.header["note"]]


def _table(
    run: Run,
    title: str,
    figures: list[tuple[str, Figures | None]],
    form: str,
    moments: list[int],
) -> Panel:
    silent = [name for name, values in figures if title == _SILENT and _never(values)]
    rows = [
        (name, *("" if np.isnan(values[i]) else format(float(values[i]), form) for i in moments))
        for name, values in figures
        if values is not None and name not in silent
    ]
    note = ""
    if silent:
        rest = "the other " if rows else ""
        note = f"No unit was silent in {rest}{len(silent)} layer{'s' * (len(silent) != 1)}."
    if title.startswith(_CHANGE) and rows and len(moments) < len(run.steps):
        note = "The largest change by a single step since the column before."
    titles = [moment_text(run, i) for i in moments]
    return table_panel(
        f"{title}: {shown_name(run.network.name)}",
        (title, *titles),
        rows,
        right=titles,
        address="*",
        note=note,
        provenance=lambda: run.provenance,
    )


def _since_before(change: Figures | None, moments: list[int]) -> Figures | None:
    """Return the largest change by a step since the moment before, at each of the moments."""
    if change is None:
        return None
    largest = change.copy()
    for before, at in itertools.pairwise(moments):
        steps = change[before + 1 : at + 1]
        largest[at] = np.nan if np.isnan(steps).all() else np.nanmax(steps)
    return largest


def _never(shares: Figures | None) -> bool:
    """Return whether a share is known, and zero at every step."""
    return shares is not None and bool((shares == 0).all())
