from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from layerscope.core.errors import ViewError
from layerscope.views.render.colour_scale import check, scaled
from layerscope.views.render.palette import LEVELS, NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY

SCALES = ["unit", "layer", "network", "zscore", (-1.0, 2.0)]
EXTENT = (-200.0, 300.0)


def stacks(elements: st.SearchStrategy[float], dtype: Any = np.float32) -> Any:
    shapes = hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)
    return hnp.arrays(dtype, shapes, elements=elements)


def numbers(bound: float) -> st.SearchStrategy[float]:
    return st.floats(-bound, bound, width=32)


def in_range(image: np.ndarray) -> list[float]:
    return [v for v in image.ravel().tolist() if math.isfinite(v)]


def limits(maps: np.ndarray, scale: Any, diverging: bool) -> list[tuple[float, float]]:
    """Each map's range, the slow obvious version."""
    pairs = []
    for image in maps:
        own = in_range(image if scale in ("unit", "zscore") else maps) or [0.0]
        low, high = min(own), max(own)
        if scale == "network":
            low, high = EXTENT
        if scale == "zscore":
            mean, std = np.mean(own), np.std(own)
            low, high = mean - 2 * std, mean + std * 127 / 64
        elif isinstance(scale, tuple):
            low, high = scale
        elif diverging:
            high = max(abs(low), abs(high))
            low = -high
        pairs.append((low, high))
    return pairs


def index(value: float, low: float, high: float) -> float:
    """Where on the palette a value lies, before rounding."""
    if math.isnan(value):
        return NAN
    if math.isinf(value):
        return POSITIVE_INFINITY if value > 0 else NEGATIVE_INFINITY
    return min(max((value - low) / (high - low), 0), 1) * (LEVELS - 1)


@pytest.mark.parametrize("diverging", [False, True])
@pytest.mark.parametrize("scale", SCALES, ids=str)
@given(
    maps=stacks(numbers(100) | st.sampled_from([np.nan, np.inf, -np.inf]))
    | stacks(st.integers(-3, 3).map(float), np.float64)
)
@example(maps=np.array([[[np.nan, np.nan]], [[1, 2]]], np.float32))
def test_scaling_pixel_by_pixel(maps: np.ndarray, scale: Any, diverging: bool) -> None:
    result = scaled(maps, scale, diverging=diverging, extent=EXTENT)
    assert result.not_finite == sum(not math.isfinite(v) for v in maps.ravel().tolist())
    for n, (low, high) in enumerate(limits(maps, scale, diverging)):
        shown = np.array([result.low[n], result.high[n]])
        spread = max(abs(low), abs(high))
        if high - low <= max(1e-30, 1e-5 * spread) or result.flat[n]:
            continue  # see the tests of flat maps
        assert shown == pytest.approx([low, high], rel=1e-4, abs=1e-4 * (high - low))
        for value, drawn in zip(maps[n].ravel().tolist(), result.indexes[n].ravel(), strict=True):
            assert abs(index(value, low, high) - drawn) <= 0.51 + 1e-3 * spread / (high - low)


@given(stacks(numbers(1000)))
def test_zscore_is_the_classic_recipe(maps: np.ndarray) -> None:
    result = scaled(maps, "zscore")
    for image, drawn, flat in zip(maps.astype(float), result.indexes, result.flat, strict=True):
        if flat or image.std() <= max(1e-100, 1e-5 * np.abs(image).max()):
            continue  # a dead map: the recipe divides by zero
        recipe = np.clip((image - image.mean()) / image.std() * 64 + 128, 0, 255)
        assert np.abs(recipe / 255 * (LEVELS - 1) - drawn).max() <= 1


@given(
    value=numbers(1e6).filter(lambda v: v == 0 or abs(v) > 1e-3),
    noise=hnp.arrays(np.float64, (3, 4, 4), elements=st.floats(-1, 1)),
    scale=st.sampled_from(SCALES),
    diverging=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_flat_maps_stay_flat(
    value: float, noise: np.ndarray, scale: Any, diverging: bool, dtype: Any
) -> None:
    maps = (value * (1 + 1e-7 * noise)).astype(dtype)
    alone = scaled(maps, scale, diverging=diverging, extent=EXTENT)
    assert alone.flat.all()
    assert all(len(np.unique(drawn)) == 1 for drawn in alone.indexes)
    pattern = value + np.arange(16, dtype=dtype).reshape(1, 4, 4)
    among = scaled(np.concatenate([maps, pattern]), scale, diverging=diverging, extent=EXTENT)
    assert among.flat.tolist()[:3] == [True] * 3
    assert all(len(np.unique(drawn)) == 1 for drawn in among.indexes[:3])


@pytest.mark.parametrize("scale", ["unit", "layer", "network"])
def test_a_layer_of_one_value_is_one_colour(scale: str) -> None:
    maps = np.full((3, 1, 1), 5, np.float32)
    maps[1] += 1e-6
    assert len(np.unique(scaled(maps, scale, extent=(5, 5 + 1e-6)).indexes)) == 1


@given(
    stacks(numbers(50)),
    st.data(),
    st.sampled_from(SCALES),
    st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_what_is_not_finite_changes_no_other_pixel(
    maps: np.ndarray, data: st.DataObject, scale: Any, value: float
) -> None:
    # An extra pixel that repeats one of its map's values leaves every range where it was.
    place = data.draw(st.integers(0, maps[0].size - 1))
    flat = maps.reshape(len(maps), 1, -1)
    spoilt = np.concatenate([flat, np.full((len(maps), 1, 1), value, np.float32)], axis=2)
    result = scaled(spoilt, scale, extent=EXTENT)
    special = {np.inf: POSITIVE_INFINITY, -np.inf: NEGATIVE_INFINITY}.get(value, NAN)
    assert (result.indexes[:, 0, -1] == special).all()
    assert result.not_finite == len(maps)
    if flat.shape[2] > 1:  # a single value is no pattern, two of which one is NaN are
        clean = scaled(flat, scale, extent=EXTENT)
        difference = result.indexes[:, 0, :-1].astype(int) - clean.indexes[:, 0]
        assert np.abs(difference).max() <= (scale == "zscore")  # sums in another order
        assert result.indexes[0, 0, place] < LEVELS


@given(stacks(numbers(1000)), st.sampled_from(["unit", "layer", "network"]))
@example(np.zeros((2, 3, 3), np.float32), "unit")
@example(np.zeros((2, 3, 3), np.float32), "layer")
def test_zero_is_the_middle_of_a_diverging_palette(maps: np.ndarray, scale: str) -> None:
    maps[0, 0, 0] = 0
    extent = (float(maps.min()), float(maps.max()))
    result = scaled(maps, scale, diverging=True, extent=extent)
    assert (result.indexes[maps == 0] == 119).all()
    assert (result.low == -result.high).all()


@given(stacks(numbers(1000)), st.booleans())
def test_half_the_limits(maps: np.ndarray, diverging: bool) -> None:
    whole = scaled(maps, "layer", diverging=diverging)
    half = scaled(maps, "layer", diverging=diverging, half=True)
    assert half.high - half.low == pytest.approx((whole.high - whole.low) / 2, rel=1e-4, abs=1e-30)
    assert half.text.endswith(", half of it")


@pytest.mark.parametrize("scale", SCALES, ids=str)
@given(
    maps=stacks(st.floats(width=32)) | stacks(st.floats(), np.float64),
    diverging=st.booleans(),
    half=st.booleans(),
)
@example(maps=np.array([[[8.98846567e307]]]), diverging=False, half=True)
def test_no_number_is_too_large_or_too_small(
    maps: np.ndarray, scale: Any, diverging: bool, half: bool
) -> None:
    finite = maps[np.isfinite(maps)]
    extent = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    result = scaled(maps, scale, diverging=diverging, half=half, extent=extent)
    assert (result.indexes < LEVELS)[np.isfinite(maps)].all()
    assert (result.indexes[np.isnan(maps)] == NAN).all()
    assert np.isfinite(result.low).all()
    assert np.isfinite(result.high).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int64, np.uint8, np.bool_])
def test_any_number_can_be_drawn(dtype: type) -> None:
    maps = np.array([[[0, 1], [1, 0]]]).astype(dtype)
    assert scaled(maps, "unit").indexes.tolist() == [[[0, 238], [238, 0]]]


def test_nothing_is_changed_in_place() -> None:
    maps = np.array([[[0.0, np.nan, np.inf, 1e200]]])
    before = maps.copy()
    scaled(maps, "layer")
    assert np.array_equal(maps, before, equal_nan=True)


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 3), (0, 0, 0)])
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_nothing_at_all(shape: tuple[int, ...], scale: Any) -> None:
    assert scaled(np.zeros(shape, np.float32), scale, extent=EXTENT).indexes.shape == shape


def test_limits_finer_than_float32() -> None:
    maps = np.array([[[1, 1.5, 0.5]]], np.float32)
    assert scaled(maps, (1.0, 1.0 + 1e-9)).indexes.tolist() == [[[0, 238, 0]]]
    assert scaled(maps, (0.0, 1e60)).indexes.tolist() == [[[0, 0, 0]]]


@pytest.mark.parametrize(
    ("scale", "text"),
    [
        ("unit", "each map on its own range"),
        ("layer", "one range: -1 … 3"),
        ("network", "the network's range: -200 … 300"),
        ("zscore", "each map by its z-score: mean 128, std 64 of 0…255"),
        ((0.0, 0.12345), "range given: 0 … 0.123"),
    ],
)
def test_the_scale_is_said(scale: Any, text: str) -> None:
    maps = np.array([[[-1.0, 3.0]]])
    assert scaled(maps, scale, extent=EXTENT).text == text


@pytest.mark.parametrize("scale", ["unit", "layer", "network", "zscore"])
def test_known_scales(scale: str) -> None:
    assert check(scale) == scale


@pytest.mark.parametrize("pair", [(0, 1), [0, 1], (np.float32(0), np.int64(1))])
def test_limits_are_two_numbers(pair: Any) -> None:
    assert check(pair) == (0.0, 1.0)


@pytest.mark.parametrize(
    "scale",
    ["Unit", None, 3, (1, 0), (0, 0), (0, np.nan), (0, np.inf), ("a", "b"), (0, 1, 2), (None, 1),
     (0, 1e-320), (-1e300, 1e300)],
)  # fmt: skip
def test_unknown_scales(scale: Any) -> None:
    with pytest.raises(ViewError, match="is none: pass 'unit', 'layer', 'network', 'zscore', or"):
        check(scale)


def test_a_map_whose_range_float32_can_not_divide_by_has_its_colours() -> None:
    maps = np.array([[[1e-35, 0]], [[1, 0]]], np.float32)
    assert scaled(maps, "unit").indexes.tolist() == [[[LEVELS - 1, 0]]] * 2
