"""Causes that lie in the function that is applied: another one, or another form of the same."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from layerscope.core.axes import NamedArray
from layerscope.core.text import quoted
from layerscope.instruments.comparison.reasons.chain import Chain, distance
from layerscope.instruments.comparison.reasons.linear import LayerOutput, computed, effective

Values = npt.NDArray[np.float64]

_FITS = 2e-6  #: the distance of values that a function gives but for roundings
_VALUES = 100_000  #: to which functions are applied at most, evenly spaced


def of_functions(one: Chain, other: Chain) -> list[str]:
    """Return which functions both apply, where they differ."""
    first, second = one.activation, other.activation
    name = quoted(other.last.address)
    known = [before for chain in (one, other) if (before := before_activation(chain)) is not None]
    # Recorded rather than computed, of one sample.
    before = max(known, key=lambda each: len(each.values), default=None)
    values = [_beside(chain.value(chain.last), before) for chain in (one, other)]
    if before is None or any(value is None for value in values):
        if first != second:
            return [f"the activation: {name} applies {second or 'none'}, the one {first or 'none'}"]
        return []
    z = before.values.reshape(-1, before.values.shape[-1])
    every = -(-z.size // _VALUES)
    words = [best(z[::every], value[::every]) for value in values if value is not None]
    if None in words:
        words = [w or a or "none" for w, a in zip(words, (first, second), strict=True)]
    if words[0] == words[1]:
        return []
    return [f"the activation: {name} applies {words[1]}, the one {words[0]}"]


def _beside(value: NamedArray | None, before: LayerOutput | None) -> Values | None:
    """Return of a value what was made of what goes in; None where it does not fit."""
    if value is None or before is None:
        return None
    if before.rows is not None and value.values.shape[1:2] != (before.rows[-1] + 1,):
        return None  # the last row is always among those that are computed
    cut = before.beside(value.values)
    return cut.reshape(-1, before.values.shape[-1]) if cut.size == before.values.size else None


def before_activation(chain: Chain) -> LayerOutput | None:
    """Return what goes into the last activation: recorded, or computed from the weights."""
    if chain.activation is None:
        return None
    if chain.last.kind == "activation" or chain.last.address != chain.core.address:
        received = chain.received(chain.last)
        return None if received is None else LayerOutput(received.values)
    received = effective(chain)
    return None if received is None else computed(chain, received)


def best(z: Values, values: Values) -> str | None:
    """Return the function that makes values of z, in words; None where none that is known does."""
    if distance(values, z) <= _FITS:
        return "none"
    for name, function in _FUNCTIONS.items():
        with np.errstate(over="ignore", invalid="ignore"):
            if distance(values, function(z)) <= _FITS:
                return name
    return _sloped(z, values)


def _sloped(z: Values, values: Values) -> str | None:
    """Return a function that has a number of its own: a slope below 0, a limit above."""
    below, above = z < -1e-3, z > 0
    if below.any() and distance(values[above], z[above]) <= _FITS:
        slope = float(np.median(values[below] / z[below]))
        if distance(values, np.where(z < 0, slope * z, z)) <= _FITS:
            return f"leaky_relu with slope {slope:.3g}"
        alpha = float(np.median(values[below] / np.expm1(z[below])))
        if distance(values, np.where(z < 0, alpha * np.expm1(z), z)) <= _FITS:
            return f"elu with alpha {alpha:.3g}"
    limit = float(values.max())
    if distance(values, np.clip(z, 0, limit)) <= _FITS:
        return f"relu up to {limit:.3g}"
    return None


def _erf(z: Values) -> Values:
    result: Values = np.asarray(np.frompyfunc(math.erf, 1, 1)(z), np.float64)
    return result


def _sigmoid(z: Values) -> Values:
    return 0.5 * (1 + np.tanh(0.5 * z))


def _softmax(z: Values) -> Values:
    raised = np.exp(z - z.max(axis=-1, keepdims=True))
    result: Values = raised / raised.sum(axis=-1, keepdims=True)
    return result


def _softplus(z: Values) -> Values:
    result: Values = np.logaddexp(0, z)
    return result


_ROOT = math.sqrt(2 / math.pi)
_FUNCTIONS: dict[str, Callable[[Values], Values]] = {
    "relu": lambda z: np.maximum(z, 0),
    "relu6": lambda z: np.clip(z, 0, 6),
    "gelu, the exact one": lambda z: 0.5 * z * (1 + _erf(z / math.sqrt(2))),
    "gelu by tanh, the approximate one": lambda z: (
        0.5 * z * (1 + np.tanh(_ROOT * (z + 0.044715 * z**3)))
    ),
    "gelu by sigmoid, the quick one": lambda z: z * _sigmoid(1.702 * z),
    "silu": lambda z: z * _sigmoid(z),
    "sigmoid": _sigmoid,
    "hard_sigmoid, z/6 + 1/2": lambda z: np.clip(z / 6 + 0.5, 0, 1),
    "hard_sigmoid, z/5 + 1/2": lambda z: np.clip(z / 5 + 0.5, 0, 1),
    "hard_silu": lambda z: z * np.clip(z / 6 + 0.5, 0, 1),
    "tanh": np.tanh,
    "softmax": _softmax,
    "log_softmax": lambda z: np.log(np.maximum(_softmax(z), 1e-300)),
    "softmax twice": lambda z: _softmax(_softmax(z)),
    "softplus": _softplus,
    "mish": lambda z: z * np.tanh(_softplus(z)),
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(z)),
    "softsign": lambda z: z / (1 + np.abs(z)),
}
