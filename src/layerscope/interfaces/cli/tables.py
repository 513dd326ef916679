"""Summaries as text: a table to read, and a file to compute with."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from layerscope.core.console import room
from layerscope.core.table import shape_text, text_table
from layerscope.core.text import spreadsheet_cell

if TYPE_CHECKING:
    from layerscope.instruments.summary import Row
    from layerscope.recordings.findings import Figures
    from layerscope.recordings.run import Run

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
    return text_table(columns, lines, _RIGHT, room(), whole=("shape",)).split("\n")


def summary_csv(rows: Sequence[Row], answers: Mapping[str, str] | None = None) -> str:
    """Return the same as comma-separated values, in full; no cell is a formula.

    ``answers`` are what was answered, by the addresses of the outputs.
    """
    added = [] if answers is None else ["answer"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_FIELDS, "blank_share", "nonfinite", "constant", *added])
    for row in rows:
        shape = "x".join(map(str, row.shape))
        figures = (row.min, row.mean, row.max, row.units, row.blank, row.blank_share)
        counts = (row.nonfinite, row.constant)
        answer = [] if answers is None else [answers.get(row.address, "")]
        cells = (row.address, row.type, shape, *figures, *counts, *answer)
        writer.writerow(map(spreadsheet_cell, cells))
    return text.getvalue()


def over_time(run: Run) -> list[str]:
    """Return the lines of tables of a run: metrics, and figures of each layer, over its steps."""
    from layerscope.views.run_tables import run_tables

    count = len(run.steps)
    lines = [f"{run.network.name}: {count} step{'s' * (count != 1)}, {len(run)} layers"]
    for header in (panel.header for panel in run_tables(run)):
        columns, rows = header["columns"], header["rows"]
        names = [column["label"] for column in columns]
        right = [column["label"] for column in columns if column["right"]]
        lines += ["", *text_table(names, rows, right, room()).split("\n")] if rows else [""]
        lines += [header["note"]] if header["note"] else []
    return lines


def figures_over_time(run: Run) -> dict[str, Any]:
    """Return all figures of a run at each of its steps, and what was noted, as JSON has it."""
    from layerscope.recordings.finding import moved_per
    from layerscope.recordings.findings import layer_series

    def listed(figures: Figures | None) -> list[float] | None:
        return None if figures is None else [float(value) for value in figures]

    return {
        "network": run.network.name,
        "steps": [int(step) for step in run.steps],
        "epochs": listed(run.epochs),
        "notes": list(run.notes),
        "change_per": moved_per(run),
        "findings": [asdict(finding) for finding in run.findings()],
        "metrics": {name: listed(values) for name, values in run.metrics.items()},
        "layers": [
            {
                "address": series.address,
                "units": series.units,
                "silent_share": listed(series.dead),
                "mean": listed(series.mean),
                "change": listed(series.change),
            }
            for series in layer_series(run)
        ],
    }


def json_lines(value: Any) -> list[str]:
    """Return the value as lines of JSON, of plain letters alone; what is not finite is null."""
    return json.dumps(_finite(value), indent=2, default=str, allow_nan=False).split("\n")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
