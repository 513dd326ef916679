import numpy as np
import pytest

from layerscope.instruments.extremes import sum_and_extremes

MAPS = ("sample", "y", "x", "channel")


def plain(values, axes, unit):
    """Return the same, from copies with the units in front."""
    others = tuple(i for i, name in enumerate(axes) if name not in ("sample", unit))
    by = [values.min(axis=others), values.max(axis=others)]
    kept = [name for name in axes if name in ("sample", unit)]
    if kept[0] == "sample" and len(kept) > 1:
        by = [array.T for array in by]
    return values.astype(np.float64).sum(), *(array.reshape(len(array), -1) for array in by)


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
    total, lowest, highest = sum_and_extremes(values, axes, unit)
    wanted = plain(values, axes, unit)
    assert total == pytest.approx(wanted[0], rel=1e-6)
    np.testing.assert_array_equal(lowest, wanted[1])
    np.testing.assert_array_equal(highest, wanted[2])


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2), (3, 0, 2, 1), (2, 1, 0, 3)])
def test_it_does_not_matter_how_the_values_lie_in_memory(order):
    values = np.random.default_rng(1).normal(size=(4, 30, 33, 40)).astype(np.float32)
    inverse = np.argsort(order)
    other = np.ascontiguousarray(values.transpose(order)).transpose(inverse)
    every_second = np.repeat(values, 2, axis=2)[:, :, ::2]
    wanted = plain(values, MAPS, "channel")
    for array in (other, every_second, values[:, ::-1][:, ::-1]):
        total, lowest, highest = sum_and_extremes(array, MAPS, "channel")
        assert total == pytest.approx(wanted[0], rel=1e-6, abs=1e-3)
        np.testing.assert_array_equal(lowest, wanted[1])
        np.testing.assert_array_equal(highest, wanted[2])


def test_a_sum_beyond_float32_is_one_of_float64():
    values = np.full((1, 400, 400, 1), 3e38, np.float32)
    total, _, highest = sum_and_extremes(values, MAPS, "channel")
    assert total == pytest.approx(160_000 * 3e38)
    assert highest.tolist() == [[np.float32(3e38)]]


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_there_is_none_of_values_that_are_not_finite(odd):
    values = np.zeros((2, 300, 300, 2), np.float32)
    values[1, 299, 299, 1] = odd
    assert sum_and_extremes(values, MAPS, "channel") is None
    values[0, 0, 0, 0] = -odd
    assert sum_and_extremes(values, MAPS, "channel") is None
