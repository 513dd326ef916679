"""float16, bit by bit as NumPy makes it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.recordings.store.half import Halved, to_half

EVERY = np.arange(65_536, dtype=np.uint16).view(np.float16).astype(np.float32)


def agree(values: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        expected = values.astype(np.float16)
    found = to_half(values)
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), nan)
    np.testing.assert_array_equal(found.view(np.uint16)[~nan], expected.view(np.uint16)[~nan])


def between() -> np.ndarray:
    """The middle between each two neighbours: ties."""
    finite = np.sort(EVERY[np.isfinite(EVERY)]).astype(np.float64)
    return ((finite[1:] + finite[:-1]) / 2).astype(np.float32)


@pytest.mark.parametrize("toward", [None, np.inf, -np.inf])
def test_every_float16_and_all_ties_and_their_neighbours(toward: float | None) -> None:
    for values in (EVERY, between()):
        if toward is not None:
            with np.errstate(all="ignore"):
                values = np.nextafter(values, np.float32(toward))
        agree(values)


@given(st.integers(0, 2**32 - 1))
def test_random_bits(seed: int) -> None:
    agree(np.random.default_rng(seed).integers(0, 2**32, 50_000, np.uint32).view(np.float32))


def test_a_view_that_is_not_contiguous() -> None:
    values = np.random.default_rng(0).normal(size=(3, 5, 7)).astype(np.float32).transpose(2, 0, 1)
    found = to_half(values)
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, values.astype(np.float16))


def test_what_is_rounded_when_it_is_read_looks_like_an_array_of_float16() -> None:
    values = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    halved = Halved(values)
    assert (np.shape(halved), halved.dtype, halved.size) == ((3, 4), np.float16, 12)
    np.testing.assert_array_equal(np.asarray(halved), values.astype(np.float16))
    whole = np.zeros((2, 3, 4), np.float32)
    whole[1] = halved
    np.testing.assert_array_equal(whole[1], values.astype(np.float16))
