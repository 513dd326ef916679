import numpy as np
import pytest

from layerscope.instruments.extremes import finite_figures

MAPS = ("sample", "y", "x", "channel")


def plain(values, axes, unit):
    """Return the same, from a copy with the units in front."""
    at = [axes.index(name) for name in (unit, "sample") if name in axes]
    maps = np.moveaxis(values, at, range(len(at)))
    maps = maps.reshape(len(maps), maps.shape[1] if len(at) > 1 else 1, -1)
    flat = (maps == maps[:, :, :1]).all(axis=(1, 2))
    total = values.astype(np.float64).sum()
    return values.min(), total, values.max(), flat, (maps == 0).all(axis=(1, 2))


def check(values, axes, unit, **near):
    figures = finite_figures(values, axes, unit)
    low, total, high, flat, zero = plain(values, axes, unit)
    assert (figures.low, figures.high) == (low, high)
    assert figures.total == pytest.approx(total, **near)
    np.testing.assert_array_equal(figures.flat, flat)
    np.testing.assert_array_equal(figures.zero, zero)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((3, 31, 37, 32), MAPS),  # many short rows, and some that are left over
        ((2, 9, 9, 700), MAPS),
        ((2, 3, 3, 5000), MAPS),
        ((3, 32, 31, 37), ("sample", "channel", "y", "x")),
        ((2, 5, 6, 7, 300), ("sample", "z", "y", "x", "channel")),
        ((2, 70_001, 1), ("sample", "position", "channel")),
        ((2, 12, 60, 61), ("sample", "head", "query", "key")),
        ((40_000, 3), ("sample", "unit")),
        ((2, 1100, 1001, 1), MAPS),  # a sample is read in several parts
        ((2, 30, 40_000), ("sample", "channel", "position")),
        ((31, 37, 64), ("y", "x", "channel")),
        ((50, 4, 400), ("position", "sample", "channel")),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int8"])
def test_it_is_what_copies_with_the_units_in_front_give(shape, axes, dtype):
    rng = np.random.default_rng(0)
    values = (rng.normal(size=shape) * 20 + 3).astype(dtype)
    unit = next(name for name in reversed(axes) if name in ("channel", "head", "unit"))
    by_unit = np.moveaxis(values, axes.index(unit), 0)
    by_unit[0] = 7  # flat
    by_unit[-1] = 0  # and zero
    check(values, axes, unit, rel=1e-6)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2), (3, 0, 2, 1), (2, 1, 0, 3)])
def test_it_does_not_matter_how_the_values_lie_in_memory(order):
    values = np.random.default_rng(1).normal(size=(4, 30, 33, 40)).astype(np.float32)
    inverse = np.argsort(order)
    other = np.ascontiguousarray(values.transpose(order)).transpose(inverse)
    every_second = np.repeat(values, 2, axis=2)[:, :, ::2]
    for array in (other, every_second, values[:, ::-1][:, ::-1]):
        check(array, MAPS, "channel", rel=1e-6, abs=1e-3)


@pytest.mark.parametrize("place", [(0, 0), (1, 1), (17, 8), (40, 52)])
def test_one_value_among_many_makes_a_map_no_longer_flat(place):
    values = np.zeros((3, 41, 53, 4), np.float32)
    values[2, *place, 1] = 0.5
    figures = finite_figures(values, MAPS, "channel")
    assert figures.flat.tolist() == figures.zero.tolist() == [True, False, True, True]


def test_a_map_may_have_another_value_in_each_sample():
    values = np.broadcast_to(np.arange(3.0)[:, None, None, None], (3, 5, 6, 2))
    figures = finite_figures(values, MAPS, "channel")
    assert figures.flat.all()
    assert not figures.zero.any()


def test_a_sum_beyond_float32_is_one_of_float64():
    values = np.full((1, 400, 400, 1), 3e38, np.float32)
    figures = finite_figures(values, MAPS, "channel")
    assert figures.total == pytest.approx(160_000 * 3e38)
    assert figures.high == np.float32(3e38)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_there_is_none_of_values_that_are_not_finite(odd):
    values = np.zeros((2, 300, 300, 2), np.float32)
    values[1, 299, 299, 1] = odd
    assert finite_figures(values, MAPS, "channel") is None
    values[0, 0, 0, 0] = -odd
    assert finite_figures(values, MAPS, "channel") is None
