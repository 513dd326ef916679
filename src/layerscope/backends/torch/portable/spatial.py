"""Which operations PyTorch's convolutions, pools and paddings come to."""

from __future__ import annotations

from typing import Any

from layerscope.backends.operations import (
    NotExpressibleError,
    Symbol,
    same_padding,
)
from layerscope.backends.torch.portable.calls import (
    FunctionCall,
)
from layerscope.core.operations import OperationKind


def _pair(value: Any) -> list[int]:
    values = list(value) if isinstance(value, tuple | list) else [value]
    values = values * 2 if len(values) == 1 else values
    if len(values) != 2 or not all(isinstance(v, int) for v in values):
        raise NotExpressibleError("has a setting that is no pair of whole numbers")
    return values


def _maps(call: FunctionCall) -> Symbol:
    """Return its input, channels first as PyTorch's convolutions and pools have it."""
    x = call.x
    if len(x.shape) != 3:
        raise NotExpressibleError(f"works on {len(x.shape) - 1} axes of space instead of 2")
    return call.writer.permuted(x, ("channel", "y", "x"))


def conv2d(call: FunctionCall) -> Symbol:
    kernel = call.tensor("weight")
    if kernel is None or kernel.ndim != 4:
        raise NotExpressibleError("is no convolution of maps")
    x, strides, dilation = _maps(call), _pair(call["stride"]), _pair(call["dilation"])
    padding = call["padding"]
    if padding == "same":
        around = same_padding(x.shape[1:], kernel.shape[2:], strides, dilation)
    else:
        around = [[n, n] for n in _pair(0 if padding == "valid" else padding)]
    settings: dict[str, Any] = {"strides": strides, "padding": around, "dilation": dilation}
    groups = int(call["groups"])
    kernel = kernel.transpose(2, 3, 1, 0)
    kind: OperationKind = "conv2d"
    if groups == x.shape[0] > 1:
        kind, kernel = "depthwise_conv2d", kernel.reshape(*kernel.shape[:2], groups, -1)
    else:
        settings["groups"] = groups
    arrays = {"kernel": kernel, "bias": call.tensor("bias")}
    return call.writer.add(kind, [x], call.shape, settings=settings, arrays=arrays)


def _window(call: FunctionCall, x: Symbol) -> dict[str, Any]:
    """Return the settings of a pool; where it rounds up, what it looks at beyond the edge."""
    size = _pair(call["kernel_size"])
    strides = _pair(call["stride"]) if call["stride"] not in (None, (), []) else size
    around = _pair(call["padding"])
    padding = []
    for axis in range(2):
        reach = (call.shape[1 + axis] - 1) * strides[axis] + size[axis]
        padding.append([around[axis], max(reach - x.shape[1 + axis] - around[axis], 0)])
    if not call["ceil_mode"]:
        padding = [[n, n] for n in around]
    return {"size": size, "strides": strides, "padding": padding}


def max_pool(call: FunctionCall) -> Symbol:
    if _pair(call["dilation"]) != [1, 1]:
        raise NotExpressibleError("takes the largest of values that are apart (dilation)")
    x = _maps(call)
    return call.writer.add("max_pool", [x], call.shape, settings=_window(call, x))


def average_pool(call: FunctionCall) -> Symbol:
    x = _maps(call)
    settings = _window(call, x)
    counts = bool(call["count_include_pad"])
    padded = any(n for pair in settings["padding"] for n in pair)
    if call["divisor_override"] or (call["ceil_mode"] and counts and padded):
        raise NotExpressibleError("divides by another number than its window has values")
    settings["counts_padding"] = counts
    return call.writer.add("average_pool", [x], call.shape, settings=settings)


def adaptive_pool(call: FunctionCall) -> Symbol:
    x = _maps(call)
    largest = "max" in call.name
    if call.shape[1:] == (1, 1):
        kind: OperationKind = "global_max_pool" if largest else "global_average_pool"
        return call.writer.add(kind, [x], call.shape, settings={"axes": [0, 1]})
    windows = [divmod(n, m) for n, m in zip(x.shape[1:], call.shape[1:], strict=True)]
    if any(rest for _, rest in windows):
        raise NotExpressibleError(
            f"pools {x.shape[1]}×{x.shape[2]} values to {call.shape[1]}×{call.shape[2]}, in "
            "windows of different sizes"
        )
    size = [n for n, _ in windows]
    settings: dict[str, Any] = {"size": size, "strides": size, "padding": [[0, 0], [0, 0]]}
    if not largest:
        settings["counts_padding"] = True
    kind = "max_pool" if largest else "average_pool"
    return call.writer.add(kind, [x], call.shape, settings=settings)


def pad(call: FunctionCall) -> Symbol:
    if call["mode"] not in ("constant", "replicate"):
        raise NotExpressibleError(f"pads by {call['mode']!r}")
    x, pad = call.x, list(call["pad"])
    around = [[0, 0] for _ in x.shape]
    for i in range(len(pad) // 2):
        around[x.place(-1 - i)] = [int(pad[2 * i]), int(pad[2 * i + 1])]
    value = float(call["value"] or 0) if call["mode"] == "constant" else None
    writer = call.writer
    if any(n < 0 for pair in around for n in pair):
        cropping = [[max(-n, 0) for n in pair] for pair in around]
        kept = [n + sum(min(v, 0) for v in around[x.order.index(i)]) for i, n in enumerate(x.shape)]
        x = writer.add("crop", [x], kept, settings={"cropping": cropping})
        around = [[max(n, 0) for n in pair] for pair in around]
    return writer.add("pad", [x], call.shape, settings={"padding": around, "value": value})


def upsample(call: FunctionCall) -> Symbol:
    if call["mode"] != "nearest":
        raise NotExpressibleError(f"resizes by {call['mode']!r} instead of repeating values")
    x = _maps(call)
    factors = [divmod(n, m) for n, m in zip(call.shape[1:], x.shape[1:], strict=True)]
    if any(rest or not times for times, rest in factors):
        raise NotExpressibleError("resizes by a factor that is no whole number")
    return call.writer.add(
        "upsample", [x], call.shape, settings={"factors": [times for times, _ in factors]}
    )
