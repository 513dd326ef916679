"""Stacks: a byte for each value, each map on its own range; forms, masks, what is no number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cases.recordings import MAPS, VECTOR, named, recording
from layerscope.core.errors import AddressError, ViewError
from layerscope.views.render import stack as module
from layerscope.views.render.palette import LEVELS, MASKED, NAN, NEGATIVE_INFINITY
from layerscope.views.render.palette import POSITIVE_INFINITY as POSITIVE
from layerscope.views.render.stack import Stack, stack_of, stack_panel, strongest

rng = np.random.default_rng(0)
floats = st.floats(width=32, min_value=-1e6, max_value=1e6) | st.sampled_from(
    [np.nan, np.inf, -np.inf, 0.0, 1.0]
)
shapes = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6))


def stack(values, form="maps", **more):
    """A stack of these maps."""
    return Stack("layer", "layer", np.asarray(values), form, (), "channel", **more)


def decoded(panel):
    """The values that a panel's bytes stand for, as the docstring of the module says it."""
    count, height, width = panel.header["shape"]
    indexes = np.frombuffer(panel.buffers["pixels"], np.uint8).reshape(count, height, width)
    low, high = (
        np.frombuffer(panel.buffers[name], "<f4").astype(float) for name in ("low", "high")
    )
    values = np.empty(indexes.shape)
    special = {NAN: np.nan, MASKED: np.nan, POSITIVE: np.inf, NEGATIVE_INFINITY: -np.inf}
    for i in range(count):
        for y in range(height):
            for x in range(width):
                index = int(indexes[i, y, x])
                part = low[i] + index / (LEVELS - 1) * (high[i] - low[i])
                values[i, y, x] = special.get(index, part)
    return values, low, high


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1e-30, 1e-3, 1.0, 1e4]),
    st.sampled_from([0.0, 1.0, 300.0]),
)
def test_of_many_maps_ranges_are_of_few_digits_and_values_as_near(seed, size, offset):
    numbers = np.random.default_rng(seed)
    values = numbers.normal(size=(70, 3, 4)) * size * numbers.gamma(1, size=(70, 1, 1))
    values = (values + offset * size * numbers.normal(size=(70, 1, 1))).astype(np.float32)
    values[::3] = np.maximum(values[::3], 0)
    values[5], values[7] = 0, 0.3 * size
    back, low, high = decoded(stack_panel(stack(values)))
    least, most = (values.astype(float).min((1, 2)), values.astype(float).max((1, 2)))
    width = most - least
    rounding = width / 2048 + 2**-24 * np.maximum(np.abs(least), np.abs(most))
    assert (np.abs(low - least) <= rounding).all()
    assert (np.abs(high - most) <= rounding).all()
    half = (high - low) / (LEVELS - 1) / 2
    assert (np.abs(back - values).max((1, 2)) <= 1.01 * half + rounding).all()
    assert (low[5], high[5], low[7]) == (0, 0, np.float32(0.3 * size))


@given(arrays.arrays(np.float32, shapes, elements=floats))
def test_every_value_comes_back_to_half_a_step(values):
    panel = stack_panel(stack(values))
    back, low, high = decoded(panel)
    finite = np.isfinite(values)
    assert (np.isnan(back) == np.isnan(values)).all()
    assert (back[np.isinf(values)] == values[np.isinf(values)]).all()
    for i, (map_, some) in enumerate(zip(values, finite, strict=True)):
        if not some.any():
            assert (low[i], high[i]) == (0, 0)
            continue
        assert low[i] == map_[some].min()
        size = abs(map_[some]).max()
        # A map that varies by rounding alone is one colour, its lowest value.
        assert high[i] == map_[some].max() or high[i] == low[i]
        step = max(high[i] - low[i], 0) / (LEVELS - 1)
        # Of numbers below the least normal one, float32 keeps few digits.
        rounding = 2e-6 * size + np.finfo(np.float32).tiny
        assert abs(back[i][some] - map_[some]).max() <= 0.501 * step + rounding
    assert panel.header["not_finite"] == (~finite).sum()
    every = values[finite]
    assert panel.header["layer"] == ([every.min(), every.max()] if every.size else [0, 0])


def test_the_least_and_the_largest_value_are_the_ends_of_the_palette():
    panel = stack_panel(stack([[[-3.0, 0.0, 5.0]], [[1.0, 2.0, 3.0]]]))
    assert list(panel.buffers["pixels"]) == [0, 89, 238, 0, 119, 238]


def test_maps_without_variation_are_flat_and_silent_ones_are_told():
    panel = stack_panel(
        stack(np.array([np.zeros((2, 2)), np.full((2, 2), 7)], "f4"), silences=True)
    )
    _, low, high = decoded(panel)
    assert low.tolist() == high.tolist() == [0, 7]
    assert panel.header["silences"]
    maps = module.as_maps(panel)
    assert [tile["blank"] for tile in maps.header["tiles"]] == [True, False]


def test_what_a_mask_closes_has_a_colour_of_its_own():
    values = np.array([[[0.5, 0.0], [0.25, 0.75]]])
    closed = np.array([[[False, True], [False, False]]])
    panel = stack_panel(stack(values, "attention", masked=closed))
    indexes = np.frombuffer(panel.buffers["pixels"], np.uint8).reshape(values.shape)
    assert (indexes == MASKED).tolist() == closed.tolist()


def test_exact_values_come_beside_their_colours():
    values = rng.normal(size=(3, 2, 4)).astype(np.float32)
    panel = stack_panel(stack(values), exact=True)
    assert panel.buffers["values"] == values.astype("<f4").tobytes()


def test_more_than_is_sent_is_averaged(monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    values = rng.normal(size=(2, 12, 15)).astype(np.float32)
    panel = stack_panel(stack(values), exact=True)
    assert panel.header["thinned"] == 2
    assert panel.header["shape"] == [2, 6, 7]
    expected = [
        [[values[i, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean() for x in range(7)]
         for y in range(6)]
        for i in range(2)
    ]  # fmt: skip
    thin = np.frombuffer(panel.buffers["values"], "<f4").reshape(2, 6, 7)
    np.testing.assert_allclose(thin, expected, rtol=1e-5, atol=1e-6)


def test_an_image_is_sent_in_its_colours():
    image = rng.integers(0, 256, (1, 4, 5, 3)).astype(np.uint8)
    acts = recording({"x": named(np.zeros((1, 1)), VECTOR)}, image=named(image, MAPS))
    made = stack_of(acts, "input")
    assert made.form == "colour"
    panel = stack_panel(made)
    sent = np.frombuffer(panel.buffers["pixels"], np.uint8).reshape(4, 5, 3).astype(int)
    low, high = panel.header["layer"]
    wanted = (image[0] - low) / (high - low) * 255
    assert abs(sent - wanted).max() <= 1


@pytest.mark.parametrize(
    ("axes", "shape", "form", "sent"),
    [
        (("y", "x", "channel"), (5, 6, 3), "maps", [3, 5, 6]),
        (("unit",), (7,), "vector", [7, 1, 1]),
        (("y", "x", "channel"), (1, 1, 4), "vector", [4, 1, 1]),
        (("position", "channel"), (9, 4), "series", [4, 1, 9]),
        (("z", "y", "x", "channel"), (2, 3, 4, 5), "volume", [10, 3, 4]),
        (("head", "query", "key"), (2, 6, 6), "attention", [2, 6, 6]),
    ],
    ids=["maps", "vector", "pooled", "series", "volume", "attention"],
)
def test_each_form_has_its_maps_value_by_value(axes, shape, form, sent):
    values = rng.normal(size=(2, *shape)).astype(np.float32)
    if form == "attention":
        values = np.exp(values)
        values /= values.sum(-1, keepdims=True)
    acts = recording({"layer": named(values, ("sample", *axes))})
    made = stack_of(acts, "layer", 1)
    assert made.form == form
    assert list(stack_panel(made).header["shape"]) == sent
    one = values[1]
    by_hand = {
        "maps": lambda m, y, x: one[y, x, m],
        "vector": lambda m, y, x: one.reshape(-1)[m],
        "series": lambda m, y, x: one[x, m],
        "volume": lambda m, y, x: one[volume_of(made, m)[1], y, x, volume_of(made, m)[0]],
        "attention": lambda m, y, x: one[m, y, x],
    }[form]
    for place in np.ndindex(*sent):
        assert made.maps[place] == by_hand(*place), place


def volume_of(made, row):
    """The unit and the slice of a map, by its label."""
    unit, _, rest = made.labels[row].partition("·")
    return int(unit), int("".join(c for c in rest if c.isdigit()) or 0)


def test_the_strongest_maps_stay_in_the_order_of_their_numbers():
    values = np.arange(24, dtype=float).reshape(6, 2, 2)[[3, 0, 5, 1, 4, 2]]
    made = strongest(stack(values), 3)
    assert list(made.labels) == ["0", "2", "4"]
    assert made.left_out == 3
    assert (made.maps == values[[0, 2, 4]]).all()
    assert strongest(made, 3) is made


def test_what_is_not_there_is_said():
    acts = recording({"conv": named(np.zeros((1, 2, 2, 3)), MAPS)})
    with pytest.raises(AddressError, match=r"conv9.*conv"):
        stack_of(acts, "conv9")
    with pytest.raises(ViewError, match="sample"):
        stack_of(acts, "conv", 5)


def test_a_channel_of_what_is_no_number_is_not_silent():
    maps = np.zeros((4, 2, 2), np.float32)
    maps[1] = np.nan
    maps[2, 0, 0] = np.inf
    maps[3] = 1
    tiles = module.as_maps(stack_panel(stack(maps, silences=True))).header["tiles"]
    assert [tile["blank"] for tile in tiles] == [True, False, False, False]


def test_single_values_that_are_no_numbers_have_their_own_colours():
    values = np.array([0, np.nan, np.inf, -np.inf, 2], np.float32).reshape(5, 1, 1)
    drawn = module.as_maps(stack_panel(stack(values, "vector")))
    pixels = [int(drawn.pixels(i)[0, 0]) for i in range(5)]
    assert pixels == [0, NAN, POSITIVE, NEGATIVE_INFINITY, LEVELS - 1]
