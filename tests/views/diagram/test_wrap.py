"""Long drawings in columns: no box is lost, cut or covered, and every line arrives where it did."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.networks import wired
from layerscope.core.errors import ViewError
from layerscope.views.diagram import diagram
from layerscope.views.diagram.blocks import Item, blocks_of
from layerscope.views.diagram.boxes import graph_of
from layerscope.views.diagram.layered import Point
from layerscope.views.diagram.place import Placed, place
from layerscope.views.diagram.wrap import wrapped


def chain(count: int, skips: list[tuple[int, int]], frame: int = 0) -> Placed:
    """Lay out a chain with lines that skip parts; of every ``frame`` boxes, two are framed."""
    names = [f"b{i // frame}/n{i}" if frame and i % frame < 2 else f"n{i}" for i in range(count)]
    pairs = [*itertools.pairwise(range(count)), *skips]
    edges = [(names[a], names[b]) for a, b in dict.fromkeys(pairs) if a < b < count]

    def size_of(item: Item) -> tuple[float, float]:
        return 60.0, 20.0

    graph = graph_of(wired(edges))
    return place(blocks_of(graph), graph, size_of, lambda block: (60.0, 30.0), horizontal=False)


def apart(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    x, y, w, h = one
    a, b, c, d = other
    return x + w <= a or a + c <= x or y + h <= b or b + d <= y


def beginnings(drawing: Placed) -> list[Point]:
    """Follow each line that ends with an arrow back to where it begins."""
    starts = []
    by_end = {(s.source, rounded(s.points[-1])): s for s in drawing.segments if not s.arrow}
    for segment in (s for s in drawing.segments if s.arrow):
        while (before := by_end.get((segment.source, rounded(segment.points[0])))) is not None:
            segment = before
        starts.append(segment.points[0])
    return starts


def rounded(point: Point) -> Point:
    return round(point[0], 1), round(point[1], 1)


@given(
    st.integers(8, 40),
    st.lists(st.tuples(st.integers(0, 30), st.integers(2, 39)), max_size=6),
    st.integers(2, 6),
    st.sampled_from([0, 5]),
)
def test_every_box_and_every_line_is_there(
    count: int, skips: list[tuple[int, int]], columns: int, frame: int
) -> None:
    before = chain(count, skips, frame)
    after = wrapped(before, columns, 0.0, horizontal=False)
    assert after.boxes.keys() == before.boxes.keys()
    assert {box[2:] for box in after.boxes.values()} == {(60.0, 20.0)}
    assert all(apart(a, b) for a, b in itertools.combinations(after.boxes.values(), 2))
    assert all(b[0] >= 0 and b[0] + 60 <= after.size[0] + 1 for b in after.boxes.values())
    assert all(b[1] >= 0 and b[1] + 20 <= after.size[1] + 1 for b in after.boxes.values())
    tops = {rounded((x + 30, y)) for x, y, _, _ in after.boxes.values()}
    bottoms = {rounded((x + 30, y + 20)) for x, y, _, _ in after.boxes.values()}
    arrows = [segment for segment in after.segments if segment.arrow]
    assert len(arrows) == sum(segment.arrow for segment in before.segments)
    assert {rounded(segment.points[-1]) for segment in arrows} <= tops
    assert {rounded(point) for point in beginnings(after)} <= bottoms
    framed = {block.id for block, _ in before.frames}
    assert {block.id for block, _ in after.frames} == framed


def test_a_long_chain_takes_as_few_columns_as_make_it_no_longer_than_twice_its_width() -> None:
    before = chain(120, [])
    assert before.size[1] > 30 * before.size[0]
    after = wrapped(before, None, 0.0, horizontal=False)
    assert after.size[1] <= 2.2 * after.size[0]
    assert after.size[1] > after.size[0] / 2
    lefts = {box[0] for box in after.boxes.values()}
    assert 3 <= len(lefts) <= 6


def test_a_short_drawing_stays_as_it_is_unless_it_is_asked_for() -> None:
    before = chain(12, [])
    assert wrapped(before, None, 0.0, horizontal=False) is before
    assert wrapped(before, 1, 0.0, horizontal=False) is before
    assert len({box[0] for box in wrapped(before, 3, 0.0, horizontal=False).boxes.values()}) == 3


def test_a_frame_that_is_cut_goes_on_in_the_next_column() -> None:
    names = [f"e/a{i}x{'yz'[i % 2]}" for i in range(31)]
    edges = [("in", names[0]), *itertools.pairwise(names), (names[-1], "out")]
    panel = diagram(wired(edges), wrap=3, collapse=False)
    titles = [frame["title"] for frame in panel.header["frames"]]
    assert titles == ["e", "e, continued", "e, continued"]
    assert len({box["id"] for box in panel.header["boxes"]}) == 33


def test_of_a_horizontal_drawing_there_are_rows() -> None:
    edges = [(f"n{i}", f"n{i + 1}") for i in range(60)]
    panel = diagram(wired(edges), style="horizontal", collapse=False)
    width, height = panel.header["size"]
    assert width <= 2.5 * height
    one = diagram(wired(edges), style="horizontal", collapse=False, wrap=1).header["size"]
    assert one[0] > 10 * one[1]


@pytest.mark.parametrize("wrap", [0, -1, True, 2.0, "2", 1000])
def test_what_is_no_number_of_columns(wrap: object) -> None:
    with pytest.raises(ViewError, match="pass how many columns, 1 to 24"):
        diagram(wired([("a", "b")]), wrap=wrap)  # type: ignore[arg-type]
