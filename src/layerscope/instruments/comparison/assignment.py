"""Partners one to one, so that what they count together is most."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


def best_assignment(worth: Array) -> Numbers:
    """Return the column of each row, each column at most once, whose worths add up to most.

    By shortest augmenting paths (Jonker & Volgenant 1987): rows³ steps of NumPy's speed. Of more
    rows than columns those that are left over have -1.
    """
    rows, columns = worth.shape
    if rows > columns:
        of_columns = best_assignment(worth.T)
        chosen = np.full(rows, -1, np.int64)
        chosen[of_columns] = np.arange(columns)
        return chosen
    cost = -worth
    row_price, column_price = np.zeros(rows + 1), np.zeros(columns + 1)
    taken_by = np.zeros(columns + 1, np.int64)  # counted from 1; 0 is nobody, and column 0 a start
    for row in range(1, rows + 1):
        _augment(row, cost, row_price, column_price, taken_by)
    result = np.full(rows, -1, np.int64)
    for column in np.flatnonzero(taken_by[1:]):
        result[taken_by[column + 1] - 1] = column
    return result


def _augment(
    row: int, cost: Array, row_price: Array, column_price: Array, taken_by: Numbers
) -> None:
    """Give a row a column, and others another one where that is best."""
    columns = cost.shape[1]
    taken_by[0], at = row, 0
    nearest = np.full(columns + 1, np.inf)
    came_from = np.zeros(columns + 1, np.int64)
    used = np.zeros(columns + 1, bool)
    while taken_by[at] or at == 0:
        used[at] = True
        holder = taken_by[at]
        reduced = cost[holder - 1] - row_price[holder] - column_price[1:]
        nearer = ~used[1:] & (reduced < nearest[1:])
        nearest[1:][nearer] = reduced[nearer]
        came_from[1:][nearer] = at
        ahead = int(np.argmin(np.where(used[1:], np.inf, nearest[1:]))) + 1
        step = nearest[ahead]
        row_price[taken_by[used]] += step
        column_price[used] -= step
        nearest[~used] -= step
        at = ahead
    while at:
        before = int(came_from[at])
        taken_by[at] = taken_by[before]
        at = before
