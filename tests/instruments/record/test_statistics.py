"""Statistics by unit, against the slow obvious version."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.core.axes import NamedArray
from layerscope.instruments.record.statistics import NAMES, unit_statistics

AXES = {
    "maps": ("sample", "y", "x", "channel"),
    "channels first": ("sample", "channel", "y", "x"),
    "vectors": ("sample", "unit"),
    "heads": ("sample", "head", "query", "key"),
    "matrix": ("sample", "query", "key"),
}


def slow(array: NamedArray) -> dict[str, Any]:
    values = array.values.astype(np.float64)
    axis = next((a for a in ("channel", "unit", "head") if a in array.axes), None)
    at = values.ndim if axis is None else array.axes.index(axis)
    values = np.moveaxis(values[..., None] if axis is None else values, at, -1)
    units = values.reshape(-1, values.shape[-1])
    return {
        "mean": units.mean(axis=0),
        "std": units.std(axis=0),
        "min": units.min(axis=0),
        "max": units.max(axis=0),
        "zeros": (units == 0).mean(axis=0),
    }


@given(
    st.sampled_from(list(AXES.values())),
    st.data(),
    st.sampled_from(["float16", "float32", "float64", "int32", "bool"]),
)
def test_they_are_those_of_the_slow_version(
    axes: tuple[str, ...], data: st.DataObject, dtype: str
) -> None:
    shape = tuple(data.draw(st.integers(1, 9)) for _ in axes)
    seed = data.draw(st.integers(0, 99))
    scale = data.draw(st.sampled_from([1e-3, 1.0, 100.0]))
    values = np.maximum(np.random.default_rng(seed).normal(1, scale, shape), 0).astype(dtype)
    array = NamedArray(values, axes)
    found = unit_statistics(array)
    assert tuple(found) == NAMES
    for name, expected in slow(array).items():
        near = 2e-5 * max(float(np.abs(values.astype(float)).max()), 1e-30)
        np.testing.assert_allclose(found[name], expected, rtol=2e-5, atol=near, err_msg=name)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        (("sample", "y", "x", "channel"), (3, 61, 67, 24)),
        (("sample", "channel", "y", "x"), (3, 24, 61, 67)),
        (("sample", "channel", "y", "x"), (1, 2, 500, 500)),
        (("sample", "channel", "y", "x"), (1, 1500, 9, 9)),
        (("sample", "unit"), (3, 200_000)),
        (("sample", "unit"), (200_000, 3)),
    ],
)
def test_large_values_are_taken_in_pieces(axes: tuple[str, ...], shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(3, 1, shape).astype(np.float32)
    values[values < 1] = 0
    array = NamedArray(values, axes)
    for name, expected in slow(array).items():
        np.testing.assert_allclose(unit_statistics(array)[name], expected, rtol=3e-5, atol=1e-6)


def test_sums_of_float16_do_not_overflow_and_a_large_mean_hides_no_spread() -> None:
    large = np.full((100, 100, 2), 60_000, np.float16)
    found = unit_statistics(NamedArray(large, ("y", "x", "channel")))
    np.testing.assert_array_equal(found["mean"], np.float32(60_000))
    assert found["mean"].dtype == np.float32
    apart = 10_000 + np.random.default_rng(0).normal(0, 0.1, (50_000, 1))
    found = unit_statistics(NamedArray(apart.astype(np.float32), ("sample", "unit")))
    np.testing.assert_allclose(found["std"], 0.1, rtol=0.01)


def test_what_is_not_finite_shows() -> None:
    values = np.array([[1, np.nan, np.inf], [2, 0, 0]], np.float32)
    found = unit_statistics(NamedArray(values, ("sample", "unit")))
    assert found["mean"][0] == 1.5
    assert np.isnan(found["mean"][1])
    assert np.isnan(found["max"][1])
    assert found["max"][2] == np.inf
    np.testing.assert_array_equal(found["zeros"], [0, 0.5, 0.5])


def test_no_value_at_all() -> None:
    found = unit_statistics(NamedArray(np.empty((0, 3), np.float32), ("sample", "unit")))
    assert all(np.isnan(figures).all() and figures.shape == (3,) for figures in found.values())
