"""``histogram``: how the values of a layer, or of each of its units, are distributed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.addresses import Place
from layerscope.core.attention import is_attention, masked
from layerscope.core.axes import UNIT_AXES, NamedArray
from layerscope.core.errors import ViewError
from layerscope.recordings.recording import Recording
from layerscope.views.render.bars import Counts, bars_panel
from layerscope.views.render.grid import check_columns
from layerscope.views.render.panel import Panel
from layerscope.views.render.select_maps import called, check_recording, sample_of, shape_of

_BLOCK = 2**20  #: values that are counted at once
_MOST_BINS, _MOST_GROUPS = 1000, 4096
_LARGEST = 1e300  #: widths of bins of larger values are beyond what float64 holds

Array = npt.NDArray[Any]
Bins = int | Sequence[float] | npt.NDArray[Any]


def histogram(
    recording: Recording,
    address: str,
    *,
    bins: Bins = 50,
    unit: int | None = None,
    per: str = "layer",
    log: bool = True,
    sample: int | str | None = None,
    step: int | None = None,
    columns: int | None = None,
) -> Panel:
    """Draw how the values of a layer are distributed: how many lie in each of a row of bins.

    Values that are exactly 0, which a ReLU makes of most, are in no bin: they are counted apart,
    and their share is written. So is how many values are NaN or infinite.

    Parameters
    ----------
    recording
        Activations, weights, a run, or images made for units.
    address
        A layer (``"conv2d"``), a unit (``"conv2d:29"``), a parameter (``"conv2d/kernel"``), or
        ``"input"``.
    bins
        How many bins of equal width from the least to the largest value, 1 to 1,000; or their
        edges, in order. Values outside of edges that are given are counted in the note.
    unit
        The number of one unit: ``unit=29`` is the same as ``"conv2d:29"``.
    per
        ``"layer"``, one histogram of all values; ``"unit"``, one for each unit, on the same bins
        and the same heights.
    log
        Counts on a logarithmic scale: what is rare is seen beside what is frequent.
    sample, step
        Which sample, counted from 0 or by its name, all by default; and of a recording over time
        which step, by its number, the last by default.
    columns
        How many histograms to a row, where there are several.

    Raises
    ------
    AddressError
        When there is no such layer, unit or step.
    ViewError
        When there are no values to count, or an option is none of these.
    """
    check_recording(recording)
    columns = check_columns(columns)
    if per not in ("layer", "unit"):
        raise ViewError(f"per={per!r}: pass 'layer' or 'unit'.")
    recording = recording.at(step)
    place = _place(recording, address, unit)
    number = sample_of(recording, sample)
    array = _of_sample(_values(recording, place), place, number)
    groups = _groups(array, place, per)
    edges, fixed = _edges(bins, groups)
    counts = [_count(label, values, edges, fixed) for label, values in groups]
    title = f"{called(place)} {shape_of(array.values.shape)}"
    return bars_panel(
        title,
        edges,
        counts,
        address=str(place),
        logarithmic=bool(log),
        x="value",
        note=_note(array, counts),
        columns=columns,
        provenance=lambda: recording.provenance,
    )


def _place(recording: Recording, address: str, unit: int | None) -> Place:
    """Return the place that an address and ``unit=`` name together."""
    if address == "input" and address not in recording:
        place = Place("input")
    else:
        place = recording.place(address)
    if unit is None:
        return place
    if isinstance(unit, bool) or not isinstance(unit, int | np.integer) or unit < 0:
        raise ViewError(f"unit={unit!r}: pass the number of a unit, counted from 0.")
    if place.unit is not None:
        raise ViewError(f"{address!r} names a unit already: leave out unit={unit}.")
    return Place(place.layer, int(unit))


def _values(recording: Recording, place: Place) -> NamedArray:
    if place.unit is None:
        is_input = place.layer == "input" and "input" not in {*recording, *recording.inputs}
        array = recording.named(None if is_input else place.layer)
    else:
        part = recording[str(place)]  # says what is wrong with the unit or the position
        array = NamedArray(part.values, tuple(map(str, part.dims)), dict(part.attrs))
    if array.values.dtype.kind not in "fiub":
        raise ViewError(f"{str(place)!r} holds {array.values.dtype} values: they can't be counted.")
    if not array.values.size:
        raise ViewError(f"{str(place)!r} has nothing to count: its shape is empty.")
    return array


def _of_sample(array: NamedArray, place: Place, sample: int | None) -> NamedArray:
    if sample is None:
        return array
    if "sample" not in array.axes:
        raise ViewError(f"{str(place)!r} has no samples: leave out sample={sample!r}.")
    where = array.axes.index("sample")
    count = array.values.shape[where]
    whole = isinstance(sample, int | np.integer) and not isinstance(sample, bool)
    if not whole or not 0 <= sample < count:
        raise ViewError(f"There is no sample {sample!r}: there are {count}, counted from 0.")
    axes = (*array.axes[:where], *array.axes[where + 1 :])
    return NamedArray(array.values.take(sample, axis=where), axes, array.attrs)


def _groups(array: NamedArray, place: Place, per: str) -> list[tuple[str, Array]]:
    """Return the values of each histogram, by label."""
    closed = is_attention(array.axes)
    if per == "layer" or place.unit is not None:
        label = "" if place.unit is None else str(place.unit)
        return [(label, array.values[~masked(array.values)] if closed else array.values)]
    axis = next((name for name in reversed(array.axes) if name in UNIT_AXES), None)
    if axis is None:
        axes = ", ".join(array.axes)
        raise ViewError(f"{str(place)!r} has the axes {axes}: none of them numbers units.")
    split = np.moveaxis(array.values, array.axes.index(axis), 0)
    if len(split) > _MOST_GROUPS:
        raise ViewError(
            f"{str(place)!r} has {len(split):,} units, and up to {_MOST_GROUPS:,} can be drawn: "
            "name one with unit=, or leave out per='unit'."
        )
    numbers = array.attrs.get("units", range(len(split)))
    return [
        (str(n), values[~masked(values)] if closed else values)
        for n, values in zip(numbers, split, strict=True)
    ]


def _blocks(values: Array) -> Iterator[npt.NDArray[np.float64]]:
    """Yield the values as float64, so many at a time."""
    flat = values.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        yield flat[start : start + _BLOCK].astype(np.float64)


def _edges(bins: Any, groups: Sequence[tuple[str, Array]]) -> tuple[npt.NDArray[np.float64], bool]:
    """Return the edges of the bins, and whether they were given one by one."""
    if isinstance(bins, int | np.integer) and not isinstance(bins, bool):
        if not 1 <= bins <= _MOST_BINS:
            raise ViewError(f"bins={bins}: pass 1 to {_MOST_BINS:,} bins, or their edges.")
        low, high = _extent(groups)
        largest = max(abs(low), abs(high))
        if largest > _LARGEST:
            raise ViewError(
                f"Values from {low:.3g} to {high:.3g} are too large for bins of one width: pass "
                "bins= as edges."
            )
        least = 4 * bins * float(np.spacing(largest))
        if high - low < least:  # all are one value: it gets a bin with some room around
            room = max(0.5, least)
            low, high = low - room, high + room
        return np.linspace(low, high, int(bins) + 1), False
    try:
        edges = np.asarray(bins, np.float64)
    except (TypeError, ValueError):
        edges = np.zeros(0)
    ordered = edges.ndim == 1 and 2 <= edges.size <= _MOST_BINS + 1
    if not ordered or not np.isfinite(edges).all() or not (np.diff(edges) > 0).all():
        raise ViewError(
            f"bins={bins!r}: pass a number of bins, or 2 to {_MOST_BINS + 1:,} edges in order."
        )
    return edges, True


def _extent(groups: Sequence[tuple[str, Array]]) -> tuple[float, float]:
    """Return the least and the largest finite value; 0 to 1 where there is none but 0."""
    low, high = np.inf, -np.inf
    for _, values in groups:
        for block in _blocks(values):
            finite = np.isfinite(block)
            low = min(low, float(block.min(where=finite, initial=np.inf)))
            high = max(high, float(block.max(where=finite, initial=-np.inf)))
    return (0.0, 1.0) if low > high or low == high == 0 else (low, high)


def _count(label: str, values: Array, edges: npt.NDArray[np.float64], fixed: bool) -> Counts:
    counts = np.zeros(len(edges) - 1)
    zeros = not_finite = 0
    for block in _blocks(values):
        finite, zero = np.isfinite(block), block == 0
        zeros += int(zero.sum())
        not_finite += int((~finite).sum())
        some = block[finite & ~zero]
        if fixed:
            counts += np.histogram(some, edges)[0]
        else:
            counts += np.histogram(some, len(counts), (edges[0], edges[-1]))[0]
    if label and zeros and values.size:
        label = f"{label} · {zeros / values.size:.0%} zero"
    return Counts(label, counts, zeros, not_finite, int(values.size))


def _note(array: NamedArray, counts: Sequence[Counts]) -> str:
    """Return how many values there are, and how many of them are in no bin, and why."""
    total = sum(one.total for one in counts)
    zeros = sum(one.zeros for one in counts)
    strange = sum(one.not_finite for one in counts)
    outside = total - zeros - strange - int(sum(one.bins.sum() for one in counts))
    words = [f"{total:,} values" if total > 1 else "1 value"]
    if zeros:
        words.append(f"{zeros / total:.1%} exactly 0")
    if strange:
        words.append(f"{strange:,} NaN or infinite")
    if outside:
        words.append(f"{outside:,} outside the bins")
    if array.values.size > total:
        words.append(f"{array.values.size - total:,} masked")
    return ", ".join(words)
