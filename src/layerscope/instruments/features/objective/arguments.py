"""What objectives are made of, as users pass it, and one sentence where it is something else.

All raise InputError.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import InputError
from layerscope.core.table import a_kind


def an_address(value: Any) -> str:
    """Return what may be the address of a layer."""
    if isinstance(value, str):
        return value
    text = a_kind(value) if is_layer(value) else repr(value)
    raise InputError(f"{text} is no address of a layer: pass a text such as 'conv2d'.")


def is_layer(value: Any) -> bool:
    """Return whether it is a layer or a model of a framework, which can be called, too."""
    return any(hasattr(value, name) for name in ("trainable_weights", "named_parameters"))


def a_position(value: Any) -> tuple[int, ...]:
    """Return a position in a map."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InputError(
            f"{value!r} is no position: pass a coordinate for each axis, such as (7, 7)."
        )
    return tuple(map(an_index, value))


def a_weight(value: Any) -> float:
    """Return a weight."""
    is_number = isinstance(value, int | float | np.integer | np.floating)
    if isinstance(value, bool) or not is_number or not np.isfinite(value):
        raise InputError(f"{value!r} is no weight of an objective: pass a finite number.")
    return float(value)


def numbers(what: str, values: Any) -> npt.NDArray[np.float32]:
    """Return an array of them; ``what`` is the call that got them."""
    try:
        return np.asarray(values, np.float32)
    except (TypeError, ValueError) as error:  # text, or rows of different lengths
        raise InputError(f"{what} got {a_kind(values)} that is no array of numbers.") from error


def check_takes_one(compute: Callable[[Any], Any]) -> None:
    """Raise InputError for a function that can't be called with the activations alone."""
    try:
        signature = inspect.signature(compute)
    except (TypeError, ValueError):  # of something built in: nothing is known
        return
    try:
        signature.bind({})
    except TypeError as error:
        raise InputError(
            f"The function takes {signature}: pass one that takes a mapping from addresses to "
            "activations, and nothing else."
        ) from error


def an_index(value: Any) -> int:
    """Return the number of a unit, or of a place along an axis."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise InputError(f"{value!r} is no unit or position: pass whole numbers from 0 up.")
    return int(value)
