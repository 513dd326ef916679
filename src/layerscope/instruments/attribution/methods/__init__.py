"""The methods of attribution: those of each module here, there by being in the folder.

A module has ``METHODS``, a tuple of :class:`~layerscope.instruments.attribution.method.Method`.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from layerscope.core.errors import InputError
from layerscope.core.suggestions import did_you_mean
from layerscope.instruments.attribution.method import Method


@cache
def methods() -> dict[str, Method]:
    """Return all methods by name, in the order of the alphabet."""
    listed = [
        method
        for module in pkgutil.iter_modules(__path__)
        for method in importlib.import_module(f"{__name__}.{module.name}").METHODS
    ]
    return {method.name: method for method in sorted(listed, key=lambda m: m.name)}


def method_of(name: object) -> Method:
    """Return the method of that name; raise InputError, with near names, where there is none."""
    if isinstance(name, str) and name in methods():
        return methods()[name]
    hint = did_you_mean(name, methods()) if isinstance(name, str) else ""
    raise InputError(
        f"There is no method {name!r}: {hint + ' ' if hint else ''}"
        f"{', '.join(methods())} are known."
    )
