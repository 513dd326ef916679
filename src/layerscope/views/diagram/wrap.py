"""A long drawing, cut into columns side by side: what one reads is no taller than a screen is wide.

The drawing is cut where no box stands. A frame that is cut goes on in the next column; each line
that is cut runs below its column, up between the two, and down into the next, in a lane of its own:
the rightmost innermost, so that no two of them cross.

::

    along │ ┌─┐  ╷ ┌─┐        of a horizontal drawing the same with across and along exchanged:
          │ └┬┘  │ └┬┘        rows below one another
          ▼  └───┘  ▼
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from layerscope.core.errors import ViewError
from layerscope.views.diagram.blocks import Block
from layerscope.views.diagram.layered import Point
from layerscope.views.diagram.place import PAD, TITLE, Placed, Segment

Box = tuple[float, float, float, float]

_LONG = 1600.0  #: a shorter drawing stays in one column unless it is asked for
_SHAPE = 2.0  #: how many times longer than wide a drawing is at most
_MOST = 24  #: columns
_LANE, _EDGE, _GUTTER = 6.0, 10.0, 30.0
_FAR = 0.45  #: how far from even a cut may be, as a share of a column
_FRAME_COST, _FAR_COST = 4.0, 6.0  #: of cutting a frame, a line being 1; of being far from even


def check_wrap(wrap: object) -> None:
    """Raise ViewError for what is no number of columns."""
    if wrap is None:
        return
    if isinstance(wrap, bool) or not isinstance(wrap, int) or not 1 <= wrap <= _MOST:
        raise ViewError(f"wrap={wrap!r}: pass how many columns, 1 to {_MOST}, or None.")


def wrapped(placed: Placed, wrap: int | None, least_across: float, horizontal: bool) -> Placed:
    """Return the drawing in so many columns, of a horizontal one rows; None takes what it needs.

    That is as few as make it no more than about twice as long as wide. ``least_across`` is how wide
    the page is anyway.
    """
    upright = _turned(placed) if horizontal else placed
    across, along = upright.size
    if wrap == 1 or (wrap is None and (along <= _LONG or along <= _SHAPE * across)):
        return placed
    best = upright
    for count in [wrap] if wrap is not None else range(2, _MOST + 1):
        best = _cut(upright, count, titled=not horizontal)
        if best.size[1] <= _SHAPE * 1.1 * max(best.size[0], 0 if horizontal else least_across):
            break
    return _turned(best) if horizontal else best


def clear_of_lines(placed: Placed, box: Box, width: float) -> float | None:
    """Return where a title so wide begins in the top of a frame, beside the lines through it.

    None where there is no room for it.
    """
    left, top, across, _ = box
    crossing = [
        x
        for segment in placed.segments
        for (x, y), (_, below) in itertools.pairwise(segment.points)
        if min(y, below) < top + TITLE and max(y, below) > top and left < x < left + across
    ]
    for start in [left + 10, *(x + 6 for x in sorted(crossing))]:
        free = all(not start - 3 < x < start + width + 3 for x in crossing)
        if free and (start == left + 10 or start + width < left + across - 6):
            return start
    return None


def _turned(placed: Placed) -> Placed:
    """Return the drawing with across and along exchanged."""
    return Placed(
        {name: _turned_box(box) for name, box in placed.boxes.items()},
        [(block, _turned_box(box)) for block, box in placed.frames],
        [
            replace(segment, points=tuple((y, x) for x, y in segment.points))
            for segment in placed.segments
        ],
        (placed.size[1], placed.size[0]),
    )


def _turned_box(box: Box) -> Box:
    x, y, width, height = box
    return y, x, height, width


@dataclass
class _Column:
    """A piece of the drawing from ``start`` to ``stop`` along, in coordinates of its own."""

    start: float
    stop: float
    boxes: dict[str, Box] = field(default_factory=dict)
    frames: list[tuple[Block, Box]] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    entering: dict[tuple[str, float], Point] = field(default_factory=dict)  #: by source and place
    leaving: dict[tuple[str, float], Point] = field(default_factory=dict)

    @property
    def extent(self) -> tuple[float, float]:
        """Where its leftmost and its rightmost things are."""
        boxes = [*self.boxes.values(), *(box for _, box in self.frames)]
        xs = [x for segment in self.segments for x, _ in segment.points]
        left = min([*(box[0] for box in boxes), *xs])
        return left, max([*(box[0] + box[2] for box in boxes), *xs])


def _cut(placed: Placed, count: int, *, titled: bool) -> Placed:
    """Return the drawing in about so many columns; fewer where there is nowhere to cut."""
    cuts = _places_to_cut(placed, count, titled)
    ends = [-1.0, *cuts, placed.size[1] + 1]
    columns = [_Column(a, b) for a, b in itertools.pairwise(ends)]
    for column in columns:
        _fill(column, placed, titled)
    return _side_by_side([column for column in columns if column.boxes], titled)


def _places_to_cut(placed: Placed, count: int, titled: bool) -> list[float]:
    """Return where to cut: near even parts, through few lines and frames, and through no box."""
    gaps = list(_gaps(placed, titled))
    each = placed.size[1] / count
    cuts: list[float] = []
    for number in range(1, count):
        even = number * each
        near = [y for y in gaps if abs(y - even) < _FAR * each and y not in cuts]
        if near:
            cuts.append(min(near, key=lambda y: _cost(placed, y, abs(y - even) / each)))
    return sorted(cuts)


def _gaps(placed: Placed, titled: bool) -> Iterator[float]:
    """Yield the middles of what lies between boxes, over the whole width."""
    taken = [(y, y + height) for _, y, _, height in placed.boxes.values()]
    for _, (_, y, _, height) in placed.frames:  # no frame begins, or ends, with nothing in it
        taken += [(y, y + (TITLE if titled else PAD)), (y + height - PAD, y + height)]
    end = None
    for start, stop in sorted(taken):
        if end is not None and start > end + 2:
            yield (start + end) / 2
        end = stop if end is None else max(end, stop)


def _cost(placed: Placed, y: float, far: float) -> float:
    frames = sum(box[1] < y < box[1] + box[3] for _, box in placed.frames)
    sources = {
        segment.source
        for segment in placed.segments
        if segment.points[0][1] < y < segment.points[-1][1]
    }
    return _FRAME_COST * frames + len(sources) + _FAR_COST * far


def _fill(column: _Column, placed: Placed, titled: bool) -> None:
    """Put into a column what of the drawing lies in it, from its own start on."""
    start, stop = column.start, column.stop
    first, last = start < 0, stop > placed.size[1]
    begun = [box for _, box in placed.frames if box[1] < start < box[1] + box[3]]
    room = (len(begun) * (TITLE + 4) + _EDGE) if begun and titled else _EDGE * bool(begun)
    down = -start + room if not first else 0.0
    column.boxes = {
        name: (x, y + down, width, height)
        for name, (x, y, width, height) in placed.boxes.items()
        if start < y < stop
    }
    level = 0
    for block, (x, y, width, height) in placed.frames:
        if y >= stop or y + height <= start:
            continue
        top, bottom = y + down, min(y + height, stop) + down
        if y < start:
            top = level * (TITLE + 4) if titled else 0.0
            level += 1
        column.frames.append((block, (x, top, width, bottom - top)))
    end = stop + down
    for segment in placed.segments:
        points = _between(segment.points, start, stop)
        if not points:
            continue
        moved = [(x, y + down) for x, y in points]
        enters = not first and points[0][1] == start and segment.points[0][1] < start
        leaves = not last and points[-1][1] == stop and segment.points[-1][1] > stop
        key_in, key_out = (
            (segment.source, round(points[0][0], 1)),
            (
                segment.source,
                round(points[-1][0], 1),
            ),
        )
        if enters:
            moved.insert(0, (moved[0][0], 0.0))
            column.entering[key_in] = moved[0]
        if leaves:
            column.leaving[key_out] = (moved[-1][0], end)
        part = replace(segment, points=tuple(moved), arrow=segment.arrow and not leaves)
        column.segments.append(part)


def _between(points: Sequence[Point], start: float, stop: float) -> list[Point]:
    """Return the part of a line, which runs along, from ``start`` to ``stop``."""
    kept: list[Point] = []
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if y1 < start or y0 > stop:
            continue
        for x, y in ((x0, y0), (x1, y1)):
            if y < start or y > stop:
                limit = start if y < start else stop
                x, y = x0 + (x1 - x0) * (limit - y0) / (y1 - y0), limit
            if not kept or kept[-1] != (x, y):
                kept.append((x, y))
    return kept if len(kept) > 1 and kept[-1][1] > kept[0][1] else []


def _side_by_side(columns: Sequence[_Column], titled: bool) -> Placed:
    """Put the columns beside one another, and lead the lines from each to the next."""
    placed = Placed()
    above = max(_EDGE + _LANE * len(column.entering) for column in columns)
    right, bottom = 0.0, 0.0
    before: list[tuple[tuple[str, float], Point]] = []
    for column in columns:
        left, stop = column.extent
        gutter = _GUTTER + _LANE * len(before) if placed.boxes else 0.0
        move = _mover(right + gutter - left, above)
        for name, box in column.boxes.items():
            placed.boxes[name] = (*move(box[:2]), *box[2:])
        placed.frames += [(block, (*move(box[:2]), *box[2:])) for block, box in column.frames]
        placed.segments += [
            replace(segment, points=tuple(map(move, segment.points))) for segment in column.segments
        ]
        arriving = {key: move(point) for key, point in column.entering.items()}
        placed.segments += _led(before, arriving, right)
        before = [(key, move(point)) for key, point in column.leaving.items()]
        right += gutter + stop - left
        ends = [box[1] + box[3] for _, box in column.frames]
        ends += [box[1] + box[3] for box in column.boxes.values()]
        ends += [point[1] for point in column.leaving.values()]
        bottom = max(bottom, above + max(ends) + _EDGE + _LANE * len(before))
    placed.size = (right, bottom)
    return placed


def _mover(dx: float, dy: float) -> Callable[[Point], Point]:
    return lambda point: (point[0] + dx, point[1] + dy)


def _led(
    before: Sequence[tuple[tuple[str, float], Point]],
    arriving: dict[tuple[str, float], Point],
    right: float,
) -> Iterator[Segment]:
    """Yield the lines from below one column to above the next, the rightmost innermost."""
    ordered = sorted((item for item in before if item[0] in arriving), key=lambda item: -item[1][0])
    for lane, (key, (x, y)) in enumerate(ordered):
        into, top = arriving[key]
        below = y + _LANE * (lane + 1)
        up = right + _GUTTER / 2 + _LANE * lane
        over = top - _LANE * (len(ordered) - lane)
        yield Segment(
            key[0], ((x, y), (x, below), (up, below), (up, over), (into, over), (into, top)), False
        )
