"""What a pass draws is put back, the half of a pair of normal numbers too."""

from __future__ import annotations

import random

import numpy as np
import pytest

from layerscope.backends.random_state import random_state_kept


@pytest.mark.parametrize("drawn_before", [0, 1, 2])
@pytest.mark.parametrize("drawn_within", [0, 1, 2, 3])
def test_numpy_draws_what_it_would_have_drawn(drawn_before: int, drawn_within: int) -> None:
    state = np.random.get_state()  # normal numbers are drawn two at a time, and one is kept
    try:
        np.random.seed(5)
        np.random.randn(drawn_before)
        expected = np.random.get_state(legacy=False)
        with random_state_kept():
            np.random.randn(drawn_within)
        np.testing.assert_equal(np.random.get_state(legacy=False), expected)
        with random_state_kept():
            np.random.rand(700)
        np.testing.assert_equal(np.random.get_state(legacy=False), expected)
        with random_state_kept():
            np.random.seed(5)
        np.testing.assert_equal(np.random.get_state(legacy=False), expected)
    finally:
        np.random.set_state(state)


def test_python_draws_what_it_would_have_drawn() -> None:
    before = random.getstate()
    with random_state_kept():
        random.random()
    assert random.getstate() == before
