"""Summaries as text: a table to read, and a file to compute with."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from layerscope.table import shape_text, text_table

if TYPE_CHECKING:
    from layerscope.instruments.summary import Row

_FIELDS = ("address", "type", "shape", "min", "mean", "max", "units", "blank")


def summary_table(rows: Sequence[Row], *, blanks: bool = True) -> str:
    """A line for each layer; the share of blank channels in percent."""
    columns = ["layer", "type", "shape", "min", "mean", "max"] + ["blank"] * blanks
    marked = any(row.nonfinite for row in rows)
    columns += ["not finite"] * marked
    lines = []
    for row in rows:
        line = [row.address, row.type, shape_text(row.shape)]
        line += [f"{value:.4g}" for value in (row.min, row.mean, row.max)]
        line += [f"{row.blank_share:.0%}" if row.blank else ""] * blanks
        line += [f"{row.nonfinite:,}" if row.nonfinite else ""] * marked
        lines.append(line)
    return text_table(columns, lines, right=("min", "mean", "max", "blank", "not finite"))


def summary_csv(rows: Sequence[Row]) -> str:
    """The same as comma-separated values, in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_FIELDS, "blank_share", "nonfinite"])
    for row in rows:
        shape = "x".join(map(str, row.shape))
        figures = (row.min, row.mean, row.max, row.units, row.blank, row.blank_share, row.nonfinite)
        writer.writerow([row.address, row.type, shape, *figures])
    return text.getvalue()
