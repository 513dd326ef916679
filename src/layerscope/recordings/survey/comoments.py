"""How the units of a layer vary together: what their correlations and its rank come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Layers with more units than this are kept by so many directions drawn at random.
MOST_UNITS = 4096
DIRECTIONS = 1024


@dataclass(frozen=True, slots=True)
class CoMoments:
    """Counts, means and sums of products of distances from the mean, over rows of values."""

    count: int
    mean: npt.NDArray[np.float64]  #: (unit,), or (direction,)
    products: npt.NDArray[np.float64]  #: (unit, unit), or (direction, direction)

    @classmethod
    def of(cls, rows: Array) -> CoMoments:
        """Return those of rows, (row, unit), without the rows that hold a value that is no number.

        More than 4,096 units are projected to 1,024 directions, the same for as many units.
        """
        rows = rows[np.isfinite(rows).all(axis=1)]
        if rows.shape[1] > MOST_UNITS:
            rows = rows @ directions(rows.shape[1]).astype(rows.dtype)
        if not len(rows):
            size = rows.shape[1]
            return cls(0, np.zeros(size), np.zeros((size, size)))
        wide = rows.astype(np.float64)
        with np.errstate(all="ignore"):  # of values near the end of float32
            mean = wide.mean(axis=0)
            wide -= mean
            return cls(len(rows), mean, wide.T @ wide)

    def __add__(self, other: CoMoments) -> CoMoments:
        """Return those of the rows of both (Chan, Golub and LeVeque)."""
        count = self.count + other.count
        if not self.count or not other.count:
            return self if self.count else other
        shift = other.mean - self.mean
        products = self.products + other.products
        products += np.outer(shift, shift) * (self.count * other.count / count)
        return CoMoments(count, self.mean + shift * (other.count / count), products)

    def covariance(self) -> Array:
        """Return the covariances of the units; NaN of fewer than two rows."""
        if self.count < 2:
            return np.full_like(self.products, np.nan)
        return np.asarray(self.products / (self.count - 1))

    def correlation(self) -> Array:
        """Return the correlations of the units; NaN where one does not vary."""
        spread = np.sqrt(np.diag(self.products))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.clip(self.products / np.outer(spread, spread), -1, 1))

    def effective_rank(self) -> float:
        """Return exp of the entropy of the shares of variance (Roy and Vetterli, 2007).

        It is 1 where all units say the same, and as many as there are units where each says
        something of its own to the same extent.
        """
        if self.count < 2:
            return float("nan")
        shares = np.clip(np.linalg.eigvalsh(self.products), 0, None)
        total = shares.sum()
        if total <= 0:
            return 0.0
        shares = shares[shares > 0] / total
        return float(np.exp(-(shares * np.log(shares)).sum()))


def directions(units: int) -> npt.NDArray[np.float64]:
    """Return the directions that a layer of so many units is projected to, (unit, direction)."""
    drawn = np.random.default_rng(units).standard_normal((units, DIRECTIONS))
    return np.asarray(drawn / np.sqrt(DIRECTIONS))
