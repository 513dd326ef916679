"""Which operations PyTorch's functions come to.

Modules of PyTorch's own are read as the functions that they call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from layerscope.backends.operations import (
    NotExpressibleError,
    Symbol,
    batch_norm_arrays,
)
from layerscope.backends.torch.functions import moved_axes, plain_name
from layerscope.backends.torch.portable import spatial
from layerscope.backends.torch.portable.calls import (
    Array,
    FunctionCall,
    bound,
    default_axes,
    numbers,
)
from layerscope.core.operations import OperationKind


def translated(call: FunctionCall) -> Symbol:
    """Add the operations of a call; return its value.

    Raises NotExpressibleError where there are none for it.
    """
    translate = _FUNCTIONS.get(call.name)
    if translate is None:
        raise NotExpressibleError("is a function that a page does not know")
    return translate(bound(call))


def _linear(call: FunctionCall) -> Symbol:
    kernel = call.tensor("weight")
    assert kernel is not None
    return _dense(call, call.x, kernel.T, call.tensor("bias"))


def _dense(call: FunctionCall, x: Symbol, kernel: Array, bias: Array | None = None) -> Symbol:
    x = call.writer.unpermuted(x)
    arrays = {"kernel": kernel, "bias": bias}
    return call.writer.add("dense", [x], (*x.shape[:-1], kernel.shape[-1]), arrays=arrays)


def _matmul(call: FunctionCall) -> Symbol:
    others = call.args[1:]
    if not others or not isinstance(others[0], torch.Tensor) or others[0].ndim != 2:
        raise NotExpressibleError("multiplies values with one another")
    return _dense(call, call.x, numbers(others[0]))


def _batch_norm(call: FunctionCall) -> Symbol:
    mean, variance = call.tensor("running_mean"), call.tensor("running_var")
    if mean is None or variance is None or call["training"]:
        raise NotExpressibleError("normalizes by the mean of the batch, which one input has not")
    gamma, beta = call.tensor("weight"), call.tensor("bias")
    arrays = batch_norm_arrays(mean, variance, float(call["eps"]), gamma, beta)
    return _on_channels(call, lambda last: call.writer.like("rescale", last, arrays))


def _on_channels(call: FunctionCall, add: Callable[[Symbol], Symbol]) -> Symbol:
    """Return what is made of the value with its second axis, of channels, put last."""
    return call.writer.along_last(call.x, call.x.place(1), add)


def _over_axes(call: FunctionCall) -> Symbol:
    x, dim = call.x, call["dim"]
    axes = [dim] if isinstance(dim, int) else list(dim or ())
    if not axes:
        raise NotExpressibleError("works across samples")
    x = call.writer.permuted(x, default_axes(x.shape))
    places = sorted(x.place(axis) for axis in axes)
    kind: OperationKind = "global_average_pool" if call.name == "mean" else "global_max_pool"
    removed = {axis % (len(x.shape) + 1) - 1 for axis in axes}
    keeping = len(call.shape) == len(x.shape)
    names = [name for i, name in enumerate(x.axes) if keeping or i not in removed]
    names = ["unit"] if len(names) == 1 else names
    return call.writer.add(kind, [x], call.shape, names, settings={"axes": places})


def _reshape(call: FunctionCall) -> Symbol:
    return call.writer.reshaped(call.x, call.shape, default_axes(call.shape))


def _move(call: FunctionCall) -> Symbol:
    x = call.x
    order = moved_axes(call.func, (None, *call.args[1:]), len(x.shape) + 1)
    if order is None or order[0] != 0:
        raise NotExpressibleError("works across samples")
    return Symbol(x.index, call.shape, tuple(x.axes[axis - 1] for axis in order[1:]))


def _identity(call: FunctionCall) -> Symbol:
    return call.x


def _dropout(call: FunctionCall) -> Symbol:
    if call["training"]:
        raise NotExpressibleError("drops values at random, in inference too")
    return call.x


def _concat(call: FunctionCall) -> Symbol:
    parts = list(call["tensors"])
    if not all(isinstance(part, Symbol) for part in parts):
        raise NotExpressibleError("puts numbers of the model's own beside a value")
    axis = parts[0].place(int(call["dim"]))
    return call.writer.merged("concat", parts, call.shape, axis=axis)


def _combined(kind: OperationKind) -> Callable[[FunctionCall], Symbol]:
    """Return what adds an operation of two values, of which one may be the model's own."""

    def translate(call: FunctionCall) -> Symbol:
        sides = [
            numbers(side) if isinstance(side, torch.Tensor) else side
            for side in (*call.args, *call.kwargs.values())[:2]
        ]
        if call.name in ("add", "sub") and call["alpha"] != 1:
            raise NotExpressibleError("adds a multiple (alpha)")
        if plain_name(call.func) in ("rsub", "__rsub__", "__rtruediv__", "__rdiv__"):
            sides.reverse()
        return call.writer.combined(kind, sides, call.shape)

    return translate


def _activation(function: str, **parameters: Any) -> Callable[[FunctionCall], Symbol]:
    """Return what adds an activation, whose parameters are those of the function called."""

    def translate(call: FunctionCall) -> Symbol:
        return call.writer.applied(function, call.x, **parameters)

    return translate


def _leaky_relu(call: FunctionCall) -> Symbol:
    slope = float(call["negative_slope"])
    return call.writer.applied("relu", call.x, slope=slope)


def _elu(call: FunctionCall) -> Symbol:
    return call.writer.applied(call.name, call.x, alpha=float(call["alpha"]))


def _gelu(call: FunctionCall) -> Symbol:
    approximate = call["approximate"] == "tanh"
    return call.writer.applied("gelu", call.x, approximate=approximate)


def _softplus(call: FunctionCall) -> Symbol:
    return call.writer.applied("softplus", call.x, beta=float(call["beta"]))


def _prelu(call: FunctionCall) -> Symbol:
    slope = call.tensor("weight")
    assert slope is not None
    arrays = {"slope": slope}
    return _on_channels(call, lambda last: call.writer.applied("prelu", last, arrays))


def _clip(call: FunctionCall) -> Symbol:
    ends = ("min_val", "max_val") if call.name == "hardtanh" else ("min", "max")
    low, high = (call[name] for name in ends)
    if any(isinstance(end, torch.Tensor | Symbol) for end in (low, high)):
        raise NotExpressibleError("has limits of its own for each value")
    limits = {"low": low, "high": high}
    given: dict[str, Any] = {name: float(end) for name, end in limits.items() if end is not None}
    return call.writer.applied("clip", call.x, **given)


def _softmax(call: FunctionCall) -> Symbol:
    x, dim = call.x, call["dim"]
    if dim is None:
        dim = 1
    return call.writer.along_last(
        x, x.place(int(dim)), lambda last: call.writer.applied(call.name, last)
    )


def _negative(call: FunctionCall) -> Symbol:
    return call.writer.scaled(call.x, -1.0)


_FUNCTIONS: dict[str, Callable[[FunctionCall], Symbol]] = {
    "conv2d": spatial.conv2d,
    "linear": _linear,
    "matmul": _matmul,
    "mm": _matmul,
    "batch_norm": _batch_norm,
    "max_pool2d": spatial.max_pool,
    "avg_pool2d": spatial.average_pool,
    "adaptive_avg_pool2d": spatial.adaptive_pool,
    "adaptive_max_pool2d": spatial.adaptive_pool,
    "mean": _over_axes,
    "amax": _over_axes,
    "pad": spatial.pad,
    "cat": _concat,
    "interpolate": spatial.upsample,
    "upsample_nearest2d": spatial.upsample,
    **dict.fromkeys(
        ("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "ravel", "view_as",
         "reshape_as"), _reshape,
    ),
    **dict.fromkeys(("permute", "transpose", "swapaxes", "swapdims"), _move),
    **dict.fromkeys(
        ("contiguous", "clone", "detach", "to", "type", "type_as", "float", "double", "cpu",
         "identity", "pos", "positive"), _identity,
    ),
    **dict.fromkeys(
        ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
         "feature_alpha_dropout"), _dropout,
    ),
    "add": _combined("add"),
    "sub": _combined("subtract"),
    "mul": _combined("multiply"),
    "div": _combined("divide"),
    "maximum": _combined("maximum"),
    "minimum": _combined("minimum"),
    "relu": _activation("relu"),
    "relu6": _activation("relu", limit=6.0),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "celu": _elu,
    "selu": _activation("selu"),
    "gelu": _gelu,
    "sigmoid": _activation("sigmoid"),
    "tanh": _activation("tanh"),
    "softplus": _softplus,
    "softsign": _activation("softsign"),
    "silu": _activation("silu"),
    "mish": _activation("mish"),
    "hardsigmoid": _activation("hard_sigmoid"),
    "hardswish": _activation("hard_silu"),
    "logsigmoid": _activation("log_sigmoid"),
    "prelu": _prelu,
    "hardtanh": _clip,
    "clamp": _clip,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "exp": _activation("exponential"),
    "abs": _activation("abs"),
    "square": _activation("square"),
    "sqrt": _activation("sqrt"),
    "neg": _negative,
    "negative": _negative,
}  # fmt: skip
