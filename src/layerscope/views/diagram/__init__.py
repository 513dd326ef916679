"""``diagram``: the architecture of a network, and the passage of a pattern through it.

::

    Network ──► boxes ──► blocks ──► repeats ──► cards ──► place ──► Panel ──► svg, raster
                which     which      how often   what is   where
                layers    belong     each stands written   they
                as one    together               in each   stand
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from layerscope.core.errors import ViewError
from layerscope.core.network import Network, Shape, computing
from layerscope.core.text import shown_name
from layerscope.recordings.recording import Recording
from layerscope.views.diagram.blocks import (
    Block,
    Item,
    blocks_of,
    closed_below,
    item_boxes,
    levels,
    size_of,
)
from layerscope.views.diagram.boxes import Graph, graph_of
from layerscope.views.diagram.cards import (
    NAME,
    SMALL,
    Card,
    Text,
    card,
    frame_text,
    frame_widths,
    title,
)
from layerscope.views.diagram.header import MARGIN, below, header_of
from layerscope.views.diagram.header import heading as heading_of
from layerscope.views.diagram.kinds import colours
from layerscope.views.diagram.paths import path_of
from layerscope.views.diagram.place import Placed, place
from layerscope.views.diagram.repeats import collapsed
from layerscope.views.diagram.thumbnails import Thumbnails
from layerscope.views.diagram.volume import volumes
from layerscope.views.diagram.wrap import check_wrap, clear_of_lines, wrapped
from layerscope.views.render.defaults import ground_or, palette_or, scale_or
from layerscope.views.render.palette import known
from layerscope.views.render.panel import Panel
from layerscope.views.render.select_maps import check_recording, sample_of

if TYPE_CHECKING:
    import xarray as xr

STYLES = ("vertical", "horizontal", "volume")
_LINE = 110  #: characters in a line of the heading
_NOTE = 1_000  #: characters of a note, which may take several lines
_MOST = 260  #: boxes, before blocks are closed unasked
#: Unless that would leave fewer than these, where all open are not more than those.
_FEWEST, _AT_MOST = 12, 1500


def diagram(
    network: Network,
    recording: Recording | None = None,
    *,
    style: str = "vertical",
    depth: int | None = None,
    expand: str | Iterable[str] = (),
    collapse: bool | None = None,
    show_shapes: bool = True,
    show_layer_names: bool = True,
    unit: int | None = None,
    sample: int | str = 0,
    step: int | None = None,
    scale: Any = None,
    palette: str | None = None,
    ground: str | None = None,
    wrap: int | None = None,
    reshape: tuple[int, ...] | None = None,
) -> Panel:
    """Draw the architecture of a network; with a recording of it, what each box returned.

    See :func:`layerscope.diagram`, which has the same arguments.
    """
    ground, palette, scale = ground_or(ground, "light"), palette_or(palette), scale_or(scale)
    colours(ground)
    known(palette)
    _check(style, depth)
    check_wrap(wrap)
    if recording is not None:
        check_recording(recording)
        recording = recording.at(step)
    if style == "volume":
        network, graph = _graph(network, recording)
        return volumes(network, graph, ground, palette, show_shapes, show_layer_names, wrap)
    if collapse is None:
        collapse = recording is None  # each copy has a map of its own to show
    structure = structure_of(network, recording, depth, expand, collapse)
    if recording is None and unit is not None:
        raise ViewError("unit= says which channel of activations to show: pass activations, too.")
    thumbnails = None
    if recording is not None:
        number = sample_of(recording, sample)
        thumbnails = Thumbnails(recording, unit, number, scale, palette, reshape)
    return drawn_structure(
        structure, thumbnails, style, palette, ground, show_shapes, show_layer_names, wrap=wrap
    )


@dataclass(frozen=True)
class Structure:
    """Which boxes and blocks of a network are drawn: the same for all of its recordings."""

    network: Network
    root: Block
    graph: Graph
    note: str
    _placed: dict[Hashable, Placed] = field(default_factory=dict, repr=False)

    def place(self, cards: Mapping[str, Card], horizontal: bool) -> Placed:
        """Return where everything stands; found once for cards of the same sizes."""
        sizes = {name: (card_of.width, card_of.height) for name, card_of in cards.items()}
        key = (horizontal, *sizes.items())
        if key not in self._placed:
            self._placed.clear()
            self._placed[key] = place(
                self.root,
                self.graph,
                lambda item: sizes[item.id],
                frame_widths,
                horizontal=horizontal,
            )
        return self._placed[key]


def structure_of(
    network: Network,
    recording: Recording | None,
    depth: int | None,
    expand: str | Iterable[str],
    collapse: bool,
    overview: int | None = None,
) -> Structure:
    """Return what is drawn of a network, as :func:`diagram` is asked for it.

    ``overview`` is how many boxes to draw before blocks are closed unasked.
    """
    network, graph = _graph(network, recording)
    return Structure(network, *_tree(graph, depth, expand, collapse, overview))


def _graph(network: Network, recording: Recording | None) -> tuple[Network, Graph]:
    """Return the rows that compute, and their boxes."""
    received = {} if recording is None else recording.inputs
    network, _ = computing(network)
    if not len(network):
        why = network.notes[0] if network.notes else "there is nothing to draw"
        raise ViewError(f"{network.name!r} has no layers: {why}.")
    graph = graph_of(network, {name: _shape(array) for name, array in received.items()})
    if len(network) > 1 and not graph.edges:
        raise ViewError(
            f"{network.name!r} does not know which layer hands its value to which before it is "
            "run: pass activations(model, x), or describe(model, x) in the place of the model."
        )
    return network, graph


def drawn_structure(
    structure: Structure,
    thumbnails: Thumbnails | None,
    style: str = "vertical",
    palette: str = "viridis",
    ground: str = "light",
    show_shapes: bool = True,
    show_layer_names: bool = True,
    heading: bool = True,
    wrap: int | None = 1,
) -> Panel:
    """Draw a structure, with thumbnails where a recording gives them, and a heading if wanted.

    ``wrap`` is how many columns it takes, None for as many as a readable shape needs.
    """
    size = (lambda item: None) if thumbnails is None else thumbnails.size
    cards = {
        item.id: card(item, show_shapes, show_layer_names, size(item))
        for item in drawn(structure.root)
    }
    network, root = structure.network, structure.root
    notes = _heading(network, thumbnails, structure.note) if heading else []
    placed = structure.place(cards, style == "horizontal")
    least = max((text.width for text in notes), default=0.0)
    placed = wrapped(placed, wrap, least, style == "horizontal")
    return _picture(network, root, placed, cards, thumbnails, notes, style, palette, ground)


def _shape(array: xr.DataArray) -> Shape:
    return tuple(None if axis == "sample" else n for axis, n in array.sizes.items())


def _check(style: str, depth: int | None) -> None:
    if style not in STYLES:
        raise ViewError(f"There is no style {style!r}: {', '.join(map(repr, STYLES))} are known.")
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 0):
        raise ViewError(f"depth={depth!r}: pass how many levels of blocks to open, 0 or more.")


def _tree(
    graph: Graph,
    depth: int | None,
    expand: str | Iterable[str],
    collapse: bool,
    overview: int | None = None,
) -> tuple[Block, Graph, str]:
    """Return the blocks that are drawn, the graph of the boxes left, and a note on them."""
    patterns = _patterns(expand)
    stays: Callable[[str], bool] = lambda name: any(fnmatchcase(name, p) for p in patterns)  # noqa: E731
    root = blocks_of(graph)
    unknown = [p for p in patterns if not any(fnmatchcase(name, p) for name in _names(root))]
    if unknown:
        known_names = ", ".join(map(repr, list(_names(root))[:6])) or "none"
        raise ViewError(f"There is no block {unknown[0]!r} to expand: there are {known_names}.")
    if collapse:
        root, graph = collapsed(root, graph, stays)
    if depth is not None:
        return closed_below(root, depth, stays), graph, ""
    shown, level = root, levels(root)
    most, few = (_MOST, _FEWEST) if overview is None else (overview, 0)
    while size_of(shown) > most and level > 0:
        closer = closed_below(root, level - 1, stays)
        if size_of(closer) < few and size_of(shown) <= _AT_MOST:
            break
        shown, level = closer, level - 1
    closed = shown is not root
    return shown, graph, f"drawn to depth {level} of {levels(root)}" if closed else ""


def _patterns(expand: Any) -> list[str]:
    patterns = [expand] if isinstance(expand, str) else expand
    if isinstance(patterns, Iterable):
        patterns = list(patterns)
        if all(isinstance(pattern, str) for pattern in patterns):
            return patterns
    raise ViewError(f"expand={expand!r}: pass the name of a block, a glob, or a list of them.")


def _names(block: Block) -> Iterable[str]:
    for item in block.items:
        if isinstance(item, Block):
            yield item.name
            yield from _names(item)


def drawn(block: Block) -> Iterable[Item]:
    """Yield the boxes and closed blocks, all that gets a card."""
    for item in block.items:
        if isinstance(item, Block) and not item.closed:
            yield from drawn(item)
        else:
            yield item


def _picture(
    network: Network,
    root: Block,
    placed: Placed,
    cards: Mapping[str, Card],
    thumbnails: Thumbnails | None,
    texts: list[Text],
    style: str,
    palette: str,
    ground: str,
) -> Panel:
    page = max([placed.size[0], *(text.width for text in texts)]) + 2 * MARGIN
    dx, dy = (page - placed.size[0]) / 2, below(texts) if texts else MARGIN
    boxes = []
    for item in drawn(root):
        card_of_item = cards[item.id]
        x, y, width, height = _moved(placed.boxes[item.id], dx, dy)
        boxes.append({
            "id": item.id,
            "addresses": [layer.address for box in item_boxes(item) for layer in box.layers],
            "box": (x, y, width, height),
            "kind": card_of_item.kind,
            "about": card_of_item.about,
            "block": item.name if isinstance(item, Block) else "",
        })  # fmt: skip
        texts += [text._replace(x=text.x + x, y=text.y + y) for text in card_of_item.texts]
        if thumbnails is not None and card_of_item.thumbnail is not None:
            left, top, w, h = card_of_item.thumbnail
            texts += thumbnails.add(item, (x + left, y + top, w, h), len(texts))
    frames: list[dict[str, Any]] = []
    depth_of, begun = _depths(root), set()
    for block, box in placed.frames:
        x, y, width, height = _moved(box, dx, dy)
        level = depth_of[block.id]
        goes_on = block.id in begun  # in another column
        begun.add(block.id)
        words = f"{title(block)}, continued" if goes_on else title(block)
        frames.append({
            "title": words,
            "block": block.name,
            "box": (x, y, width, height),
            "level": level,
        })  # fmt: skip
        start = clear_of_lines(placed, box, Text(0, 0, words, NAME, "name").width)
        if start is not None:
            texts.append(Text(start + dx, y + 15, words, NAME, "name"))
        if frame_text(block) and not goes_on:
            texts.append(Text(x + width - 10, y + 15, frame_text(block), SMALL, "soft", "end"))
    lines = [
        {
            "source": segment.source,
            "path": path_of(
                tuple((x + dx, y + dy) for x, y in segment.points), style == "horizontal"
            ),
            "arrow": _head(segment.points[-1], dx, dy, style) if segment.arrow else None,
        }
        for segment in placed.segments
    ]
    header = {
        **header_of(network, texts, (page, placed.size[1] + dy + MARGIN), palette, ground),
        "boxes": boxes,
        "frames": frames,
        "lines": lines,
        **(thumbnails.header() if thumbnails else {}),
    }
    buffers = {"pixels": thumbnails.buffer()} if thumbnails else {}
    provenance = thumbnails.provenance if thumbnails else dict
    return Panel(header, buffers, provenance)


def _heading(network: Network, thumbnails: Thumbnails | None, note: str) -> list[Text]:
    """Return title and notes."""
    notes = [shown_name(note, _NOTE) for note in network.notes]
    note_lines = [line for note in notes for line in textwrap.wrap(note, _LINE)]
    return heading_of(network, note, thumbnails.note if thumbnails else "", *note_lines)


def _depths(block: Block, level: int = 0) -> dict[str, int]:
    depths = {}
    for item in block.items:
        if isinstance(item, Block):
            depths[item.id] = level
            depths |= _depths(item, level + 1)
    return depths


def _moved(
    box: tuple[float, float, float, float], dx: float, dy: float
) -> tuple[float, float, float, float]:
    return round(box[0] + dx, 1), round(box[1] + dy, 1), round(box[2], 1), round(box[3], 1)


def _head(
    point: tuple[float, float], dx: float, dy: float, style: str
) -> list[tuple[float, float]]:
    """Return the head of an arrow that ends here."""
    x, y = round(point[0] + dx, 1), round(point[1] + dy, 1)
    if style == "horizontal":
        return [(x, y), (x - 7, y - 3.5), (x - 7, y + 3.5)]
    return [(x, y), (x - 3.5, y - 7), (x + 3.5, y - 7)]
