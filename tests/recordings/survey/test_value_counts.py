"""Counts of values: every value into one bin, whose middle is at most 2.2 % away."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from layerscope.recordings.survey.value_counts import (
    BINS,
    OCTAVE,
    ValueCounts,
    bin_of,
    limits,
    middles,
)

FLOATS = st.floats(-(2.0**31), 2.0**31, width=32)


@given(arrays(np.float32, st.integers(1, 40), elements=FLOATS))
def test_a_value_lies_between_the_limits_of_its_bin(values: np.ndarray) -> None:
    at = bin_of(values)
    low, high = limits()
    wide = values.astype(np.float64)
    assert ((low[at] <= wide) & (wide <= high[at])).all()
    # Of the two limits, the one nearer to zero belongs to the bin.
    outer = np.where(wide > 0, high[at], low[at])
    assert ((wide != outer) | (wide == 0)).all()


@given(arrays(np.float32, st.integers(1, 40), elements=FLOATS))
def test_the_middle_of_a_bin_is_near_every_value_in_it(values: np.ndarray) -> None:
    wide = values.astype(np.float64)
    middle = middles()[bin_of(values)]
    large = np.abs(wide) >= 2.0**-31  # below is the outermost bin, which holds all that is smaller
    assert (np.abs(middle - wide)[large] <= 0.0222 * np.abs(wide)[large]).all()
    assert (np.sign(middle) == np.sign(wide)).all()


def test_limits_touch_and_rise() -> None:
    low, high = limits()
    zero = BINS // 2
    assert (low[zero], high[zero]) == (0, 0)
    assert np.array_equal(high[:-1], low[1:])
    assert (np.diff(np.delete(middles(), zero)) > 0).all()
    assert high[zero + OCTAVE] / low[zero + 2] == pytest.approx(2 ** (15 / 16), rel=1e-3)


@given(
    arrays(np.float32, st.tuples(st.integers(0, 30), st.just(3)), elements=FLOATS),
    arrays(np.float32, st.tuples(st.integers(0, 30), st.just(3)), elements=FLOATS),
)
def test_counts_of_parts_add_up_to_those_of_the_whole(one: np.ndarray, two: np.ndarray) -> None:
    both, whole = (
        ValueCounts.of(one) + ValueCounts.of(two),
        ValueCounts.of(np.concatenate([one, two])),
    )
    assert spread(both).tolist() == spread(whole).tolist()
    assert spread(both).sum(axis=1).tolist() == [len(one) + len(two)] * 3


def test_values_that_are_not_finite_are_left_out() -> None:
    values = np.array([[1, np.nan], [np.inf, 2], [-np.inf, 3]], np.float32)
    assert ValueCounts.of(values).counts.sum(axis=1).tolist() == [1, 2]


@given(arrays(np.float32, st.tuples(st.integers(1, 60), st.just(2)), elements=FLOATS))
def test_quantiles_are_near_those_of_the_values(values: np.ndarray) -> None:
    q = np.array([0.1, 0.5, 0.9, 1.0])
    got = ValueCounts.of(values).quantile(q)
    true = np.quantile(values.astype(np.float64), q, axis=0, method="inverted_cdf").T
    assert np.allclose(got, true, rtol=0.0222, atol=2.0**-31)


def test_a_unit_without_values_has_no_quantiles() -> None:
    assert np.isnan(ValueCounts.of(np.zeros((0, 2), np.float32)).quantile(np.array([0.5]))).all()


def spread(counts: ValueCounts) -> np.ndarray:
    whole = np.zeros((len(counts.counts), BINS), np.int64)
    whole[:, counts.first : counts.first + counts.bins] = counts.counts
    return whole
