"""The panels of a subject as blocks of a file, packed: each is unpacked when it is first shown.

``index`` says which block holds what. Its keys are ``layer/3/SAMPLE/STEP`` with the number of the
layer in the outline, or ``input``; ``passage/1/SAMPLE/STEP`` with the number of the layout, whose
block ``layout/1`` holds what the passages of all moments share; and ``units/NAME/3/SAMPLE/STEP``,
the panels NAME of several units of a layer. What can't be drawn is a block of the kind ``error``.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from layerscope.core.errors import LayerscopeError
from layerscope.interfaces.page.extract import INPUT_SIDES, Extract
from layerscope.interfaces.page.subject import PageSubject, Query
from layerscope.interfaces.page.wire import packed, packed_parts
from layerscope.views.explorer.layer import layer_panel
from layerscope.views.explorer.moment import Moment
from layerscope.views.explorer.passage import passage_panel
from layerscope.views.explorer.unit import UnitPanel, unit_panels
from layerscope.views.render.panel import Panel
from layerscope.views.render.stack import stack_of, strongest

DERIVED = ("map", "histogram")  #: panels of a unit that the page makes of its layer
_MOST_BOXES = 260  #: of a passage that is drawn with its blocks open
_GZIP = 31  #: zlib's number for a stream with a header that browsers know

Watch = Callable[[int, int], object]


@dataclass
class Bundle:
    """Blocks of a file, compressed; what is the same is in it once."""

    blocks: list[str] = field(default_factory=list)  #: base64
    index: dict[str, int] = field(default_factory=dict)
    _known: dict[bytes, int] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """What the blocks take, with the elements that hold them."""
        return sum(len(block) + 70 for block in self.blocks)

    def add(self, key: str, data: bytes, squeezed: str = "") -> None:
        """Put a block in; ``squeezed`` is what :func:`squeezed_text` makes of it, where that is known."""
        digest = hashlib.sha256(data).digest()
        if digest not in self._known:
            self._known[digest] = len(self.blocks)
            self.blocks.append(squeezed or squeezed_text(data))
        self.index[key] = self._known[digest]


def squeezed_text(data: bytes) -> str:
    """Return data as it stands in a file: compressed, in letters."""
    squeezer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return base64.b64encode(squeezer.compress(data) + squeezer.flush()).decode("ascii")


@dataclass
class Layouts:
    """The passage at each depth that is worth one: what all moments share is kept once."""

    depths: tuple[int | None, ...] = ()
    headers: list[Mapping[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, moment: Moment, most: int) -> Layouts:
        """Find up to ``most`` depths at which the network looks different, the usual one first."""
        layouts = cls()
        layouts._take(moment, None)
        for depth in range(most + 1):
            panel = passage_panel(moment, depth=depth, scale="unit")
            if len(layouts.depths) >= most or len(panel.header["boxes"]) > _MOST_BOXES:
                break
            if all(panel.header["boxes"] != header["boxes"] for header in layouts.headers):
                layouts._take(moment, depth, panel)
            elif len(panel.header["frames"]) == 0 and depth > 0:
                break
        return layouts

    def _take(self, moment: Moment, depth: int | None, panel: Panel | None = None) -> None:
        panel = panel or passage_panel(moment, depth=depth, scale="unit")
        self.depths = (*self.depths, depth)
        self.headers.append(panel.header)

    def packed(self, moment: Moment) -> Iterator[bytes]:
        """Yield the passage of a moment at each depth: its pixels, and what is not as usual."""
        for depth, usual in zip(self.depths, self.headers, strict=True):
            panel = passage_panel(moment, depth=depth, scale="unit")
            changed = {key: panel.header[key] for key in ("kind", "tiles") if key in panel.header}
            for key, value in panel.header.items():
                if key not in usual or usual[key] != value:
                    changed[key] = value
            yield packed_parts(changed, panel.buffers)


def key(*parts: object) -> str:
    """Return a key of the index; a step that is none is empty."""
    return "/".join("" if part is None else str(part) for part in parts)


def add_layouts(bundle: Bundle, layouts: Layouts) -> None:
    """Put in what the passages of all moments share."""
    for number, header in enumerate(layouts.headers):
        bundle.add(key("layout", number), packed_parts(header, {}))


def add_moment(
    bundle: Bundle,
    subject: PageSubject,
    where: tuple[int, int | None],
    addresses: Sequence[str],
    layouts: Layouts,
    extract: Extract,
) -> None:
    """Put in the passage of a sample at a step, and all layers."""
    moment = subject.moment(Query(*where))
    for number, data in enumerate(layouts.packed(moment)):
        bundle.add(key("passage", number, *where), data)
    side = extract.side
    wide = None if side is None else INPUT_SIDES * side
    bundle.add(key("layer", "input", *where), _layer(moment, "input", wide, None))
    for number, address in enumerate(addresses):
        bundle.add(
            key("layer", number, *where), _layer(moment, address, side, extract.maps)
        )


def _layer(moment: Moment, address: str, side: int | None, maps: int | None) -> bytes:
    try:
        return packed(layer_panel(moment, address, side=side, most=maps))
    except LayerscopeError as error:
        return _error(error)


def _error(error: LayerscopeError) -> bytes:
    return packed_parts({"kind": "error", "title": "", "error": str(error)}, {})


def embedded_panels() -> list[UnitPanel]:
    """Return the panels of units that the page can't make itself."""
    return [panel for panel in unit_panels() if panel.name not in DERIVED]


def add_units(
    bundle: Bundle,
    subject: PageSubject,
    where: tuple[int, int | None],
    layers: Sequence[Mapping[str, Any]],
    most: int,
    room: int,
    watch: Watch,
) -> int:
    """Put in the panels of up to ``most`` units of each layer; return how many layers fit."""
    moment = subject.moment(Query(*where))
    for number, layer in enumerate(layers):
        units = _strongest_units(moment, layer, most)
        made = []
        for panel in embedded_panels():
            data = _panels(moment, layer["address"], panel, units)
            made.append((key("units", panel.name, number, *where), data, squeezed_text(data)))
        room -= sum(len(text) for _, _, text in made)
        if room < 0:
            return number
        for name, data, text in made:
            bundle.add(name, data, text)
        watch(number + 1, len(layers))
    return len(layers)


def _strongest_units(moment: Moment, layer: Mapping[str, Any], most: int) -> list[int]:
    if layer["units"] <= most:
        return list(range(layer["units"]))
    try:
        stack = strongest(stack_of(moment.activations, layer["address"], moment.sample), most)
    except LayerscopeError:
        return list(range(most))
    labels = stack.labels or [str(i) for i in range(len(stack.maps))]
    return list(dict.fromkeys(int(label.partition("·")[0]) for label in labels))


def _panels(moment: Moment, address: str, panel: UnitPanel, units: Sequence[int]) -> bytes:
    buffers = {}
    for unit in units:
        try:
            made = panel.panel(moment, moment.activations.place(f"{address}:{unit}"))
        except LayerscopeError as error:
            buffers[str(unit)] = _error(error)
            continue
        buffers[str(unit)] = b"" if made is None else packed(made)
    return packed_parts({"kind": "units", "title": ""}, buffers)
