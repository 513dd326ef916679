"""Receptive fields found by trying: one position of the input after the other is changed.

On an input of zeros, in a network without biases whose weights are all above 0, a value is above 0
exactly where something that it is computed from was made so: nothing cancels, and the largest of
several values is one that was changed.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.instruments.receptive_field import paths_of
from layerscope.recordings.recording import Recording

Values = npt.NDArray[Any]
#: A unit's place and the axes of positions of the input, to the box.
Box = dict[str, range]


def changed_inputs(space: Sequence[int], channels: int, *, channels_last: bool) -> Values:
    """Return a sample for each position of the input, in which it alone is 1, in all channels."""
    count = int(np.prod(space))
    inputs = np.eye(count, dtype=np.float32).reshape(count, *space)
    axis = inputs.ndim if channels_last else 1
    return np.repeat(np.expand_dims(inputs, axis), channels, axis)


def tried(values: Values, space: Sequence[int], names: Sequence[str]) -> dict[tuple[int, ...], Box]:
    """Return the box of each value, by its place, given what came of ``changed_inputs``."""
    boxes: dict[tuple[int, ...], Box] = {}
    for place in itertools.product(*map(range, values.shape[1:])):
        answers = values[(slice(None), *place)].reshape(tuple(space)) != 0
        box = {}
        for axis, name in enumerate(names):
            others = tuple(i for i in range(len(names)) if i != axis)
            along = np.flatnonzero(answers.any(others))
            box[name] = range(along[0], along[-1] + 1) if len(along) else range(0)
        boxes[place] = box
    return boxes


def assert_exact(recording: Recording, addresses: Collection[str] | None = None) -> None:
    """Assert that the field of each value of each layer is the one that trying finds.

    The recording is of ``changed_inputs``.
    """
    paths = paths_of(recording)
    received = paths.sizes(next(iter(recording.inputs)))
    box = {received.names[i]: received.lengths[i] for i in received.positions}
    for address in recording if addresses is None else addresses:
        array = recording[address]
        boxes = tried(array.values, list(box.values()), list(box))
        order = [array.dims[1:].index(name) for name in paths.sizes(address).names]
        (reach,) = paths.reached(address, [[at[i] for i in order] for at in boxes]).values()
        for name in box:
            mask = reach.masks[reach.sizes.names.index(name)]
            for place, reached in zip(boxes, mask, strict=True):
                at = np.flatnonzero(reached)
                found = range(at[0], at[-1] + 1) if len(at) else range(0)
                expected = boxes[place][name]
                assert found == expected, f"{address} at {place}: {name} {found}, not {expected}"
