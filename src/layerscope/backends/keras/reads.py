"""How the values that a Keras layer, or an operation, returns follow from those it receives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from layerscope.backends.slices import slices
from layerscope.core.layer_kinds import Kind
from layerscope.core.reads import Move, Reads
from layerscope.core.windows import Border, Window

L = keras.layers
_BORDERS: dict[str, Border] = {
    "constant": "constant",
    "reflect": "reflect",
    "symmetric": "symmetric",
}


def reads_of(layer: Any, kind: Kind) -> Reads:
    """Return what the kind of a layer or an operation leaves open."""
    if isinstance(layer, keras.Layer):
        rule = _LAYERS.get(kind)
        return Reads() if rule is None else rule(layer)
    rule = _OPERATIONS.get(type(layer).__name__)
    return Reads() if rule is None else rule(layer)


def _each(value: Any, count: int) -> tuple[Any, ...]:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return values * count if len(values) == 1 else values


def _convolution(layer: Any) -> Reads:
    sizes = _each(layer.kernel_size, layer.rank)
    strides, dilations = (_each(n, layer.rank) for n in (layer.strides, layer.dilation_rate))
    numbers = list(zip(sizes, strides, dilations, strict=True))
    return Reads(tuple(_window(layer.padding, *each) for each in numbers))


def _window(padding: str, size: int, stride: int, dilation: int = 1) -> Window:
    if padding == "same":
        return Window(size, stride, "same", dilation)
    return Window(size, stride, dilation * (size - 1) if padding == "causal" else 0, dilation)


def _transposed(layer: Any) -> Reads:
    count = layer.rank
    given = [_each(n, count) for n in (layer.kernel_size, layer.strides, layer.dilation_rate)]
    more = _each(layer.output_padding, count)
    windows = []
    for size, stride, dilation, further in zip(*given, more, strict=True):
        reach, before = (size - 1) * dilation + 1, 0
        if layer.padding == "same":  # as Keras computes it, alike for all its backends
            around = stride + reach - 2 if further is None else reach + reach % 2 - 2 + further
            before = reach - 1 - min(around // 2 + around % 2, reach - 1)
        windows.append(Window(size, stride, before, dilation, way="transposed"))
    return Reads(tuple(windows))


def _pool(layer: Any) -> Reads:
    if hasattr(layer, "pool_size"):
        sizes = layer.pool_size
        strides = _each(layer.strides, len(sizes))
        pairs = zip(sizes, strides, strict=True)
        return Reads(tuple(_window(layer.padding, size, stride) for size, stride in pairs))
    if hasattr(layer, "output_size"):
        return Reads((Window(way="area"),))
    return Reads()  # all positions


def _padding(layer: Any) -> Reads:
    fronts = [front for front, _ in _pairs(layer.padding)]
    return Reads(tuple(Window(before=int(front)) for front in fronts))


def _crop(layer: Any) -> Reads:
    if isinstance(layer, L.CenterCrop):
        return Reads()
    return Reads(tuple(Window(before=-int(front)) for front, _ in _pairs(layer.cropping)))


def _pairs(around: Any) -> Sequence[tuple[int, int]]:
    """Return what is put in front of each axis and behind it; of one axis, it is no list of one."""
    return [around] if isinstance(around[0], int) else around


def _resize(layer: Any) -> Reads:
    if isinstance(layer, L.Resizing):
        if layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio or layer.antialias:
            return Reads()
        return Reads((_resizing(layer.interpolation),))
    if getattr(layer, "interpolation", "nearest") == "nearest":
        return Reads((Window(way="nearest"),))
    return Reads((_resizing(layer.interpolation),))


def _resizing(interpolation: str) -> Window:
    if interpolation == "nearest":
        return Window(way="nearest", grid="half_pixel", rounding="half_up")
    return Window(way="linear", grid="half_pixel")


def _axes(layer: Any) -> Reads:
    """Return the axes along which it takes all: of a norm, a softmax."""
    axis = getattr(layer, "axis", None)
    return Reads() if axis is None else Reads(mixes=_each(axis, 1))


def _activation(layer: Any) -> Reads:
    if isinstance(layer, L.Softmax):
        return _axes(layer)
    return Reads(mixes=(-1,)) if _is_softmax(getattr(layer, "activation", None)) else Reads()


def _is_softmax(function: Any) -> bool:
    return getattr(function, "__name__", "") in ("softmax", "log_softmax", "sparsemax")


def _concat(layer: Any) -> Reads:
    return Reads(joins=int(layer.axis))


def _merge(layer: Any) -> Reads:
    return Reads(mixes=(-1,)) if isinstance(layer, L.Dot) else Reads()


def _permute(layer: Any) -> Reads:
    if not isinstance(layer, L.Permute):
        return Reads()
    return Reads(moves=(Move("order", numbers=tuple(int(axis) - 1 for axis in layer.dims)),))


_LAYERS: dict[Kind, Callable[[Any], Reads]] = {
    "conv": _convolution, "depthwise_conv": _convolution, "separable_conv": _convolution,
    "conv_transpose": _transposed, "pool": _pool, "pad": _padding, "crop": _crop,
    "resize": _resize, "norm": _axes, "activation": _activation, "concat": _concat,
    "merge": _merge, "rearrange": _permute,
}  # fmt: skip


def _arguments(operation: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what a functional model calls an operation with."""
    nodes: Sequence[Any] = getattr(operation, "_inbound_nodes", ())
    if len(nodes) != 1:
        return (), {}
    (node,) = nodes
    return node.arguments.args, node.arguments.kwargs


def _item(operation: Any) -> Reads:
    args, kwargs = _arguments(operation)
    key = kwargs.get("key", args[1] if len(args) > 1 else None)
    moves = slices(key, tuple(args[0].shape)) if args else None
    return Reads(moves=moves)


def _transpose(operation: Any) -> Reads:
    axes = operation.axes
    return Reads() if axes is None or axes[0] != 0 else _ordered([axis - 1 for axis in axes[1:]])


def _ordered(order: Sequence[int]) -> Reads:
    return Reads(moves=(Move("order", numbers=tuple(order)),))


def _swapped(operation: Any) -> Reads:
    args, _ = _arguments(operation)
    if not args:
        return Reads()
    order = list(range(len(args[0].shape)))
    one, other = operation.axis1, operation.axis2
    order[one], order[other] = order[other], order[one]
    return _ordered([axis - 1 for axis in order[1:]]) if order[0] == 0 else Reads()


def _reduced(operation: Any) -> Reads:
    axis = getattr(operation, "axis", None)
    return Reads() if axis is None else Reads(mixes=_each(axis, 1))


_OPERATIONS: dict[str, Callable[[Any], Reads]] = {
    "GetItem": _item, "Transpose": _transpose, "Swapaxes": _swapped, "Concatenate": _concat,
    **dict.fromkeys(("Mean", "Sum", "Max", "Min", "Amax", "Amin", "Average", "Softmax",
                     "LogSoftmax", "Normalize"), _reduced),
}  # fmt: skip
