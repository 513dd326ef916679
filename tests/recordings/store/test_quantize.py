from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from layerscope.recordings.store.quantize import dequantize, map_axes, quantize

DIMS = ("sample", "y", "x", "channel")
MAPS = arrays.array_shapes(min_dims=4, max_dims=4, max_side=4)
FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)
ANY = st.floats(width=32)


def there_and_back(values: np.ndarray) -> np.ndarray:
    codes, low, high = quantize(values, DIMS)
    assert codes.dtype == np.uint8
    assert low.dtype == high.dtype == np.float32
    assert low.shape == high.shape == (values.shape[0], values.shape[-1])
    inside = map_axes(DIMS)
    return dequantize(codes, np.expand_dims(low, inside), np.expand_dims(high, inside))


@given(arrays.arrays(np.float32, MAPS, elements=FINITE))
def test_values_come_back_within_a_504th_of_their_map_s_range(values: np.ndarray) -> None:
    back = there_and_back(values)
    low, high = (f(axis=(1, 2), keepdims=True).astype(np.float64) for f in (values.min, values.max))
    bound = (high - low) / 504 + 1e-6 * np.maximum(abs(low), abs(high)) + 1.5e-45
    assert (abs(back.astype(np.float64) - values) <= bound).all()


@given(arrays.arrays(np.float32, MAPS, elements=ANY))
def test_what_is_not_a_number_comes_back_as_it_was(values: np.ndarray) -> None:
    back = there_and_back(values)
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    np.testing.assert_array_equal(back == np.inf, values == np.inf)
    np.testing.assert_array_equal(back == -np.inf, values == -np.inf)


@given(ANY, arrays.array_shapes(min_dims=4, max_dims=4, max_side=3))
def test_constant_maps_come_back_exactly(value: float, shape: tuple[int, ...]) -> None:
    values = np.full(shape, value, np.float32)
    np.testing.assert_array_equal(there_and_back(values), values)


@given(arrays.arrays(np.float32, MAPS, elements=FINITE))
def test_zeros_of_rectified_maps_stay_zeros(values: np.ndarray) -> None:
    values = np.maximum(values, 0)
    values[:, 0, 0] = 0
    assert (there_and_back(values)[values == 0] == 0).all()


def test_infinite_values_leave_the_scale_of_the_others_alone() -> None:
    values = np.array([0, 1, np.inf, np.nan], np.float32).reshape(1, 2, 2, 1)
    np.testing.assert_array_equal(there_and_back(values), values)


@pytest.mark.parametrize(
    ("dims", "axes"),
    [
        (("sample", "y", "x", "channel"), (1, 2)),
        (("sample", "position", "channel"), (1,)),
        (("sample", "head", "query", "key"), (2, 3)),
        (("sample", "unit"), (1,)),
        (("y", "x", "input", "channel"), (0, 1, 2)),
    ],
)
def test_a_map_is_what_lies_between_sample_and_unit(
    dims: tuple[str, ...], axes: tuple[int, ...]
) -> None:
    assert map_axes(dims) == axes
