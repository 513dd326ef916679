"""Summaries as text: a table to read, and a file to compute with."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from layerscope.core.table import shape_text, text_table
from layerscope.core.text import spreadsheet_cell

if TYPE_CHECKING:
    from layerscope.instruments.summary import Row
    from layerscope.recordings.run import Run

_SILENT = "silent units"
_MOMENTS = 8  #: columns of a table over time
_RIGHT = ("min", "mean", "max", "blank", "constant", "not finite")
_FIELDS = ("address", "type", "shape", "min", "mean", "max", "units", "blank")


def summary_table(rows: Sequence[Row], *, blanks: bool = True) -> list[str]:
    """Return the lines of a table, one for each layer; shares of channels in percent."""
    columns = ["layer", "type", "shape", "min", "mean", "max"] + ["blank"] * blanks
    steady = blanks and any(row.constant for row in rows)
    columns += ["constant"] * steady
    marked = any(row.nonfinite for row in rows)
    columns += ["not finite"] * marked
    lines = []
    for row in rows:
        line = [row.address, row.type, shape_text(row.shape)]
        line += [f"{value:.4g}" for value in (row.min, row.mean, row.max)]
        line += [f"{row.blank_share:.0%}" if row.blank else ""] * blanks
        line += [f"{row.constant / row.units:.0%}" if row.constant else ""] * steady
        line += [f"{row.nonfinite:,}" if row.nonfinite else ""] * marked
        lines.append(line)
    return text_table(columns, lines, right=_RIGHT).split("\n")


def summary_csv(rows: Sequence[Row]) -> str:
    """The same as comma-separated values, in full precision; no cell is a spreadsheet's formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_FIELDS, "blank_share", "nonfinite", "constant"])
    for row in rows:
        shape = "x".join(map(str, row.shape))
        figures = (row.min, row.mean, row.max, row.units, row.blank, row.blank_share)
        counts = (row.nonfinite, row.constant)
        cells = (row.address, row.type, shape, *figures, *counts)
        writer.writerow(map(spreadsheet_cell, cells))
    return text.getvalue()


def over_time(run: Run) -> list[str]:
    """Tables of a run: its metrics, and for each layer its figures at up to eight of its steps."""
    import numpy as np

    from layerscope.recordings.findings import layer_series, moment_text

    count = len(run.steps)
    lines = [f"{run.network.name}: {count} step{'s' * (count != 1)}, {len(run)} layers"]
    if not count:
        return lines
    chosen = sorted({round(i) for i in np.linspace(0, count - 1, min(count, _MOMENTS))})
    titles = [moment_text(run, i) for i in chosen]
    series = layer_series(run)
    tables: list[tuple[str, list[tuple[str, Any]], str]] = [
        ("metric", list(run.metrics.items()), ".3g"),
        (_SILENT, [(s.address, s.dead) for s in series], ".0%"),
        ("mean activation", [(s.address, s.mean) for s in series], ".3g"),
        ("change of weights", [(s.address, s.change) for s in series], ".2%"),
    ]
    for title, found, form in tables:
        silent = [name for name, values in found if title == _SILENT and _never(values)]
        found = [(name, values) for name, values in found if name not in silent]
        rows = [
            (name, *("" if np.isnan(values[i]) else format(float(values[i]), form) for i in chosen))
            for name, values in found
            if values is not None
        ]
        if rows:
            lines += ["", *text_table((title, *titles), rows, right=titles).split("\n")]
        if silent:
            rest = "the other " if rows else ""
            layers = f"{rest}{len(silent)} layer{'s' * (len(silent) != 1)}"
            lines += [*[""] * (not rows), f"No unit was silent in {layers}."]
    return lines


def _never(shares: Any) -> bool:
    """Whether a share is known, and zero at every step."""
    return shares is not None and bool((shares == 0).all())
