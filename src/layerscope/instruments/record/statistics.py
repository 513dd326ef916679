"""What is said of each unit at a step: its mean, spread, range and share of zeros over the probe.

Computed in float32 or wider: sums in float16 overflow. Each value is read from memory once: a piece
that fits the cache is looked at in every way before the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import UNIT_AXES, NamedArray

Array = npt.NDArray[Any]

#: The statistics of a unit, by the names that a recording has for them.
NAMES = ("mean", "std", "min", "max", "zeros")

#: Values in a piece: 256 kB in float32.
_PIECE = 65_536
#: Rows shorter than this are laid side by side: short ones cost more to begin than to add up.
_WIDE = 512
#: With fewer values in a row than this behind each unit, the units are brought to the end first.
_LONG = 64


def unit_axis(axes: tuple[str, ...]) -> str | None:
    """Return the axis that numbers the units; None where there is none."""
    return next((name for name in reversed(axes) if name in UNIT_AXES), None)


def unit_count(axes: tuple[str, ...], shape: tuple[int, ...]) -> int:
    """Return how many units a value has: 1 where no axis numbers them."""
    axis = unit_axis(axes)
    return 1 if axis is None else shape[axes.index(axis)]


def unit_statistics(array: NamedArray) -> dict[str, Array]:
    """Return mean, standard deviation, minimum, maximum and share of zeros of each unit.

    NaN where any of the unit's values is; float64 where the values are, float32 otherwise.
    """
    values = _real(array.values)
    axis = unit_axis(array.axes)
    at = values.ndim if axis is None else array.axes.index(axis)
    units = 1 if axis is None else values.shape[at]
    if values.size == 0:
        return {name: np.full(units, np.nan, values.dtype) for name in NAMES}
    tally = _Tally(units)
    with np.errstate(all="ignore"):  # infinities make NaNs; that is what they are to make
        for piece in _pieces(values, at, units):
            tally.add(piece)
        return {name: figures.astype(values.dtype) for name, figures in tally.result().items()}


def _real(values: Array) -> Array:
    if values.dtype.kind == "c":
        values = np.abs(values)
    if values.dtype.kind != "f":
        return values.astype(np.float64)
    return values.astype(np.float32) if values.dtype.itemsize < 4 else values


def _pieces(values: Array, at: int, units: int) -> Iterator[Array]:
    """Yield the values piece by piece, ``(row, unit)`` or ``(unit, value)`` transposed to that."""
    before = int(np.prod(values.shape[:at], dtype=np.int64))
    behind = values.size // (before * units)
    blocks = values.reshape(before, units, behind)
    if 1 < behind < _LONG:
        blocks = np.ascontiguousarray(blocks.transpose(0, 2, 1)).reshape(-1, units, 1)
    if blocks.shape[2] == 1:
        rows, step = blocks[:, :, 0], max(_PIECE // units, 1)
        yield from (rows[start : start + step] for start in range(0, len(rows), step))
        return
    step = max(_PIECE // behind, 1)
    for block in blocks:
        if step >= units:
            yield block.T
            continue
        # A piece has every unit; so a map too large is cut along its own values instead.
        length = max(_PIECE // units, _LONG)
        yield from (block[:, i : i + length].T for i in range(0, behind, length))


@dataclass
class _Tally:
    """What was seen so far, by unit; pieces are added as Chan, Golub and LeVeque add samples."""

    units: int

    def __post_init__(self) -> None:
        self._count = 0
        self._mean = np.zeros(self.units)
        self._squares = np.zeros(self.units)  # of the distances from the mean
        self._low = np.full(self.units, np.inf)
        self._high = np.full(self.units, -np.inf)
        self._zeros = np.zeros(self.units)

    def add(self, piece: Array) -> None:
        """Add a piece, ``(row, unit)``."""
        if piece.flags.c_contiguous:
            folds = max(min(_WIDE // self.units, len(piece)), 1)
            whole = len(piece) // folds * folds
            self._add(piece[:whole].reshape(-1, folds * self.units), folds)
            if whole < len(piece):
                self._add(piece[whole:], 1)
        else:
            self._add(piece, 1)

    def _add(self, piece: Array, folds: int) -> None:
        """Add a piece with so many of its rows side by side."""
        ones = np.ones(len(piece), piece.dtype)
        count = len(piece) * folds
        mean = self._by_unit(ones @ piece).sum(axis=0) / count
        apart = piece - np.tile(mean, folds).astype(piece.dtype)
        squares = self._by_unit(np.einsum("ij,ij->j", apart, apart)).sum(axis=0)
        zeros = self._by_unit(ones @ (piece == 0).astype(piece.dtype)).sum(axis=0)
        total = self._count + count
        shift = mean - self._mean
        self._mean = self._mean + shift * (count / total)
        self._squares += squares + shift**2 * (self._count * count / total)
        self._low = np.minimum(self._low, self._by_unit(piece.min(axis=0)).min(axis=0))
        self._high = np.maximum(self._high, self._by_unit(piece.max(axis=0)).max(axis=0))
        self._zeros += zeros
        self._count = total

    def _by_unit(self, row: Array) -> Array:
        return row.reshape(-1, self.units).astype(np.float64)

    def result(self) -> dict[str, Array]:
        return {
            "mean": self._mean,
            "std": np.sqrt(self._squares / self._count),
            "min": self._low,
            "max": self._high,
            # Rounded to float32, a share of 1 is left to what is zero everywhere.
            "zeros": np.where(
                self._zeros < self._count, np.minimum(self._zeros / self._count, 1 - 2**-24), 1
            ),
        }
