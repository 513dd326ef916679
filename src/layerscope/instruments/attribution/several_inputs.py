"""What a model of several inputs is called with: arrays in a list or a dict, and other things."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class SeveralInputs:
    """A list, a tuple or a dict with arrays in it, to be filled with others."""

    given: Any
    names: tuple[str, ...] = ()  #: of the arrays, in their order

    @property
    def keys(self) -> tuple[str, ...] | None:
        """What the arrays are called, where they are in a dict."""
        if not isinstance(self.given, dict):
            return None
        return tuple(str(key) for key, value in self.given.items() if _is_array(value))

    def filled(self, arrays: Mapping[str, Any]) -> Any:
        """Return the same with these in the arrays' places."""
        return self.ordered([arrays[name] for name in self.names])

    def ordered(self, arrays: Sequence[Any]) -> Any:
        """Return the same with these in the arrays' places, in their order."""
        rest = iter(arrays)
        return self._mapped(lambda value: next(rest) if _is_array(value) else value)

    def emptied(self) -> SeveralInputs:
        """Return the same without its arrays."""
        place = np.empty(1)
        return SeveralInputs(self._mapped(lambda v: place if _is_array(v) else v), self.names)

    def _mapped(self, made: Callable[[Any], Any]) -> Any:
        if isinstance(self.given, dict):
            return {key: made(value) for key, value in self.given.items()}
        return [made(value) for value in self.given]


def whole_input(values: Sequence[Any]) -> tuple[SeveralInputs | None, list[Array]]:
    """Return the arrays that a model is called with, all batches of each, and what they are in.

    That is None where it is one array.
    """
    first = _unwrapped(values[0])
    several = isinstance(first, list | tuple | dict)
    rows = [list(_arrays(_unwrapped(value))) for value in values]
    arrays: list[Array] = []
    for each in zip(*rows, strict=True):
        if len({array.shape[1:] for array in each}) > 1:
            raise InputError(
                "The samples differ in size: pass size=, or attribute to each by itself."
            )
        arrays.append(np.concatenate(each) if len(each) > 1 else each[0])
    if not arrays:
        raise InputError("The input has no arrays: there is nothing to attribute to.")
    if not several and arrays[0].ndim < 2:
        raise InputError(f"The input has shape {arrays[0].shape}: pass a batch, array[None].")
    return (SeveralInputs(first) if several else None), arrays


def _unwrapped(value: Any) -> Any:
    """Return what is in structures of one entry."""
    while isinstance(value, list | tuple | dict) and len(value) == 1:
        value = next(iter(value.values() if isinstance(value, dict) else value))
    return value


def _arrays(value: Any) -> Iterator[Array]:
    """Yield the arrays of an input.

    Raises InputError where one lies within a structure in the structure.
    """
    if not isinstance(value, list | tuple | dict):
        yield _array(value)
        return
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, list | tuple | dict) and any(map(_is_array, _leaves(item))):
            raise InputError(
                "The model is called with arrays in a structure within another: maps are made of "
                "arrays in one list or one dict."
            )
        if _is_array(item):
            yield _array(item)


def _array(value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        # Those that NumPy does not have become float32; the backend makes them what they were.
        value = value.float() if "bfloat16" in str(value.dtype) else value
    return np.asarray(value)


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and len(getattr(value, "shape", ())) > 0


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    else:
        yield value
