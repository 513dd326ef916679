"""What the layers before an objective do with an input: the way that it takes.

A profile is what the units of a layer return at coarse places of their maps, all in one row. The
more units there are the coarser, so that rows are of one length: where something is counts in
layers of few units, and what it is in those of many.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends.base import Tap
from layerscope.core.axes import presented
from layerscope.core.layer_kinds import WITHIN_CHANNELS, WITHIN_RANGE, Kind
from layerscope.core.network import Layer
from layerscope.instruments.features.ascent.task import Task
from layerscope.instruments.features.diagnosis.activation_extremes import as_received, filled
from layerscope.instruments.features.diagnosis.unit_path import ancestors

Array = npt.NDArray[Any]

_MOST_LAYERS = 8
_MOST_VALUES = 4096  #: of a profile, unless a layer has more units
_LEAST_UNITS = 3  #: two have but one order, or the other
#: Layers that only hand on what another layer found, or whose values are those of no unit yet.
_SAME: frozenset[Kind] = WITHIN_CHANNELS | WITHIN_RANGE | {"rescale", "standardize", "embedding"}
#: What a layer's values become before another layer reads them.
_AFTER: frozenset[Kind] = frozenset({"batch_norm", "group_norm", "norm", "activation"})


def layers_before(task: Task) -> list[str]:
    """Return the layers on the way to what the objective reads, in order, at most so many."""
    read = [tap.layer for tap in task.program.scorer.taps]
    readers: dict[str, list[Layer]] = {}
    for row in task.network:
        for address in row.inputs:
            readers.setdefault(address, []).append(row)
    on_the_way = [
        address
        for address in ancestors(task.network, read)
        if address not in read and _has_units(task.network[address], readers.get(address, []))
    ]
    if len(on_the_way) <= _MOST_LAYERS:
        return on_the_way
    places = np.linspace(0, len(on_the_way) - 1, _MOST_LAYERS).round().astype(int)
    return [on_the_way[i] for i in places]


def profiles_of_images(
    task: Task, layers: Sequence[str], images: Array, most: int = _MOST_VALUES
) -> dict[str, Array]:
    """Return the profiles of unit images, ``(image, value)`` by layer, of about so many values."""
    return _Profiles(task, layers, task.at_once, most).of(task.ascent.plain(images))


def profiles_of_samples(
    task: Task, layers: Sequence[str], numbers: Array, most: int = _MOST_VALUES
) -> dict[str, Array]:
    """Return the profiles of some of the samples, in the order of their numbers, each once.

    Samples are read once more; those that are not asked for are not run.
    """
    assert task.examples is not None
    wanted = np.unique(numbers)
    parts: list[dict[str, Array]] = []
    run: _Profiles | None = None
    begin = 0
    for chunk in task.examples.chunks():
        run = run or _Profiles(task, layers, len(chunk), most)
        mine = wanted[(wanted >= begin) & (wanted < begin + len(chunk))] - begin
        begin += len(chunk)
        if len(mine):
            parts.append(run.of(as_received(task, chunk[mine])))
    return {layer: np.concatenate([part[layer] for part in parts]) for layer in layers}


class _Profiles:
    """Runs the network up to some layers, in batches of one size."""

    def __init__(self, task: Task, layers: Sequence[str], size: int, most: int) -> None:
        self._task, self._layers, self._size = task, list(layers), size
        ops, embedding = task.backend.ops, task.ascent.canvas.embedding
        taps = [Tap(layer) for layer in layers]
        values = task.backend.values(taps, embedding)
        most = min(most, _MOST_VALUES)

        def profile(x: Any) -> list[Any]:
            by_tap = values(x)
            return [_coarse(ops, ops.cast(by_tap[tap], "float32"), most) for tap in taps]

        key = ("features: profiles", tuple(layers), embedding, most)
        self._run = task.backend.compiled(profile, key, network=True)

    def of(self, received: Array) -> dict[str, Array]:
        numpy = self._task.backend.ops.convert_to_numpy
        parts = []
        for begin in range(0, len(received), self._size):
            some = received[begin : begin + self._size]
            parts.append([numpy(v)[: len(some)] for v in self._run(filled(some, self._size))])
        each = zip(*parts, strict=True)
        return dict(zip(self._layers, map(np.concatenate, each), strict=True))


def _has_units(row: Layer, readers: Sequence[Layer]) -> bool:
    if row.kind in _SAME or row.axes is None or row.shape is None or len(row.axes) < 2:
        return False
    if len(readers) == 1 and readers[0].kind in _AFTER:
        return False  # what comes after it says the same, as it is used
    lengths = dict(zip(row.axes, row.shape, strict=True))
    last = presented(row.axes)[-1]
    return last in ("channel", "unit") and (lengths[last] or 0) >= _LEAST_UNITS


def _coarse(ops: Any, value: Any, values: int) -> Any:
    """Return ``(sample, …, unit)`` as rows of so many values, means over parts of their map."""
    *space, units = value.shape[1:]
    if None in space or len(space) > 2:  # a size that is not known, or a volume
        axes = tuple(range(1, len(space) + 1))
        return ops.mean(value, axis=axes)
    most = max(1, int((values / units) ** (1 / max(len(space), 1))))
    for axis, length in enumerate(space):
        if length > most:
            parts = ops.convert_to_tensor(_parts(length, most))
            equation = ("gy,ny...->ng...", "gx,nyx...->nyg...")[axis]
            value = ops.einsum(equation, parts, value)
    return ops.reshape(value, (-1, units * math.prod(min(length, most) for length in space)))


def _parts(length: int, count: int) -> Array:
    """Return the weights that make means over so many parts of a length, ``(part, place)``."""
    edges = np.arange(count + 1) * (length / count)
    begin, end = edges[:-1, None], edges[1:, None]
    places = np.arange(length)
    covered = np.clip(np.minimum(end, places + 1) - np.maximum(begin, places), 0, None)
    weights: Array = (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)
    return weights
