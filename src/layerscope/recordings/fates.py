"""``run.fate()``: what became of every unit of a recording over the steps of its training."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.addresses import Place, parse_place, unknown_address
from layerscope.core.display import Pictured
from layerscope.core.errors import AddressError
from layerscope.core.layer_kinds import HANDING_ON, IN_PLACE
from layerscope.core.network import Network
from layerscope.core.selection import matching
from layerscope.core.table import text_table
from layerscope.core.text import message
from layerscope.recordings.fate import (
    FATES,
    FateEvent,
    LayerFate,
    UnitFate,
    layer_fate,
    rarity,
)
from layerscope.recordings.finding import ends_text
from layerscope.recordings.silent_units import known_units, silent_units

if TYPE_CHECKING:
    import pandas as pd

    from layerscope.recordings.run import Run

_COLUMNS = (
    "layer", "unit", "fate", "born", "first", "last", "woke", "died", "revived", "deaths",
    "woke_epoch", "died_epoch", "revived_epoch", "known", "n",
)  # fmt: skip
_WHEN = ("woke", "died", "revived")
_NAMED = 12  #: layers that are not counted and named one by one
A_VALUE = "a zero of it is a value like any other"
_HANDS_ON, _ANOTHERS = "hands on what", "hands on what another layer returns"


class Fates(Mapping[str, LayerFate], Pictured):
    """What became of every unit, layer by layer: ``fates["conv2d"]``, ``fates.unit("conv2d:12")``.

    ``print`` shows a table of the layers, ``to_frame`` one of the units, ``events_frame`` one of
    what happened to them, with the metrics beside it. ``picture`` draws it. ``others`` says of each
    layer that is not among them why.
    """

    def __init__(
        self,
        layers: Iterable[LayerFate],
        *,
        name: str = "",
        metrics: Mapping[str, npt.NDArray[np.float64]] | None = None,
        others: Mapping[str, str] | None = None,
        run: Run | None = None,
        provenance: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._layers = {layer.address: layer for layer in layers}
        self.name = name
        self.metrics = dict(metrics or {})
        self.others = dict(others or {})
        self.run = run  #: that it is of; None where it was made otherwise
        self.provenance = provenance

    def __getitem__(self, address: str) -> LayerFate:
        if address not in self._layers:
            raise self._no_such(address)
        return self._layers[address]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def unit(self, address: str) -> UnitFate:
        """Return what became of one unit, ``"conv2d:12"``.

        Raises
        ------
        AddressError
            When there is no such unit, or nothing is known of the fate of its layer's units.
        """
        try:
            place = parse_place(address, self._layers)
        except AddressError:
            raise self._no_such(address) from None
        layer = self._layers[place.layer]
        if place.unit is None:
            raise AddressError(
                f"{address!r} is a layer: name one of its units, {address + ':0'!r}."
            )
        if place.unit >= layer.units:
            raise AddressError(
                f"There is no unit {place.unit} in {place.layer!r}: it has {layer.units}, counted "
                "from 0."
            )
        return layer.unit(place.unit)

    def only(self, layers: str) -> Fates:
        """Return those of one layer, or of the layers that a glob matches.

        Raises
        ------
        AddressError
            When there is none.
        """
        pattern = layers.replace("[", "[[]")  # brackets are part of addresses
        kept = [name for name in self if name == layers or fnmatch.fnmatchcase(name, pattern)]
        if not kept:
            raise self._no_such(layers)
        return Fates(
            [self._layers[name] for name in kept],
            name=self.name,
            metrics=self.metrics,
            run=self.run,
            provenance=self.provenance,
        )

    def units(self) -> Iterator[UnitFate]:
        """Yield the fate of each unit, layer by layer."""
        for layer in self._layers.values():
            yield from map(layer.unit, range(layer.units))

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame of pandas with a row for each unit.

        ``woke``, ``died`` and ``revived`` are the numbers of the first steps at which that had come
        about, the last time it did; ``deaths`` is how often the unit died.
        """
        import pandas as pd

        rows = [_row(unit) for unit in self.units()]
        whole = {"woke": "Int64", "died": "Int64", "revived": "Int64", "n": "Int64"}
        return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(whole)

    def events_frame(self) -> pd.DataFrame:
        """Return a data frame of pandas with a row for each event of a unit.

        ``after`` and ``step`` are the steps between which it came about, and beside them stand the
        metrics at the second.
        """
        import pandas as pd

        names = ("after", "step", "epoch_after", "epoch")
        rows = []
        for unit in self.units():
            for event in unit.events:
                times = {name: getattr(event, name) for name in names}
                row = {"layer": unit.layer, "unit": unit.unit, "event": event.kind, **times}
                rows.append({**row, **self.metrics_at(unit.layer, event.step)})
        return pd.DataFrame(rows, columns=["layer", "unit", "event", *names, *self.metrics])

    def metrics_at(self, address: str, step: int) -> dict[str, float]:
        """Return what was measured at a step."""
        at = int(np.searchsorted(self[address].steps, step))
        return {name: float(values[at]) for name, values in self.metrics.items()}

    def to_json(self, unit: str | None = None) -> dict[str, Any]:
        """Return all of it, or what is known of one unit, as JSON has it."""
        chosen = self.units() if unit is None else [self.unit(unit)]
        units = [{**_row(one), "words": one.words} for one in chosen]
        events = self.events_frame()
        if unit is not None:
            events = events[events["unit"] == units[0]["unit"]]
        return {
            "network": self.name,
            "layers": {
                address: {**layer.counts, "born silent": layer.born_silent, "n": layer.n}
                for address, layer in self._layers.items()
            },
            "others": self.others,
            "units": units,
            "events": events.to_dict("records"),
        }

    def table(self, width: int | None = None) -> list[str]:
        """Return the lines of a table with a row for each layer, no wider than ``width``."""
        layers = list(self._layers.values())
        born = any(layer.untrained for layer in layers)
        fates = FATES if any(layer.counts["unknown"] for layer in layers) else FATES[:-1]
        columns = ["layer", "units", *["born silent"] * born, *fates, "most died"]
        rows = [
            [
                layer.address,
                str(layer.units),
                *[str(layer.born_silent or "")] * born,
                *(str(layer.counts[fate] or "") for fate in fates),
                _most_died(layer.when_most_died),
            ]
            for layer in layers
        ]
        return text_table(columns, rows, columns[1:-1], width).split("\n") if rows else []

    def lines(self, width: int | None = None) -> list[str]:
        """Return what ``print`` shows, line by line."""
        return [message(self._heading), *self.table(width), *self.sentences]

    @property
    def sentences(self) -> list[str]:
        """What the counts mean, and of which layers there are none."""
        layers = list(self._layers.values())
        counts = {fate: sum(layer.counts[fate] for layer in layers) for fate in FATES}
        sentences = []
        if counts["never fired"] or counts["died"]:
            claim = rarity(_fewest(layers))
            sentences.append(
                f"Silent at a step is a unit that is 0 on all {_samples(_fewest(layers))}"
                + (f": with the weights of that step it fires {claim}." if claim else ".")
            )
        if counts["died"] or counts["revived"] or counts["woke"]:
            sentences.append(
                "Died: silent at the last step, after it had fired. Revived: fires at the last, "
                "though it had died before. Woke: silent at first, and fires at the last."
            )
        return sentences + _not_counted(self.others)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    __repr__ = __str__

    @property
    def _heading(self) -> str:
        layers = list(self._layers.values())
        if not layers:
            return f"{self.name}: no layer whose units can be silent"
        first = layers[0]
        count = len(first.steps)
        ends = ends_text(*((int(first.steps[i]), float(first.epochs[i])) for i in (0, -1)))
        span = f"{count} steps ({ends[0]} to {ends[1]})" if count > 1 else f"one step ({ends[0]})"
        return f"{self.name}: the fate of every unit over {span}{_looked_at(layers)}"

    def _no_such(self, address: str) -> AddressError:
        layer = address.rpartition(":")[0] if address not in self.others else address
        if layer in self.others:
            return AddressError(f"Nothing is known of silence in {layer!r}: {self.others[layer]}.")
        return unknown_address(address, list(self._layers))


def unit_of(layers: Iterable[str], address: str) -> Place | None:
    """Return the unit that an address names; None where it names layers."""
    try:
        place = parse_place(address, list(layers))
    except AddressError:
        return None
    return None if place.unit is None else Place(place.layer, place.unit)


def fates_of(run: Run, layers: str | Iterable[str] | None = None) -> Fates:
    """Return what became of the units of a recorded training; of all layers, or of those named.

    Of all, those are left out whose units are silent because others are: what hands on the values
    of a layer that is there itself.
    """
    run = run.activations
    run.position(None)  # says when there are no steps yet
    known: dict[str, LayerFate] = {}
    others: dict[str, str] = {}
    silences: set[str] = set()
    for address in run.described if layers is None else _named(run, layers):
        fate = fate_of_layer(run, address)
        source = hands_on(run.network, address, silences) if layers is None else ""
        if fate is None:
            others[address] = _why_not(run, address)
            continue
        silences.add(address)
        if source:
            others[address] = source
        else:
            known[address] = fate
    if others and not known and layers is not None:
        name = next(iter(others))
        raise AddressError(f"Nothing is known of silence in {name!r}: {others[name]}.")
    return Fates(
        known.values(),
        name=run.network.name,
        metrics=run.metrics,
        others=others,
        run=run,
        provenance=lambda: run.provenance,
    )


def fate_of_layer(run: Run, address: str) -> LayerFate | None:
    """Return what became of the units of a layer; None where a zero of it is no silence."""
    return _fate_of(run, address, slice(None))


def fate_of_unit(run: Run, address: str, unit: int) -> UnitFate | None:
    """Return what became of one unit of a layer; None where a zero of it is no silence."""
    fate = _fate_of(run, address, slice(unit, unit + 1)) if address in run.described else None
    return replace(fate.unit(0), unit=unit) if fate is not None and fate.units else None


def _fate_of(run: Run, address: str, units: slice) -> LayerFate | None:
    silent, known = silent_units(run, address), known_units(run, address)
    if silent is None or known is None:
        return None
    return layer_fate(
        address,
        np.where(known[:, units], ~silent[:, units], np.nan),
        steps=run.steps,
        epochs=run.epochs,
        n=run.probed,
        untrained=begins_untrained(run),
    )


def _why_not(run: Run, address: str) -> str:
    """Return why nothing is known of the silence of a layer's units."""
    return "no extremes were recorded" if known_units(run, address) is None else A_VALUE


def begins_untrained(run: Run) -> bool:
    """Return whether the first step of a recording is of before the training.

    It is step 0, and nobody measured a loss of the training at it. (In recordings of early versions
    step 0 is after the first epoch.)
    """
    if int(run.steps[0]) != 0 or float(run.epochs[0]) > 0:
        return False
    measured = (
        name
        for name, values in run.metrics.items()
        if "loss" in name.lower() and not name.lower().startswith("val")
        if math.isfinite(values[0])
    )
    return run.counts_from_before and next(measured, None) is None


def _named(run: Run, layers: str | Iterable[str]) -> list[str]:
    names = [layers] if isinstance(layers, str) else list(layers)
    return matching(run.network, list(run.described), names)


def hands_on(network: Network, address: str, silences: Collection[str]) -> str:
    """Return that a layer hands on what another returns whose silence is known; empty if not."""
    if address not in network or network[address].parameters:
        return ""
    layer = network[address]
    if layer.kind not in HANDING_ON | IN_PLACE and layer.role != "container":
        return ""
    source = next((name for name in layer.inputs if name in silences), "")
    return f"{_HANDS_ON} {source} returns" if source else ""


def _row(unit: UnitFate) -> dict[str, Any]:
    events = {name: getattr(unit, name) for name in _WHEN}
    return {
        **{
            name: getattr(unit, name) for name in ("layer", "unit", "fate", "born", "first", "last")
        },
        **{name: event and event.step for name, event in events.items()},
        "deaths": unit.deaths,
        **{f"{name}_epoch": event and event.epoch for name, event in events.items()},
        "known": unit.known,
        "n": unit.n,
    }


def _fewest(layers: Iterable[LayerFate]) -> int | None:
    return min((layer.n for layer in layers if layer.n is not None), default=None)


def _samples(n: int | None) -> str:
    return "of the probe" if n is None else f"{n:,} sample{'s' * (n != 1)}"


def _looked_at(layers: Iterable[LayerFate]) -> str:
    n = _fewest(layers)
    return "" if n is None else f", on {_samples(n)}"


def _most_died(most: tuple[int, FateEvent] | None) -> str:
    return "" if most is None else f"{most[0]} {most[1].when}"


def _not_counted(others: Mapping[str, str]) -> list[str]:
    """Return sentences about the layers that are not counted, those of one reason together."""
    reasons: dict[str, list[str]] = {}
    for address, reason in others.items():
        reason = _ANOTHERS if reason.startswith(_HANDS_ON) else reason
        reasons.setdefault(reason, []).append(address)
    sentences = []
    for reason, names in reasons.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        sentences.append(message(f"Not counted: {', '.join(names[:_NAMED])}{more} ({reason})."))
    return sentences
