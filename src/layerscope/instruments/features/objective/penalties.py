"""What an objective can hold against the image itself, whose values go from -1 to 1.

Each is a mean over the image, so that a weight means the same at every size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from layerscope.instruments.features.objective.sites import Sites
from layerscope.instruments.features.objective.terms import Bound


@dataclass(frozen=True, eq=False)
class Penalty:
    """A number of the image itself."""

    name: str
    compute: Callable[[Any, Any], Any]

    def __str__(self) -> str:
        return self.name

    def label(self, image: int) -> str:
        """Return the same: it says nothing of one image in particular."""
        return self.name

    def bind(self, sites: Sites) -> Bound:
        """Return the same in every network."""
        compute = self.compute
        return Bound(lambda ops, image, arrays: compute(ops, image), ("penalty", self.name))


def _mean(ops: Any, values: Any) -> Any:
    return ops.mean(values, axis=tuple(range(1, len(values.shape))))


def _l1(ops: Any, image: Any) -> Any:
    return _mean(ops, ops.abs(image))


def _l2(ops: Any, image: Any) -> Any:
    return _mean(ops, ops.square(image))


def _total_variation(ops: Any, image: Any) -> Any:
    total = 0.0
    for axis in _space(image):
        after, before = _shifted(image, axis)
        total = total + _mean(ops, ops.abs(after - before))
    return total + 0 * _mean(ops, image)


def _blur(ops: Any, image: Any) -> Any:
    blurred = ops.stop_gradient(image)
    for axis in _space(image):
        edge = _slice(blurred, axis, 0, 1), _slice(blurred, axis, -1, None)
        padded = ops.concatenate([edge[0], blurred, edge[1]], axis=axis)
        parts = [_slice(padded, axis, i, i + image.shape[axis]) for i in range(3)]
        blurred = parts[0] / 4 + parts[1] / 2 + parts[2] / 4
    return _mean(ops, ops.square(image - blurred))


def _space(image: Any) -> range:
    """Return the axes of space: those of maps and sequences; a vector has none."""
    return range(1, len(image.shape) - 1)


def _shifted(image: Any, axis: int) -> tuple[Any, Any]:
    return _slice(image, axis, 1, None), _slice(image, axis, 0, -1)


def _slice(image: Any, axis: int, start: int, stop: int | None) -> Any:
    return image[(slice(None),) * axis + (slice(start, stop),)]


L1 = Penalty("l1", _l1)
L2 = Penalty("l2", _l2)
TOTAL_VARIATION = Penalty("total_variation", _total_variation)
BLUR = Penalty("blur", _blur)
