"""Arguments of a model that does not say what it takes, such as a PyTorch module.

Arrays, tensors and images are made into what the model computes with. Everything else arrives as
what it is: a flag, a number, a string, None, a tuple of numbers, an object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from layerscope.core.network import InputSpec
from layerscope.inputs.array_files import array_file
from layerscope.inputs.arrays import is_array, is_numbers, is_table
from layerscope.inputs.fitting import fit
from layerscope.inputs.images import is_image, takes_images
from layerscope.inputs.named import is_named
from layerscope.inputs.number_files import is_number_file
from layerscope.inputs.settings import Fitted, InputSettings
from layerscope.inputs.sources import readable


def takes_anything(specs: Sequence[InputSpec]) -> bool:
    """Return whether these are a guess, so that the model may take other arguments, too."""
    return bool(specs) and not any(spec.certain for spec in specs)


def is_packed(x: Any) -> bool:
    """Return whether x is a packed sequence: a tuple by its class, and one argument."""
    return isinstance(x, tuple) and {"data", "batch_sizes"} <= set(getattr(x, "_fields", ()))


def is_data(x: Any) -> bool:
    """Return whether x is an array, tensor, table, sparse matrix, image or path; no string."""
    if isinstance(x, str | np.generic):
        return False
    return is_array(x) or is_table(x) or hasattr(x, "toarray") or isinstance(x, Path) or is_image(x)


def are_several(x: Any) -> bool:
    """Return whether x is several arguments, rather than one, or a batch of anything."""
    if isinstance(x, Mapping):
        return not is_table(x)
    if not isinstance(x, list | tuple) or is_packed(x) or is_numbers(x):
        return False
    return isinstance(x, tuple) or not x or not all(map(is_image, x))


def arguments(
    x: Any, specs: Sequence[InputSpec], settings: InputSettings
) -> tuple[Any, list[Fitted]]:
    """Return the arguments by position or by name, and what the arrays in them were made of."""
    return _Arguments(specs, settings).build(x)


class _Arguments:
    """Builds the arguments of one call."""

    def __init__(self, specs: Sequence[InputSpec], settings: InputSettings) -> None:
        self._specs = specs
        self._settings = settings
        self._fitted: list[Fitted] = []
        self._any = InputSpec("x", certain=False)

    def build(self, x: Any) -> tuple[Any, list[Fitted]]:
        if isinstance(x, Mapping):
            by_name = {spec.name: spec for spec in self._specs}
            return {key: self._part(v, key, by_name.get(key)) for key, v in x.items()}, self._fitted
        known = [*self._specs, *[None] * len(x)]
        parts = [self._part(v, i, spec) for i, (v, spec) in enumerate(zip(x, known, strict=False))]
        return _like(x, parts), self._fitted

    def _part(self, item: Any, where: Any, spec: InputSpec | None) -> Any:
        """Build an argument, or a part of one; ``spec`` is what the model says of it, if any."""
        before = len(self._fitted)
        parts: Any = None
        if isinstance(item, Mapping) and not is_table(item):
            parts = {key: self._part(v, f"{where}.{key}", None) for key, v in item.items()}
        elif isinstance(item, list | tuple) and not is_packed(item) and not is_numbers(item):
            if item and all(map(self._is_image, item)):  # a batch of them
                return self._fit(item, where, spec)
            parts = _like(item, [self._part(v, f"{where}.{i}", None) for i, v in enumerate(item)])
        elif self._is_array(item, spec):
            return self._fit(item, where, spec)
        # What holds no array is what it was, by identity.
        return item if len(self._fitted) == before else parts

    def _is_array(self, item: Any, spec: InputSpec | None) -> bool:
        """Return whether an argument is an array, or is to become one."""
        if is_named(item):
            return spec is not None and spec.shape is not None
        numbers = array_file(item) is not None or (is_number_file(item) and Path(item).is_file())
        return is_data(item) or numbers or self._is_image(item)

    def _is_image(self, item: Any) -> bool:
        """Return whether it is an image, or a string that names one for a model of images."""
        if not isinstance(item, str):
            return is_image(item)
        if Path(item).suffix.lower() not in readable() or _holds_numbers(item):
            return False
        return takes_images(self._specs[0], self._settings)

    def _fit(self, item: Any, where: Any, spec: InputSpec | None) -> Any:
        if not is_array(item):  # the input that takes images tells how, whatever its name
            spec = spec or self._specs[0]
        label = f"Input {where!r}" if spec is None else f"Input {spec.name!r}"
        self._fitted.append(fit(item, spec or self._any, label, self._settings))
        return self._fitted[-1].value


def _holds_numbers(item: str) -> bool:
    return array_file(item) is not None or is_number_file(item)


def _like(item: Any, parts: list[Any]) -> Any:
    """Return the parts in what they were in: a list, a tuple, a named tuple."""
    if hasattr(item, "_fields"):
        return type(item)(*parts)
    return tuple(parts) if isinstance(item, tuple) else parts
