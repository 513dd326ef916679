"""Tallies of samples in any order and split are the tally of all, and what a loop would count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.backends.reducing import NumpyOps
from layerscope.instruments.survey.reduction import PLACES, Reduction, figures
from layerscope.recordings.survey.layer_tally import DRAWN, LayerTally, lot

UNITS, TOP = 3, 4
AXES = ("sample", "y", "x", "channel")


def tally(values: np.ndarray, numbers: np.ndarray, labels: np.ndarray) -> LayerTally:
    offsets = (lot(numbers) >> np.uint64(34)).astype(np.int32)
    finite = bool(np.isfinite(values).all())
    made = Reduction(masked=not finite)(NumpyOps, values, AXES, offsets)
    assert made is not None
    return LayerTally.of(
        figures(made, AXES, values.shape), numbers, labels, 2, top=TOP, comoments=True
    )


@st.composite
def split_data(draw: st.DrawFn) -> tuple[np.ndarray, list[np.ndarray]]:
    """Values of samples, whole numbers so that sums are exact; and which go into which part."""
    count = draw(st.integers(1, 24))
    seed = draw(st.integers(0, 2**32 - 1))
    values = np.random.default_rng(seed).integers(-3, 4, (count, 3, 2, UNITS)).astype(np.float32)
    if draw(st.booleans()):
        values[draw(st.integers(0, count - 1)), 0, 0, 0] = np.nan
        values[draw(st.integers(0, count - 1)), ..., 1] = np.inf
    part = np.array(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    parts = [np.flatnonzero(part == i) for i in draw(st.permutations(range(4)))]
    return values, [p for p in parts if len(p)]


@given(split_data())
def test_parts_in_any_order_add_up_to_the_whole(data: tuple[np.ndarray, list[np.ndarray]]) -> None:
    values, parts = data
    numbers = np.arange(len(values)) + 7
    labels = np.arange(len(values)) % 3 - 1
    whole = tally(values, numbers, labels)
    merged = None
    for part in parts:
        one = tally(values[part], numbers[part], labels[part])
        merged = one if merged is None else merged.merged(one, TOP)
    assert merged is not None
    assert_same(merged, whole)


def assert_same(one: LayerTally, other: LayerTally) -> None:
    for name in ("samples", "shape", "axes"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("counted", "nonfinite", "zeros", "silent", "low", "high"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(one.squares, other.squares, rtol=1e-6, atol=1e-5)
    for name in ("top", "weak"):
        mine, theirs = getattr(one, name), getattr(other, name)
        there = theirs.samples >= 0
        np.testing.assert_array_equal(mine.samples, theirs.samples)
        np.testing.assert_array_equal(mine.values[there], theirs.values[there])
        np.testing.assert_array_equal(mine.places[there], theirs.places[there])
    np.testing.assert_array_equal(one.drawn.samples, other.drawn.samples)
    np.testing.assert_array_equal(one.drawn.peaks, other.drawn.peaks)
    assert one.values.first == other.values.first
    np.testing.assert_array_equal(one.values.counts, other.values.counts)
    assert one.comoments is not None
    assert other.comoments is not None
    assert one.comoments.count == other.comoments.count
    np.testing.assert_allclose(
        one.comoments.products, other.comoments.products, rtol=1e-9, atol=1e-9
    )
    for name in ("samples", "mean", "peak"):
        np.testing.assert_allclose(getattr(one.labels, name), getattr(other.labels, name))


@given(split_data())
def test_a_tally_is_what_a_loop_over_values_would_count(
    data: tuple[np.ndarray, list[np.ndarray]],
) -> None:
    values, _ = data
    numbers = np.arange(len(values))
    got = tally(values, numbers, np.full(len(values), -1))
    for unit in range(UNITS):
        of_unit = values[..., unit]
        flat = of_unit[np.isfinite(of_unit)].astype(np.float64)
        assert got.counted[unit] == flat.size
        assert got.nonfinite[unit] == of_unit.size - flat.size
        assert got.zeros[unit] == (of_unit == 0).sum()
        assert got.silent[unit] == (of_unit == 0).all(axis=(1, 2)).sum()
        if flat.size:
            assert got.mean[unit] == pytest.approx(flat.mean(), rel=1e-6, abs=1e-6)
            assert got.squares[unit] == pytest.approx(flat.var() * flat.size, rel=1e-5, abs=1e-5)
            assert (got.low[unit], got.high[unit]) == (flat.min(), flat.max())
        peaks = sorted(
            (-np.nanmax(np.where(np.isfinite(m), m, np.nan)), number)
            for number, m in zip(numbers, of_unit, strict=True)
            if np.isfinite(m).any()
        )
        ranked = [
            (-v, s)
            for v, s in zip(got.top.values[unit], got.top.samples[unit], strict=True)
            if s >= 0
        ]
        assert ranked == peaks[:TOP]
        weakest = sorted((-v, s) for v, s in peaks)[:TOP]
        listed = [
            (v, s)
            for v, s in zip(got.weak.values[unit], got.weak.samples[unit], strict=True)
            if s >= 0
        ]
        assert listed == weakest
        for value, sample, place in zip(
            got.top.values[unit], got.top.samples[unit], got.top.places[unit], strict=True
        ):
            assert sample < 0 or of_unit[sample][tuple(place)] == value


def test_samples_drawn_do_not_depend_on_the_layer_or_the_split() -> None:
    numbers = np.arange(1000)
    values = np.zeros((1000, 1, 1, UNITS), np.float32)
    whole = tally(values, numbers, numbers * 0)
    assert len(whole.drawn.samples) == DRAWN
    parts = [tally(values[p], numbers[p], numbers[p] * 0) for p in np.split(numbers, [10, 700])]
    merged = parts[2].merged(parts[0], TOP).merged(parts[1], TOP)
    assert merged.drawn.samples.tolist() == whole.drawn.samples.tolist()
    # Evenly from all: no tenth of the data has more than a third of the lots.
    assert np.bincount(whole.drawn.samples // 100, minlength=10).max() < DRAWN / 3


def test_drawn_samples_are_spread_over_the_quantiles() -> None:
    numbers = np.arange(DRAWN)
    values = np.tile(numbers[:, None, None, None], (1, 1, 1, UNITS)).astype(np.float32)
    spread = tally(values, numbers, numbers * 0).drawn.spread(TOP)
    assert spread.values[0].tolist() == [111, 79, 47, 15]


def test_the_histogram_counts_as_many_places_of_each_map_and_others_for_each_sample() -> None:
    numbers = np.arange(50)
    ramp = np.arange(1, 101, dtype=np.float32).reshape(10, 10)
    values = np.tile(ramp[None, ..., None], (50, 1, 1, UNITS))
    counts = tally(values, numbers, numbers * 0).values.counts
    assert counts.sum(axis=1).tolist() == [50 * PLACES] * UNITS
    assert (counts[0] > 0).sum() > 40  # of the ramp's 100 values, in as many bins as there are
