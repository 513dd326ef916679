"""Maps of a unit on one sample, made as somebody looks at it: quick ones, the last of them kept."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from layerscope.backends import backend_for
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
        if len(recording.input_axes) != 1:
            return None
        ((name, axes),) = recording.input_axes.items()
        array = recording.named(name)
        if "sample" not in array.axes or array.values.dtype.kind not in "fiub":
            return None
        order = [array.axes.index(axis) for axis in axes]
        where = axes.index("sample")
        x = np.ascontiguousarray(array.values.transpose(order).take([sample], axis=where))
        for options in self._ways(array.axes, array.values.shape):
            try:
                return attribute(self._model, x, address, **options)
            except LayerscopeError:  # no map before this unit, nothing that can be differentiated
                continue
        return None

    def _ways(self, axes: tuple[str, ...], shape: tuple[int, ...]) -> list[dict[str, Any]]:
        """Return what to try, one after the other."""
        if is_differentiable(backend_for(self._model)):
            return [{"method": list(methods)} for methods in _METHODS]
        space = [n for axis, n in zip(axes, shape, strict=True) if axis in ("y", "x", "position")]
        window = tuple(max(1, length // _WINDOWS) for length in space)
        options = {"window": window, "stride": window} if window else {}
        return [{"method": "occlusion", **options}]
