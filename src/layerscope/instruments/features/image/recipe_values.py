"""What the values of a recipe may be: checks, options of the shell and pages read it here.

Imports no NumPy, as the shell lists its options before it knows of which command.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from layerscope.core.errors import InputError

PARAMETERIZATIONS = ("pixel", "fourier", "phase")
NORMALIZATIONS = ("std", "l2", "none")
BOUNDS = ("clip", "sigmoid")


@dataclass(frozen=True, slots=True)
class ValueForm:
    """What a value of a recipe may be, and what it is."""

    form: str  #: such as "count" or "word"; see ``_CHECKS`` for those that are checked here
    help: str  #: in few words
    words: tuple[str, ...] = ()  #: those that there are
    #: Whether it stands alone; else it is told as an argument of a transform
    alone: bool = True
    shorthand: bool = False  #: whether it stands for a transform

    def check(self, name: str, value: Any) -> None:
        """Raise InputError where a value is not of this form."""
        if self.form in _CHECKS and not _CHECKS[self.form](value, self):
            raise InputError(f"{name}={value!r}: pass {self._wanted()}.")

    def _wanted(self) -> str:
        """Return what a value has to be."""
        if self.words:
            *most, last = map(repr, self.words)
            return f"{', '.join(most)} or {last}"
        return _WANTED[self.form]


def recipe_value(
    default: Any,
    form: str,
    help: str,  # noqa: A002  # as argparse calls it
    *words: str,
    alone: bool = True,
    shorthand: bool = False,
) -> Any:
    """Return a field of a recipe, of which is known what it may be."""
    value_form = ValueForm(form, help, words, alone, shorthand)
    return dataclasses.field(default=default, metadata={"form": value_form})


def _is_number(value: Any, kind: Any = numbers.Real) -> bool:
    if isinstance(value, bool) or not isinstance(value, kind):
        return False
    return math.isfinite(value)


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number."""
    return _is_number(value, numbers.Integral)


def _is_word(value: Any, form: ValueForm) -> bool:
    return isinstance(value, str) and value in form.words


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_number, value))


def _are_transforms(value: Any) -> bool:
    from layerscope.instruments.features.image.transforms import Transform

    return isinstance(value, tuple) and all(isinstance(one, Transform) for one in value)


#: Whether a value is of a form.
_CHECKS: dict[str, Callable[[Any, ValueForm], bool]] = {
    "count": lambda value, _: is_whole(value) and value >= 1,
    "whole": lambda value, _: is_whole(value) and value >= 0,
    "amount": lambda value, _: _is_number(value) and value >= 0,
    "positive": lambda value, _: _is_number(value) and value > 0,
    "above 1": lambda value, _: _is_number(value) and value > 1,
    "probability": lambda value, _: _is_number(value) and 0 <= value <= 1,
    "word": _is_word,
    "optimizer": lambda value, form: not isinstance(value, str) or _is_word(value, form),
    "size": lambda value, _: _is_pair(value) and all(is_whole(n) and n > 0 for n in value),
    "limits": lambda value, _: _is_pair(value) and value[0] < value[1],
    "factors": lambda value, _: _is_pair(value) and 0 < value[0] <= value[1],
    "shares": lambda value, _: _is_pair(value) and all(0 < n <= 1 for n in value),
    "transforms": lambda value, _: _are_transforms(value),
}
#: What to pass.
_WANTED = {
    "count": "a whole number, 1 or more",
    "whole": "a whole number, 0 or more",
    "amount": "a number, 0 or more",
    "positive": "a number, above 0",
    "above 1": "a number, above 1",
    "probability": "a probability, from 0 to 1",
    "size": "height and width in pixels, or one for both",
    "limits": "two numbers, low before high, such as (0, 1)",
    "factors": "two factors, low before high, such as (0.9, 1.1)",
    "shares": "the parts seen first and last, above 0 and up to 1, such as (0.5, 0.05)",
    "transforms": "a list of transforms, such as [jitter(8)], or [] for none",
}
