"""Where everything stands: each block is laid out by itself, and then is one node of the outer one.

Lines enter a block through a point on the edge of its frame, one for each value that comes in, and
leave it likewise; so no line crosses a frame elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from layerscope.views.diagram.blocks import Block, Item, item_boxes
from layerscope.views.diagram.boxes import Graph
from layerscope.views.diagram.layered import LayeredLayout, Point, layered
from layerscope.views.diagram.ranks import Edge

PAD = 12.0  #: between a frame and what is inside
TITLE = 20.0  #: the strip that holds a frame's title

Size = tuple[float, float]
_IN, _OUT = "\N{RIGHTWARDS ARROW}", "\N{LEFTWARDS ARROW}"


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a line between two boxes, inside of one frame."""

    source: str  #: the box whose value it carries
    points: tuple[Point, ...]
    arrow: bool  #: whether it ends at a box


@dataclass
class Placed:
    """Left, top, width and height of boxes and frames; the lines."""

    boxes: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    frames: list[tuple[Block, tuple[float, float, float, float]]] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    size: Size = (0.0, 0.0)


@dataclass(frozen=True)
class _Region:
    """A block, laid out: in a coordinate system of its own, across and along."""

    block: Block
    layout: LayeredLayout
    lines: tuple[tuple[Edge, str], ...]  #: each with the box whose value it carries
    inside: Mapping[str, _Region]  #: the open blocks among its items
    sizes: Mapping[str, Size]
    before: Point  #: the padding before its content, across and along
    across: float
    along: float

    def port(self, kind: str, source: str) -> float:
        """Return where a value enters or leaves, across from the middle of the frame."""
        return self.layout.at[kind + source][0] + self.before[0] - self.across / 2


def place(
    root: Block,
    graph: Graph,
    size_of: Callable[[Item], Size],
    titles: Callable[[Block], tuple[float, float]],
    *,
    horizontal: bool,
) -> Placed:
    """Lay out all blocks that are not closed.

    ``size_of`` gives the width and height of a box or of a closed block, ``titles`` how much
    room a frame's title needs at its left and at its right.
    """

    def sizes(item: Item) -> Size:
        width, height = size_of(item)
        return (height, width) if horizontal else (width, height)

    region = _laid_out(root, graph, sizes, titles, horizontal, framed=False)
    placed = Placed()
    _collect(region, (0.0, 0.0), placed, horizontal)
    placed.size = (region.along, region.across) if horizontal else (region.across, region.along)
    return placed


def _laid_out(
    block: Block,
    graph: Graph,
    sizes: Callable[[Item], Size],
    titles: Callable[[Block], tuple[float, float]],
    horizontal: bool,
    framed: bool = True,
) -> _Region:
    inside = {
        item.id: _laid_out(item, graph, sizes, titles, horizontal)
        for item in block.items
        if isinstance(item, Block) and not item.closed
    }
    extents = {
        item.id: (inside[item.id].across, inside[item.id].along)
        if item.id in inside
        else sizes(item)
        for item in block.items
    }
    lines = _lines(block, graph, inside)
    ports = {
        key: (0.0, 0.0)
        for line, _ in lines
        for key in (line.source, line.target)
        if key not in extents
    }
    layout = layered(extents | ports, [line for line, _ in lines])
    if not framed:
        return _Region(
            block, layout, lines, inside, extents, (0.0, 0.0), layout.across, layout.along
        )
    if horizontal:
        before, after = (TITLE + 4, PAD), (PAD, PAD)
        spare = max(0.0, sum(titles(block)) - layout.along - 2 * PAD)
        before, after = (before[0], before[1] + spare / 2), (after[0], after[1] + spare / 2)
    else:
        left, right = _beside(layout, ports, titles(block))
        before, after = (left, TITLE + 6), (right, PAD)
    across = before[0] + layout.across + after[0]
    along = before[1] + layout.along + after[1]
    return _Region(block, layout, lines, inside, extents, before, across, along)


def _beside(
    layout: LayeredLayout, ports: Mapping[str, Size], titles: tuple[float, float]
) -> tuple[float, float]:
    """Return the padding left and right that leaves a title room beside the lines that come in."""
    entering = [layout.at[key][0] for key in ports if key.startswith(_IN)]
    if not entering:
        spare = max(0.0, sum(titles) - layout.across - 2 * PAD)
        return PAD + spare / 2, PAD + spare / 2
    left = titles[0] - min(entering)
    right = titles[1] - (layout.across - max(entering))
    return max(PAD, left), max(PAD, right)


def _lines(
    block: Block, graph: Graph, inside: Mapping[str, _Region]
) -> tuple[tuple[Edge, str], ...]:
    """Return the lines between the items of a block, and between them and its edges."""
    home = {box.id: item.id for item in block.items for box in item_boxes(item)}
    lines: dict[Edge, str] = {}
    for a, b in graph.edges:
        source, target = home.get(a), home.get(b)
        if source == target:
            continue
        leaves = inside[source].port(_OUT, a) if source and source in inside else 0.0
        enters = inside[target].port(_IN, a) if target and target in inside else 0.0
        lines[Edge(source or _IN + a, target or _OUT + a, leaves, enters)] = a
    return tuple(lines.items())


def _collect(region: _Region, origin: Point, placed: Placed, horizontal: bool) -> None:
    """Add a region's boxes, frames and lines, its own corner being at ``origin``."""
    left, top = origin[0] + region.before[0], origin[1] + region.before[1]

    def page(across: float, along: float) -> Point:
        return (along, across) if horizontal else (across, along)

    for item in region.block.items:
        middle, start = region.layout.at[item.id]
        across, along = region.sizes[item.id]
        corner = (left + middle - across / 2, top + start)
        box = (*page(*corner), *page(across, along))
        inner = region.inside.get(item.id)
        if inner is None:
            placed.boxes[item.id] = box
        else:
            placed.frames.append((inner.block, box))
            _collect(inner, corner, placed, horizontal)
    for line, source in region.lines:
        points = [(left + x, top + y) for x, y in region.layout.routes[line]]
        if line.source.startswith(_IN):
            points.insert(0, (points[0][0], origin[1]))
        if line.target.startswith(_OUT):
            points.append((points[-1][0], origin[1] + region.along))
        arrow = line.target in region.sizes and line.target not in region.inside
        placed.segments.append(Segment(source, tuple(page(*p) for p in points), arrow))
