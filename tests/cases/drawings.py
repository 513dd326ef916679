"""What can be said of a diagram's header by looking at it: who is joined to whom, what overlaps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.network import Network

Rect = tuple[float, float, float, float]  #: left, top, right, bottom
Point = tuple[float, float]
_NEAR = 0.3  #: coordinates are rounded to a tenth


def rect(box: Sequence[float]) -> Rect:
    """The edges of a box given by its left, top, width and height."""
    x, y, width, height = box
    return x, y, x + width, y + height


def text_rect(text: Mapping[str, Any]) -> Rect:
    """Where a text has its ink, about: from its capitals' top to the foot of its baseline."""
    width = text["width"]
    left = text["x"] - {"start": 0.0, "middle": width / 2, "end": width}[text["anchor"]]
    return left, text["y"] - 0.75 * text["size"], left + width, text["y"] + 0.2 * text["size"]


def overlap(one: Rect, other: Rect, by: float = _NEAR) -> bool:
    """Whether two share more than an edge."""
    return (
        min(one[2], other[2]) - max(one[0], other[0]) > by
        and min(one[3], other[3]) - max(one[1], other[1]) > by
    )


def within(one: Rect, other: Rect, by: float = _NEAR) -> bool:
    """Whether the first lies in the second."""
    return (
        one[0] >= other[0] - by
        and one[1] >= other[1] - by
        and one[2] <= other[2] + by
        and one[3] <= other[3] + by
    )


def sampled(path: Sequence[tuple[str, Sequence[Point]]], count: int = 12) -> Iterator[Point]:
    """Points along a path of the commands M, L and C."""
    at: Point = path[0][1][0]
    assert path[0][0] == "M"
    yield at
    for letter, points in path[1:]:
        corners = {"L": [at, at, points[-1], points[-1]], "C": [at, *points]}[letter]
        for i in range(1, count + 1):
            t = i / count
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            x, y = (
                sum(w * corner[axis] for w, corner in zip(weights, corners, strict=True))
                for axis in (0, 1)
            )
            yield x, y
        at = points[-1]


def joined(header: Mapping[str, Any], horizontal: bool) -> set[tuple[str, str]]:
    """Which box is joined to which, by following the lines from edge to edge.

    Pieces of one value's line go together where one ends exactly at a point where another begins.
    """
    by_source: dict[str, list[list[Point]]] = {}
    for line in header["lines"]:
        points = [points[-1] for _, points in line["path"]]
        by_source.setdefault(line["source"], []).append(points)
    boxes = [(box["id"], rect(box["box"])) for box in header["boxes"]]
    found = set()
    for pieces in by_source.values():
        starts: dict[Point, list[int]] = {}
        for i, points in enumerate(pieces):
            starts.setdefault(_rough(points[0]), []).append(i)
        ends = {point for points in pieces for point in _around(points[-1])}
        for points in pieces:
            if _rough(points[0]) in ends:
                continue  # not where a value sets out
            (source,) = _touching(boxes, points[0], horizontal, leaving=True)
            reached, waiting = set(), [points]
            while waiting:
                end = waiting.pop()[-1]
                nexts = {i for p in _around(end) for i in starts.get(p, ())}
                targets = _touching(boxes, end, horizontal, leaving=False)
                assert nexts or targets, f"a line ends at {end}, where nothing is"
                reached |= set(targets)
                waiting += [pieces[i] for i in nexts]
            found |= {(source, target) for target in reached}
    return found


def _rough(point: Point) -> Point:
    return round(point[0], 1), round(point[1], 1)


def _around(point: Point) -> list[Point]:
    """The point and its neighbours by a rounding."""
    steps = (-0.1, 0.0, 0.1)
    return [_rough((point[0] + dx, point[1] + dy)) for dx, dy in itertools.product(steps, steps)]


def _touching(
    boxes: Sequence[tuple[str, Rect]], point: Point, horizontal: bool, leaving: bool
) -> list[str]:
    """The boxes at whose edge a line leaves or arrives there."""
    x, y = point[::-1] if horizontal else point
    found = []
    for name, area in boxes:
        left, top, right, bottom = (area[1], area[0], area[3], area[2]) if horizontal else area
        edge = bottom if leaving else top
        if left - _NEAR <= x <= right + _NEAR and abs(y - edge) <= _NEAR:
            found.append(name)
    return found


def expected(network: Network, header: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Which box should be joined to which: the slow, obvious version, from the layers' inputs."""
    home = {address: box["id"] for box in header["boxes"] for address in box["addresses"]}
    return {
        (home[source], home[layer.address])
        for layer in network
        for source in layer.inputs
        if home[source] != home[layer.address]
    }


def check(header: Mapping[str, Any], horizontal: bool) -> None:
    """Nothing overlaps, nothing sticks out, no line goes where it has no business."""
    page = rect((0.0, 0.0, *header["size"]))
    boxes = [rect(box["box"]) for box in header["boxes"]]
    frames = [rect(frame["box"]) for frame in header["frames"]]
    texts = [text_rect(text) for text in header["texts"]]
    tiles = [rect(tile["box"]) for tile in header["tiles"]]
    for area in (*boxes, *frames, *texts, *tiles):
        assert within(area, page, 1), f"{area} sticks out of the picture, {page}"
    for one, other in itertools.combinations(boxes, 2):
        assert not overlap(one, other), f"boxes overlap: {one}, {other}"
    for one, other in itertools.combinations([*texts, *tiles], 2):
        assert not overlap(one, other), f"texts or maps overlap: {one}, {other}"
    for frame, other in itertools.product(frames, [*boxes, *frames]):
        assert not overlap(frame, other) or within(other, frame, 0) or within(frame, other, 0), (
            f"{other} is half in the frame {frame}"
        )
    for area, frame in itertools.product(boxes, frames):
        assert not within(frame, area, 0), "a frame in a box"
    for area, other in itertools.product([*texts, *tiles], [*boxes, *frames]):
        assert not overlap(area, other) or within(area, other), f"{area} crosses {other}"
    for line in header["lines"]:
        _check_line(line, boxes, frames, texts, tiles, horizontal)


def _check_line(
    line: Mapping[str, Any],
    boxes: Sequence[Rect],
    frames: Sequence[Rect],
    texts: Sequence[Rect],
    tiles: Sequence[Rect],
    horizontal: bool,
) -> None:
    points = np.array(list(sampled(line["path"])))
    along = points[:, 0 if horizontal else 1]
    assert (np.diff(along) >= -_NEAR).all(), "a line goes back"
    crossed = _holding(boxes, points, _NEAR).any(axis=1)
    assert not crossed.any(), f"a line crosses the box {boxes[int(crossed.argmax())]}"
    written = [*texts, *tiles]
    crossed = _holding(written, points, _NEAR).any(axis=1)
    assert not crossed.any(), f"a line crosses the text {written[int(crossed.argmax())]}"
    inside = _holding(frames, points, _NEAR).any(axis=1)
    outside = ~_holding(frames, points, -_NEAR).all(axis=1)
    assert not (inside & outside).any(), "a line crosses the edge of a frame"


def _holding(
    areas: Sequence[Rect], points: npt.NDArray[np.float64], by: float
) -> npt.NDArray[np.bool_]:
    """Which areas hold which points, those at their edges aside."""
    edges = np.reshape(areas, (-1, 4, 1))
    x, y = points.T
    return np.asarray(
        (edges[:, 0] + by < x)
        & (x < edges[:, 2] - by)
        & (edges[:, 1] + by < y)
        & (y < edges[:, 3] - by)
    )
