"""Which operations Keras' layers come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from layerscope.backends.keras.portable import activations, spatial
from layerscope.backends.keras.portable.calls import Array, LayerCall, is_by_keras
from layerscope.backends.operations import (
    NotExpressibleError,
    Symbol,
    batch_norm_arrays,
)
from layerscope.core.operations import OperationKind

L = keras.layers


def is_known(operation: Any) -> bool:
    """Return whether a layer or an operation is one of those that come to operations."""
    return _translation(operation) is not None


def translated(call: LayerCall) -> Symbol:
    """Add the operations of a call; return its value.

    Raises NotExpressibleError where there are none for it.
    """
    translation = _translation(call.layer)
    if translation is None:
        raise NotExpressibleError(_why_unknown(call.layer))
    return translation(call)


def _translation(operation: Any) -> Callable[[LayerCall], Symbol] | None:
    if not isinstance(operation, keras.Layer):
        of_keras = type(operation).__module__.startswith("keras.")
        return _OPERATIONS.get(type(operation).__name__) if of_keras else None
    for classes, translation in _LAYERS:
        if isinstance(operation, classes):
            return translation if is_by_keras(operation) else None
    return None


def _why_unknown(operation: Any) -> str:
    if type(operation).__module__.partition(".")[0] == "keras":
        return "is of a type that a page does not know"
    return "computes with code of its own"


def _dense(call: LayerCall) -> Symbol:
    x = call.writer.unpermuted(call.x)
    arrays = {"kernel": call.kernel(), "bias": call.variable("bias")}
    return activations.activated(call, call.writer.add("dense", [x], call.shape, arrays=arrays))


def _along(call: LayerCall, axis: int, arrays: Mapping[str, Array]) -> Symbol:
    """Return the value scaled along one of its axes."""
    x = call.x
    return call.writer.along_last(
        x, x.place(axis), lambda last: call.writer.like("rescale", last, arrays)
    )


def _batch_norm(call: LayerCall) -> Symbol:
    mean, variance = call.variable("moving_mean"), call.variable("moving_variance")
    assert mean is not None
    assert variance is not None
    gamma, beta = call.variable("gamma"), call.variable("beta")
    arrays = batch_norm_arrays(mean, variance, call.layer.epsilon, gamma, beta)
    axis = call.layer.axis
    return _along(call, axis[0] if isinstance(axis, list | tuple) else axis, arrays)


def _rescaling(call: LayerCall) -> Symbol:
    scale, offset = (np.asarray(call.read(v)) for v in (call.layer.scale, call.layer.offset))
    return _along(call, -1, {"scale": np.ravel(scale), "shift": np.ravel(offset)})


def _normalization(call: LayerCall) -> Symbol:
    mean, variance = call.variable("mean"), call.variable("variance")
    assert mean is not None
    assert variance is not None
    axes = [axis for axis in np.ravel(call.layer.axis or ()) if axis is not None]
    if len(axes) > 1 and mean.size > 1:
        raise NotExpressibleError("has a mean of its own for each place")
    spread = np.maximum(np.sqrt(variance.astype(np.float64)), keras.config.epsilon()).ravel()
    x, writer = call.x, call.writer

    def standardized(last: Symbol) -> Symbol:
        if call.layer.invert:
            return writer.scaled(last, spread, mean)
        return writer.standardized(last, mean, spread)

    return writer.along_last(x, x.place(int(axes[0]) if axes else -1), standardized)


def _flatten(call: LayerCall) -> Symbol:
    x = call.x
    if call.layer.data_format == "channels_first" and len(x.shape) > 1:
        # It puts the channels last before it flattens.
        names = tuple(f"axis{i}" for i in range(len(x.shape)))
        straight = Symbol(x.index, tuple(x.shape[axis] for axis in x.order), names)
        if x.axes[0] != "channel":
            raise NotExpressibleError("flattens values whose channels are not the first")
        x = straight
    return call.writer.reshaped(x, call.shape)


def _reshape(call: LayerCall) -> Symbol:
    return call.writer.reshaped(call.x, call.shape)


def _permute(call: LayerCall) -> Symbol:
    x = call.x
    order = [axis - 1 for axis in call.layer.dims]
    return Symbol(x.index, call.shape, tuple(x.axes[axis] for axis in order))


def _identity(call: LayerCall) -> Symbol:
    return call.x


def _merge(kind: OperationKind) -> Callable[[LayerCall], Symbol]:
    def translate(call: LayerCall) -> Symbol:
        return call.writer.merged(kind, call.several, call.shape)

    return translate


def _concatenate(call: LayerCall) -> Symbol:
    values = call.several
    return call.writer.merged("concat", values, call.shape, axis=values[0].place(call.layer.axis))


def _of_two(kind: OperationKind) -> Callable[[LayerCall], Symbol]:
    """Return what adds an operation of two values, of which one may be the model's own."""

    def translate(call: LayerCall) -> Symbol:
        sides = [
            call.read(side) if hasattr(side, "shape") and not isinstance(side, Symbol) else side
            for side in (*call.args, *call.kwargs.values())[:2]
        ]
        return call.writer.combined(kind, sides, call.shape)

    return translate


def _named(*names: str) -> tuple[type, ...]:
    """Return the layers of these names that this version of Keras has."""
    return tuple(getattr(L, name) for name in names if hasattr(L, name))


#: The first that a layer is an instance of.
_LAYERS: tuple[tuple[tuple[type, ...], Callable[[LayerCall], Symbol]], ...] = (
    (_named("SeparableConv2D"), spatial.separable_conv2d),
    (_named("DepthwiseConv2D"), spatial.depthwise_conv2d),
    (_named("Conv2D"), spatial.conv2d),
    (_named("Dense"), _dense),
    (_named("BatchNormalization"), _batch_norm),
    (_named("Rescaling"), _rescaling),
    (_named("Normalization"), _normalization),
    (_named("MaxPooling2D"), spatial.pool("max_pool")),
    (_named("AveragePooling2D"), spatial.pool("average_pool")),
    (_named("GlobalAveragePooling2D"), spatial.global_pool("global_average_pool")),
    (_named("GlobalMaxPooling2D"), spatial.global_pool("global_max_pool")),
    *activations.LAYERS,
    (_named("Flatten"), _flatten),
    (_named("Reshape"), _reshape),
    (_named("Permute"), _permute),
    (_named("ZeroPadding2D"), spatial.zero_padding),
    (_named("Cropping2D"), spatial.cropping),
    (_named("UpSampling2D"), spatial.up_sampling),
    (_named("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout", "GaussianNoise",
            "AlphaDropout", "ActivityRegularization", "Identity", "RandomFlip", "RandomRotation",
            "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness"), _identity),
    (_named("Add"), _merge("add")),
    (_named("Subtract"), _merge("subtract")),
    (_named("Multiply"), _merge("multiply")),
    (_named("Average"), _merge("average")),
    (_named("Maximum"), _merge("maximum")),
    (_named("Minimum"), _merge("minimum")),
    (_named("Concatenate"), _concatenate),
)  # fmt: skip


#: Operations of functional models, by the names of their classes.
_OPERATIONS: dict[str, Callable[[LayerCall], Symbol]] = {
    "Add": _of_two("add"),
    "Subtract": _of_two("subtract"),
    "Multiply": _of_two("multiply"),
    "TrueDivide": _of_two("divide"),
    "Divide": _of_two("divide"),
    "Maximum": _of_two("maximum"),
    "Minimum": _of_two("minimum"),
    "Reshape": _reshape,
    "Concatenate": _concatenate,
    **dict.fromkeys(
        ("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Gelu", "Sigmoid", "Tanh", "Softmax",
         "LogSoftmax", "Softplus", "Softsign", "Silu", "HardSigmoid", "HardSilu", "LogSigmoid"),
        activations.operation_function,
    ),
}  # fmt: skip
