"""For each unit, the samples on which it fires most, or least: one entry for each sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: What stands where there are fewer samples than ranks.
NOBODY = -1
_MOST_SAMPLES = 2**32  #: a number of a sample shares 64 bits with a value


@dataclass(frozen=True, slots=True)
class Ranking:
    """The first samples of each unit, (unit, rank), by value and then by the sample's number.

    So it does not matter in which order the samples came. A rank without a sample has the number
    -1, NaN for its value, and -1 for its place.
    """

    values: Array  #: the strongest value of the unit on the sample
    samples: npt.NDArray[np.int64]
    places: npt.NDArray[np.int32]  #: where in its map, (unit, rank, axis)
    strongest: bool  #: whether the highest values come first, or the lowest

    @classmethod
    def of(
        cls,
        values: Array,
        samples: npt.NDArray[np.int64],
        places: npt.NDArray[np.int32],
        ranks: int,
        *,
        strongest: bool,
    ) -> Ranking:
        """Return the first of candidates, (unit, candidate), of which each sample is one."""
        order = _order(values, samples, strongest)[:, :ranks]
        return cls(
            np.take_along_axis(values, order, axis=1),
            np.take_along_axis(samples, order, axis=1),
            np.take_along_axis(places, order[:, :, None], axis=1),
            strongest,
        )

    @property
    def ranks(self) -> int:
        """How many samples are kept for each unit, where there are so many."""
        return int(self.values.shape[1])

    def merged(self, other: Ranking, ranks: int) -> Ranking:
        """Return the ranking of the samples of both."""
        if self.ranks >= ranks and other.ranks:
            # Of much data most units keep what they have: only the others are ranked again.
            last, best = self.values[:, -1], other.values[:, 0]
            with np.errstate(invalid="ignore"):
                stays = last > best if self.strongest else last < best
            stays |= other.samples[:, 0] == NOBODY
            rows = np.flatnonzero(~stays)
            if len(rows) < len(last):
                again = self._rows(rows).merged(other._rows(rows), ranks) if len(rows) else None
                return self._replaced(rows, again)
        return Ranking.of(
            np.concatenate([self.values, other.values], axis=1),
            np.concatenate([self.samples, other.samples], axis=1),
            np.concatenate([self.places, other.places], axis=1),
            ranks,
            strongest=self.strongest,
        )

    def _rows(self, rows: Array) -> Ranking:
        return Ranking(self.values[rows], self.samples[rows], self.places[rows], self.strongest)

    def _replaced(self, rows: Array, by: Ranking | None) -> Ranking:
        if by is None:
            return self
        values, samples, places = self.values.copy(), self.samples.copy(), self.places.copy()
        values[rows], samples[rows], places[rows] = by.values, by.samples, by.places
        return Ranking(values, samples, places, self.strongest)


def _order(values: Array, samples: npt.NDArray[np.int64], strongest: bool) -> Array:
    """Return the order of each row's candidates; those without a sample come last."""
    nobody = samples == NOBODY
    if values.dtype == np.float32 and samples.size and int(samples.max()) < _MOST_SAMPLES:
        # One integer for both: whole numbers are sorted several times as fast as pairs.
        bits = (values + np.float32(0)).view(np.int32)  # -0.0 is 0.0
        rising = np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64)
        key = (-rising if strongest else rising) * _MOST_SAMPLES + samples
        key[nobody] = np.iinfo(np.int64).max
        return np.argsort(key, axis=1)
    signed = np.where(nobody, np.inf, -values if strongest else values)
    return np.lexsort((samples, signed, nobody), axis=1)
