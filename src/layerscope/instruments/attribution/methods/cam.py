"""Class activation maps: a layer's channels, weighted by the target's gradient at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray, presented
from layerscope.core.errors import InputError
from layerscope.core.layer_kinds import CONVOLUTIONS, Kind
from layerscope.core.network import Layer, Network
from layerscope.instruments.attribution.attributed_input import AttributedInput
from layerscope.instruments.attribution.engine import ALTERED
from layerscope.instruments.attribution.input_parts import InputPart
from layerscope.instruments.attribution.method import AttributionTask, Maps, Method
from layerscope.instruments.attribution.resizing import resized
from layerscope.instruments.attribution.token_grid import token_grid

Array = npt.NDArray[Any]

_SPACE = ("z", "y", "x", "position")
#: What a map may be taken from where nobody names a layer: pools are coarser than what they pool.
_KINDS: frozenset[Kind] = CONVOLUTIONS | {
    "activation", "add", "concat", "batch_norm", "group_norm", "norm", "container",
}  # fmt: skip


def grad_cam(task: AttributionTask) -> Maps:
    """Return the layer's channels weighted by their mean gradients; of the sum what is positive."""

    def combined(value: Array, gradient: Array, space: tuple[int, ...]) -> Array:
        weights = gradient.mean(axis=space, keepdims=True)
        return np.asarray(np.maximum((weights * value).sum(axis=-1), 0))

    return _cam(task, combined)


def grad_cam_plus_plus(task: AttributionTask) -> Maps:
    """Return the same with weights that count places where the gradient is positive."""

    def combined(value: Array, gradient: Array, space: tuple[int, ...]) -> Array:
        squares = np.square(gradient)
        total = value.sum(axis=space, keepdims=True)
        below = 2 * squares + total * squares * gradient
        shares = np.where(below != 0, squares / np.where(below != 0, below, 1), 0)
        weights = (shares * np.maximum(gradient, 0)).sum(axis=space, keepdims=True)
        return np.asarray(np.maximum((weights * value).sum(axis=-1), 0))

    return _cam(task, combined)


def layer_cam(task: AttributionTask) -> Maps:
    """Return the layer's values, each weighted by its own gradient where that is positive."""

    def combined(value: Array, gradient: Array, space: tuple[int, ...]) -> Array:
        return np.asarray(np.maximum((np.maximum(gradient, 0) * value).sum(axis=-1), 0))

    return _cam(task, combined)


def _cam(task: AttributionTask, combined: Callable[[Array, Array, tuple[int, ...]], Array]) -> Maps:
    layer = layer_of(task)
    task.known_scores, value, gradient = task.engine.layer_gradients(layer, task.rows)
    axes = presented(layer.axes or ())
    space = tuple(i for i, axis in enumerate(axes) if axis in _SPACE)
    grid = combined(value.astype(np.float64), gradient.astype(np.float64), space)
    names = tuple(axes[i] for i in space)
    settings: dict[str, Any] = {"layer": layer.address}
    part = input_before(task.subject, layer.address, names)
    if names == ("position",) and {"y", "x"} <= set(part.axes):
        grid, names, settings = _of_tokens(task.subject, part, grid, settings)
    of_input = [axis for axis in part.axes if axis in _SPACE]
    if tuple(of_input) != names:
        raise InputError(
            f"{layer.address!r} has places along {', '.join(names)}, and the input along "
            f"{', '.join(of_input) or 'none'}: its map can't be laid over it; name another layer."
        )
    if task.subject.is_several:
        settings["input"] = part.name
    lengths = dict(zip(part.axes, part.values.shape, strict=True))
    size = tuple(lengths[axis] for axis in names)
    return Maps(
        None,
        settings,
        of_inputs={part.name: NamedArray(resized(grid, size), ("sample", *names))},
        grid=NamedArray(grid.astype(np.float32), ("sample", *names)),
    )


def input_before(subject: AttributedInput, address: str, names: tuple[str, ...]) -> InputPart:
    """Return the input that a layer's map is of: one on its way, with its places if there is."""
    before = _before(subject.network, [address])
    on_way = [part for part in subject.parts if part.name in before] or list(subject.parts)
    alike = [p for p in on_way if tuple(axis for axis in p.axes if axis in _SPACE) == names]
    images = [p for p in on_way if {"y", "x"} <= set(p.axes)]
    return (alike or images or on_way)[0]


def _of_tokens(
    subject: AttributedInput, part: InputPart, values: Array, settings: dict[str, Any]
) -> tuple[Array, tuple[str, ...], dict[str, Any]]:
    """Return the values of tokens that are patches of an image as a map of it."""
    lengths = dict(zip(part.axes, part.values.shape, strict=True))
    count = values.shape[1]
    grid = token_grid(subject.network, count, (lengths["y"], lengths["x"]))
    if grid is None:
        return values, ("position",), settings
    return grid.of(values), ("y", "x"), {**settings, "tokens apart": grid.apart}


def layer_of(task: AttributionTask) -> Layer:
    """Return the layer whose map it is to be: the one named, or the last that has a map.

    Raises AddressError and InputError.
    """
    network, aliases = task.subject.network, task.subject.aliases
    name = task.options.layer
    if name is not None:
        row = network[aliases.get(name, name)]
        if not _has_map(row):
            raise InputError(
                f"{name!r} returns {', '.join(row.axes or ('what is not known',))}: name a layer "
                "that returns maps, (sample, y, x, channel)."
            )
        return row
    before = _before(network, [tap.layer for tap in task.target.program.scorer.taps])
    candidates = [
        row
        for row in network
        if row.address in before and row.role == "layer" and row.kind in _KINDS and _has_map(row)
    ]
    if not candidates:
        raise InputError(
            "No layer on the way to the target returns maps, (sample, y, x, channel), which this "
            "method is made of: saliency and integrated_gradients work."
        )
    return candidates[-1]


def _has_map(row: Layer) -> bool:
    axes = presented(row.axes or ())
    if not axes or axes[-1] != "channel" or axes[0] != "sample":
        return False
    lengths = [length for axis, length in zip(row.axes or (), row.shape or (), strict=False)
               if axis in _SPACE]  # fmt: skip
    return bool(lengths) and set(axes[1:-1]) <= set(_SPACE) and max(n or 2 for n in lengths) > 1


def _before(network: Network, ends: list[str]) -> set[str]:
    """Return the addresses whose values reach one of these; they themselves only by others."""
    reached: set[str] = set(ends)
    for row in reversed(network.layers):
        if row.address in reached:
            reached.update(row.inputs)
    return reached - set(ends)


METHODS = (
    Method(
        "grad_cam",
        grad_cam,
        ALTERED,
        "Selvaraju et al. 2017, Grad-CAM, arXiv:1610.02391",
        ("layer",),
    ),
    Method(
        "grad_cam_plus_plus",
        grad_cam_plus_plus,
        ALTERED,
        "Chattopadhay et al. 2018, Grad-CAM++, arXiv:1710.11063",
        ("layer",),
    ),
    Method(
        "layer_cam",
        layer_cam,
        ALTERED,
        "Jiang et al. 2021, LayerCAM, doi:10.1109/TIP.2021.3089943",
        ("layer",),
    ),
)
