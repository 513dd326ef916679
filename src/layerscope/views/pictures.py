"""The one picture that some results have: which view draws which of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerscope.recordings.ablation import Ablation
from layerscope.recordings.comparison import Comparison
from layerscope.recordings.examination import ExaminationFinding
from layerscope.recordings.fates import Fates
from layerscope.views.ablation import ablation_picture
from layerscope.views.difference_diagram import difference_diagram
from layerscope.views.difference_sheet import difference_sheet
from layerscope.views.examination import finding_panel
from layerscope.views.fate import fate
from layerscope.views.render.panel import Panel


def _first(comparison: Comparison, **options: Any) -> Panel:
    """Draw the first layer that parts; the architecture where none does, or has another shape."""
    first = comparison.first
    if first is None or not comparison.pair(first).relative_error >= 0:
        return difference_diagram(comparison, **options)
    return difference_sheet(comparison, first, **options)


_VIEWS: dict[type, Callable[..., Panel]] = {
    Comparison: _first,
    ExaminationFinding: finding_panel,
    Ablation: ablation_picture,
    Fates: fate,
}


def picture(thing: Any, *args: Any, **options: Any) -> Panel:
    """Draw a result, as the view of its class takes arguments."""
    for cls in type(thing).__mro__:
        if cls in _VIEWS:
            return _VIEWS[cls](thing, *args, **options)
    raise TypeError(f"{type(thing).__name__} has no picture.")
