"""The page of a subject as one file: what is in it is settled first, then it is made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from layerscope.core.errors import ViewError
from layerscope.core.table import size_text
from layerscope.instruments.portable import PortableProgram
from layerscope.interfaces.page.bundle import (
    Bundle,
    Layouts,
    Watch,
    Where,
    add_fates,
    add_layers,
    add_program,
    add_steps,
    add_units,
    embedded_panels,
    squeezed_text,
    unit_block,
)
from layerscope.interfaces.page.document import file_html
from layerscope.interfaces.page.extract import Extract, Measure, left_out, thinner
from layerscope.interfaces.page.query import Query
from layerscope.interfaces.page.subject import PageSubject
from layerscope.views.explorer.unit import UnitPanel

MAX_SIZE = 25_000_000
START, START_LIVE = "start_file.js", "start_live.js"

_GUESS = 1.1  #: letters that a byte of a map takes, before it is known
_TRIES = 6
_KEY = 40  #: letters of a block's place in the index
_TRIED = 8  #: units whose panels tell how large those of others are
_FOR_UNITS = 0.1  #: of the room for layers, where not all of them fit
_AT_LEAST = 16  #: units of a layer that have panels at every moment, else they have at one
_NOTHING_RUNS = (
    "This is a file: nothing is computed in it. For another input, and for images made for units, "
    "open the model itself: layerscope open."
)

_NETWORK_RUNS = (
    "The network is in this file: what you draw or drop passes through it here. For images made "
    "for units, open the model itself: layerscope open."
)


def _unwatched(done: int, total: int) -> None:
    """Do nothing: no one watches."""


@dataclass(frozen=True)
class Limits:
    """How large a file may become."""

    size: int = MAX_SIZE  #: bytes
    layouts: int = 4  #: of the passage, with more or fewer blocks open
    unit_panels: int = 1_500
    moments: int | None = None  #: samples at steps, where there is no time for all of them
    small: bool = False  #: whether script and style are compressed
    slack: float = 0.93  #: how well the guess of its size must fit before all of it is made

    def __post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 1:
            raise ViewError(f"max_size={self.size!r}: pass a number of bytes.")


class PageFile:
    """The page of a subject as one file: what is in it is settled first, then it is made."""

    def __init__(
        self,
        subject: PageSubject,
        limits: Limits | None = None,
        program: PortableProgram | None = None,
    ) -> None:
        self.subject = subject
        self.program = program
        self.limits = limits or Limits()
        self.outline = subject.outline()
        steps = tuple(self.outline["steps"]) if self.outline["recorded"] else ()
        self.whole = self.extract = Extract(len(self.outline["samples"]), steps)
        self._first: Where = (0, steps[-1] if steps else None)
        moment = subject.moment(Query(*self._first))
        self._layouts = Layouts.of(moment, subject.layouts, self.limits.layouts)
        self._measure = Measure.of(self.outline["layers"])
        self._rest = self._rest_bytes()
        self._unit_letters = self._measure_units()
        self._letters = _GUESS  # that a byte of a map takes
        self._begun = Bundle()  # what is the same for all moments, and the first of them
        self._passage = 0  # letters of the passage of one moment
        self._settle()

    @property
    def expected(self) -> int:
        """About how many bytes it will have."""
        return self._estimate(self.extract) + self._expected_units()

    @property
    def least(self) -> int:
        """What the page takes with as little of the layers as it may hold."""
        *_, thinnest = thinner(self.whole, self._measure)
        return math.ceil(self._estimate(thinnest) * self.limits.size / self._room(thinnest))

    @property
    def left_out(self) -> list[str]:
        """Sentences about what is not in it."""
        return left_out(self.extract, self.whole)

    def html(self, watch: Watch = _unwatched) -> str:
        """Return the document.

        Raises
        ------
        ViewError
            When it can't be made as small as it is to be.
        """
        for _ in range(_TRIES):
            document = self._made(watch)
            excess = len(document.encode("utf-8")) / self.limits.size
            if excess <= 1:
                return document
            self._letters *= 1.03 * excess
            self._settle()
        raise self._too_small()

    def _rest_bytes(self) -> int:
        """Return what all takes that is not of a moment: script, style, outline, layouts."""
        bundle = Bundle()
        self._add_shared(bundle)
        empty = self._document(self._data(bundle, []), ())
        return len(empty.encode("utf-8")) + bundle.nbytes + 2_000  # and sentences

    def _measure_units(self) -> tuple[float, float]:
        """Return how many letters the panels of a unit take: at one moment, and at all of them.

        They are those of the layer with most units. What is the same at another step, or on another
        sample, is in a file once.
        """
        layer = max(self.outline["layers"], key=lambda layer: layer["units"], default=None)
        if layer is None or not layer["units"]:
            return 0.0, 0.0
        address, units = layer["address"], range(min(_TRIED, layer["units"]))
        step, extract = self._first[1], self.whole
        corners = ((0, step), (0, next(iter(extract.steps), step)), (extract.samples - 1, step))
        moments = [self.subject.moment(Query(*where)) for where in corners]
        alone = together = 0.0
        for panel in self._embedded:
            usual, earlier, other = (unit_block(m, address, panel, units) for m in moments)
            letters = len(squeezed_text(usual)) / len(units)
            times = len(extract.steps) if earlier != usual else 1
            times *= extract.samples if other != usual else 1
            alone, together = alone + letters, together + letters * times
        return alone, together

    def _expected_units(self) -> int:
        """Return about how many bytes the panels of units take."""
        _, most, everywhere = self._unit_panels(self.extract)
        units: int = sum(min(most, layer["units"]) for layer in self.outline["layers"])
        letters = units * self._unit_letters[1 if everywhere else 0]
        return round(min(self._unit_room, letters))

    def _add_shared(self, bundle: Bundle) -> None:
        """Put in what is of no single moment."""
        self._layouts.add(bundle)
        if self.program is not None:
            add_program(bundle, self.program, self.subject)
        if self.subject.run is not None:
            add_steps(bundle, self.subject.run, self._kept)
            add_fates(bundle, self.subject.moment(Query(*self._first)), self._addresses)

    def _settle(self) -> None:
        """Choose what fits, by the size of the first moment as it is packed."""
        moment = self.subject.moment(Query(*self._first))
        for _ in range(_TRIES):
            self.extract = self._fitting()
            bundle = Bundle()
            self._add_shared(bundle)
            before = bundle.nbytes
            self._layouts.add_moment(bundle, moment, self._first)
            self._passage = bundle.nbytes - before
            before = bundle.nbytes
            add_layers(bundle, moment, self._first, self._addresses, self.extract, self._kept)
            self._begun = bundle
            letters = (bundle.nbytes - before) / self._bytes(self.extract)
            exact = self.extract == self.whole or letters >= self.limits.slack * self._letters
            if letters <= self._letters and exact:
                return
            self._letters = 1.02 * letters

    def _fitting(self) -> Extract:
        for extract in thinner(self.whole, self._measure):
            few = self.limits.moments is None or len(self._moments(extract)) <= self.limits.moments
            if few and self._estimate(extract) <= self._room(extract):
                return extract
        raise self._too_small()

    def _room(self, extract: Extract) -> float:
        share = _FOR_UNITS if extract != self.whole and self._unit_panels(extract)[0] else 0.0
        return self.limits.size - share * max(0, self.limits.size - self._rest)

    def _too_small(self) -> ViewError:
        return ViewError(
            f"The page takes {size_text(self.least)} with as little as it may hold, more "
            f"than the {size_text(self.limits.size)} that it may take: allow it a larger max_size."
        )

    def _bytes(self, extract: Extract) -> int:
        return self._measure.nbytes(extract.side, extract.maps)

    def _estimate(self, extract: Extract) -> int:
        blocks = len(self._addresses) + 1
        each = self._passage + self._letters * self._bytes(extract) + blocks * _KEY
        return round(self._rest + len(self._moments(extract)) * each)

    def _moments(self, extract: Extract) -> list[Where]:
        """Return samples and steps, those of one step together: a step is read once."""
        moments = extract.moments(self.outline["recorded"])
        return sorted(moments, key=lambda where: (where[1] is None, where[1] or 0, where[0]))

    @property
    def _addresses(self) -> list[str]:
        return [layer["address"] for layer in self.outline["layers"]]

    def _made(self, watch: Watch) -> str:
        bundle = self._begun.copy()
        moments = self._moments(self.extract)
        for number, where in enumerate(moments):
            if where != self._first:
                moment = self.subject.moment(Query(*where))
                self._layouts.add_moment(bundle, moment, where)
                add_layers(bundle, moment, where, self._addresses, self.extract, self._kept)
            watch(number + 1, len(moments))
        notes = [*self.left_out, *self._add_units(bundle, watch), self._runs]
        data = self._data(bundle, notes)
        return self._document(data, bundle.blocks)

    def _document(self, data: Mapping[str, Any], blocks: Sequence[str]) -> str:
        title = self.outline["title"]
        return file_html(title, data, blocks, self._start, small=self.limits.small)

    @property
    def _runs(self) -> str:
        """What can be computed on the page, in a sentence."""
        return _NOTHING_RUNS if self.program is None else _NETWORK_RUNS

    def _inputs(self) -> dict[str, Any]:
        """Return what can be given by hand: nothing, where no network is in the file."""
        inputs: dict[str, Any] = self.outline["inputs"]
        if self.program is not None:
            return inputs
        return {**inputs, "form": "none", "reason": _NOTHING_RUNS}

    @property
    def _start(self) -> str:
        """The module that starts the page: the network is in it, or is not."""
        return START if self.program is None else START_LIVE

    @property
    def _unit_room(self) -> int:
        return max(0, self.limits.size - self._estimate(self.extract))

    @property
    def _embedded(self) -> list[UnitPanel]:
        return embedded_panels(self.subject.gallery is not None)

    def _unit_panels(self, extract: Extract) -> tuple[int, int, bool]:
        """Return how many panels of units there are to be: of so many units, at every moment."""
        layers = [layer["units"] for layer in self.outline["layers"] if layer["units"]]
        kinds = len(self._embedded)
        if not layers or not kinds:
            return 0, 0, True
        moments = len(self._moments(extract))
        largest = max(layers)
        units = min(largest, self.limits.unit_panels // (len(layers) * kinds * moments))
        if units >= min(largest, _AT_LEAST):
            return sum(min(units, n) for n in layers) * kinds * moments, units, True
        units = min(largest, self.limits.unit_panels // (len(layers) * kinds))
        return sum(min(units, n) for n in layers) * kinds, units, False

    def _add_units(self, bundle: Bundle, watch: Watch) -> list[str]:
        """Put in the panels of units; return a sentence about those left out."""
        count, units, everywhere = self._unit_panels(self.extract)
        if not self._embedded:
            return []
        layers = self.outline["layers"]
        room = self.limits.size - self._rest - bundle.nbytes - _KEY * len(bundle.index)
        fitted = len(layers) if count else 0
        for where in self._moments(self.extract) if everywhere else [self._first]:
            if not fitted:
                break
            moment = self.subject.moment(Query(*where))
            before = bundle.nbytes
            fitted = min(fitted, add_units(bundle, moment, where, layers, units, room, watch))
            room -= bundle.nbytes - before + _KEY * len(layers)
        largest = max((layer["units"] for layer in layers), default=0)
        if units >= largest and everywhere and fitted == len(layers):
            return []
        titles = " · ".join(panel.title for panel in self._embedded)
        if not fitted:
            return [f"Without panels of units: {titles}."]
        some = [] if units >= largest else [f"of the {units} strongest units of a layer"]
        some += [] if everywhere else [f"on sample 0{self._at_step()}"]
        some += [] if fitted == len(layers) else [f"of the first {fitted} layers"]
        return [f"Panels of units ({titles}): {', '.join(some)}."]

    def _at_step(self) -> str:
        return "" if self._first[1] is None else f" at step {self._first[1]}"

    def _data(self, bundle: Bundle, notes: Sequence[str]) -> dict[str, Any]:
        outline = {
            **self.outline,
            **self._kept_steps(),
            "samples": self.outline["samples"][: self.extract.samples],
            "recorded": min(self.outline["recorded"], self.extract.samples),
            "notes": [*self.outline["notes"], *notes],
            "can": {},
            "inputs": self._inputs(),
            "images": {"reason": self._runs, "editions": {}},
        }
        sample, step = self._first
        return {
            "outline": outline,
            "index": bundle.index,
            "opened": self._layouts.opened,
            "first": {"sample": sample, "step": step},
            "model": self.subject.provenance(Query(*self._first)).get("model", ""),
        }

    @property
    def _kept(self) -> list[int]:
        """The places of the steps that are kept among all of them."""
        steps = self.outline["steps"]
        return [steps.index(step) for step in self.extract.steps]

    def _kept_steps(self) -> Mapping[str, Any]:
        """Return what the outline has a list of for each step, of those that are kept."""
        return {
            name: [self.outline[name][place] for place in self._kept]
            for name in ("steps", "epochs", "moments")
        }
