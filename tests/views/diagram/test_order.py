from __future__ import annotations

import itertools
from graphlib import CycleError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.views.diagram.order import Order


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[str], list[tuple[str, str]]]:
    """Nodes in any order, and edges between them without a cycle."""
    count = draw(st.integers(1, 9))
    pairs = list(itertools.combinations(range(count), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    names = draw(st.permutations([f"n{i}" for i in range(count)]))
    return sorted(names), [(names[a], names[b]) for a, b in chosen]


def paths(keys: list[str], edges: list[tuple[str, str]], ends: set[str]) -> list[list[str]]:
    """All paths that end in one of ``ends``, the slow way."""
    found, waiting = [], [[key] for key in keys]
    while waiting:
        path = waiting.pop()
        found += [path] if path[-1] in ends else []
        waiting += [[*path, b] for a, b in edges if a == path[-1]]
    return found


@given(graphs())
def test_each_comes_after_those_before_it(graph: tuple[list[str], list[tuple[str, str]]]) -> None:
    keys, edges = graph
    order = Order(keys, edges)
    assert sorted(order.sequence) == keys
    assert all(order.position[a] < order.position[b] for a, b in edges)
    if all(a < b for a, b in edges):
        assert order.sequence == keys  # the order given is kept


@given(graphs(), st.data())
def test_between_is_what_lies_on_paths(
    graph: tuple[list[str], list[tuple[str, str]]], data: st.DataObject
) -> None:
    keys, edges = graph
    members = data.draw(st.frozensets(st.sampled_from(keys), min_size=1))
    on = {key for p in paths(sorted(members), edges, set(members)) for key in p}
    assert Order(keys, edges).between(members) == on | members


@given(graphs(), st.data())
def test_cut_points_are_on_every_path(
    graph: tuple[list[str], list[tuple[str, str]]], data: st.DataObject
) -> None:
    keys, edges = graph
    fed = data.draw(st.frozensets(st.sampled_from(keys)))
    read = data.draw(st.frozensets(st.sampled_from(keys)))
    starts = fed | set(keys) - {b for _, b in edges}
    ends = read | set(keys) - {a for a, _ in edges}
    every = [set(path) for path in paths(sorted(starts), edges, set(ends))]
    assert Order(keys, edges).cut_points(fed, read) == set.intersection(*every)


@given(graphs(), st.data())
def test_groups_that_close_a_cycle(
    graph: tuple[list[str], list[tuple[str, str]]], data: st.DataObject
) -> None:
    keys, edges = graph
    group = data.draw(st.frozensets(st.sampled_from(keys), min_size=1))
    order = Order(keys, edges)
    # One group as a node closes a cycle where a path leaves it and comes back.
    assert order.is_acyclic_with([group], frozenset(keys)) == (order.between(group) == group)


def test_a_cycle_is_told() -> None:
    with pytest.raises(CycleError, match="the edges form a cycle"):
        Order("ab", [("a", "b"), ("b", "a")])
