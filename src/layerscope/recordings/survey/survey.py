"""Survey: what each unit of a network answers to, over data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from layerscope.core.addresses import Place, parse_place
from layerscope.core.axes import NamedArray
from layerscope.core.display import Displayed
from layerscope.core.errors import AddressError, InputError
from layerscope.core.network import Network
from layerscope.core.silence import rectified
from layerscope.core.table import text_table
from layerscope.core.text import message
from layerscope.recordings.survey.datasets import dataset_of
from layerscope.recordings.survey.layer_tally import ByLabel, LayerTally
from layerscope.recordings.survey.ranking import NOBODY, Ranking
from layerscope.recordings.survey.reading import InputReading

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, slots=True)
class SurveyedSample:
    """A sample that some unit's list refers to."""

    number: int
    name: str  #: of its file, or ``sample 12``
    label: str | None = None
    file: str | None = None  #: where it can be read again
    inputs: Mapping[str, NamedArray] = field(default_factory=dict)  #: what the network received
    row: int = 0  #: of the file


@dataclass(frozen=True, slots=True)
class Example:
    """One of the samples of a unit: how strongly it fires, and where."""

    sample: SurveyedSample
    value: float
    place: tuple[int, ...]  #: along ``axes``
    axes: tuple[str, ...]  #: of the unit's map: ``y, x``, ``position``, or none
    shape: tuple[int, ...]  #: of the map along these


class Survey(Displayed, Mapping[str, "xr.Dataset"]):
    """A mapping from addresses to what is known of a layer's units, in execution order.

    ``survey["mixed4"]`` is an ``xarray.Dataset``: over ``unit`` the variables ``count`` (of finite
    values), ``mean``, ``std``, ``min``, ``max``, ``zeros`` (the share of values that are exactly
    0), ``silent`` (the share of samples on which all are) and ``nonfinite``; over ``(unit, rank)``
    ``top_value``, ``top_sample`` and where in the map, ``top_y``, ``top_x``, ``top_z`` or
    ``top_position``; the same for the weakest samples, ``weak_…``, and for samples drawn evenly
    over the unit's quantiles, ``drawn_…``; ``histogram`` over ``(unit, bin)``, with ``bin_low`` and
    ``bin_high``, and ``quantile`` over ``(unit, q)``; and over ``(label, unit)`` ``label_mean`` and
    ``label_peak``, the mean of the samples' highest values. A sample counts once, with the highest
    value in its map; -1 is no sample. ``survey["mixed4:42"]`` is one unit of it.

    Attributes
    ----------
    count : int
        How many samples it is of.
    samples : Mapping[int, SurveyedSample]
        Those that some list refers to, by their numbers.
    labels : tuple of str
        In alphabetical order.
    unreadable : Mapping[str, str]
        Why what could not be read was left out, by name.
    reading : InputReading
        How files became input, so that examples can be read again.
    """

    kind = "survey"

    def __init__(
        self,
        tallies: Mapping[str, LayerTally],
        *,
        network: Network,
        ranges: Sequence[tuple[int, int]],
        samples: Mapping[int, SurveyedSample],
        labels: Sequence[str] = (),
        top: int,
        notes: Sequence[str] = (),
        unreadable: Mapping[str, str] | None = None,
        provenance: Mapping[str, str] | None = None,
        reading: InputReading | None = None,
    ) -> None:
        self.tallies = dict(tallies)
        self.network = network
        self.ranges = _joined_ranges(ranges)
        self.samples = samples
        order = sorted(range(len(labels)), key=lambda i: labels[i])
        self.labels = tuple(labels[i] for i in order)
        if order != list(range(len(labels))):
            self.tallies = {
                address: replace(tally, labels=_ordered(tally.labels, order))
                for address, tally in self.tallies.items()
            }
        self.top = top
        self.notes = tuple(notes)
        self.unreadable = dict(unreadable or {})
        self.provenance = dict(provenance or {})
        self.reading = reading or InputReading()
        self._datasets: dict[str, xr.Dataset] = {}
        self._rankings: dict[tuple[str, str, int], Ranking] = {}  # asked unit by unit

    def __getitem__(self, address: str) -> xr.Dataset:
        place = self.place(address)
        if place.layer not in self._datasets:
            tally = self.tallies[place.layer]
            self._datasets[place.layer] = dataset_of(tally, self.labels, self.top)
        whole = self._datasets[place.layer]
        return whole if place.unit is None else whole.isel(unit=place.unit)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tallies)

    def __len__(self) -> int:
        return len(self.tallies)

    def __contains__(self, address: object) -> bool:
        try:
            return isinstance(address, str) and self.place(address) is not None
        except AddressError:
            return False

    @property
    def count(self) -> int:
        """How many samples it is of."""
        return sum(stop - first for first, stop in self.ranges)

    def place(self, address: str) -> Place:
        """Read an address: which layer, which unit.

        Raises
        ------
        AddressError
            When the survey has no such layer or unit.
        """
        place = parse_place(address, self.tallies)
        if place.position is not None:
            raise AddressError(
                f"{address!r}: a survey is of whole units, as {str(_unit_of(place))!r}."
            )
        units = self.tallies[place.layer].units
        if place.unit is not None and place.unit >= units:
            raise AddressError(f"{place.layer!r} has {units} units, numbered from 0.")
        return place

    def examples(self, address: str, which: str = "top", n: int | None = None) -> list[Example]:
        """Return the samples of a unit: ``"top"``, ``"weak"`` or ``"drawn"``, in order of rank.

        ``n`` is how many at most, by default as many as the survey keeps.

        Raises
        ------
        AddressError
            When the address names no unit of it.
        """
        place = self.place(address)
        if place.unit is None:
            raise AddressError(f"{address!r} is a layer: name a unit of it, {address + ':0'!r}.")
        tally = self.tallies[place.layer]
        ranks = self.top if n is None else n
        key = place.layer, which, ranks
        if key not in self._rankings:
            self._rankings[key] = ranking_of(tally, which, ranks)
        ranking = self._rankings[key]
        return [
            Example(
                self.samples.get(number, SurveyedSample(number, f"sample {number}")),
                float(ranking.values[place.unit, rank]),
                tuple(map(int, ranking.places[place.unit, rank])),
                tally.axes,
                tally.shape,
            )
            for rank, number in enumerate(ranking.samples[place.unit, :ranks].tolist())
            if number != NOBODY
        ]

    def quantile(self, address: str, q: Any) -> xr.DataArray:
        """Return quantiles of a layer's values, (unit, q), at most 2.2 % from the true ones.

        They are of the values that the histogram counts, see ``survey[address].attrs``.
        """
        import xarray as xr

        place = self.place(address)
        tally = self.tallies[place.layer]
        at = np.atleast_1d(np.asarray(q, float))
        values = np.clip(tally.values.quantile(at), tally.low[:, None], tally.high[:, None])
        array = xr.DataArray(values, dims=("unit", "q"), coords={"q": at})
        return array if place.unit is None else array.isel(unit=place.unit)

    def correlation(self, layer: str) -> xr.DataArray:
        """Return how the units of a layer vary together, from -1 to 1, (unit, other).

        NaN where a unit does not vary.

        Raises
        ------
        AddressError
            When there is no such layer, or it was surveyed without co-moments.
        """
        import xarray as xr

        comoments = self._comoments(layer)
        if comoments.products.shape[0] != self.tallies[self.place(layer).layer].units:
            raise AddressError(
                f"{layer!r} has too many units for a correlation of each with each: its co-moments "
                "are those of directions drawn at random."
            )
        return xr.DataArray(comoments.correlation(), dims=("unit", "other"))

    def effective_rank(self, layer: str) -> float:
        """Return how many directions the units of a layer take, as exp of an entropy, 1 to units.

        Raises as :meth:`correlation` does.
        """
        return float(self._comoments(layer).effective_rank())

    def _comoments(self, layer: str) -> Any:
        comoments = self.tallies[self.place(layer).layer].comoments
        if comoments is None:
            raise AddressError(f"{layer!r} was surveyed without co-moments.")
        return comoments

    def never_fired(self, layer: str) -> list[int]:
        """Return the units of a layer that were 0 everywhere on all samples, where that is silence.

        Of n samples this claims no more than that such a unit fires on fewer than 3/n of such data
        (at 95 %). Empty for a layer whose zeros are values like others, as of a softmax.
        """
        place = self.place(layer)
        if rectified(self.network, place.layer) is False:
            return []
        tally = self.tallies[place.layer]
        return np.flatnonzero((tally.silent == tally.samples) & (tally.samples > 0)).tolist()

    def merge(self, *others: Survey) -> Survey:
        """Return one survey of the samples of this and the others: what one pass would give.

        Raises
        ------
        InputError
            When they share samples, or are not of one model.
        """
        merged = self
        for other in others:
            merged = _merged(merged, other)
        return merged

    def __str__(self) -> str:
        rows = []
        for address in self:
            tally = self.tallies[address]
            silent = self.never_fired(address)
            has_no_silence = rectified(self.network, address) is False
            rows.append(
                (
                    address,
                    f"{tally.units:,}",
                    "×".join(map(str, tally.shape)) or "1",
                    "" if has_no_silence else f"{len(silent):,}",
                    f"{np.nanmin(tally.low) if tally.units else np.nan:.4g}",
                    f"{np.nanmean(tally.mean) if tally.units else np.nan:.4g}",
                    f"{np.nanmax(tally.high) if tally.units else np.nan:.4g}",
                )
            )
        columns = ("layer", "units", "map", "never fired", "min", "mean", "max")
        lines = [
            message(f"Survey of {self.network.name}, {self.count:,} samples"),
            text_table(columns, rows, columns[1:]),
        ]
        if self.count and any(self.never_fired(address) for address in self):
            share = f"{300 / self.count:.2g} %" if self.count > 3 else "no known share"
            lines.append(
                f"A unit that never fired in {self.count:,} samples fires on fewer than {share} of "
                "such data (95 %)."
            )
        if self.unreadable:
            first = list(self.unreadable)[:3]
            more = f" and {len(self.unreadable) - 3:,} more" if len(self.unreadable) > 3 else ""
            lines.append(
                message(f"{len(self.unreadable):,} could not be read: {', '.join(first)}{more}")
            )
        lines += [message(f"Note: {note}") for note in self.notes]
        return "\n".join(lines)

    __repr__ = __str__


def _unit_of(place: Place) -> Place:
    """Return the unit that a place is a neuron of."""
    return Place(place.layer, place.unit)


def ranking_of(tally: LayerTally, which: str, top: int) -> Ranking:
    """Return the ``top``, ``weak`` or ``drawn`` samples of each unit."""
    if which == "drawn":
        return tally.drawn.spread(top)
    if which not in ("top", "weak"):
        raise InputError(f"which={which!r}: pass 'top', 'weak' or 'drawn'.")
    return tally.top if which == "top" else tally.weak


def _merged(one: Survey, other: Survey) -> Survey:
    shared = [
        (max(a, c), min(b, d)) for a, b in one.ranges for c, d in other.ranges
        if max(a, c) < min(b, d)
    ]  # fmt: skip
    if shared:
        first, stop = shared[0]
        raise InputError(
            f"Both surveys have the samples {first} to {stop - 1}: survey other data with "
            f"first={max(stop for _, stop in one.ranges)}, the number of their first sample."
        )
    models = {s.provenance["model"] for s in (one, other) if "model" in s.provenance}
    if len(models) > 1:
        raise InputError("The surveys are of different models: their weights differ.")
    if list(one) != list(other):
        apart = sorted(set(one) ^ set(other))
        raise InputError(
            f"The surveys are of different layers: {apart[0] if apart else 'in another order'!r}."
        )
    top = min(one.top, other.top)
    labels = tuple(sorted({*one.labels, *other.labels}))
    tallies = {}
    for address in one:
        mine, theirs = one.tallies[address], other.tallies[address]
        if (mine.units, mine.axes) != (theirs.units, theirs.axes):
            raise InputError(f"The surveys are of different models: {address!r} differs.")
        mine = replace(mine, labels=_spread(mine.labels, one.labels, labels))
        theirs = replace(theirs, labels=_spread(theirs.labels, other.labels, labels))
        tallies[address] = mine.merged(theirs, top)
    referred: set[int] = set().union(*(tally.referred() for tally in tallies.values()))
    known = {**one.samples, **other.samples}
    return Survey(
        tallies,
        network=one.network,
        ranges=(*one.ranges, *other.ranges),
        samples={number: known[number] for number in sorted(referred) if number in known},
        labels=labels,
        top=top,
        notes=tuple(dict.fromkeys((*one.notes, *other.notes))),
        unreadable={**one.unreadable, **other.unreadable},
        provenance=one.provenance if one.provenance == other.provenance else {
            name: value for name, value in one.provenance.items()
            if other.provenance.get(name) == value
        },
        reading=one.reading if one.reading.axes else other.reading,
    )  # fmt: skip


def _spread(sums: ByLabel, names: Sequence[str], wanted: Sequence[str]) -> ByLabel:
    """Return sums by label with a row for each label wanted."""
    at = [wanted.index(name) for name in names]

    def placed(array: Any) -> Any:
        whole = np.zeros((len(wanted), *array.shape[1:]), array.dtype)
        whole[at] = array
        return whole

    return ByLabel(placed(sums.samples), placed(sums.mean), placed(sums.peak))


def _ordered(sums: ByLabel, order: Sequence[int]) -> ByLabel:
    return ByLabel(sums.samples[order], sums.mean[order], sums.peak[order])


def _joined_ranges(ranges: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the ranges in order, those that touch as one."""
    joined: list[tuple[int, int]] = []
    for first, stop in sorted(ranges):
        if joined and joined[-1][1] == first:
            joined[-1] = joined[-1][0], stop
        elif stop > first:
            joined.append((first, stop))
    return tuple(joined)
