"""The names of lines at their ends, apart from each other; lines that coincide have one name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = 7  #: of the text, in points
_LINE = 1.25  #: from one name to the next, in sizes
_AS_ONE = 0.002  #: lines that are nowhere further apart than this share of the axis coincide
_LIGHTEST = 0.42  #: of the text
_LISTED = 3  #: names of lines that coincide

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LineEnd:
    """A line that is to be named."""

    label: str
    colour: str
    x: Values
    y: Values


def name_ends(ax: Axes, lines: Sequence[LineEnd], above: str = "") -> None:
    """Write the names of lines at the right of the axes, each at the height where its line ends.

    ``above`` stands over them. Scale and limits of the axes have to be set.
    """
    transform = ax.yaxis.get_transform()
    low, high = transform.transform(np.array(ax.get_ylim()))
    heights = [(transform.transform(line.y) - low) / (high - low) for line in lines]
    groups = coinciding(lines, heights)
    tall = ax.get_window_extent().height / ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    gap = _LINE * _SIZE / 72 / max(tall, 0.1)
    top = 1.0
    if above:
        ax.annotate(
            above, (1.02, 1), xycoords="axes fraction", fontsize=_SIZE, va="top", color="0.35",
            parse_math=False, annotation_clip=False,
        )  # fmt: skip
        top -= gap * (1 + above.count("\n")) * 1.1
    ends = [_last(heights[group[0]]) for group in groups]
    for group, end, place in zip(groups, ends, spread(ends, gap, top), strict=True):
        line = lines[group[-1]]  # drawn last, it is the one that is seen
        ax.annotate(
            label_of([lines[i] for i in group]),
            (_across(ax, line), end),
            (1.02, place),
            "axes fraction",
            "axes fraction",
            fontsize=_SIZE,
            color=readable(line.colour),
            va="center",
            parse_math=False,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": line.colour, "linewidth": 0.5, "alpha": 0.6},
        )


def readable(colour: str) -> str:
    """Return a colour dark enough for text on white."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = to_rgb(colour)
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    share = min(1.0, _LIGHTEST / max(light, _LIGHTEST))
    return str(to_hex((red * share, green * share, blue * share)))


def label_of(lines: Sequence[LineEnd]) -> str:
    """Return the name of lines that coincide: ``a = b``, and ``a: 0`` where they lie at zero."""
    names = " = ".join(line.label for line in lines[:_LISTED])
    if len(lines) > _LISTED:
        names += f" = {len(lines) - _LISTED} more"
    known = lines[0].y[np.isfinite(lines[0].y)]
    return f"{names}: 0" if len(known) and not known.any() else names


def coinciding(lines: Sequence[LineEnd], heights: Sequence[Values]) -> list[list[int]]:
    """Return the lines that lie on each other, as groups of their numbers."""
    groups: list[list[int]] = []
    for i, line in enumerate(lines):
        for group in groups:
            other = lines[group[0]]
            if len(line.x) == len(other.x) and bool((line.x == other.x).all()):
                with np.errstate(invalid="ignore"):
                    apart = np.abs(heights[i] - heights[group[0]])
                same = np.isnan(heights[i]) == np.isnan(heights[group[0]])
                if same.all() and np.nanmax(apart, initial=0) <= _AS_ONE:
                    group.append(i)
                    break
        else:
            groups.append([i])
    return groups


def spread(ends: Sequence[float], gap: float, top: float = 1.0) -> list[float]:
    """Return the places nearest to those wanted that keep a distance, from 0 to the top.

    Where there is no room for all, they are as far apart as there is.
    """
    count = len(ends)
    gap = min(gap, top / max(1, count - 1)) if count > 1 else gap
    order = sorted(range(count), key=lambda i: ends[i])
    places = [min(max(ends[i], 0.0), top) for i in order]
    # Pools of neighbours that push each other stand about the mean of where they would be.
    pools: list[list[float]] = []  # the sum of what is wanted of the first, and how many
    for rank, place in enumerate(places):
        pools.append([place - rank * gap, 1])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            total, number = pools.pop()
            pools[-1][0] += total
            pools[-1][1] += number
    firsts = [total / number for total, number in pools for _ in range(int(number))]
    most = top - (count - 1) * gap
    placed = [min(max(first, 0.0), most) + rank * gap for rank, first in enumerate(firsts)]
    made = [0.0] * count
    for rank, i in enumerate(order):
        made[i] = placed[rank]
    return made


def _last(heights: Values) -> float:
    known = heights[np.isfinite(heights)]
    return float(np.clip(known[-1], 0, 1)) if len(known) else 0.0


def _across(ax: Axes, line: LineEnd) -> float:
    """Return where the last point of a line is, as a share of the axes' width."""
    known: Any = line.x[np.isfinite(line.y)]
    left, right = ax.get_xlim()
    return float((known[-1] - left) / (right - left)) if len(known) and right > left else 1.0
