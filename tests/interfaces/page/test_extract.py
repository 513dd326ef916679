"""The rule by which a file is thinned."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from layerscope.interfaces.page.extract import (
    MAPS,
    SIDES,
    Extract,
    Measure,
    evenly,
    left_out,
    thinner,
)

LAYERS = st.lists(st.tuples(*(st.integers(1, n) for n in (3000, 600, 600))), min_size=1, max_size=6)
WHOLES = st.builds(
    lambda samples, steps: Extract(samples, tuple(range(0, 7 * steps, 7))),
    st.integers(1, 40),
    st.integers(0, 40),
)


def size(extract: Extract, measure: Measure, recorded: int = 1000) -> int:
    return len(extract.moments(recorded)) * measure.nbytes(extract.side, extract.maps)


@given(WHOLES, LAYERS)
def test_each_extract_has_less_in_it_than_the_one_before(whole, layers):
    measure = Measure(tuple(layers))
    extracts = list(thinner(whole, measure))
    assert extracts[0] == whole
    for before, after in pairwise(extracts):
        assert size(after, measure) <= size(before, measure)
        assert after != before
    last = extracts[-1]
    assert last.samples == 1
    assert len(last.steps) <= 1
    assert last.steps == whole.steps[-1:]


@given(WHOLES, LAYERS)
def test_the_order_is_steps_samples_sides_maps(whole, layers):
    """What comes later in the rule is whole as long as something before it is not used up."""
    for extract in thinner(whole, Measure(tuple(layers))):
        if extract.samples < whole.samples:
            assert len(extract.steps) <= 2
        if extract.side is not None:
            assert extract.samples == 1
            assert len(extract.steps) <= 1
        if extract.maps is not None and extract.side is None:
            assert Measure(tuple(layers)).largest <= SIDES[-1]


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=80, unique=True), st.integers(2, 90))
def test_steps_are_thinned_evenly_with_the_first_and_the_last(steps, count):
    steps = sorted(steps)
    kept = evenly(steps, count)
    assert len(kept) == min(count, len(steps))
    assert (kept[0], kept[-1]) == (steps[0], steps[-1])
    places = [steps.index(step) for step in kept]
    gaps = np.diff(places)
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


@given(LAYERS, st.sampled_from(SIDES), st.sampled_from(MAPS))
def test_bytes_are_those_of_maps_averaged_by_whole_numbers(layers, side, maps):
    expected = 0
    for count, height, width in layers:
        times = math.ceil(max(height, width) / side)
        rows, columns = (max(1, n // min(times, n)) for n in (height, width))
        assert max(rows, columns) <= side
        expected += min(count, maps) * (rows * columns + 8)
    assert Measure(tuple(layers)).nbytes(side, maps) == expected


def test_what_maps_are_is_read_off_axes():
    layers = [
        {"axes": ["y", "x", "channel"], "shape": [5, 7, 3]},
        {"axes": ["z", "y", "x", "channel"], "shape": [4, 5, 7, 3]},
        {"axes": ["position", "channel"], "shape": [9, 16]},
        {"axes": ["head", "query", "key"], "shape": [2, 9, 9]},
        {"axes": ["unit"], "shape": [10]},
        {"axes": [], "shape": []},
    ]
    assert Measure.of(layers).layers == (
        (3, 5, 7), (12, 5, 7), (16, 1, 9), (2, 9, 9), (10, 1, 1), (1, 1, 1)
    )  # fmt: skip


def test_samples_of_a_run_are_shown_at_its_steps_and_others_once():
    extract = Extract(3, (0, 5))
    assert extract.moments(2) == [(0, 0), (0, 5), (1, 0), (1, 5), (2, None)]
    assert Extract(2, ()).moments(0) == [(0, None), (1, None)]


def test_sentences_say_what_is_left_out_and_nothing_else():
    whole = Extract(10, tuple(range(19)))
    assert left_out(whole, whole) == []
    assert left_out(Extract(10, (0, 9, 18)), whole) == ["Of 19 steps 3, evenly."]
    assert left_out(Extract(1, (18,), 64, 16), whole) == [
        "Of 19 steps the last.",
        "Of 10 samples the first.",
        "Maps of more than 64 rows or columns are averaged (the input's of more than 256).",
        "Of layers with more maps the 16 strongest on each sample.",
    ]
