"""Gradients of scikit-learn's perceptrons, and of the steps before them, by Keras.

They are computed in float32, on whatever Keras runs on, with the weights as Keras variables: what
is compiled reads them, and stays valid while the estimator is trained further.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from sklearn.decomposition import PCA
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)

from layerscope.backends.base import Tap
from layerscope.backends.calculus import forget
from layerscope.backends.gradient_rules import GradientRule, gamma_layer, ruled_functions
from layerscope.backends.relu_gradient import redirected_relus
from layerscope.core.addresses import unknown_address
from layerscope.core.errors import ModelError

Function = Callable[[Any], Any]

ACTIVATIONS: Mapping[str, Function] = {
    "identity": lambda x: x,
    "relu": ops.relu,
    "tanh": ops.tanh,
    "logistic": ops.sigmoid,
    "softmax": ops.softmax,
}

#: The weights of perceptrons as Keras variables: kernel, bias, kernel, and so on.
_VARIABLES: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()


def variables_of(perceptron: Any) -> list[Any]:
    """Return the weights as Keras variables, with the values that they have now.

    They are the same variables each time, for as long as the shapes stay.
    """
    pairs = zip(perceptron.coefs_, perceptron.intercepts_, strict=True)
    # Copies, since on PyTorch and JAX a tensor may share the memory of what it is made from.
    arrays = [np.array(array, np.float32) for pair in pairs for array in pair]
    variables = _VARIABLES.get(perceptron, [])
    if [variable.shape for variable in variables] != [array.shape for array in arrays]:
        forget(perceptron)  # what was compiled reads the old ones
        variables = [keras.Variable(array, trainable=False, dtype="float32") for array in arrays]
        _VARIABLES[perceptron] = variables
        return variables
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return variables


def value_pass(
    layers: Sequence[tuple[str, Function, Function]],
    taps: Sequence[Tap],
    *,
    redirected: bool = False,
    shifted: Sequence[str] = (),
    rule: GradientRule | None = None,
) -> Callable[..., dict[Tap, Any]]:
    """Return a forward pass that stops after the last tap.

    ``layers`` are the address of each, what it computes up to its activation, and that;
    ``redirected`` tells whether gradients go on behind ReLUs that are off; to the values of the
    layers ``shifted``, those of a second argument are added.
    Raises AddressError where no layer has the address of a tap.
    """
    known = [address for address, _, _ in layers]
    for address in (*(tap.layer for tap in taps), *shifted):
        if address not in known:
            raise unknown_address(address, known)
    needed = layers[: max((known.index(tap.layer) + 1 for tap in taps), default=0)]

    def run(x: Any, shifts: Sequence[Any] = ()) -> dict[Tap, Any]:
        added = dict(zip(shifted, shifts, strict=True))
        value = ops.convert_to_tensor(x, "float32")
        values: dict[Tap, Any] = {}
        with redirected_relus(redirected), ruled_functions(rule):
            for address, compute, activate in needed:
                before = compute(value)
                value = activate(before)
                if address in added:
                    value = value + added[address]
                values[Tap(address, before_activation=True)] = before
                values[Tap(address)] = value
        return {tap: values[tap] for tap in taps}

    return run


def dense(kernel: Any, bias: Any, gamma: float = 0.0) -> Function:
    """Return what a layer computes up to its activation, by the γ rule where there is a γ."""
    if not gamma:
        return lambda x: ops.matmul(x, kernel) + bias

    def ruled(x: Any) -> Any:
        tensors = ops.convert_to_tensor(kernel), ops.convert_to_tensor(bias)
        return gamma_layer(lambda x, w, b: ops.matmul(x, w) + b, *tensors, gamma)(x)

    return ruled


def step_function(name: str, transformer: Any) -> Function:
    """Return what a step of a pipeline computes.

    Raises ModelError for a kind of step that is not differentiable here.
    """
    known = _STEPS.get(type(transformer))
    if known is None:
        names = ", ".join(kind.__name__ for kind in _STEPS)
        raise ModelError(
            f"The step {name!r} is a {type(transformer).__name__}, through which no gradient is "
            f"known: {names} work."
        )
    return known(transformer)


def _standard(step: StandardScaler) -> Function:
    return _affine(step.mean_ if step.with_mean else None, step.scale_)


def _robust(step: RobustScaler) -> Function:
    centre = step.center_ if step.with_centering else None
    return _affine(centre, step.scale_ if step.with_scaling else None)


def _affine(centre: Any, scale: Any) -> Function:
    """Return ``(x - centre) / scale``, without what is None."""
    centre = None if centre is None else _tensor(centre)
    scale = None if scale is None else _tensor(scale)

    def transform(x: Any) -> Any:
        x = x if centre is None else x - centre
        return x if scale is None else x / scale

    return transform


def _min_max(step: MinMaxScaler) -> Function:
    low, high = step.feature_range
    # Not x * scale_ + min_, in which float32 loses what lies far from 0.
    start, scale = _tensor(step.data_min_), _tensor(step.scale_)
    clipped = _clipped(low, high) if step.clip else lambda x: x
    return lambda x: clipped((x - start) * scale + low)


def _max_abs(step: MaxAbsScaler) -> Function:
    scaled = _affine(None, step.scale_)
    clipped = _clipped(-1.0, 1.0) if getattr(step, "clip", False) else lambda x: x
    return lambda x: clipped(scaled(x))


def _clipped(low: float, high: float) -> Function:
    return lambda x: ops.clip(x, low, high)


def _principal(step: PCA) -> Function:
    components = step.components_.T
    if step.whiten:
        # As scikit-learn does: a component without variance is divided by the least number.
        deviations = np.sqrt(step.explained_variance_)
        least = np.finfo(deviations.dtype).eps
        components = components / np.maximum(deviations, least)
    mean, components = _tensor(step.mean_), _tensor(components)
    return lambda x: ops.matmul(x - mean, components)


def _normalized(step: Normalizer) -> Function:
    def transform(x: Any) -> Any:
        if step.norm == "l1":
            norm = ops.sum(ops.abs(x), axis=1, keepdims=True)
        elif step.norm == "max":
            norm = ops.max(ops.abs(x), axis=1, keepdims=True)
        else:
            squares = ops.sum(x * x, axis=1, keepdims=True)
            # Where all is 0, the square root has no slope.
            norm = ops.sqrt(ops.where(squares == 0, 1.0, squares))
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


def _tensor(array: Any) -> Any:
    return ops.convert_to_tensor(np.array(array, np.float32))
