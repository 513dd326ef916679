"""Which operations Keras' functions come to, fused into a layer or a layer of their own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras

from layerscope.backends.keras.kinds import kind_of
from layerscope.backends.keras.portable.calls import LayerCall, is_by_keras
from layerscope.backends.operations import (
    NotExpressibleError,
    OperationWriter,
    Symbol,
)


def activated(call: LayerCall, x: Symbol) -> Symbol:
    """Return what the activation fused into a layer makes of a value."""
    function = getattr(call.layer, "activation", None)
    if function is None:
        return x
    if isinstance(function, keras.Layer):
        inner = LayerCall(call.writer, function, (x,), {}, x.shape, call.read)
        for classes, translation in LAYERS:
            if isinstance(function, classes) and is_by_keras(function):
                return translation(inner)
        raise NotExpressibleError(
            f"applies a layer, {type(function).__name__}, which a page does not know as a function"
        )
    name = getattr(function, "__name__", "")
    if not str(getattr(function, "__module__", "")).startswith("keras."):
        raise NotExpressibleError(f"applies a function of somebody's own, {name or repr(function)}")
    parameters = inspect.signature(function).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    return _applied(call.writer, x, name, defaults)


def _applied(
    writer: OperationWriter, x: Symbol, name: str, parameters: Mapping[str, Any]
) -> Symbol:
    """Return what one of Keras' functions makes of a value."""
    settings = _settings_of(name, parameters)
    if settings is None:
        raise NotExpressibleError(f"applies the function {name!r}, which a page does not know")
    if not settings:
        return x
    if settings["function"] in ("softmax", "log_softmax"):
        place = x.place(parameters.get("axis", -1))
        return writer.along_last(x, place, lambda last: writer.applied(x=last, **settings))
    return writer.applied(x=x, **settings)


def _settings_of(name: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings of an activation; none for one that does nothing; None for no known."""
    if name == "linear":
        return {}
    if name == "relu":
        bent = {
            "slope": parameters.get("negative_slope"),
            "threshold": parameters.get("threshold"),
            "limit": parameters.get("max_value"),
        }
        given = {key: float(value) for key, value in bent.items() if value}
        return {"function": "relu", **given}
    if name == "leaky_relu":
        return {"function": "relu", "slope": float(parameters["negative_slope"])}
    if name in ("elu", "celu"):
        return {"function": name, "alpha": float(parameters["alpha"])}
    if name == "gelu":
        return {"function": name, "approximate": bool(parameters["approximate"])}
    return _PLAIN.get(name)


_PLAIN: dict[str, dict[str, Any]] = {
    "relu6": {"function": "relu", "limit": 6.0},
    "hard_tanh": {"function": "clip", "low": -1.0, "high": 1.0},
    **{
        name: {"function": name}
        for name in (
            "selu", "sigmoid", "tanh", "softmax", "log_softmax", "softplus", "softsign", "silu",
            "mish", "hard_sigmoid", "hard_silu", "log_sigmoid", "exponential",
        )
    },
}  # fmt: skip


def activation(call: LayerCall) -> Symbol:
    return activated(call, call.x)


def function(call: LayerCall) -> Symbol:
    """Return the value of a layer that is a function: ReLU, LeakyReLU, ELU, Softmax."""
    layer = call.layer
    names = ("negative_slope", "max_value", "threshold", "alpha", "axis")
    parameters = {name: getattr(layer, name) for name in names if hasattr(layer, name)}
    name = kind_of(layer)[1] or ""
    return _applied(call.writer, call.x, _BENT.get(name, name), parameters)


_BENT = {"leaky_relu": "relu", "thresholded_relu": "relu", "relu6": "relu"}


def prelu(call: LayerCall) -> Symbol:
    alpha = call.variable("alpha")
    assert alpha is not None
    slope = call.x.arranged(alpha)
    return call.writer.applied("prelu", call.x, {"slope": slope})


def operation_function(call: LayerCall) -> Symbol:
    """Return the value of an operation that is a function, such as ``keras.ops.relu(x)``."""
    name = kind_of(call.layer)[1] or ""
    names = ("negative_slope", "alpha", "approximate", "axis")
    parameters = {n: getattr(call.layer, n) for n in names if hasattr(call.layer, n)}
    return _applied(call.writer, call.x, name, parameters)


#: The layers that are a function.
LAYERS: tuple[tuple[tuple[type, ...], Callable[[LayerCall], Symbol]], ...] = (
    ((keras.layers.Activation,), activation),
    ((keras.layers.PReLU,), prelu),
    (
        (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU, keras.layers.Softmax),
        function,
    ),
)
