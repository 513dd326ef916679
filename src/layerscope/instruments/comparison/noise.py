"""What floating point alone explains: how far a network is apart from itself, run a second time.

The second run gets the same samples in smaller batches, whose sums are added up in another order,
and each value of the input moved by one rounding, up or down. Both are what another framework, or
another processor, may do, too; how much that becomes, layer by layer, is the network's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Backend, Compiling, Rounding
from layerscope.core.axes import NamedArray
from layerscope.instruments.comparison.comparable import LayerValues
from layerscope.instruments.comparison.measures import relative_error
from layerscope.instruments.comparison.subjects import ComparedSubject
from layerscope.instruments.passes import Passes, joined

Array = npt.NDArray[Any]

#: One sample in so many is run a second time.
SHARE = 16
#: Beyond so many times the noise something else than rounding is at work: a second run is one draw
#: of many, and another framework rounds at every layer, not at the input alone.
MARGIN = 8.0
#: Of fewer samples the noise is told less well, and the margin is wider by the root of the ratio:
#: on one sample, right ports were up to 8.1 times the noise apart.
FEW = 4
#: One rounding of types that NumPy does not have.
_UNITS = {"bfloat16": 2.0**-8, "float8_e4m3fn": 2.0**-4, "float8_e5m2": 2.0**-3}


@dataclass(frozen=True)
class Noise:
    """The relative error that floating point alone explains, by the addresses of layers."""

    errors: Mapping[str, float]
    words: str
    samples: int | None = None  #: on how many it was measured, None where it was not

    @property
    def margin(self) -> float:
        """How many times the noise are rounding still."""
        return MARGIN * math.sqrt(FEW / min(FEW, self.samples or FEW))

    def of(self, values: LayerValues) -> float:
        """Return that of a layer."""
        return self.errors.get(values.address, 0.0)


def rounding(array: NamedArray) -> float:
    """Return one rounding of an array's type, relative to its values; 0 of whole numbers."""
    recorded = str(array.attrs.get("dtype", array.attrs.get("recorded_dtype", "")))
    if recorded in _UNITS:
        return _UNITS[recorded]
    if array.values.dtype.kind != "f":
        return 0.0
    return float(np.finfo(array.values.dtype).eps)


def stored_rounding(subject: ComparedSubject) -> float:
    """Return one rounding of what a recording was stored in, 0 where it is not stored."""
    if subject.run is None:
        return 0.0
    kinds = {subject.run.stored_type(address) for address in subject.run}
    steps = [float(np.finfo(kind).eps) for kind in kinds if kind.startswith("float")]
    return max([*steps, *[1 / 255 for kind in kinds if kind == "uint8"]], default=0.0)


def expected(values: list[LayerValues], least: float = 0.0) -> Noise:
    """Return what as many roundings as there are layers come to, where nothing can be run again."""
    coarsest, errors = least, {}
    for number, each in enumerate(values, start=1):
        coarsest = max(coarsest, rounding(each.recording.named(each.address)))
        errors[each.address] = coarsest * np.sqrt(number)
    words = "noise: one rounding at each layer, since recordings can't be run a second time"
    return Noise(errors, words)


def measured(subject: ComparedSubject, values: list[LayerValues]) -> Noise:
    """Return how far a model is apart from itself, run on moved inputs in other batches."""
    floor = expected(values)
    recording = subject.recording
    count = max((n for v in values if (n := v.sizes.get("sample"))), default=1)
    kept = count if _takes_whole(subject.backend, count) else max(1, count // SHARE)
    unit = max((rounding(recording.named(v.address)) for v in values), default=0.0)
    if isinstance(subject.backend, Rounding):
        unit = max(unit, subject.backend.hidden_rounding)
    again = joined(Passes.on(subject.model, _moved(subject, unit, kept)))
    # Whole numbers can't be moved by a rounding.
    indexed = all(
        array.values.dtype.kind != "f" for array in map(recording.named, recording.inputs)
    )
    errors = {}
    for each in values:
        if each.address not in set(again):
            continue
        one = _first(recording.named(each.address), kept)
        other = again.named(each.address)
        if one.shape == other.values.shape:
            error = relative_error(one, other.values)
            least = floor.of(each) if indexed else unit
            errors[each.address] = max(error, least) if np.isfinite(error) else 0.0
    on = "all samples" if kept == count else "1 sample" if kept == 1 else f"{kept} samples"
    words = f"noise: a second run on {on}, each value of the input moved by one rounding"
    words += ", and batches cut otherwise" if kept < count else ""
    return Noise({**floor.errors, **errors}, words, kept)


def _takes_whole(backend: Backend, count: int) -> bool:
    """Return whether fewer samples would be refused, or cost more than they save.

    Where another number of samples is compiled anew, that takes about as long as a pass of as many
    samples as a share is one of.
    """
    if any(spec.shape and spec.shape[0] is not None for spec in backend.inputs()):
        return True
    return count < SHARE and isinstance(backend, Compiling) and backend.compiles_by_shape


def larger(one: Noise, other: Noise, pairs: list[tuple[str, str]], words: str) -> Noise:
    """Return the larger noise of the two layers of each pair, by the address in the one."""
    errors = {a: max(one.errors.get(a, 0.0), other.errors.get(b, 0.0)) for a, b in pairs}
    known = [noise.samples for noise in (one, other) if noise.samples is not None]
    return Noise(errors, words, min(known, default=None))


def _first(array: NamedArray, count: int) -> Array:
    if "sample" not in array.axes:
        return array.values
    cut = [slice(None)] * array.values.ndim
    cut[array.axes.index("sample")] = slice(count)
    return array.values[tuple(cut)]


def _moved(subject: ComparedSubject, unit: float, count: int) -> Any:
    """Return the inputs as the model received them, each value moved by one rounding."""
    recording = subject.recording
    source = np.random.default_rng(0)
    moved = []
    for name, axes in recording.input_axes.items():
        array = recording.named(name)
        values = _first(array, count)
        if values.dtype.kind == "f":
            signs = source.integers(0, 2, values.shape, dtype=np.int8) * 2 - 1
            step = max(unit, float(np.finfo(values.dtype).eps))
            values = (values * (1 + step * signs)).astype(values.dtype)
        order = [array.axes.index(axis) for axis in axes]
        moved.append(np.ascontiguousarray(values.transpose(order)))
    if subject.by_name:
        return dict(zip(recording.input_axes, moved, strict=True))
    return moved[0] if len(moved) == 1 else moved
