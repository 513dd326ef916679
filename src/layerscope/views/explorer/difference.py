"""Two stacks of the same shape beside one another, map by map, with the difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.errors import ViewError
from layerscope.views.explorer.moment import Moment
from layerscope.views.render.panel import Panel
from layerscope.views.render.stack import Stack, stack_panel

DIFFERENCE = "difference"

Array = npt.NDArray[Any]


def compared_panel(
    moment: Moment, one: Stack, other: Stack, *, extra: Mapping[str, Any], exact: bool = False
) -> Panel:
    """Return each map of a stack, the other's, and the one minus the other, one after the other.

    ``header["parts"]`` says what the three are; ``layer`` is the range of both stacks, and
    ``difference`` the largest distance from 0 of their difference. Where both are infinite in the
    same way, the difference is NaN.

    Raises
    ------
    ViewError
        When the shapes differ.
    """
    assert moment.against is not None
    names = moment.against.names
    one, other = _as_maps(one), _as_maps(other)
    if one.maps.shape != other.maps.shape:
        raise ViewError(
            f"There is no difference to show: {one.address} is {_shape(one)} for {names[0]} "
            f"and {_shape(other)} for {names[1]}."
        )
    with np.errstate(invalid="ignore", over="ignore"):
        difference = one.maps.astype(np.float64) - other.maps.astype(np.float64)
    both = np.stack([one.maps, other.maps])
    header = {
        **extra,
        "parts": [*names, DIFFERENCE],
        "layer": _extent(both),
        "difference": max(map(abs, _extent(difference))),
        "labels": list(one.labels),
    }
    together = replace(
        one,
        title=f"{one.title}: {names[0]} − {names[1]}",
        maps=_interleaved(one.maps, other.maps, difference.astype(np.float32)),
        masked=_masked(one, other),
        silences=one.silences and other.silences,
    )
    panel = stack_panel(together, exact=exact, provenance=lambda: moment.activations.provenance)
    return replace(panel, header={**panel.header, **header})


def _as_maps(stack: Stack) -> Stack:
    """Return a stack whose colours, if it is an image in colour, are maps."""
    if stack.form != "colour":
        return stack
    maps = np.ascontiguousarray(np.moveaxis(stack.maps[0], -1, 0))
    return replace(stack, form="maps", maps=maps, labels=("red", "green", "blue"))


def _interleaved(*each: Array) -> Array:
    together = np.stack(each, axis=1)
    return np.ascontiguousarray(together.reshape(-1, *each[0].shape[1:]))


def _masked(one: Stack, other: Stack) -> npt.NDArray[np.bool_] | None:
    closed = [stack.masked for stack in (one, other) if stack.masked is not None]
    if not closed:
        return None
    none = np.zeros(one.maps.shape, bool)
    masks = [none if stack.masked is None else stack.masked for stack in (one, other)]
    return _interleaved(*masks, masks[0] | masks[1])


def _extent(values: Array) -> list[float]:
    finite = values[np.isfinite(values)]
    return [float(finite.min()), float(finite.max())] if finite.size else [0.0, 0.0]


def _shape(stack: Stack) -> str:
    count, height, width = stack.maps.shape
    return f"{count} × {height} × {width}"
