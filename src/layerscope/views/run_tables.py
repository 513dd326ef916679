"""Tables of a run: its metrics, and for each layer its figures at some of its steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layerscope.core.text import shown_name
from layerscope.recordings.findings import layer_series, moment_text
from layerscope.recordings.run import Run
from layerscope.views.render.panel import Panel
from layerscope.views.render.table import table_panel

_MOMENTS = 8  #: columns of a table over time
_SILENT = "silent units"

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
        ("change of weights", [(one.address, one.change) for one in series], ".2%"),
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


def _never(shares: Figures | None) -> bool:
    """Return whether a share is known, and zero at every step."""
    return shares is not None and bool((shares == 0).all())
