"""Windows: which positions one position is computed from, and how far they reach."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.core.windows import ALL, Window, reads, span

WINDOWS = st.builds(
    Window,
    size=st.integers(1, 4),
    stride=st.integers(1, 3),
    before=st.integers(-2, 3),
    dilation=st.integers(1, 3),
    way=st.sampled_from(["forward", "transposed"]),
)


@given(window=WINDOWS, received=st.integers(1, 9), returned=st.integers(1, 9))
def test_windows_are_those_of_their_formula(window: Window, received: int, returned: int) -> None:
    table = reads(window, received, returned)
    assert isinstance(window.before, int)
    for place in range(returned):
        expected = set()
        for source in range(received):
            for tap in range(window.size):
                one, other = place, source
                if window.way == "transposed":
                    one, other = source, place
                expected |= (
                    {source}
                    if one * window.stride - window.before + tap * window.dilation == other
                    else set()
                )
        assert set(table[place].tolist()) - {-1} == expected


@given(window=WINDOWS, received=st.integers(1, 9), returned=st.integers(1, 9), data=st.data())
def test_a_span_is_the_hull_where_nothing_is_cut_off(
    window: Window, received: int, returned: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, returned - 1))
    last = data.draw(st.integers(first, returned - 1))
    low, high = span(window, received, returned, first, last)
    within = reads(window, received, returned)[first : last + 1]
    within = within[within >= 0]
    if len(within):
        assert low <= within.min()
        assert within.max() <= high
        if window.way == "forward" and window.dilation == 1 <= low and high < received:
            assert (low, high) == (within.min(), within.max())


@pytest.mark.parametrize(
    ("window", "received", "returned", "expected"),
    [
        (Window(3, 2, "same"), 5, 3, [[-1, 0, 1], [1, 2, 3], [3, 4, -1]]),
        (Window(3, 2, "same"), 6, 3, [[0, 1, 2], [2, 3, 4], [4, 5, -1]]),
        (Window(3, 2, "same_lower"), 6, 3, [[-1, 0, 1], [1, 2, 3], [3, 4, 5]]),
        (Window(3, before=1, border="reflect"), 3, 3, [[1, 0, 1], [0, 1, 2], [1, 2, 1]]),
        (Window(3, before=1, border="wrap"), 3, 3, [[2, 0, 1], [0, 1, 2], [1, 2, 0]]),
        (Window(3, before=1, border="edge"), 3, 3, [[0, 0, 1], [0, 1, 2], [1, 2, 2]]),
        (Window(stride=-1, before=-2), 3, 3, [[2], [1], [0]]),
        (Window(way="nearest"), 2, 4, [[0], [0], [1], [1]]),
        (Window(way="linear", grid="half_pixel"), 2, 4, [[0, 0], [0, 1], [0, 1], [1, 1]]),
        (Window(way="linear", grid="corners"), 3, 5, [[0, -1], [0, 1], [1, -1], [1, 2], [2, -1]]),
        (Window(way="area"), 5, 3, [[0, 1, -1], [1, 2, 3], [3, 4, -1]]),
        (ALL, 2, 3, [[0, 1], [0, 1], [0, 1]]),
    ],
)  # fmt: skip
def test_what_is_read_at_the_border_and_between(
    window: Window, received: int, returned: int, expected: list[list[int]]
) -> None:
    assert np.array_equal(reads(window, received, returned), expected)
