"""``Comparison``: two of anything, layer by layer, and the first layer that leaves the noise."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import UNIT_AXES, NamedArray
from layerscope.core.display import Pictured
from layerscope.core.errors import AddressError
from layerscope.core.table import text_table
from layerscope.core.text import message, quoted
from layerscope.recordings.recording import Recording

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]

_RIGHT = ("cosine", "relative error", "noise", "SQNR", "correlation")
_SHOWN = 8  #: names that a sentence lists
_DRIFTED = 5  #: units that are printed


@dataclass(frozen=True, slots=True)
class LayerPair:
    """A layer of the one, its partner in the other, and how far their values are apart.

    The one is the reference: errors are relative to it. Figures are NaN where the shapes differ.
    """

    address: str  #: in the one
    partner: str  #: in the other
    how: str  #: how they were matched, in words
    cosine: float
    relative_error: float  #: the norm of the difference by the norm of the one
    correlation: float
    largest: float  #: the largest absolute difference
    noise: float  #: the relative error that floating point alone explains
    parts: bool  #: whether the error is beyond it, or beyond the tolerance
    #: Which unit of the other is each unit of the one, where the other has them in another order.
    order: tuple[int, ...] | None = None

    @property
    def sqnr(self) -> float:
        """The ratio of signal to quantization noise, in decibels; infinite where both are equal."""
        if math.isnan(self.relative_error):
            return math.nan
        return -20 * math.log10(self.relative_error) if self.relative_error else math.inf


@dataclass(frozen=True, slots=True)
class Drifting:
    """How far a unit moved between two steps that follow one another."""

    unit: str  #: its address
    change: float  #: the root mean square of the change, by that of its layer at the later step
    before: str  #: which step, in words: ``epoch 4``
    after: str


@dataclass(frozen=True, slots=True)
class Parting:
    """The first step at which two trainings are apart, and at which layer."""

    step: int
    moment: str  #: the step in words: ``epoch 4``
    layer: str  #: the address, in the one, of the first layer that parts then


class Comparison(Pictured):
    """What :func:`layerscope.compare` returns; prints as a table of its layers.

    ``picture()`` draws the first layer that parts; where none does, the architecture.

    Parameters
    ----------
    one, other
        What both networks returned. The one is the reference.
    names
        What the two are called.
    pairs
        The layers that have a partner, in the order of the one.
    unmatched
        The addresses without a partner, in the one and in the other.
    open_ends
        Which of the two end with a layer that has no partner: what comes out was not compared.
    tolerance
        The relative error up to which two layers are the same; None where the noise decides.
    measured
        How the noise was measured, in words.
    why
        Why the first layer parts, in sentences; empty where that can't be told.
    notes
        What else a reader should know.
    similarity
        Computes the linear CKA of each layer of the one with each of the other.
    partners
        Computes which unit of the other is most like each unit of a layer of the one.
    drift
        Computes how far units moved from step to step; None where there are no steps.
    since
        Computes from which step on two trainings are apart; None where they are not two.
    """

    def __init__(
        self,
        one: Recording,
        other: Recording,
        *,
        names: tuple[str, str],
        pairs: Sequence[LayerPair],
        unmatched: tuple[Sequence[str], Sequence[str]],
        values: Callable[[LayerPair], tuple[NamedArray, NamedArray]],
        open_ends: Sequence[str] = (),
        tolerance: float | None,
        measured: str,
        why: Sequence[str] = (),
        notes: Sequence[str] = (),
        similarity: Callable[[], Array],
        partners: Callable[[LayerPair], tuple[Array, Array]],
        drift: Callable[[], list[Drifting]] | None = None,
        since: Callable[[], Parting | None] | None = None,
    ) -> None:
        self.one, self.other = one, other
        self.names = names
        self.pairs = tuple(pairs)
        self.unmatched = tuple(unmatched[0]), tuple(unmatched[1])
        self.open_ends = tuple(open_ends)
        self.tolerance = tolerance
        self.measured = measured
        self.why = tuple(why)
        self.notes = tuple(notes)
        self._values = values
        self._similarity = similarity
        self._partners = partners
        self._drift = drift
        self._since = since
        self._cka: Array | None = None
        self._drifting: list[Drifting] | None = None

    @property
    def first(self) -> str | None:
        """The address, in the one, of the first layer that parts beyond the noise; or None."""
        return next((pair.address for pair in self.pairs if pair.parts), None)

    @property
    def is_same(self) -> bool:
        """Whether no layer parts, and what comes out was compared, too."""
        return self.first is None and not self.open_ends

    @property
    def table(self) -> pd.DataFrame:
        """The figures of all layers that have a partner, by their addresses in the one."""
        import pandas as pd

        rows = [
            {
                "layer": pair.address,
                "partner": pair.partner,
                "how": pair.how,
                "cosine": pair.cosine,
                "relative_error": pair.relative_error,
                "noise": pair.noise,
                "sqnr": pair.sqnr,
                "correlation": pair.correlation,
                "largest": pair.largest,
                "parts": pair.parts,
            }
            for pair in self.pairs
        ]
        columns = ["layer", "partner", "how", "cosine", "relative_error", "noise", "sqnr",
                   "correlation", "largest", "parts"]  # fmt: skip
        return pd.DataFrame(rows, columns=columns).set_index("layer")

    def pair(self, address: str) -> LayerPair:
        """Return the pair that a layer belongs to, by its address in the one or in the other.

        Raises
        ------
        AddressError
            When no pair has such a layer.
        """
        for name in ("address", "partner"):
            for pair in self.pairs:
                if getattr(pair, name) == address:
                    return pair
        for side, missing in zip(self.names, self.unmatched, strict=True):
            if address in missing:
                raise AddressError(f"{quoted(address)} of {side} has no partner to compare with.")
        there = ", ".join(quoted(pair.address) for pair in self.pairs[:_SHOWN])
        raise AddressError(f"No layer {quoted(address)} was compared: there are {there}.")

    def values(self, address: str) -> tuple[NamedArray, NamedArray]:
        """Return the values of a layer in the one and in the other, axis by axis the same.

        Raises
        ------
        AddressError
            When no pair has such a layer.
        """
        return self._values(self.pair(address))

    def difference(self, address: str) -> NamedArray:
        """Return the values of a layer in the one less those in the other."""
        one, other = self.values(address)
        with np.errstate(invalid="ignore", over="ignore"):
            values = one.values.astype(np.float64) - other.values.astype(np.float64)
        return NamedArray(values.astype(np.float32), one.axes, one.attrs)

    def units(self, address: str) -> pd.DataFrame:
        """Return the unit of the other that is most like each unit of a layer, one to one.

        ``correlation`` is over samples and positions.
        """
        import pandas as pd

        partner, correlation = self._partners(self.pair(address))
        frame = pd.DataFrame({"partner": partner, "correlation": correlation})
        frame.index.name = "unit"
        return frame

    @property
    def similarity(self) -> pd.DataFrame:
        """The linear CKA of each layer of the one with each of the other (Kornblith 2019)."""
        import pandas as pd

        if self._cka is None:
            self._cka = self._similarity()
        rows = [pair.address for pair in self.pairs]
        return pd.DataFrame(self._cka, rows, [pair.partner for pair in self.pairs])

    @functools.cached_property
    def since(self) -> Parting | None:
        """From which step on two trainings are apart: the first that both recorded at which a layer
        parts. None where none does, and of what are not two trainings.

        Steps are read one after the other until then.
        """
        return None if self._since is None else self._since()

    @property
    def drifting(self) -> list[Drifting]:
        """How far units moved from step to step, the farthest first; empty without steps."""
        if self._drifting is None:
            self._drifting = [] if self._drift is None else self._drift()
        return self._drifting

    @property
    def drift(self) -> pd.DataFrame:
        """The same as a table, by the addresses of the units: each where it moved most."""
        import pandas as pd

        rows = [(d.unit, d.change, d.before, d.after) for d in self.drifting]
        columns = ["unit", "change", "before", "after"]
        return pd.DataFrame(rows, columns=columns).set_index("unit")

    def to_json(self) -> dict[str, Any]:
        """Return all of it as numbers, words, lists and dicts."""
        return {
            "names": list(self.names),
            "same": self.is_same,
            "first": self.first,
            "why": list(self.why),
            "since": None if self.since is None else dataclasses.asdict(self.since),
            "tolerance": self.tolerance,
            "noise": self.measured,
            "layers": [
                {"layer": str(layer), **dict(row)}
                for layer, row in self.table.astype(object).iterrows()
            ],
            "open_ends": list(self.open_ends),
            "unmatched": {"one": list(self.unmatched[0]), "other": list(self.unmatched[1])},
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def text(self, width: int | None = None) -> str:
        """Return the layers as a table; on ``width`` columns of a terminal, or in full."""
        columns = ("layer", "partner", "matched by", "cosine", "relative error", "noise", "SQNR",
                   "correlation", "")  # fmt: skip
        first = self.first
        rows = [
            (
                pair.address,
                pair.partner if pair.partner != pair.address else "",
                pair.how,
                _plain(pair.cosine),
                f"{pair.relative_error:.1e}",
                f"{pair.noise:.1e}",
                _decibels(pair.sqnr),
                _plain(pair.correlation),
                "parts first" if pair.address == first else "parts" if pair.parts else "",
            )
            for pair in self.pairs
        ]
        one, other = map(message, self.names)
        lines = [f"{one} against {other}", text_table(columns, rows, _RIGHT, width)]
        lines += self._verdict()
        lines += [
            message(f"What comes out of {name} was not compared: its last layer has no partner.")
            for name in self.open_ends
        ]
        if self._drift is not None:
            lines += [moved_words(each) for each in self.drifting[:_DRIFTED]]
        return "\n".join([*lines, *(message(f"Note: {note}") for note in self._all_notes())])

    def _verdict(self) -> list[str]:
        limit = "the noise" if self.tolerance is None else f"the tolerance {self.tolerance:g}"
        first = self.first
        if not self.pairs:
            return ["No layer of the one has a partner in the other."]
        if first is None:
            return [f"All {len(self.pairs)} layers that have a partner agree within {limit}."]
        if self.pair(first).order is not None:
            limit += ", its units put in order"
        lines = [message(f"The first layer beyond {limit} is {quoted(first)}.")]
        if self.since is not None:
            where = (
                "" if self.since.layer == first else f", then first at {quoted(self.since.layer)}"
            )
            lines.append(message(f"They are apart since {self.since.moment}{where}."))
        return [*lines, *(message(f"Why: {reason}") for reason in self.why)]

    def _all_notes(self) -> list[str]:
        notes = [self.measured, *self.notes]
        for name, missing in zip(self.names, self.unmatched, strict=True):
            if missing:
                more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
                listed = ", ".join(map(quoted, missing[:_SHOWN]))
                notes.append(f"without a partner in {name}: {listed}{more}")
        return notes


def moved_words(drifting: Drifting) -> str:
    """Return how far a unit moved, in a sentence."""
    return message(
        f"{drifting.unit} changed by {drifting.change:.2g} of its layer's values between "
        f"{drifting.before} and {drifting.after}."
    )


def units_last(array: NamedArray) -> Array:
    """Return values as (places, units): samples and positions together, the units last."""
    axis = next((a for a in UNIT_AXES if a in array.axes), array.axes[-1])
    moved = np.moveaxis(array.values, array.axes.index(axis), -1)
    return moved.reshape(-1, moved.shape[-1])


def provenance_of(comparison: Comparison) -> Mapping[str, str]:
    """Return what identifies both, for the metadata of a picture."""
    one, other = comparison.one.provenance, comparison.other.provenance
    return {**one, **{f"other {name}": value for name, value in other.items()}}


def _plain(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6f}"


def _decibels(value: float) -> str:
    return "" if math.isnan(value) else "∞ dB" if math.isinf(value) else f"{value:.1f} dB"
