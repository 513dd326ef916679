"""The tally of one layer: everything that a survey keeps of its units, of some samples or of all.

Tallies of different samples are added; in any order and any split they come to the same: counts,
extremes and rankings exactly, sums but for their rounding in float64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.recordings.survey.comoments import CoMoments
from layerscope.recordings.survey.ranking import NOBODY, Ranking
from layerscope.recordings.survey.sample_figures import SampleFigures
from layerscope.recordings.survey.value_counts import ValueCounts

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.int64]

#: So many samples, drawn by their numbers, are kept of every unit alike.
DRAWN = 128
#: Of the values that a histogram counts, each so manieth is part of the co-moments.
_EVERY = 4


@dataclass(frozen=True, slots=True)
class Drawn:
    """Samples drawn evenly from all, and how each unit fires on them.

    A sample's lot depends on its number alone, so that all layers and all parts draw the same.
    """

    samples: Numbers  #: (drawn,), by their lots
    peaks: Array  #: (drawn, unit)
    places: npt.NDArray[np.int32]  #: (drawn, unit, axis)

    @classmethod
    def of(cls, samples: Numbers, peaks: Array, places: npt.NDArray[np.int32]) -> Drawn:
        """Draw from samples."""
        order = np.argsort(lot(samples))[:DRAWN]
        return cls(samples[order], peaks[order], places[order])

    def __add__(self, other: Drawn) -> Drawn:
        """Draw from both."""
        if len(self.samples) == DRAWN and len(other.samples):
            highest = lot(self.samples[-1:])[0]
            rows = np.flatnonzero(lot(other.samples) < highest)
            if not len(rows):
                return self
            other = Drawn(other.samples[rows], other.peaks[rows], other.places[rows])
        both = (
            np.concatenate([getattr(self, name), getattr(other, name)])
            for name in ("samples", "peaks", "places")
        )
        return Drawn.of(*both)

    def spread(self, ranks: int) -> Ranking:
        """Return samples of each unit drawn evenly over its quantiles, the highest first."""
        count, units = self.peaks.shape
        order = Ranking.of(
            np.ascontiguousarray(self.peaks.T),
            np.broadcast_to(self.samples, (units, count)),
            np.ascontiguousarray(self.places.transpose(1, 0, 2)),
            count,
            strongest=True,
        )
        ranks = min(ranks, count)
        at = ((np.arange(ranks) + 0.5) * count / max(ranks, 1)).astype(int)
        return Ranking(order.values[:, at], order.samples[:, at], order.places[:, at], True)


def lot(samples: Numbers) -> npt.NDArray[np.uint64]:
    """Return a number that looks drawn for each sample's number, another for each (SplitMix64)."""
    z = samples.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@dataclass(frozen=True, slots=True)
class ByLabel:
    """Sums over the samples of each label."""

    samples: Numbers  #: (label,): how many there are
    mean: npt.NDArray[np.float64]  #: (label, unit): the sum of the samples' means
    peak: npt.NDArray[np.float64]  #: (label, unit): the sum of their highest values

    @classmethod
    def of(cls, labels: Numbers, count: int, figures: SampleFigures) -> ByLabel:
        """Return the sums of samples; a label below 0 is none."""
        known = labels >= 0
        of_label = np.zeros((count, len(labels)))
        of_label[labels[known], np.flatnonzero(known)] = 1
        there = figures.count > 0
        mean, peak = (
            np.where(there, array, 0).astype(np.float64) for array in (figures.mean, figures.peak)
        )
        return cls(
            np.bincount(labels[known], minlength=count).astype(np.int64),
            of_label @ mean,
            of_label @ peak,
        )

    def __add__(self, other: ByLabel) -> ByLabel:
        """Return the sums of both; what has fewer labels has none of the further ones."""
        count = max(len(self.samples), len(other.samples))

        def total(name: str) -> Any:
            one, two = getattr(self, name), getattr(other, name)
            whole = np.zeros((count, *one.shape[1:]), one.dtype)
            whole[: len(one)] += one
            whole[: len(two)] += two
            return whole

        return ByLabel(total("samples"), total("mean"), total("peak"))


@dataclass(frozen=True, slots=True)
class LayerTally:
    """What is kept of the units of a layer, (unit,) where nothing else is said."""

    axes: tuple[str, ...]  #: of a map, without samples and units
    shape: tuple[int, ...]  #: the largest map along these
    samples: int
    counted: Numbers  #: finite values
    nonfinite: Numbers  #: others
    zeros: Numbers
    silent: Numbers  #: samples on which all values are exactly 0
    mean: npt.NDArray[np.float64]
    squares: npt.NDArray[np.float64]  #: the sum of squared distances from the mean
    low: Array
    high: Array
    top: Ranking
    weak: Ranking
    drawn: Drawn
    values: ValueCounts
    comoments: CoMoments | None
    labels: ByLabel

    @classmethod
    def of(
        cls,
        figures: SampleFigures,
        samples: Numbers,
        labels: Numbers,
        label_count: int,
        *,
        top: int,
        comoments: bool,
    ) -> LayerTally:
        """Return the tally of some samples, given their numbers and labels (-1 for none)."""
        count = figures.count.astype(np.int64)
        weights = count.astype(np.float64)
        counted = count.sum(axis=0)
        there = count > 0
        means = np.where(there, figures.mean, 0).astype(np.float64)
        with np.errstate(all="ignore"):  # of values near the end of float32 sums are infinite
            mean = (means * weights).sum(axis=0) / counted
            apart = np.where(there, means - mean, 0)
            squares = np.where(there, figures.squares, 0).astype(np.float64).sum(axis=0)
            squares += (weights * apart**2).sum(axis=0)
        zeros = figures.zeros.astype(np.int64)
        places = figures.places()
        peak = np.where(there, figures.peak, np.nan)
        who = np.where(there, samples[:, None], NOBODY).T
        ranked = {
            strongest: Ranking.of(
                np.ascontiguousarray(peak.T),
                who,
                np.ascontiguousarray(places.transpose(1, 0, 2)),
                top,
                strongest=strongest,
            )
            for strongest in (True, False)
        }
        some = figures.some
        rows = some.reshape(-1, some.shape[-1])
        few = some[:, :: max(1, min(_EVERY, some.shape[1] // _EVERY))].reshape(-1, some.shape[-1])
        with np.errstate(invalid="ignore"):
            return cls(
                axes=figures.axes,
                shape=figures.shape,
                samples=len(samples),
                counted=counted,
                nonfinite=len(samples) * figures.size - counted,
                zeros=zeros.sum(axis=0),
                silent=((zeros == count) & (count == figures.size)).sum(axis=0),
                mean=mean,
                squares=squares,
                low=np.fmin.reduce(np.where(there, figures.low, np.nan), axis=0),
                high=np.fmax.reduce(peak, axis=0),
                top=ranked[True],
                weak=ranked[False],
                drawn=Drawn.of(samples, peak, places),
                values=ValueCounts.of(rows),
                comoments=CoMoments.of(few) if comoments else None,
                labels=ByLabel.of(labels, label_count, figures),
            )

    @property
    def units(self) -> int:
        """How many units the layer has."""
        return len(self.mean)

    def merged(self, other: LayerTally, top: int) -> LayerTally:
        """Return the tally of the samples of both."""
        counted = self.counted + other.counted
        with np.errstate(invalid="ignore", divide="ignore"):
            shift = other.mean - self.mean
            mean = self.mean + shift * (other.counted / counted)
            between = shift**2 * (self.counted * (other.counted / counted))
        mean = np.where(
            self.counted == 0, other.mean, np.where(other.counted == 0, self.mean, mean)
        )
        squares = self.squares + other.squares + np.nan_to_num(between)
        together = self.comoments is not None and other.comoments is not None
        return replace(
            self,
            shape=tuple(map(max, self.shape, other.shape)),
            samples=self.samples + other.samples,
            counted=counted,
            nonfinite=self.nonfinite + other.nonfinite,
            zeros=self.zeros + other.zeros,
            silent=self.silent + other.silent,
            mean=mean,
            squares=squares,
            low=np.fmin(self.low, other.low),
            high=np.fmax(self.high, other.high),
            top=self.top.merged(other.top, top),
            weak=self.weak.merged(other.weak, top),
            drawn=self.drawn + other.drawn,
            values=self.values + other.values,
            comoments=self.comoments + other.comoments  # type: ignore[operator]
            if together
            else None,
            labels=self.labels + other.labels,
        )

    def referred(self) -> set[int]:
        """Return the numbers of all samples that some unit's list holds."""
        numbers = np.concatenate(
            [self.top.samples.ravel(), self.weak.samples.ravel(), self.drawn.samples]
        )
        return set(np.unique(numbers).tolist()) - {NOBODY}
