"""One value, made into what one input takes, whatever kind of value it is."""

from __future__ import annotations

from typing import Any

from layerscope.core.network import InputSpec
from layerscope.inputs.array_files import array_file, load_array
from layerscope.inputs.arrays import fit_array
from layerscope.inputs.images import fit_images, is_image
from layerscope.inputs.named import is_named, made
from layerscope.inputs.number_files import fit_numbers, is_number_file
from layerscope.inputs.settings import Fitted, InputSettings


def fit(x: Any, spec: InputSpec, label: str, settings: InputSettings) -> Fitted:
    """Make an array, an image, or the name of a file or of an input, fit this input.

    Raises InputError when it can't be read, or does not fit.
    """
    if spec.dtype != "string":
        if is_named(x):
            return made(x, spec, label, settings)
        file = array_file(x)
        if file is not None:
            value, notes = fit_array(load_array(file), spec, label)
            return Fitted(value, tuple(notes))
        if is_number_file(x):
            return fit_numbers(x, spec, settings)
    if is_image(x, spec.dtype):
        return fit_images([x], spec, settings)
    if isinstance(x, list | tuple) and x and all(is_image(item, spec.dtype) for item in x):
        return fit_images(x, spec, settings)
    value, notes = fit_array(x, spec, label)
    return Fitted(value, tuple(notes))
