"""Partners one to one, against all that there could be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from layerscope.instruments.comparison.assignment import best_assignment

pytestmark = pytest.mark.one_backend


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 4), (5, 5), (3, 6), (6, 3)])
@pytest.mark.parametrize("seed", range(4))
def test_no_other_assignment_is_worth_more(rows: int, columns: int, seed: int) -> None:
    worth = np.random.default_rng(seed).normal(size=(rows, columns)).round(1)
    chosen = best_assignment(worth)
    used = chosen[chosen >= 0]
    assert len(used) == min(rows, columns) == len({*used.tolist()})
    total = sum(worth[i, j] for i, j in enumerate(chosen) if j >= 0)
    wide = worth if rows <= columns else worth.T
    most = max(
        sum(wide[i, j] for i, j in enumerate(each))
        for each in itertools.permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert total == pytest.approx(most)
