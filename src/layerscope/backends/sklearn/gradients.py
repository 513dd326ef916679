"""Gradients of scikit-learn's perceptrons, and of the steps before them, by autograd."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.core import make_vjp
from autograd.extend import vspace
from autograd.tracer import getval
from sklearn.decomposition import PCA
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)

from layerscope.backends.base import Tap
from layerscope.backends.sklearn import autograd_ops as ops
from layerscope.core.addresses import unknown_address
from layerscope.core.errors import ModelError

Function = Callable[[Any], Any]

ACTIVATIONS: Mapping[str, Function] = {
    "identity": lambda x: x,
    # Not by ``maximum``, whose slope autograd takes for a half where x is 0.
    "relu": lambda x: ops.where(x <= 0, 0.0, x),
    "tanh": ops.tanh,
    "logistic": ops.sigmoid,
    "softmax": ops.softmax,
}


def value_pass(
    layers: Sequence[tuple[str, Function, Function]], taps: Sequence[Tap], dtype: np.dtype[Any]
) -> Callable[[Any], dict[Tap, Any]]:
    """A forward pass that stops after the last tap.

    ``layers`` are the address of each, what it computes up to its activation, and that.
    Raises AddressError where no layer is called so.
    """
    known = [address for address, _, _ in layers]
    for tap in taps:
        if tap.layer not in known:
            raise unknown_address(tap.layer, known)
    needed = layers[: max((known.index(tap.layer) + 1 for tap in taps), default=0)]

    def run(x: Any) -> dict[Tap, Any]:
        value = _typed(ops.convert_to_tensor(x), dtype)
        values: dict[Tap, Any] = {}
        for address, compute, activate in needed:
            before = _typed(compute(value), dtype)
            value = activate(before)
            values[Tap(address, before_activation=True)] = before
            values[Tap(address)] = value
        return {tap: _typed(values[tap], np.dtype(np.float32)) for tap in taps}

    return run


def step_function(name: str, transformer: Any) -> Function:
    """What a step of a pipeline computes.

    Raises ModelError for steps of which we do not know it.
    """
    known = _STEPS.get(type(transformer))
    if known is None:
        names = ", ".join(kind.__name__ for kind in _STEPS)
        raise ModelError(
            f"The step {name!r} is a {type(transformer).__name__}, through which no gradient is "
            f"known: {names} work."
        )
    return known(transformer)


def differentiated(function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
    """As :meth:`Differentiable.gradient`."""

    def result(x: Any, *rest: Any) -> tuple[Any, Any]:
        returned: list[Any] = []

        def scores(x: Any) -> Any:
            returned.append(function(x, *rest))
            return returned[0][0] if isinstance(returned[0], tuple) else returned[0]

        x = np.asarray(x)
        with warnings.catch_warnings():
            # That scores are constant is for whoever made them to say.
            warnings.filterwarnings("ignore", "Output seems independent of input")
            pull_back, value = make_vjp(scores, x)
        gradient = pull_back(vspace(value).ones())
        return _constant(returned[0]), _typed(gradient, x.dtype)

    return result


class Adam:
    """Adam as Keras computes it, for ascent.

    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, in the form at the end of
    their section 2, with Keras' epsilon.
    """

    def __init__(self, params: Any) -> None:
        zeros = np.zeros_like(np.asarray(params, np.float32))
        self.state: list[Any] = [zeros, zeros, np.float32(0)]

    def __call__(
        self, params: Any, state: list[Any], gradient: Any, step_size: Any
    ) -> tuple[Any, list[Any]]:
        """The new parameters and the new state."""
        mean, square, steps = state
        steps = steps + np.float32(1)
        mean = mean + (gradient - mean) * np.float32(1 - _BETA)
        square = square + (gradient**2 - square) * np.float32(1 - _BETA_OF_SQUARES)
        rate = step_size * np.sqrt(1 - _BETA_OF_SQUARES**steps) / (1 - _BETA**steps)
        params = params + np.float32(rate) * mean / (np.sqrt(square) + np.float32(_EPSILON))
        return params, [mean, square, steps]


_BETA, _BETA_OF_SQUARES, _EPSILON = 0.9, 0.999, 1e-7


def optimizer(which: Any, params: Any) -> Adam:
    """``"adam"``; raises ModelError for Keras' optimizers, which need Keras' tensors."""
    if which != "adam":
        raise ModelError(
            f"optimizer={which!r} is none for a scikit-learn model: pass 'ascent' or 'adam'."
        )
    return Adam(params)


def _standard(step: StandardScaler) -> Function:
    return _affine(step.mean_ if step.with_mean else None, step.scale_)


def _robust(step: RobustScaler) -> Function:
    centre = step.center_ if step.with_centering else None
    return _affine(centre, step.scale_ if step.with_scaling else None)


def _affine(centre: Any, scale: Any) -> Function:
    def transform(x: Any) -> Any:
        x = x if centre is None else x - centre
        return x if scale is None else x / scale

    return transform


def _min_max(step: MinMaxScaler) -> Function:
    low, high = step.feature_range if step.clip else (-np.inf, np.inf)
    return lambda x: anp.clip(x * step.scale_ + step.min_, low, high)


def _max_abs(step: MaxAbsScaler) -> Function:
    limit = 1.0 if getattr(step, "clip", False) else np.inf
    return lambda x: anp.clip(x / step.scale_, -limit, limit)


def _principal(step: PCA) -> Function:
    components = step.components_.T
    if step.whiten:
        # As scikit-learn does: a component without variance is divided by the least number.
        deviations = np.sqrt(step.explained_variance_)
        least = np.finfo(deviations.dtype).eps
        components = components / np.maximum(deviations, least)
    return lambda x: (x - step.mean_) @ components


def _normalized(step: Normalizer) -> Function:
    def transform(x: Any) -> Any:
        size = ops.abs(x)
        if step.norm == "l1":
            norm = ops.sum(size, axis=1, keepdims=True)
        elif step.norm == "max":
            norm = ops.max(size, axis=1, keepdims=True)
        else:
            norm = ops.sqrt(ops.sum(x * x, axis=1, keepdims=True))
        return x / ops.where(norm == 0, 1.0, norm)

    return transform


_STEPS: Mapping[type, Callable[[Any], Function]] = {
    StandardScaler: _standard,
    MinMaxScaler: _min_max,
    MaxAbsScaler: _max_abs,
    RobustScaler: _robust,
    Normalizer: _normalized,
    PCA: _principal,
}


def _typed(x: Any, dtype: np.dtype[Any]) -> Any:
    return x if x.dtype == dtype else x.astype(dtype)


def _constant(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _constant(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_constant(item) for item in value)
    return getval(value)
