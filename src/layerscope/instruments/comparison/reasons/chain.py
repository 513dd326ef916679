"""What happens between the last layers that agree and the first pair that parts, on each side.

One framework does in one layer what another does in three: a padding, a convolution, an activation.
A ``Chain`` is all of it, from the value on which both still agree to the one on which they part.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.layer_kinds import CONVOLUTIONS, NORMS
from layerscope.core.network import Layer
from layerscope.instruments.comparison.comparable import LayerValues, recorded_network
from layerscope.instruments.comparison.families import family
from layerscope.instruments.comparison.subjects import ComparedSubject
from layerscope.recordings.recording import Recording

Values = npt.NDArray[np.float64]

#: What a chain is about, rather than what prepares it: of several the last.
_CORES = frozenset({"dense", "matmul", "resize", "pool", "reduce", *CONVOLUTIONS, *NORMS})
SAMPLES, VALUES = 4, 500_000  #: looked at, at most: what parts, parts on any


@dataclass(frozen=True)
class Chain:
    """The layers of one side from the value on which both agree."""

    name: str  #: what the side is called
    rows: tuple[Layer, ...]  #: in execution order; the last is the one that is compared
    entry: str | None  #: the address of the value that goes in, None for the network's input
    recording: Recording
    parameters: Mapping[str, NamedArray] | None
    about: str | None = None  #: the kind of layer that both sides have, where one has further ones

    @property
    def last(self) -> Layer:
        """The layer that is compared."""
        return self.rows[-1]

    @property
    def core(self) -> Layer:
        """The layer that it is about: what has weights, or moves windows."""
        cores = [row for row in self.rows if row.kind in _CORES and self.about in (None, row.kind)]
        return cores[-1] if cores else self.last

    @property
    def activation(self) -> str | None:
        """The function that is applied last."""
        return self.last.activation

    def value(self, layer: Layer) -> NamedArray | None:
        """Return what a layer returned on some samples, in float64; None where it is not known."""
        return self._array(layer.address)

    def received(self, layer: Layer) -> NamedArray | None:
        """Return what a layer of the chain received."""
        place = [row.address for row in self.rows].index(layer.address)
        return self.at_entry if place == 0 else self._array(self.rows[place - 1].address)

    @property
    def at_entry(self) -> NamedArray | None:
        """What goes in."""
        if self.entry is not None:
            return self._array(self.entry)
        return _some(self.recording.named(None)) if self.recording.inputs else None

    def _array(self, address: str) -> NamedArray | None:
        if address not in set(self.recording):
            return None
        return _some(self.recording.named(address))


def chains(
    one: ComparedSubject,
    other: ComparedSubject,
    first: tuple[LayerValues, LayerValues],
    agreed: tuple[Collection[str], Collection[str]],
) -> tuple[Chain, Chain]:
    """Return the chains of both sides that lead to the first pair that parts."""
    both = (
        _chain(one, "the one", first[0].layer, agreed[0]),
        _chain(other, "the other", first[1].layer, agreed[1]),
    )
    if family(both[0].core.kind) == family(both[1].core.kind):
        return both
    kinds = [{row.kind for row in chain.rows} for chain in both]
    shared = [row.kind for row in both[0].rows if row.kind in _CORES & kinds[0] & kinds[1]]
    if not shared:
        return both
    return replace(both[0], about=shared[-1]), replace(both[1], about=shared[-1])


def _chain(subject: ComparedSubject, name: str, layer: Layer, agreed: Collection[str]) -> Chain:
    recording = subject.recording
    rows = {row.address: row for row in recorded_network(recording)}
    chain = [layer]
    entry = None
    while chain[0].inputs:
        before = rows.get(chain[0].inputs[0])
        if before is None or before.role == "input":
            break
        if before.address in agreed:
            entry = before.address
            break
        chain.insert(0, before)
    return Chain(name, tuple(chain), entry, recording, subject.parameters)


def _some(array: NamedArray) -> NamedArray:
    values = array.values
    if "sample" in array.axes:
        count = len(values) * VALUES // max(values.size, 1)
        cut = [slice(None)] * values.ndim
        cut[array.axes.index("sample")] = slice(max(1, min(SAMPLES, count)))
        values = values[tuple(cut)]
    if values.dtype.kind in "fiub":
        values = values.astype(np.float64)
    return NamedArray(values, array.axes, array.attrs)


def distance(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Return the norm of the difference by that of the one; infinite where shapes differ."""
    if one.shape != other.shape:
        return math.inf
    with np.errstate(invalid="ignore", over="ignore"):
        error = _norm(one - other) / (_norm(one) or 1.0)
    return error if math.isfinite(error) else math.inf


def _norm(values: Values) -> float:
    """Return the norm, without BLAS: waking its threads takes longer than what they would do."""
    return math.sqrt(float(np.square(values).sum()))


def offset(inner: Values, outer: Values, place: int) -> int:
    """Return where along an axis of what was padded the values themselves begin."""
    more = outer.shape[place] - inner.shape[place]
    others = tuple(axis for axis in range(inner.ndim) if axis != place)
    profile, whole = np.abs(inner).sum(axis=others), np.abs(outer).sum(axis=others)
    profile = profile / (profile.sum() or 1.0)
    parts = [whole[o : o + len(profile)] for o in range(more + 1)]
    errors = [np.abs(part / (part.sum() or 1.0) - profile).sum() for part in parts]
    # What is equally right is the one where most of the values are.
    return int(np.lexsort((-np.array([part.sum() for part in parts]), np.round(errors, 9)))[0])


def cropped(inner: NamedArray, outer: NamedArray) -> NamedArray | None:
    """Return of what was padded the part that is not padding; None where it was none."""
    if inner.axes != outer.axes or inner.values.ndim != outer.values.ndim:
        return None
    values = outer.values
    for place, length in enumerate(inner.values.shape):
        if values.shape[place] < length:
            return None
        if values.shape[place] > length:
            begin = offset(inner.values, values, place)
            cut = [slice(None)] * values.ndim
            cut[place] = slice(begin, begin + length)
            values = values[tuple(cut)]
    return NamedArray(values, outer.axes)
