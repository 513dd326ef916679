"""What of a look is stored, and how: the schema of a recording, and the arrays of each step."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.addresses import unknown_address
from layerscope.core.axes import NamedArray
from layerscope.core.errors import AddressError, InputError
from layerscope.instruments.record.plan import Array, RecordingPlan
from layerscope.instruments.record.probe import Snapshot
from layerscope.instruments.record.statistics import NAMES, unit_statistics
from layerscope.recordings.store.half import Halved
from layerscope.recordings.store.schema import ArrayGroup, Variable
from layerscope.recordings.store.wide import fits_half, half_holds

Key = tuple[str, str, str]

DTYPES = ("float16", "float32", "uint8")

_PIECE = 65_536  #: values of a parameter that are squared at once

#: A layer that comes this near to the end of float16 at the start is stored as float32.
_NEAR = 1 / 8


def read_dtype(dtype: Any) -> str:
    """Read ``dtype=``. Raises InputError when it is none of the three."""
    name = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", str(dtype))
    if name in DTYPES:
        return str(name)
    raise InputError(f"dtype={dtype!r}: values are stored as 'float16', 'float32' or 'uint8'.")


def layer_array(address: str, array: NamedArray, dtype: str) -> Array:
    """Return how a layer's values are stored, of which ``array`` is an example."""
    values = array.values
    attrs = {name: str(value) for name, value in array.attrs.items()}
    stored, scaled = str(values.dtype), False
    if values.dtype.kind == "f":
        stored, scaled = dtype, dtype == "uint8"
        if dtype == "float16" and not fits_half(values, _NEAR):
            stored = "float32"
    return Array(address, array.axes, values.shape, stored, scaled, attrs)


def weight_array(key: str, array: NamedArray, dtype: str) -> Array:
    """Return how the values of a parameter are stored: never as 8 bits."""
    stored = "float16" if dtype == "uint8" else dtype
    if array.values.dtype.kind != "f":
        stored = str(array.values.dtype)
    elif stored == "float16" and not fits_half(array.values, _NEAR):
        stored = "float32"
    attrs = {name: str(value) for name, value in array.attrs.items()}
    return Array(key, array.axes, array.values.shape, stored, attrs=attrs)


def chosen_weights(weights: Any, known: Sequence[str]) -> list[str]:
    """Read ``weights=``: which parameters' values to store.

    Raises AddressError when a glob matches none, InputError when it is something else.
    """
    if weights is True or weights is None:
        return list(known)
    if weights is False:
        return []
    globs = [weights] if isinstance(weights, str) else weights
    if not isinstance(globs, list | tuple) or not all(isinstance(g, str) for g in globs):
        raise InputError(
            f"weights={weights!r}: pass True, False, or a glob such as 'conv*/kernel', or a list "
            "of them."
        )
    matching: list[str] = []
    for glob in globs:
        # Only * and ? are wild: brackets are part of names.
        pattern = glob.replace("[", "[[]")
        matched = [key for key in known if key == glob or fnmatch.fnmatchcase(key, pattern)]
        if not matched:
            reason = str(unknown_address(glob, known)).replace("layer", "parameter")
            raise AddressError(f"weights= asks for {glob!r}. {reason}")
        matching += matched
    return [key for key in known if key in matching]


def groups_of(
    plan: RecordingPlan,
    inputs: Mapping[str, NamedArray],
    parameters: Sequence[str],
    *,
    gradients: bool = False,
) -> tuple[ArrayGroup, ...]:
    """Return the groups of a recording: one for each layer, parameter and input.

    With ``gradients``, the norm of each parameter's gradient is recorded, too.
    """
    stored = {array.address: array for array in plan.weights}
    return (
        *(_layer_group(array, plan) for array in plan.layers),
        *(_weight_group(key, stored.get(key), gradients=gradients) for key in parameters),
        *(_input_group(name, array) for name, array in inputs.items()),
    )


def _layer_group(array: Array, plan: RecordingPlan) -> ArrayGroup:
    values = Variable(
        array.axes, array.stored(len(plan.samples), plan.channels), array.dtype, array.scaled, {}
    )
    statistic = Variable(("unit",), (array.units,), "float32", False, {})
    variables = {"values": values, **dict.fromkeys(NAMES, statistic)}
    return ArrayGroup("activations", array.address, variables, array.attrs)


def _weight_group(key: str, array: Array | None, *, gradients: bool) -> ArrayGroup:
    scalar = Variable((), (), "float64", False, {})
    variables = {"norm": scalar, "change": scalar}
    if gradients:
        variables["gradient"] = scalar
    if array is not None:
        values = Variable(array.axes, array.shape, array.dtype, False, {})
        variables = {"values": values, **variables}
    return ArrayGroup("weights", key, variables, {} if array is None else array.attrs)


def _input_group(name: str, array: NamedArray) -> ArrayGroup:
    attrs = {key: str(value) for key, value in array.attrs.items()}
    values = Variable(array.axes, array.values.shape, str(array.values.dtype), False, {})
    return ArrayGroup("input", name, {"values": values}, attrs)


def stored_inputs(inputs: Mapping[str, NamedArray], plan: RecordingPlan) -> dict[str, NamedArray]:
    """Return the inputs of the samples that are stored; those that are no numbers are left out."""
    return {
        name: NamedArray(_samples_of(array, plan.samples), array.axes, array.attrs)
        for name, array in inputs.items()
        if array.values.dtype.kind in "fiub"
    }


class Encoder:
    """Makes what is stored at a step out of what a look found; remembers the last weights."""

    def __init__(self, plan: RecordingPlan) -> None:
        self._plan = plan
        self._stored = {array.address: array for array in plan.weights}
        self._before: Mapping[str, NamedArray] = {}
        self.missing: dict[str, None] = {}  #: layers that were not there, or of another shape
        self.announced: set[Key] | None = None  #: what is known to be stored as float32 by now

    def arrays(self, look: Snapshot, is_wide: Callable[[Key], bool]) -> dict[Key, Any]:
        """Return, by kind of group, address and variable, arrays; float16 is rounded when read.

        ``is_wide`` tells of what is to be stored as float16 whether the store has gone over to
        float32. Where float16 does not hold the values, the store is given them as they are.
        """
        arrays: dict[Key, Any] = {}
        for array in self._plan.layers:
            value = look.values.get(array.address)
            if value is None or value.values.shape != array.shape:
                self.missing[array.address] = None
                continue  # what is left out of a step is NaN there
            statistics = unit_statistics(value)
            for name, figures in statistics.items():
                arrays["activations", array.address, name] = _narrowed(figures)
            part, at = self._part(value, array), ("activations", array.address, "values")
            halved = array.dtype == "float16" and not is_wide(at) and _fits(statistics, part)
            arrays[at] = _cast(part, array, halved)
        for key, value in look.weights.items():
            before = self._before.get(key)
            arrays["weights", key, "norm"] = _norm(value.values)
            arrays["weights", key, "change"] = _distance(value, before)
            if look.gradients is not None:
                arrays["weights", key, "gradient"] = np.asarray(look.gradients.get(key, np.nan))
            if key in self._stored:
                array, at = self._stored[key], ("weights", key, "values")
                halved = array.dtype == "float16" and not is_wide(at) and fits_half(value.values)
                arrays[at] = _cast(value.values, array, halved)
        return arrays

    def written(self, look: Snapshot) -> None:
        """Note that a look is in the store: the next one's weights are compared with it."""
        self._before = look.weights

    def _part(self, value: NamedArray, array: Array) -> npt.NDArray[Any]:
        """Return what is stored of a layer's values."""
        values = _samples_of(value, self._plan.samples)
        if self._plan.channels is None or array.thinned_axis is None:
            return values
        where: list[slice] = [slice(None)] * values.ndim
        where[array.axes.index(array.thinned_axis)] = slice(self._plan.channels)
        return values[tuple(where)]


def _cast(values: npt.NDArray[Any], array: Array, halved: bool) -> Any:
    if array.scaled:  # the store finds the range of each map
        return values
    if halved and values.dtype == np.float32:
        return Halved(values)
    dtype = "float32" if array.dtype == "float16" and not halved else array.dtype
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=dtype)


def _fits(statistics: Mapping[str, npt.NDArray[Any]], values: npt.NDArray[Any]) -> bool:
    """Return whether float16 holds the values, some of those that the statistics are of."""
    low, high = statistics["min"], statistics["max"]
    if np.isfinite(low).all() and np.isfinite(high).all() and low.size:
        return half_holds(float(low.min()), float(high.max()))
    return fits_half(values)


def _narrowed(figures: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return statistics as they are stored."""
    with np.errstate(over="ignore"):
        return figures.astype(np.float32)


def _samples_of(array: NamedArray, samples: tuple[int, ...]) -> npt.NDArray[Any]:
    if "sample" not in array.axes:
        return array.values
    at = array.axes.index("sample")
    count = array.values.shape[at]
    if samples == tuple(range(len(samples))):  # the first so many: nothing is copied
        where: list[slice] = [slice(None)] * array.values.ndim
        where[at] = slice(len(samples))
        return array.values[tuple(where)]
    return array.values.take([i for i in samples if i < count], axis=at)


def _norm(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    flat = np.ravel(values, "K")  # in the order of memory: nothing is copied
    return _root_of_squares(flat.size, lambda piece: _computable(flat[piece]))


def _root_of_squares(size: int, piece_of: Callable[[slice], Any]) -> npt.NDArray[Any]:
    """Return the root of the sum of squares of so many values.

    In pieces: a sum over millions of float32 values loses digits, and one parameter may be most of
    a network, of which no second copy is to be made.
    """
    pieces = [slice(i, i + _PIECE) for i in range(0, size, _PIECE)]
    with np.errstate(over="ignore", invalid="ignore"):
        squares = sum(float(np.dot(p, p)) for p in map(piece_of, pieces))
        if not squares or not math.isfinite(squares):  # of what is too small or large for float32
            exact = (piece_of(piece).astype(np.float64) for piece in pieces)
            squares = sum(float(np.dot(p, p)) for p in exact)
    return np.asarray(np.sqrt(squares), np.float64)


def _distance(value: NamedArray, before: NamedArray | None) -> npt.NDArray[Any]:
    if before is None or before.values.shape != value.values.shape:
        return np.asarray(np.nan)
    if value.values.dtype.kind == "b":
        return np.asarray(float(np.count_nonzero(value.values != before.values)) ** 0.5)
    order: Any = "K" if value.values.strides == before.values.strides else "C"
    now, then = np.ravel(value.values, order), np.ravel(before.values, order)
    return _root_of_squares(
        now.size, lambda piece: _computable(now[piece]) - _computable(then[piece])
    )


def _computable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the values in a type in which sums and differences are right."""
    if values.dtype.kind != "f":
        return values.astype(np.float64)
    return values.astype(np.float32) if values.dtype.itemsize < 4 else values
