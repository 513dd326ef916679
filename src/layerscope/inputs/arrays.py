"""Arrays: taken as they are, in the network's own layout and type, and checked against its shape.

A value is never scaled and never reshaped here: where a shape does not fit, the message says what
would make it fit.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec, Shape
from layerscope.core.table import shape_text


def is_table(x: Any) -> bool:
    """Return whether x is a DataFrame, of pandas or of another library."""
    return hasattr(x, "to_numpy") and hasattr(x, "columns")


def is_array(x: Any) -> bool:
    """Return whether x is an array or a tensor of some framework."""
    return hasattr(x, "shape") and (hasattr(x, "__array__") or hasattr(x, "__dlpack__"))


def _is_labelled(x: Any) -> bool:
    """Return whether x is NumPy inside: a DataFrame, a Series, an xarray.DataArray."""
    return hasattr(x, "to_numpy")


def is_numbers(x: Any) -> bool:
    """Return whether x is a number, or numbers and nothing else in nested lists or tuples."""
    if isinstance(x, list | tuple) and x:
        return all(map(is_numbers, x))
    return isinstance(x, numbers.Number | np.generic)


def fit_array(x: Any, spec: InputSpec, label: str) -> tuple[Any, list[str]]:
    """Return an array in the type that the input has, and what was done to it.

    A tensor of a framework is passed on untouched. Raises InputError when the shape is not the
    expected one, or the values are no numbers.
    """
    if not spec.certain:
        spec = InputSpec(spec.name, dtype="any")
    if is_array(x) and not isinstance(x, np.ndarray) and not _is_labelled(x):
        _check_shape(tuple(x.shape), spec, label)
        return x, []
    array = _as_numpy(x, label)
    if spec.dtype == "string":
        # One text is a batch of one; and texts get as many axes as the model has.
        missing = max(len(spec.shape or ()), 1) - array.ndim
        return array.reshape(array.shape + (1,) * missing), []
    if array.dtype.kind not in "biufc" and not array.dtype.name.startswith(("bfloat", "float")):
        if _is_ragged(array) or hasattr(x, "row_lengths"):  # that of TensorFlow's RaggedTensor
            raise InputError(
                f"{label} ({type(x).__name__}) holds rows of different lengths: pad them to one "
                "length, or pass them one at a time."
            )
        kind = "objects" if array.dtype.kind == "O" else str(array.dtype)
        raise InputError(
            f"{label} ({type(x).__name__}) holds {kind}, not numbers: pass an array of numbers, "
            "an image file or a PIL image."
        )
    _check_shape(array.shape, spec, label)
    return _cast(array, spec, label)


def _is_ragged(array: npt.NDArray[Any]) -> bool:
    """Return whether it is an array of arrays or lists, each a row of its own length."""
    rows = array.ravel() if array.dtype.kind == "O" else ()
    return len(rows) > 0 and all(is_array(row) or is_numbers(row) for row in rows)


def _as_numpy(x: Any, label: str) -> npt.NDArray[Any]:
    if is_table(x):
        x = x.to_numpy()
    elif hasattr(x, "toarray"):  # a SciPy sparse matrix
        x = x.toarray()
    try:
        return np.asarray(x)
    except ValueError as error:
        raise InputError(
            f"{label} ({type(x).__name__}) is no array: its rows differ in shape; pad them to one "
            "length, or pass them one at a time."
        ) from error


def _cast(
    array: npt.NDArray[Any], spec: InputSpec, label: str
) -> tuple[npt.NDArray[Any], list[str]]:
    if spec.dtype == "any":  # the float that networks have; indices stay whole
        return (array.astype(np.float32) if array.dtype == np.float64 else array), []
    wanted = spec.dtype if spec.dtype in ("float16", "float32", "float64") else "float32"
    if not spec.dtype.startswith(("int", "uint", "bool")):
        if array.dtype.kind == "c":
            raise InputError(f"{label} holds complex numbers; the model expects {spec.dtype}.")
        notes = []
        if array.dtype == np.uint8 and array.size and int(array.max()) > 1:
            notes.append(
                f"{label} holds whole numbers up to {int(array.max())} and was not scaled: "
                "the range of values is the array's own"
            )
        return array.astype(wanted, copy=False), notes
    if array.dtype.kind in "biu":
        return array, []
    if array.dtype.kind == "f" and bool(np.all(array == np.rint(array))):
        return array.astype(spec.dtype), []
    raise InputError(
        f"{label} holds {array.dtype} numbers that are not whole; the model expects {spec.dtype}."
    )


def _check_shape(shape: tuple[int, ...], spec: InputSpec, label: str) -> None:
    expected = spec.shape
    if expected is None:
        return
    if not _fits(shape, expected):
        hint = _hint(shape, spec)
        raise InputError(
            f"{label} has shape {shape_text(shape)}, the model expects {shape_text(expected)}"
            + (f": {hint}." if hint else ".")
        )
    if shape and shape[0] == 0:
        raise InputError(f"{label} has shape {shape_text(shape)}: it holds no samples.")


def _fits(shape: tuple[int, ...], expected: Shape) -> bool:
    return len(shape) == len(expected) and all(
        wanted is None or length == wanted for length, wanted in zip(shape, expected, strict=True)
    )


def _hint(shape: tuple[int, ...], spec: InputSpec) -> str:
    """Return what would make the shape fit, in words; empty where nothing simple would."""
    expected = spec.shape or ()
    first = spec.layout == "channels_first"
    fixes = [("add the batch axis with x[None]", (1, *shape))]
    if first:
        fixes += [
            ("add the channel axis with x[:, None]", (*shape[:1], 1, *shape[1:])),
            ("add the batch and the channel axis with x[None, None]", (1, 1, *shape)),
        ]
    else:
        fixes += [
            ("add the channel axis with x[..., None]", (*shape, 1)),
            ("add the batch and the channel axis with x[None, ..., None]", (1, *shape, 1)),
        ]
    if len(shape) == len(expected) and len(shape) > 2:
        fixes += [
            ("put the channels last with np.moveaxis(x, 1, -1)", (shape[0], *shape[2:], shape[1])),
            ("put them first with np.moveaxis(x, -1, 1)", (shape[0], shape[-1], *shape[1:-1])),
        ]
    for text, fixed in fixes:
        if _fits(fixed, expected):
            return text
    rest = [length for length in expected[1:] if length is not None]
    if shape[1:] == expected[1:] and expected[:1] not in ((), (None,)):
        return f"it takes batches of {expected[0]}, as a network that keeps states does"
    if len(rest) == len(expected) - 1 and len(shape) > 1:
        wanted = ", ".join(map(str, rest))
        if math.prod(shape[1:]) == math.prod(rest):
            return f"reshape it with x.reshape(-1, {wanted})"
        if math.prod(shape) == math.prod(rest):
            return f"reshape it with x.reshape(1, {wanted})"
    return ""
