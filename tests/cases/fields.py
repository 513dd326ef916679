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

from layerscope.core.receptive_field import ReceptiveField
from layerscope.instruments.activations import activations
from layerscope.instruments.receptive_field import paths_of, receptive_field
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
        answers = (
            values[(slice(None), *place)].reshape(tuple(space)) > 0
        )  # the largest of none is -inf
        box = {}  # where nothing is, the largest is -inf
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


def edges(field: ReceptiveField, channels: int, *, channels_last: bool) -> Values:
    """Return inputs that are 1 in the first and last rows and columns of a box; one all around it.

    The last is 1 wherever the box is not; of a box that is everything, that is nowhere.
    """
    rows, columns = field.y, field.x
    inputs = np.zeros((5, *field.lengths.values()), np.float32)
    inputs[0, rows[0], columns.start : columns.stop] = 1
    inputs[1, rows[-1], columns.start : columns.stop] = 1
    inputs[2, rows.start : rows.stop, columns[0]] = 1
    inputs[3, rows.start : rows.stop, columns[-1]] = 1
    inputs[4] = 1
    inputs[4, rows.start : rows.stop, columns.start : columns.stop] = 0
    axis = 3 if channels_last else 1
    return np.repeat(np.expand_dims(inputs, axis), channels, axis)


def assert_edges(
    model: Any, acts: Recording, layer: str, *, channels: int, channels_last: bool
) -> None:
    """Assert that the edges of some fields of a layer count, and that nothing around them does.

    For networks too large to try every position; weights are as ``changed_inputs`` wants them, and
    ``acts`` is of one input of the size that counts.
    """
    sizes = acts[layer].sizes
    corners = {0, sizes["channel"] - 1}
    for row, column in ((0, 0), (sizes["y"] // 2, sizes["x"] // 3), (sizes["y"] - 1, 1)):
        for unit in corners:
            address = f"{layer}:{unit}@{row},{column}"
            field = receptive_field(acts, address).local
            inputs = edges(field, channels, channels_last=channels_last)
            values = activations(model, inputs, layers=layer)[address].values
            assert (values[:4] > 0).all(), f"{field}: {values}"
            assert values[4] == 0, f"{field}: {values}"


def assert_box_holds(model: Any, acts: Recording, layer: str, *, channels_last: bool) -> None:
    """Assert that noise around a box changes nothing of a layer there, and noise at its edges does.

    For a network with weights of its own, of which some unit is to see each edge.
    """
    sizes = acts[layer].sizes
    row, column = sizes["y"] // 2, 1
    field = receptive_field(acts, f"{layer}:0@{row},{column}")
    generator = np.random.default_rng(0)
    masks = edges(field, acts.input.sizes["channel"], channels_last=channels_last)
    before = generator.uniform(0, 1, masks[:1].shape).astype(np.float32)
    others = generator.uniform(0, 1, (8, *masks[:1].shape)).astype(np.float32)
    inputs = np.concatenate([before, *((1 - masks) * before + masks * other for other in others)])
    at = activations(model, inputs, layers=layer)[layer].sel(y=row, x=column).values
    changes = np.abs(at[1:] - at[0]).reshape(8, 5, -1).max((0, 2))
    assert (changes[:4] > 1e-4).all(), f"{field}: {changes}"
    assert changes[4] < 1e-4 * changes[:4].max(), f"{field}: {changes}"
