"""Numbers in ``.csv`` and ``.tsv`` files: a row is a sample, or a position of one sequence."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.core.files import kind_of
from layerscope.core.network import InputSpec
from layerscope.core.text import printable
from layerscope.inputs.array_files import check_size
from layerscope.inputs.arrays import fit_array
from layerscope.inputs.series import along_positions, axes_of, expected_text, fits
from layerscope.inputs.settings import Fitted

_NAMED = 8  #: columns that a note names
_SHOWN = 40  #: characters of a cell, or of a column's name

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Table:
    """What a file holds."""

    values: Array  #: (rows, columns)
    names: tuple[str, ...]  #: of the columns; empty where the file does not say
    empty: int = 0  #: cells that hold nothing, which are NaN

    def without_index(self) -> Table:
        """Return the table without a first column that has no name, as pandas writes one."""
        return Table(self.values[:, 1:], self.names[1:], self.empty)


def fit_table(path: str | Path, spec: InputSpec) -> Fitted:
    """Return the rows of a file as samples, or, for a model of sequences, as positions.

    Raises InputError when it can't be read, holds what is no number, or does not fit.
    """
    table = read_table(Path(path))
    name = Path(path).name
    notes = []
    made = _arranged(table.values, spec)
    if made is None and table.names and not table.names[0].strip():
        made = _arranged(table.without_index().values, spec)
        if made is not None:
            table = table.without_index()
            notes = ["its first column, which has no name, left out"]
    if made is None:
        rows, columns = table.values.shape
        hint = "keep one column for each value that it takes"
        if along_positions(table.values[:, :1], spec) is None:
            hint = "pass an array of that shape"
        raise InputError(
            f"{str(path)!r} has {_count(rows, 'row')} and {_count(columns, 'column')}"
            f"{_named(table, ': ')}, and the model expects {expected_text(spec)}: {hint}."
        )
    values, what = made
    notes.insert(0, f"{name}: {what}{_named(table)}")
    if table.empty:
        notes.append(f"{_count(table.empty, 'empty cell')} NaN")
    value, more = fit_array(values, spec, name)
    count = len(table.values) if what.endswith("as samples") else 1
    samples = tuple(f"{name}[{i}]" for i in range(count)) if count > 1 else (name,)
    return Fitted(value, (", ".join(notes), *more), samples)


def is_table_file(x: Any) -> bool:
    """Return whether a path names a table."""
    return isinstance(x, str | Path) and Path(x).suffix.lower() in (".csv", ".tsv")


def frame_of(path: str | Path) -> tuple[Any, str]:
    """Return the table in a file, as pandas reads it, and what was read.

    For models that take tables by their columns, words among the numbers, too. Raises InputError
    when it can't be read.
    """
    import pandas as pd

    path = Path(path)
    if kind_of(path) != "file":
        raise InputError(f"There is no file {str(path)!r}.")
    check_size(str(path), 16 * path.stat().st_size)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            comma = _separator(stream.readline())
            stream.seek(0)
            frame = pd.read_csv(stream, sep=comma, decimal="," if comma == ";" else ".")
    except (OSError, ValueError) as error:  # of pandas' own, all are ValueErrors
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"{str(path)!r} can't be read as a table ({reason}).") from error
    if not len(frame):
        raise InputError(f"{str(path)!r} holds no rows.")
    names = tuple(map(str, frame.columns))
    read = Table(np.zeros((len(frame), len(names))), names)
    return frame, f"{path.name}: {_count(len(frame), 'row')} as samples{_named(read)}"


def _arranged(values: Array, spec: InputSpec) -> tuple[Array, str] | None:
    """Return the values as the model takes them, and what rows are; None where they don't fit."""
    rows, columns = values.shape
    rank = 2 if spec.shape is None else len(spec.shape)
    samples = f"{_count(rows, 'row')} as samples"
    if rank == 2 and fits(values, spec):
        return values.astype(np.float32), samples
    if rank == 1 and columns == 1 and fits(values[:, 0], spec):
        return values[:, 0].astype(np.float32), samples
    sequence = along_positions(values.astype(np.float32), spec)
    if sequence is not None and fits(sequence, spec):
        return sequence, f"{_count(rows, 'row')} as positions of one sequence"
    if rank == 3:  # a sequence of one channel in each row
        axes = ("sample", "position", "channel")
        order = [axes.index(name) for name in axes_of(spec)]
        each = values.astype(np.float32)[:, :, None].transpose(order)
        if fits(each, spec):
            return each, samples
    return None


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _named(table: Table, before: str = ", columns ") -> str:
    if not table.names:
        return ""
    names = ", ".join(repr(_short(name)) for name in table.names[:_NAMED])
    more = len(table.names) - _NAMED
    return f"{before}{names}{f' and {more} more' if more > 0 else ''}"


def read_table(path: Path) -> Table:
    """Read a file of rows of numbers; its first row is names where one of its cells is no number.

    Columns are parted by a comma, a semicolon (then a comma is a decimal one) or a tab.

    Raises InputError when there is none, or a cell holds something else.
    """
    if kind_of(path) != "file":
        raise InputError(f"There is no file {str(path)!r}.")
    check_size(str(path), 16 * path.stat().st_size)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            text = stream.readline()
            comma = _separator(text)
            stream.seek(0)
            rows = [row for row in csv.reader(stream, delimiter=comma) if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"{str(path)!r} can't be read as a table ({reason}).") from error
    decimal = comma == ";"
    names: tuple[str, ...] = ()
    if rows and any(cell.strip() and _number(cell, decimal) is None for cell in rows[0]):
        names = tuple(cell.strip() for cell in rows.pop(0))
    if not rows:
        raise InputError(f"{str(path)!r} holds no rows of numbers.")
    return _numbers(rows, names, decimal, path)


def _separator(line: str) -> str:
    """Return what parts the columns of a line: of a tab, a semicolon and a comma the first."""
    return next((mark for mark in ("\t", ";") if mark in line), ",")


def _numbers(rows: list[list[str]], names: tuple[str, ...], decimal: bool, path: Path) -> Table:
    width = len(names) or len(rows[0])
    values = np.full((len(rows), width), np.nan)
    empty = 0
    for i, row in enumerate(rows):
        if len(row) != width:
            raise InputError(
                f"{str(path)!r} has {width} columns, and its row {i + 1 + bool(names)} has "
                f"{len(row)}."
            )
        for j, cell in enumerate(row):
            number = _number(cell, decimal)
            if number is not None:
                values[i, j] = number
            elif cell.strip():
                column = repr(_short(names[j])) if names else str(j + 1)
                raise InputError(
                    f"{str(path)!r} holds {_short(cell)!r} in row {i + 1 + bool(names)}, column "
                    f"{column}, which is no number: leave such columns out."
                )
            else:
                empty += 1
    return Table(values, names, empty)


def _number(cell: str, decimal: bool) -> float | None:
    try:
        return float(cell.replace(",", ".") if decimal else cell)
    except ValueError:
        return None


def _short(text: str) -> str:
    text = printable(text.strip())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
