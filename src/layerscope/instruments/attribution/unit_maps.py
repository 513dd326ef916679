"""Maps of a unit on one sample, made as somebody looks at it: quick ones, the last of them kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.backends import backend_for
from layerscope.core.axes import NamedArray
from layerscope.core.errors import LayerscopeError
from layerscope.instruments.attribution.attribute import attribute
from layerscope.instruments.attribution.engine import is_differentiable
from layerscope.recordings.attribution import Attribution
from layerscope.recordings.recording import Recording

_KEPT = 32
_WINDOWS = 4  #: of occlusion, along each side
#: Of which each takes one gradient; the second also where no layer before the unit has a map.
_METHODS = ("grad_cam", "input_x_gradient"), ("input_x_gradient",)


class UnitMaps:
    """Maps of units of one model, by the unit and the recording of the sample."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._kept: OrderedDict[tuple[str, int, int], tuple[Recording, Attribution | None]] = (
            OrderedDict()
        )

    def forget(self) -> None:
        """Let go of all maps, which are of the model as it was."""
        self._kept.clear()

    def get(self, recording: Recording, sample: int, address: str) -> Attribution | None:
        """Return maps of a unit on a sample of a recording; None where none can be made."""
        key = (address, id(recording), sample)
        if key not in self._kept:  # beside it the recording, so that its id stays its own
            self._kept[key] = recording, self._made(recording, sample, address)
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[key][1]

    def _made(self, recording: Recording, sample: int, address: str) -> Attribution | None:
        arrays = {name: recording.named(name) for name in recording.input_axes}
        count = len(recording.samples) or next(iter(arrays.values())).values.shape[0]
        given = {
            name: _of_sample(array, recording.input_axes[name], sample, count)
            for name, array in arrays.items()
        }
        if not given or any(one is None for one in given.values()):
            return None
        x: Any = given if len(given) > 1 else next(iter(given.values()))
        if len(given) > 1 and next(iter(given)) == "input":  # which is what has no name
            x = list(given.values())
        for options in self._ways(arrays):
            try:
                return attribute(self._model, x, address, **options)
            except LayerscopeError:  # no map before this unit, nothing that can be differentiated
                continue
        return None

    def _ways(self, arrays: Mapping[str, NamedArray]) -> list[dict[str, Any]]:
        """Return what to try, one after the other."""
        if is_differentiable(backend_for(self._model)):
            return [{"method": list(methods)} for methods in _METHODS]
        windows = {name: window for name, array in arrays.items() if (window := _window(array))}
        if not windows:
            return [{"method": "occlusion"}]
        sizes: Any = windows if len(arrays) > 1 else next(iter(windows.values()))
        return [{"method": "occlusion", "window": sizes, "stride": sizes}]


def _of_sample(
    array: NamedArray, axes: tuple[str, ...], sample: int, count: int
) -> npt.NDArray[Any] | None:
    """Return an input of one sample in the model's own layout; None where it can't be told."""
    if "sample" not in array.axes or array.values.dtype.kind not in "fiub":
        return None
    inward = array.values.transpose([array.axes.index(axis) for axis in axes])
    where = axes.index("sample")
    if inward.shape[where] != count:
        return None
    return np.ascontiguousarray(inward.take([sample], axis=where))


def _window(array: NamedArray) -> tuple[int, ...]:
    """Return a quarter of each side."""
    pairs = zip(array.axes, array.values.shape, strict=True)
    space = [length for axis, length in pairs if axis in ("y", "x", "position")]
    return tuple(max(1, length // _WINDOWS) for length in space)
