"""``weights``: every parameter of a model, with its axes named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from layerscope.backends import backend_for
from layerscope.core.axes import NamedArray
from layerscope.core.layer_kinds import IN_PLACE
from layerscope.core.network import Layer, Network
from layerscope.instruments.describe import describe, outline
from layerscope.instruments.passes import upcast_notes
from layerscope.recordings.recording import Recording


def weights(model: Any, x: Any = None) -> Recording:
    """Return the parameters of a model as they are now, by the framework's own names.

    ``weights(model)["conv2d/kernel"]`` has axes ``(y, x, input, channel)``, a dense kernel
    ``(input, unit)``, a bias ``(channel,)`` or ``(unit,)``, whatever the framework's own layout.
    PyTorch's keys are those of its ``state_dict``; scikit-learn's are ``coefs_0``, ``intercepts_0``
    and so on. The arrays are copies: training on does not change them.

    A dense kernel that follows a Flatten carries, as ``attrs["input_shape"]`` and
    ``attrs["input_axes"]``, the shape and the axes of what was flattened. Models that do not know
    their own shapes (PyTorch, subclassed Keras models) need an input ``x`` for that.

    Raises
    ------
    ModelError
        When it is no model that layerscope knows.
    """
    backend = backend_for(model)
    network = outline(model) if x is None else describe(model, x)
    arrays = with_input_shapes(backend.weights(), network)
    return Recording(
        arrays,
        network=network,
        notes=(*_missing(network, arrays), *upcast_notes(arrays), *_noted(arrays)),
        digest=lambda: {"model": backend.digest()},
        kind="weights",
    )


def _missing(network: Network, arrays: Mapping[str, NamedArray]) -> tuple[str, ...]:
    """Return what to say of parameters that have no shape yet."""
    missing = [p.key for p in network.parameters if p.key not in arrays]
    shown = ", ".join(missing[:8]) + (", …" if len(missing) > 8 else "")
    return (f"without a shape until they are used: {shown}",) if missing else ()


def _noted(arrays: Mapping[str, NamedArray]) -> tuple[str, ...]:
    """Return what the arrays say of themselves."""
    return tuple(f"{key}: {a.attrs['note']}" for key, a in arrays.items() if "note" in a.attrs)


def with_input_shapes(arrays: Mapping[str, NamedArray], network: Network) -> dict[str, NamedArray]:
    """Return each kernel with the shape of what was flattened before it."""
    result = dict(arrays)
    layers = {layer.address: layer for layer in network}
    for layer in network:
        if not layer.parameters:
            continue  # to go back from every layer of a long chain would take its length squared
        flattened = _before_flatten(layer, layers)
        if flattened is None or flattened.shape is None or flattened.axes is None:
            continue
        named = zip(flattened.axes, flattened.shape, strict=True)
        axes, shape = zip(*((axis, n) for axis, n in named if axis != "sample"), strict=True)
        if None in shape:
            continue
        for parameter in layer.parameters:
            array = result[parameter.key]
            if set(array.axes) == {"input", "unit"}:
                attrs = {**array.attrs, "input_shape": shape, "input_axes": axes}
                result[parameter.key] = replace(array, attrs=attrs)
    return result


def _before_flatten(layer: Layer, layers: Mapping[str, Layer]) -> Layer | None:
    """Return what was flattened into a layer, going back through what moves no position."""
    while layer.inputs:
        before = layers.get(layer.inputs[0])
        if before is None or before.shape is None:
            return None
        if before.kind == "reshape" and len(before.shape) == 2:
            return layers.get(before.inputs[0]) if before.inputs else None
        if before.kind not in IN_PLACE:
            return None
        layer = before
    return None
