"""Which operations Keras' convolutions, pools and paddings come to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from layerscope.backends.keras.portable.activations import activated
from layerscope.backends.keras.portable.calls import Array, LayerCall
from layerscope.backends.operations import (
    NotExpressibleError,
    Symbol,
    same_padding,
)
from layerscope.core.operations import OperationKind


def _window(call: LayerCall, size: tuple[int, ...], dilation: tuple[int, ...]) -> dict[str, Any]:
    """Return strides and padding of what looks through a window."""
    layer, x = call.layer, call.maps
    if layer.padding not in ("valid", "same"):
        raise NotExpressibleError(f"pads by {layer.padding!r}")
    padding = [[0, 0], [0, 0]]
    if layer.padding == "same":
        padding = same_padding(call.spatial(x.shape), size, layer.strides, dilation)
    return {"strides": list(layer.strides), "padding": padding}


def _convolved(call: LayerCall, kind: OperationKind, kernel: Array, bias: Array | None) -> Symbol:
    """Return a convolution with this kernel, before the activation."""
    layer = call.layer
    dilation = tuple(layer.dilation_rate)
    settings = {**_window(call, kernel.shape[:2], dilation), "dilation": list(dilation)}
    if kind == "conv2d":
        settings["groups"] = layer.groups
    arrays = {"kernel": kernel, "bias": bias}
    return call.writer.add(
        kind, [call.maps], call.shape, call.axes, settings=settings, arrays=arrays
    )


def conv2d(call: LayerCall) -> Symbol:
    return activated(call, _convolved(call, "conv2d", call.kernel(), call.variable("bias")))


def depthwise_conv2d(call: LayerCall) -> Symbol:
    kernel = call.kernel()
    return activated(call, _convolved(call, "depthwise_conv2d", kernel, call.variable("bias")))


def separable_conv2d(call: LayerCall) -> Symbol:
    depthwise, pointwise = call.kernel("depthwise_kernel"), call.kernel("pointwise_kernel")
    sizes = dict(zip(call.axes, call.shape, strict=True))
    sizes["channel"] = pointwise.shape[2]
    between = tuple(sizes[name] for name in call.axes)
    inner = LayerCall(call.writer, call.layer, call.args, call.kwargs, between, call.read)
    x = _convolved(inner, "depthwise_conv2d", depthwise, None)
    settings = {"strides": [1, 1], "padding": [[0, 0], [0, 0]], "dilation": [1, 1], "groups": 1}
    arrays = {"kernel": pointwise, "bias": call.variable("bias")}
    made = call.writer.add("conv2d", [x], call.shape, settings=settings, arrays=arrays)
    return activated(call, made)


def pool(kind: OperationKind) -> Callable[[LayerCall], Symbol]:
    def translate(call: LayerCall) -> Symbol:
        size = tuple(call.layer.pool_size)
        settings = {"size": list(size), **_window(call, size, (1, 1))}
        x = call.maps
        if kind == "average_pool":
            settings["counts_padding"] = False
            uneven = any(before != after for before, after in settings["padding"])
            if uneven and keras.backend.backend() == "torch":
                x = _with_edges(call, x, settings["padding"])
                settings["padding"] = [[0, 0], [0, 0]]
        return call.writer.add(kind, [x], call.shape, call.axes, settings=settings)

    return translate


def _with_edges(call: LayerCall, x: Symbol, padding: list[list[int]]) -> Symbol:
    """Return maps with their edges repeated: Keras on PyTorch pads so where sides differ."""
    around = dict(zip(("y", "x", "channel"), [*padding, [0, 0]], strict=True))
    shape = [n + sum(around[name]) for n, name in zip(x.shape, x.axes, strict=True)]
    settings = {"padding": list(around.values()), "value": None}
    return call.writer.add("pad", [x], shape, settings=settings)


def global_pool(kind: OperationKind) -> Callable[[LayerCall], Symbol]:
    def translate(call: LayerCall) -> Symbol:
        axes = call.axes if len(call.shape) == 3 else ("unit",)
        return call.writer.add(kind, [call.maps], call.shape, axes, settings={"axes": [0, 1]})

    return translate


def _around(call: LayerCall, pairs: Any) -> list[list[int]]:
    """Return what a layer has for height and width, for each of the operation's axes."""
    return [*([int(before), int(after)] for before, after in pairs), [0, 0]]


def zero_padding(call: LayerCall) -> Symbol:
    settings = {"padding": _around(call, call.layer.padding), "value": 0.0}
    return call.writer.add("pad", [call.maps], call.shape, call.axes, settings=settings)


def cropping(call: LayerCall) -> Symbol:
    settings = {"cropping": _around(call, call.layer.cropping)}
    return call.writer.add("crop", [call.maps], call.shape, call.axes, settings=settings)


def up_sampling(call: LayerCall) -> Symbol:
    if call.layer.interpolation != "nearest":
        raise NotExpressibleError(
            f"resizes by {call.layer.interpolation!r} instead of repeating values"
        )
    settings = {"factors": [int(n) for n in call.layer.size]}
    return call.writer.add("upsample", [call.maps], call.shape, call.axes, settings=settings)
