"""Names at the ends of lines: apart, near their lines, one for lines that coincide."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from layerscope.views.render.line_ends import LineEnd, coinciding, label_of, readable, spread


def line(label: str, *y: float) -> LineEnd:
    return LineEnd(label, "#ff0000", np.arange(len(y), dtype=float), np.array(y))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.01, 0.3))
def test_names_are_apart_and_in_the_order_of_their_lines(ends: list[float], gap: float) -> None:
    places = spread(ends, gap)
    order = sorted(range(len(ends)), key=lambda i: ends[i])
    room = min(gap, 1 / max(1, len(ends) - 1))
    for a, b in itertools.pairwise(order):
        assert places[b] - places[a] >= room - 1e-9
    assert min(places) >= -1e-9
    assert max(places) <= 1 + 1e-9


@given(st.lists(st.integers(0, 10), min_size=1, max_size=8, unique=True))
def test_names_with_room_stand_where_their_lines_end(tenths: list[int]) -> None:
    ends = [tenth / 10 for tenth in tenths]
    np.testing.assert_allclose(spread(ends, 0.09), ends, atol=1e-9)


def test_lines_that_coincide_have_one_name() -> None:
    lines = [line("a", 0, 1, 2), line("b", 0, 1, 2), line("c", 0, 1, 1), line("d", 0, 1)]
    groups = coinciding(lines, [one.y / 2 for one in lines])
    assert groups == [[0, 1], [2], [3]]
    assert label_of(lines[:2]) == "a = b"
    zeros = [line(name, 0, np.nan, 0) for name in "abcde"]
    assert coinciding(zeros, [one.y for one in zeros]) == [[0, 1, 2, 3, 4]]
    assert label_of(zeros) == "a = b = c = 2 more: 0"
    assert label_of([line("a", np.nan)]) == "a"


def test_text_is_dark_enough_on_white() -> None:
    assert readable("#000000") == "#000000"
    for colour in ("#a0ff30", "#ffff00", "#ffffff"):
        red, green, blue = (int(readable(colour)[i : i + 2], 16) / 255 for i in (1, 3, 5))
        assert 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.45
