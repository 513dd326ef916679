"""Lines of a diagram, as commands ``M``, ``L`` and ``C`` with their points."""

from __future__ import annotations

import itertools

Point = tuple[float, float]
Command = tuple[str, tuple[tuple[float, float], ...]]


def path_of(points: tuple[tuple[float, float], ...], horizontal: bool) -> list[Command]:
    """Return a line that runs along, and bends where its points change lanes."""
    commands: list[Command] = [("M", (_rounded(points[0]),))]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if abs(y1 - y0 if horizontal else x1 - x0) < 0.5:
            commands.append(("L", (_rounded((x1, y1)),)))
            continue
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        one = (middle[0], y0) if horizontal else (x0, middle[1])
        other = (middle[0], y1) if horizontal else (x1, middle[1])
        commands.append(("C", (_rounded(one), _rounded(other), _rounded((x1, y1)))))
    return commands


def _rounded(point: tuple[float, float]) -> tuple[float, float]:
    return round(point[0], 1), round(point[1], 1)
