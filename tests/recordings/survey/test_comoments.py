"""Co-moments: correlations and ranks as NumPy has them, also of parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.recordings.survey.comoments import DIRECTIONS, CoMoments


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.floats(-1e4, 1e4))
def test_parts_give_what_numpy_gives_of_the_whole(seed: int, cut: int, level: float) -> None:
    rows = np.random.default_rng(seed).standard_normal((40, 5)) @ np.diag([1, 2, 3, 4, 5])
    rows[:, 1] = rows[:, 0] * 3  # a duplicate
    rows += level
    both = CoMoments.of(rows[:cut]) + CoMoments.of(rows[cut:])
    assert both.count == 40
    np.testing.assert_allclose(both.covariance(), np.cov(rows.T), rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(both.correlation(), np.corrcoef(rows.T), rtol=1e-6, atol=1e-6)


def test_float32_far_from_zero_keeps_its_spread() -> None:
    rows = (np.random.default_rng(0).standard_normal((500, 3)) + 1000).astype(np.float32)
    got = CoMoments.of(rows).covariance()
    np.testing.assert_allclose(got, np.cov(rows.T.astype(np.float64)), rtol=1e-4, atol=1e-5)


def test_the_effective_rank_counts_directions() -> None:
    rng = np.random.default_rng(0)
    assert CoMoments.of(rng.standard_normal((20_000, 6))).effective_rank() == pytest.approx(
        6, abs=0.01
    )
    same = np.tile(rng.standard_normal((50, 1)), (1, 6))
    assert CoMoments.of(same).effective_rank() == pytest.approx(1)
    assert CoMoments.of(np.ones((50, 6))).effective_rank() == 0
    assert np.isnan(CoMoments.of(np.ones((1, 6))).effective_rank())


def test_rows_that_hold_what_is_no_number_are_left_out() -> None:
    rows = np.array([[1.0, 2], [np.nan, 3], [4, 5]])
    assert CoMoments.of(rows).count == 2


def test_very_many_units_are_kept_by_directions() -> None:
    rows = np.random.default_rng(0).standard_normal((8, 4097)).astype(np.float32)
    got = CoMoments.of(rows)
    assert got.products.shape == (DIRECTIONS, DIRECTIONS)
    # Distances between samples outlast the projection, about.
    assert np.trace(got.products) == pytest.approx(((rows - rows.mean(0)) ** 2).sum(), rel=0.2)
