"""Where the receptive fields of a layer's positions lie on the input, for a page to look up.

::

    {"input": "x", "because": "", "local": False, "lengths": [28, 28],
     "units": [{"to": 12, "along": [{"size": 8, "stride": 2, "offset": -1}, …]}]}

``along`` has an entry for each axis of positions: the field of position ``i`` of the layer begins
at ``offset + i * stride`` of the input and is ``size`` long, cut off at ``lengths``; where it is
not so regular, ``starts`` and ``stops`` list them. ``units`` has several entries where units of one
layer have other fields, as in a concatenation: each is of those before ``to`` that none before has.
``because`` names the layer that mixes all positions; where that only weighs whole channels, as
squeeze-and-excite does, the fields are those without it, and said to be ``local``.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.network import Layer
from layerscope.core.reach import Reach
from layerscope.core.receptive_field import Paths
from layerscope.core.text import shown_name
from layerscope.recordings.recording import Recording

_MOST = 64  #: kinds of units of one layer that are told apart
_SPACES = (("y", "x"), ("position",))


class FieldTables:
    """Keeps the fields of a network's layers: samples and steps change nothing of them."""

    def __init__(self) -> None:
        self._layers: tuple[Layer, ...] = ()
        self._known: dict[Hashable, dict[str, Any] | None] = {}

    def of(self, recording: Recording, layer: str, name: str) -> dict[str, Any] | None:
        """Return what ``fields_of`` does, computed once for inputs of one size."""
        layers = recording.network.layers
        if layers != self._layers:
            self._layers, self._known = layers, {}
        lengths = {one: recording.axes(one).items() for one in recording.inputs}
        sizes = tuple(
            (one, tuple(size for size in axes if size[0] != "sample"))
            for one, axes in lengths.items()
        )
        key = (layer, name, sizes)
        if key not in self._known:
            self._known[key] = fields_of(recording, layer, name)
        return self._known[key]


def fields_of(recording: Recording, layer: str, name: str) -> dict[str, Any] | None:
    """Return the fields of a layer's positions on an input; None where they lie along nothing."""
    if layer not in recording.network or name not in recording.inputs:
        return None
    paths = Paths(recording.network, _received(recording))
    sizes, there = paths.sizes(layer), paths.sizes(name)
    space = tuple(sizes.names[i] for i in sizes.positions)
    if sorted(space) not in map(sorted, _SPACES) or not set(space) <= set(there.names):
        return None
    groups = paths.groups(layer)
    together = len(groups) > _MOST  # too many to be told apart: the box of them all
    groups = [range(groups[-1].stop)] if together else groups
    count = max(sizes.lengths[i] for i in sizes.positions)
    rows = [
        [
            min(place, n - 1) if i in sizes.positions else
            None if together or not group else group.start
            for i, n in enumerate(sizes.lengths)
        ]
        for group in groups
        for place in range(count)
    ]  # fmt: skip
    whole = paths.reached(layer, rows).get(name)
    local = paths.reached(layer, rows, local=True).get(name)
    if whole is None or local is None:
        return None
    axes = [there.names.index(axis) for axis in ("y", "x", "position") if axis in space]
    units = []
    for number, group in enumerate(groups):
        along = [
            _along(local, axis, number * count, sizes.lengths[sizes.names.index(there.names[axis])])
            for axis in axes
        ]
        units.append({"to": group.stop, "along": along})
    cause = whole.cause(axes)
    return {
        "input": name,
        "because": shown_name(cause) if cause else "",
        "local": cause is not None and local.cause(axes) is None,
        "lengths": [there.lengths[axis] for axis in axes],
        "units": units,
    }


def _received(recording: Recording) -> dict[str, dict[str, int]]:
    inputs = {}
    for name, order in recording.input_axes.items():
        lengths = recording.axes(name)
        inputs[name] = {axis: lengths[axis] for axis in order}
    return inputs


def _along(reach: Reach, axis: int, first: int, count: int) -> dict[str, Any]:
    """Return the fields of ``count`` positions, which the questions from ``first`` on are of."""
    mask = reach.masks[axis][first : first + count]
    reached = mask.any(1)
    starts = np.where(reached, mask.argmax(1), 0)
    stops = np.where(reached, mask.shape[1] - mask[:, ::-1].argmax(1), 0)
    ends = reach.ends[axis]
    if ends is not None:
        regular = _regular(ends[first : first + count], starts, stops, mask.shape[1])
        if regular is not None:
            return regular
    return {"starts": starts.tolist(), "stops": stops.tolist()}


def _regular(
    ends: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    stops: npt.NDArray[np.int64],
    length: int,
) -> dict[str, Any] | None:
    """Return size, stride and offset where each field is these, cut off; None where one is not."""
    low, high = ends[0]
    stride = int(ends[1][0] - low) if len(ends) > 1 else 1
    froms = low + stride * np.arange(len(ends))
    size = int(high - low + 1)
    cut = np.clip(froms, 0, length), np.clip(froms + size, 0, length)
    if np.array_equal(cut[0], starts) and np.array_equal(cut[1], stops):
        return {"size": size, "stride": stride, "offset": int(low)}
    return None
