"""Questions about the order of a graph without cycles: what lies between, where paths meet."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter


class Order:
    """The nodes of a graph and what follows from its edges.

    Sets of nodes are kept as the bits of an integer: a thousand nodes are still quick.
    """

    def __init__(self, keys: Iterable[str], edges: Iterable[tuple[str, str]]) -> None:
        self.before: dict[str, list[str]] = {key: [] for key in keys}
        self.after: dict[str, list[str]] = {key: [] for key in self.before}
        for source, target in edges:
            self.before[target].append(source)
            self.after[source].append(target)
        self.sequence = _sequence(self.before)
        self.position = {key: i for i, key in enumerate(self.sequence)}
        self._ancestors = self._reach(self.sequence, self.before)
        self._descendants = self._reach(self.sequence[::-1], self.after)

    def _reach(self, sequence: Sequence[str], near: Mapping[str, list[str]]) -> dict[str, int]:
        reach: dict[str, int] = {}
        for key in sequence:
            bits = 0
            for other in near[key]:
                bits |= reach[other] | 1 << self.position[other]
            reach[key] = bits
        return reach

    def between(self, members: frozenset[str]) -> frozenset[str]:
        """Return the members and all that lies on a path from one of them to another."""
        above = below = 0
        for key in members:
            above |= self._ancestors[key]
            below |= self._descendants[key]
        both = above & below
        return members | {key for key in self.sequence if both >> self.position[key] & 1}

    def is_acyclic_with(self, groups: Sequence[frozenset[str]], within: frozenset[str]) -> bool:
        """Return whether no cycle arises when each of these disjoint groups is one node."""
        home = {key: f"group {i}" for i, group in enumerate(groups) for key in group}
        before: dict[str, list[str]] = {}
        for key in self.sequence:
            if key in within:
                home_of_key = home.get(key, key)
                sources = before.setdefault(home_of_key, [])
                sources += [
                    home.get(other, other)
                    for other in self.before[key]
                    if other in within and home.get(other, other) != home_of_key
                ]
        try:
            TopologicalSorter(before).prepare()
        except CycleError:
            return False
        return True

    def cut_points(self, fed: Iterable[str] = (), read: Iterable[str] = ()) -> set[str]:
        """Return the nodes that every path goes through, from whatever comes in to what goes out.

        ``fed`` and ``read`` are nodes that are connected to the outside, too.
        """
        starts = {key for key in self.sequence if not self.before[key]} | set(fed)
        ends = {key for key in self.sequence if not self.after[key]} | set(read)
        # Of whole numbers, which never overflow: there are 2 ** n paths through n branchings.
        down: dict[str, int] = {}
        for key in self.sequence:
            down[key] = (key in starts) + sum(down[other] for other in self.before[key])
        up: dict[str, int] = {}
        for key in reversed(self.sequence):
            up[key] = (key in ends) + sum(up[other] for other in self.after[key])
        total = sum(down[key] for key in ends)
        return {key for key in self.sequence if down[key] * up[key] == total}


def _sequence(before: Mapping[str, list[str]]) -> list[str]:
    """Return the nodes, each after those before it; in the order given wherever that is one."""
    waiting = {key: len(set(sources)) for key, sources in before.items()}
    after: dict[str, set[str]] = {key: set() for key in before}
    for key, sources in before.items():
        for source in sources:
            after[source].add(key)

    rank = {key: i for i, key in enumerate(before)}
    ready = [rank[key] for key, count in waiting.items() if not count]
    heapq.heapify(ready)
    keys = list(before)
    sequence = []
    while ready:
        key = keys[heapq.heappop(ready)]
        sequence.append(key)
        for other in after[key]:
            waiting[other] -= 1
            if not waiting[other]:
                heapq.heappush(ready, rank[other])
    if len(sequence) < len(keys):
        raise CycleError("the edges form a cycle", [key for key in keys if waiting[key]])
    return sequence
