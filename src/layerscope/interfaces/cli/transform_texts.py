"""Transforms as text, for the shell: ``pad(12, mode='constant'), jitter(8), rotate(10)``."""

from __future__ import annotations

import ast
import inspect
import warnings
from typing import Any

from layerscope.core.errors import InputError
from layerscope.instruments.features.image.transforms import (
    Transform,
    blur,
    crop,
    flip,
    jitter,
    noise,
    pad,
    rotate,
    scale,
)

_TRANSFORMS: dict[str, type[Transform]] = {
    kind.__name__: kind for kind in (pad, jitter, scale, rotate, blur, flip, crop, noise)
}


def parse_transforms(text: str) -> list[Transform]:
    """Return the transforms that a text lists, in brackets or not; their ``repr`` is such a text.

    Only literal values are read, nothing is run. Raises InputError for any other text.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            listed: ast.expr = ast.parse(f"[{text}\n]", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _unreadable(text) from None
    match listed:
        case ast.List(elts=[ast.List(elts=elements)]) | ast.List(elts=elements):
            return [_transform(element, text) for element in elements]
    raise _unreadable(text)


def _transform(element: ast.expr, text: str) -> Transform:
    if not isinstance(element, ast.Call) or not isinstance(element.func, ast.Name):
        raise _unreadable(text)
    kind = _TRANSFORMS.get(element.func.id)
    if kind is None:
        raise _unreadable(text)
    signature = inspect.signature(kind)
    try:
        values: list[Any] = [ast.literal_eval(value) for value in element.args]
        named = {str(given.arg): ast.literal_eval(given.value) for given in element.keywords}
        bound = signature.bind(*values, **named)
    except (TypeError, ValueError, RecursionError, MemoryError):
        raise InputError(
            f"{ast.unparse(element)!r} can't be read; {kind.__name__} takes "
            f"{', '.join(signature.parameters)}, as plain numbers and texts."
        ) from None
    return kind(*bound.args, **bound.kwargs)


def _unreadable(text: str) -> InputError:
    *names, last = _TRANSFORMS
    return InputError(
        f'transforms={text!r} can\'t be read; list them as "jitter(8), rotate(10, p=0.5)" does, '
        f"from {', '.join(names)} and {last}."
    )
