"""What operations compute, in NumPy: the definition that a page's own code is held to.

It is written to be read, not to be quick. Sums are taken in float64; each value is float32, as what
a page keeps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from layerscope.core.operations import Operation, OperationGraph

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]


def evaluate(graph: OperationGraph, x: Array) -> dict[str, Float32]:
    """Return the value of each operation on samples of the input, ``(sample, …)``, by address."""
    values = {graph.input: np.asarray(x, np.float32)}
    with np.errstate(all="ignore"):  # what a framework computes without a word
        for operation in graph.operations:
            arguments = [values[address].astype(np.float64) for address in operation.inputs]
            arrays = {name: a.astype(np.float64) for name, a in operation.arrays.items()}
            result = _COMPUTE[operation.kind](operation, arrays, arguments, len(x))
            values[operation.address] = result.astype(np.float32)
    return values


Arrays = Mapping[str, Array]


def _conv2d(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
    (x,) = inputs
    kernel, groups = arrays["kernel"], op.settings["groups"]
    result = np.zeros((samples, *op.shape))
    into, out = x.shape[-1] // groups, op.shape[-1] // groups
    for group in range(groups):
        channels = slice(group * into, (group + 1) * into)
        filters = slice(group * out, (group + 1) * out)
        for y, column, window in _windows(op, x[..., channels], kernel.shape[:2]):
            result[..., filters] += window @ kernel[y, column][:, filters]
    return result + arrays.get("bias", 0)


def _depthwise_conv2d(
    op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int
) -> Array:
    (x,) = inputs
    kernel = arrays["kernel"]
    result = np.zeros((samples, *op.shape[:2], *kernel.shape[2:]))
    for y, column, window in _windows(op, x, kernel.shape[:2]):
        result += window[..., None] * kernel[y, column]
    return result.reshape(samples, *op.shape) + arrays.get("bias", 0)


def _windows(
    op: Operation, x: Array, size: Sequence[int], fill: float = 0.0
) -> list[tuple[int, int, Array]]:
    """Return, for each place in a window, the values that stand there in every window."""
    strides, dilation = op.settings["strides"], op.settings.get("dilation", (1, 1))
    padded = np.pad(x, [(0, 0), *op.settings["padding"], (0, 0)], constant_values=fill)
    rows, columns = op.shape[:2]
    return [
        (
            y,
            column,
            padded[
                :,
                y * dilation[0] :: strides[0],
                column * dilation[1] :: strides[1],
            ][:, :rows, :columns],
        )
        for y, column in product(range(size[0]), range(size[1]))
    ]


def _dense(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
    product_: Array = inputs[0] @ arrays["kernel"]
    return product_ + arrays.get("bias", 0)


def _rescale(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
    return inputs[0] * arrays["scale"] + arrays["shift"]


def _max_pool(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
    windows = _windows(op, inputs[0], op.settings["size"], -np.inf)
    return np.max([window for *_, window in windows], axis=0)  # type: ignore[no-any-return]


def _average_pool(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
    (x,) = inputs
    total = sum(window for *_, window in _windows(op, x, op.settings["size"]))
    if op.settings["counts_padding"]:
        return np.asarray(total / math.prod(op.settings["size"]))
    ones = np.ones((1, *x.shape[1:3], 1))
    counted = sum(window for *_, window in _windows(op, ones, op.settings["size"]))
    return np.asarray(total / counted)


def _over(reduce: Callable[..., Array]) -> Callable[..., Array]:
    def compute(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
        axes = tuple(axis + 1 for axis in op.settings["axes"])
        return reduce(inputs[0], axis=axes).reshape(samples, *op.shape)

    return compute


def _activation(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
    settings = {name: value for name, value in op.settings.items() if name != "function"}
    return _FUNCTIONS[op.settings["function"]](inputs[0], **arrays, **settings)


def _of_all(combine: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    def compute(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
        result, *others = inputs
        for other in others:
            result = combine(result, other)
        return result

    return compute


def _average(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
    total: Array = _of_all(np.add)(op, arrays, inputs, samples)
    return total / len(inputs)


def _concat(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
    whole = [np.broadcast_to(x, (samples, *x.shape[1:])) for x in inputs]
    return np.concatenate(whole, axis=op.settings["axis"] + 1)


def _pad(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
    around, value = [(0, 0), *op.settings["padding"]], op.settings["value"]
    if value is None:
        return np.pad(inputs[0], around, mode="edge")
    return np.pad(inputs[0], around, constant_values=value)


def _crop(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
    ends = zip(op.settings["cropping"], inputs[0].shape[1:], strict=True)
    kept = tuple(slice(before, length - after) for (before, after), length in ends)
    return inputs[0][(slice(None), *kept)]


def _upsample(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
    rows, columns = op.settings["factors"]
    return inputs[0].repeat(rows, axis=1).repeat(columns, axis=2)


def _transpose(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
    return inputs[0].transpose(0, *(axis + 1 for axis in op.settings["order"]))


def _reshape(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
    return inputs[0].reshape(samples, *op.shape)


def _constant(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
    return arrays["value"][None]


def _identity(op: Operation, arrays: Arrays, inputs: Sequence[Array], samples: int) -> Array:
    return inputs[0]


_COMPUTE: dict[str, Callable[[Operation, Arrays, Sequence[Array], int], Array]] = {
    "conv2d": _conv2d,
    "depthwise_conv2d": _depthwise_conv2d,
    "dense": _dense,
    "rescale": _rescale,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "global_average_pool": _over(np.mean),
    "global_max_pool": _over(np.max),
    "activation": _activation,
    "add": _of_all(np.add),
    "subtract": _of_all(np.subtract),
    "multiply": _of_all(np.multiply),
    "divide": _of_all(np.divide),
    "maximum": _of_all(np.maximum),
    "minimum": _of_all(np.minimum),
    "average": _average,
    "concat": _concat,
    "pad": _pad,
    "crop": _crop,
    "upsample": _upsample,
    "transpose": _transpose,
    "reshape": _reshape,
    "constant": _constant,
    "identity": _identity,
}


def _relu(x: Array, slope: float = 0.0, threshold: float = 0.0, limit: float = math.inf) -> Array:
    above = np.minimum(x, limit)
    return np.where(x >= threshold, above, slope * (x - threshold))


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def _softplus(x: Array, beta: float = 1.0) -> Array:
    return np.asarray(np.logaddexp(0, beta * x) / beta)


def _gelu(x: Array, approximate: bool = False) -> Array:
    if approximate:
        erf = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    else:
        erf = np.vectorize(math.erf, otypes=[np.float64])(x / math.sqrt(2))
    return np.asarray(x / 2 * (1 + erf))


def _elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _celu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def _log_softmax(x: Array) -> Array:
    shifted = x - x.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _hard_sigmoid(x: Array) -> Array:
    return np.clip(x / 6 + 0.5, 0, 1)


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

_FUNCTIONS: dict[str, Callable[..., Array]] = {
    "relu": _relu,
    "elu": _elu,
    "celu": _celu,
    "selu": lambda x: _SELU_SCALE * _elu(x, _SELU_ALPHA),
    "gelu": _gelu,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "softmax": lambda x: np.exp(_log_softmax(x)),
    "log_softmax": _log_softmax,
    "softplus": _softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "silu": lambda x: x * _sigmoid(x),
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": lambda x: x * _hard_sigmoid(x),
    "log_sigmoid": lambda x: -_softplus(-x),
    "exponential": np.exp,
    "clip": lambda x, low=-math.inf, high=math.inf: np.clip(x, low, high),
    "prelu": lambda x, slope: np.where(x > 0, x, slope * x),
    "abs": np.abs,
    "square": np.square,
    "sqrt": np.sqrt,
}
