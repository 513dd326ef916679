from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from layerscope.views.diagram.layered import GAP, layered
from layerscope.views.diagram.ranks import Edge

Sizes = dict[str, tuple[float, float]]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Sizes, list[Edge]]:
    side = st.integers(10, 200).map(float)
    count = draw(st.integers(1, 12))
    sizes: Sizes = {f"n{i}": (draw(side), draw(side)) for i in range(count)}
    pairs = list(itertools.combinations(sizes, 2))
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    offset = st.sampled_from([0.0, 0.0, -4.0, 5.0])
    return sizes, [Edge(a, b, draw(offset), draw(offset)) for a, b in chosen]


@given(graphs())
def test_nodes_keep_apart_and_lines_touch_none(graph: tuple[Sizes, list[Edge]]) -> None:
    sizes, lines = graph
    layout = layered(sizes, lines)
    areas = {}
    for key, (across, along) in sizes.items():
        middle, start = layout.at[key]
        areas[key] = (middle - across / 2, start, middle + across / 2, start + along)
        assert areas[key][0] >= -0.01
        assert areas[key][1] >= 0
        assert areas[key][2] <= layout.across + 0.01
        assert areas[key][3] <= layout.along + 0.01
    for one, other in itertools.combinations(areas.values(), 2):
        beside = max(one[0] - other[2], other[0] - one[2]) >= GAP - 0.01
        assert beside or max(one[1] - other[3], other[1] - one[3]) > 0
    assert layout.routes.keys() == set(lines)
    for line, points in layout.routes.items():
        source, target = layout.at[line.source], layout.at[line.target]
        assert points[0] == (source[0] + line.leaves, source[1] + sizes[line.source][1])
        assert points[-1] == (target[0] + line.enters, target[1])
        assert all(a[1] <= b[1] for a, b in itertools.pairwise(points))
        for area in areas.values():
            for (x0, y0), (x1, y1) in itertools.pairwise(points):
                # Where a line passes beside a node it is straight.
                if min(y1, area[3]) - max(y0, area[1]) > 0.01:
                    assert not area[0] < min(x0, x1) <= max(x0, x1) < area[2]
                    assert abs(x0 - x1) < 0.01 or max(x0, x1) < area[0] or min(x0, x1) > area[2]


def test_a_chain_is_straight() -> None:
    sizes = {f"n{i}": (20.0 + 7 * i, 10.0) for i in range(30)}
    lines = [Edge(a, b) for a, b in itertools.pairwise(sizes)]
    layout = layered(sizes, lines)
    assert len({round(middle, 6) for middle, _ in layout.at.values()}) == 1
    starts = [layout.at[key][1] for key in sizes]
    assert starts == sorted(starts)


def test_a_dense_graph_takes_few_looks() -> None:
    sizes = {f"n{i}": (20.0, 10.0) for i in range(40)}
    lines = [Edge(a, b) for a, b in itertools.combinations(sizes, 2)]
    layout = layered(sizes, lines)
    assert len(layout.routes) == 780
