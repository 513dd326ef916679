"""Inputs that have a name instead of a file: ``noise`` and ``zeros``, in the model's own shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.core.errors import InputError
from layerscope.core.network import InputSpec, Shape
from layerscope.core.table import shape_text
from layerscope.inputs.images import fixed_size, is_channels_first
from layerscope.inputs.settings import Fitted, InputSettings, preprocessed

NAMES = ("noise", "zeros")
_SEED = 0
#: How long a sequence is made for a model that takes any length.
_LENGTH = 16


def is_named(x: Any) -> bool:
    """Return whether x is the name of an input; ``./noise`` is a path, and so is a ``Path``."""
    return isinstance(x, str) and x in NAMES


def made(name: str, spec: InputSpec, label: str, settings: InputSettings) -> Fitted:
    """Make one sample for this input, or as many as it has to be given.

    Noise is uniform over the input range, the same each time; for whole numbers it is indices that
    are valid, or pixel values. Raises InputError when the model does not say its shape, or takes
    text.
    """
    if spec.dtype == "string":
        raise InputError(f"{label} is text: pass strings, not {name!r}.")
    shape = _shape(name, spec, settings)
    is_image = len(spec.shape or ()) == 4 and spec.samples == 0
    count = 1 if spec.samples is None or not shape else shape[spec.samples]
    names = (name,) if count == 1 else tuple(f"{name}[{i}]" for i in range(count))
    if name == "zeros":
        return Fitted(np.zeros(shape, _type(spec)), (f"{label}: zeros {shape_text(shape)}",), names)
    # For each input its own, and the same in each run.
    random = np.random.default_rng([_SEED, *spec.name.encode("utf-8", "surrogatepass")])
    if spec.dtype == "bool":
        values = random.random(shape) < 0.5
        return Fitted(values, (f"{label}: noise {shape_text(shape)}",), names)
    if spec.dtype.startswith(("int", "uint")):
        most = settings.indices or (256 if is_image else 2)
        most = min(most, int(np.iinfo(spec.dtype).max) + 1)
        whole = random.integers(0, most, shape).astype(spec.dtype)
        return Fitted(
            whole, (f"{label}: noise {shape_text(shape)}, whole numbers 0 to {most - 1}",), names
        )
    limits = settings.pixel_range if is_image else settings.input_range
    low, high = (0.0, 255.0) if isinstance(limits, str) else limits
    array = random.uniform(low, high, shape).astype(_type(spec))
    note = f"{label}: noise {shape_text(shape)}, uniform in {low:g}..{high:g}"
    if is_image:
        array, by = preprocessed(array, settings)
        note += f", {by}" if by else ""
    return Fitted(array, (note,), names, pixels=is_image)


def _type(spec: InputSpec) -> str:
    known = spec.dtype.startswith(("int", "uint", "bool", "float16", "float32", "float64"))
    return spec.dtype if known else "float32"


def _shape(name: str, spec: InputSpec, settings: InputSettings) -> tuple[int, ...]:
    """Return the shape of one sample, or of as many as are fixed, what is open in it filled in."""
    shape = spec.shape
    if shape is None:
        raise InputError(
            f"The model does not say which shape it takes, so {name!r} can't be made: pass an "
            "array or an image."
        )
    if spec.samples != 0:
        given = tuple(1 if i == spec.samples and n is None else n for i, n in enumerate(shape))
        return _filled(name, (None, *given))
    if len(shape) == 4 and settings.size is not None:
        if is_channels_first(spec):
            shape = (*shape[:2], *fixed_size(shape, (shape[2], shape[3]), settings.size))
        else:
            fixed = fixed_size(shape, (shape[1], shape[2]), settings.size)
            shape = (shape[0], *fixed, shape[3])
    return (shape[0] or 1, *_filled(name, shape)) if shape else ()


def _filled(name: str, shape: Shape) -> tuple[int, ...]:
    rest = shape[1:]
    if len(rest) in (1, 2) and rest[0] is None and None not in rest[1:]:
        return (_LENGTH, *(n or 1 for n in rest[1:]))
    if None in rest:
        hint = "pass size=(height, width)" if len(rest) == 3 else "pass an array"
        raise InputError(
            f"The model expects {shape_text(shape)}, whose size is open, so {name!r} can't be "
            f"made: {hint}."
        )
    return tuple(n for n in rest if n is not None)
