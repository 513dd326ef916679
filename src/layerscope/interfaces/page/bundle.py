"""The panels of a subject as blocks of a file, packed: each is unpacked when it is first shown.

``index`` says which block holds what. Its keys are ``layer/3/SAMPLE/STEP`` with the number of the
layer in the outline; ``layer/input/SAMPLE``; ``passage/1/SAMPLE/STEP`` with the number of the
layout, whose block ``layout/1`` holds what the passages of all moments share;
``units/NAME/3/SAMPLE/STEP``, the panels NAME of several units of a layer; ``steps``, what is over
time, and ``fate/3``, what became of a layer's units. What can't be drawn is a block of the kind
``error``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from layerscope.core.errors import LayerscopeError
from layerscope.core.silence import rectified
from layerscope.instruments.portable import PortableProgram
from layerscope.interfaces.page.extract import INPUT_SIDES, Extract
from layerscope.interfaces.page.query import Query
from layerscope.interfaces.page.subject import PageSubject
from layerscope.interfaces.page.wire import packed, packed_parts, squeezed
from layerscope.recordings.run import Run
from layerscope.views.explorer.fate import fate_panel
from layerscope.views.explorer.layer import layer_panel
from layerscope.views.explorer.moment import Moment
from layerscope.views.explorer.passage import PassageLayouts, passage_panel
from layerscope.views.explorer.steps import steps_panel
from layerscope.views.explorer.unit import UnitPanel, unit_panels
from layerscope.views.render.stack import stack_of, strongest

DERIVED = ("map", "histogram")  #: panels of a unit that the page makes of its layer
_MOST_BOXES = 260  #: of a passage that is drawn with its blocks open

Watch = Callable[[int, int], object]
Where = tuple[int, int | None]  #: a sample, and a step, None where there are none


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

    def copy(self) -> Bundle:
        """Return another with the same blocks."""
        return Bundle(list(self.blocks), dict(self.index), dict(self._known))

    def add(self, key: str, data: bytes, squeezed: str = "") -> None:
        """Put a block in; ``squeezed`` is its text, where that is known."""
        digest = hashlib.sha256(data).digest()
        if digest not in self._known:
            self._known[digest] = len(self.blocks)
            self.blocks.append(squeezed or squeezed_text(data))
        self.index[key] = self._known[digest]


def squeezed_text(data: bytes) -> str:
    """Return a packed panel as it stands in a file: compressed, in letters."""
    return base64.b64encode(squeezed(data, 6)).decode("ascii")


def key(*parts: object) -> str:
    """Return a key of the index; a step that is none is empty."""
    return "/".join("" if part is None else str(part) for part in parts)


@dataclass(frozen=True)
class Layouts:
    """The passage at each depth that looks different: what all moments share is kept once."""

    kept: PassageLayouts
    depths: tuple[int | None, ...]
    headers: tuple[Mapping[str, Any], ...]
    over_steps: tuple[Mapping[str, Any], ...] = ()  #: the ranges of thumbnails over all steps
    error: LayerscopeError | None = None  #: why there is none

    @classmethod
    def of(cls, moment: Moment, kept: PassageLayouts, most: int) -> Layouts:
        """Find up to ``most`` depths at which the network looks different, the usual one first."""
        try:
            headers = cls._different(moment, kept, most)
        except LayerscopeError as error:
            return cls(kept, (), (), (), error)
        ranges = [cls._over_steps(moment, kept, depth) for depth in headers]
        return cls(kept, tuple(headers), tuple(headers.values()), tuple(ranges))

    @staticmethod
    def _over_steps(moment: Moment, kept: PassageLayouts, depth: int | None) -> Mapping[str, Any]:
        if moment.over is None:
            return {}
        header = passage_panel(moment, kept, depth=depth, scale="steps").header
        return {tile["label"]: tile["range"] for tile in header["tiles"]}

    @staticmethod
    def _different(
        moment: Moment, kept: PassageLayouts, most: int
    ) -> dict[int | None, Mapping[str, Any]]:
        headers: dict[int | None, Mapping[str, Any]] = {}
        before: Any = None
        for depth in (None, *range(most + 1)):
            header = passage_panel(moment, kept, depth=depth, scale="unit").header
            deepest = depth is not None and header["boxes"] == before
            large = depth is not None and len(header["boxes"]) > _MOST_BOXES
            if len(headers) == most or deepest or large:
                break
            if all(header["boxes"] != known["boxes"] for known in headers.values()):
                headers[depth] = header
            before = None if depth is None else header["boxes"]
        return headers

    @property
    def opened(self) -> list[list[str]]:
        """The blocks that are open in each."""
        return [
            [frame["block"] for frame in header["frames"] if frame["block"]]
            for header in self.headers
        ] or [[]]

    def add(self, bundle: Bundle) -> None:
        """Put in what the passages of all moments share."""
        for number, header in enumerate(self.headers):
            shared = {**header, "over_steps": self.over_steps[number]}
            bundle.add(key("layout", number), packed_parts(shared, {}))
        if self.error is not None:
            bundle.add(key("layout", 0), _error(self.error))

    def add_moment(self, bundle: Bundle, moment: Moment, where: Where) -> None:
        """Put in the passage of a moment at each depth: its pixels, and what is not as usual."""
        for number, (depth, usual) in enumerate(zip(self.depths, self.headers, strict=True)):
            panel = passage_panel(moment, self.kept, depth=depth, scale="unit")
            changed = {
                name: value
                for name, value in panel.header.items()
                if name == "kind" or usual.get(name) != value
            }
            bundle.add(key("passage", number, *where), packed_parts(changed, panel.buffers))


def add_layers(
    bundle: Bundle,
    moment: Moment,
    where: Where,
    addresses: Sequence[str],
    extract: Extract,
    kept: Sequence[int],
) -> None:
    """Put in the input of a sample, and all layers at a step; ``kept`` are the places of steps."""
    side, maps = extract.side, extract.maps
    wide = None if side is None else INPUT_SIDES * side
    received = key("layer", "input", where[0])  # the same at all steps
    if received not in bundle.index:
        bundle.add(received, _layer(moment, "input", wide, None, kept))
    for number, address in enumerate(addresses):
        bundle.add(key("layer", number, *where), _layer(moment, address, side, maps, kept))


def add_steps(bundle: Bundle, run: Run, kept: Sequence[int]) -> None:
    """Put in what was measured over the steps, of those at the places that are kept."""
    panel = steps_panel(run)
    if panel is not None:
        lists = {name: panel.header[name] for name in ("steps", "at", "moments")}
        some = {name: [values[at] for at in kept] for name, values in lists.items()}
        bundle.add("steps", packed_parts({**panel.header, **some}, panel.buffers))


def add_fates(bundle: Bundle, moment: Moment, addresses: Sequence[str]) -> None:
    """Put in what became of the units of each layer over the training."""
    for number, address in enumerate(addresses):
        panel = fate_panel(moment, address)
        if panel is not None:
            bundle.add(key("fate", number), packed(panel))


def add_program(bundle: Bundle, program: PortableProgram, subject: PageSubject) -> None:
    """Put in the network itself, with what the page must know of it besides."""
    network = subject.moment(Query()).activations.network
    silences = [address for address in program.layers if rectified(network, address) is not False]
    header = {
        **program.header,
        "silences": silences,
        "classes": list(subject.classes),
        "resize": "stretch" if subject.samples is None else subject.samples.resize,
    }
    bundle.add("program", packed_parts(header, program.buffers))


def _layer(
    moment: Moment, address: str, side: int | None, maps: int | None, kept: Sequence[int]
) -> bytes:
    try:
        panel = layer_panel(moment, address, side=side, most=maps)
        shape = panel.header.get("activity")
        if shape is None:
            return packed(panel)
        levels = np.frombuffer(panel.buffers["activity"], np.uint8).reshape(shape)[list(kept)]
        header = {**panel.header, "activity": list(levels.shape)}
        return packed_parts(header, {**panel.buffers, "activity": levels.tobytes()})
    except LayerscopeError as error:
        return _error(error)


def _error(error: LayerscopeError) -> bytes:
    return packed_parts({"kind": "error", "title": "", "error": str(error)}, {})


def embedded_panels(surveyed: bool) -> list[UnitPanel]:
    """Return the panels of units that the page can't make itself, perhaps those of a survey."""
    return [
        panel
        for panel in unit_panels()
        if panel.name not in DERIVED and not panel.on_request and (surveyed or not panel.of_survey)
    ]


def add_units(
    bundle: Bundle,
    moment: Moment,
    where: Where,
    layers: Sequence[Mapping[str, Any]],
    most: int,
    room: int,
    watch: Watch,
) -> int:
    """Put in the panels of up to ``most`` units of each layer; return how many layers fit."""
    for number, layer in enumerate(layers):
        units = _strongest_units(moment, layer, most)
        made = []
        for panel in embedded_panels(moment.gallery is not None):
            data = unit_block(moment, layer["address"], panel, units)
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


def unit_block(moment: Moment, address: str, panel: UnitPanel, units: Sequence[int]) -> bytes:
    """Return a block with one panel of several units of a layer; nothing for those without it."""
    buffers = {}
    for unit in units:
        try:
            made = panel.panel(moment, moment.activations.place(f"{address}:{unit}"))
        except LayerscopeError as error:
            buffers[str(unit)] = _error(error)
            continue
        buffers[str(unit)] = b"" if made is None else packed(made)
    return packed_parts({"kind": "units", "title": ""}, buffers)
