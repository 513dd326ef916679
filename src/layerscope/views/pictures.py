"""The one picture that some results have: which view draws which of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerscope.recordings.fates import Fates
from layerscope.views.fate import fate
from layerscope.views.render.panel import Panel

_VIEWS: dict[type, Callable[..., Panel]] = {Fates: fate}


def picture(thing: Any, *args: Any, **options: Any) -> Panel:
    """Draw a result, as the view of its class takes arguments."""
    for cls in type(thing).__mro__:
        if cls in _VIEWS:
            return _VIEWS[cls](thing, *args, **options)
    raise TypeError(f"{type(thing).__name__} has no picture.")
