"""What a Keras layer or operation is, and which function it applies.

By its class and those that it is derived from: somebody's own ``MyConv(Conv2D)`` is a convolution.
"""

from __future__ import annotations

from typing import Any

import keras

from layerscope.core.layer_kinds import Kind, activation_name
from layerscope.core.type_names import by_name_of_own_class, by_type_name

L = keras.layers


def _classes(*names: str) -> tuple[type, ...]:
    """Return the layers of these names; those in a ``*`` for each number of dimensions.

    Those that this version of Keras does not have are left out.
    """
    spelled = [name.replace("*", f"{n}D") for name in names for n in (1, 2, 3)]
    return tuple(dict.fromkeys(getattr(L, name) for name in spelled if hasattr(L, name)))


#: The first that a layer is an instance of.
_KINDS: tuple[tuple[Kind, tuple[type, ...]], ...] = (
    ("input", _classes("InputLayer")),
    ("recurrent", _classes("RNN", "Bidirectional", "LSTMCell", "GRUCell", "SimpleRNNCell",
                           "StackedRNNCells")),
    ("attention", _classes("MultiHeadAttention", "GroupQueryAttention", "Attention")),
    ("depthwise_conv", _classes("DepthwiseConv*")),
    ("separable_conv", _classes("SeparableConv*")),
    ("conv_transpose", _classes("Conv*Transpose")),
    ("conv", _classes("Conv*")),
    ("matmul", _classes("EinsumDense")),
    ("dense", _classes("Dense")),
    ("embedding", _classes("Embedding")),
    ("batch_norm", _classes("BatchNormalization")),
    ("group_norm", _classes("GroupNormalization")),
    ("norm", _classes("LayerNormalization", "RMSNormalization", "UnitNormalization")),
    ("rescale", _classes("Rescaling")),
    ("standardize", _classes("Normalization")),
    ("pool", _classes("MaxPooling*", "AveragePooling*", "GlobalMaxPooling*",
                      "GlobalAveragePooling*", "AdaptiveMaxPooling*", "AdaptiveAveragePooling*")),
    ("add", _classes("Add", "Average")),
    ("concat", _classes("Concatenate")),
    ("merge", _classes("Multiply", "Subtract", "Maximum", "Minimum", "Dot")),
    ("dropout", _classes("Dropout", "SpatialDropout*", "GaussianDropout", "GaussianNoise",
                         "AlphaDropout", "ActivityRegularization")),
    ("pad", _classes("ZeroPadding*")),
    ("augment", _classes("AugMix", "AutoContrast", "CutMix", "MixUp", "Equalization",
                         "ContrastLimitedAdaptiveHistogramEqualization", "Solarization",
                         "Pipeline", "MaxNumBoundingBoxes",
                         *(name for name in dir(L) if name.startswith("Rand")))),
    ("crop", _classes("Cropping*", "CenterCrop")),
    ("resize", _classes("UpSampling*", "Resizing")),
    ("reshape", _classes("Flatten", "Reshape")),
    ("rearrange", _classes("Permute", "RepeatVector")),
    ("identity", _classes("Identity")),
    ("encode", _classes("CategoryEncoding", "Discretization", "HashedCrossing", "Hashing",
                        "IntegerLookup", "StringLookup", "TextVectorization")),
    ("function", _classes("Lambda")),
    ("container", (keras.Model, *_classes("SpectralNormalization"))),
    ("other", _classes("Wrapper")),
)  # fmt: skip
#: Layers that are a function.
_FUNCTIONS = (
    (L.ReLU, "relu"), (L.LeakyReLU, "leaky_relu"), (L.PReLU, "prelu"), (L.ELU, "elu"),
    (L.Softmax, "softmax"),
)  # fmt: skip
#: Operations whose name means something else than elsewhere, or nothing elsewhere.
_OPERATIONS: dict[str, Kind] = {
    **dict.fromkeys(("Sum", "Mean", "Average", "Max", "Min", "Amax", "Amin"), "reduce"),
    **dict.fromkeys(("Dot", "Tensordot", "Inner", "Outer", "Vdot"), "matmul"),
    **dict.fromkeys(("Vstack", "Hstack", "Dstack", "Append"), "concat"),
    **dict.fromkeys(
        ("Power", "Negative", "Reciprocal", "Rsqrt", "Log", "Log1p", "Expm1", "Sin", "Cos", "Sign"),
        "elementwise",
    ),
    **dict.fromkeys(
        ("Take", "TakeAlongAxis", "Roll", "Rot90", "BroadcastTo", "DepthToSpace", "SpaceToDepth"),
        "rearrange",
    ),
    "Unfold": "rearrange", "Fold": "other", "Normalize": "norm", "OneHot": "encode",
    "MultiHot": "encode", "StopGradient": "identity", "Copy": "identity", "View": "quantize",
    "SaturateCast": "quantize", "Resize": "resize",
}  # fmt: skip


def kind_of(operation: Any) -> tuple[Kind, str | None]:
    """Return what a layer or an operation is, and the function that it applies, or None."""
    name = type(operation).__name__
    if not isinstance(operation, keras.Layer):
        kind, function = by_type_name(name)
        return _OPERATIONS.get(name, kind), function
    if isinstance(operation, L.Activation):
        return "activation", applied(operation)
    for function_class, function in _FUNCTIONS:
        if isinstance(operation, function_class):
            return "activation", _bent(operation) if function == "relu" else function
    for kind, classes in _KINDS:
        if isinstance(operation, classes):
            return _kind_as_set(kind, operation), applied(operation)
    kind, function = by_name_of_own_class(name)
    return kind, applied(operation) or function


def applied(layer: Any) -> str | None:
    """Return the name of the function that a layer is told to apply; None for one that is not."""
    function = getattr(layer, "activation", None)
    if isinstance(function, keras.Layer):
        return kind_of(function)[1]
    name = getattr(function, "__name__", None)
    return activation_name(name) if callable(function) and isinstance(name, str) else None


def _bent(layer: Any) -> str:
    """Return which function a ReLU is, with a slope, a threshold or a largest value of its own."""
    if getattr(layer, "negative_slope", 0):
        return "leaky_relu"
    if getattr(layer, "threshold", 0):
        return "thresholded_relu"
    return "relu6" if layer.max_value == 6 else "relu"


def _kind_as_set(kind: Kind, layer: Any) -> Kind:
    """Return the kind of a layer whose settings may make it another's."""
    if kind == "resize" and getattr(layer, "interpolation", "nearest") not in (
        "nearest",
        "bilinear",
    ):
        return "other"
    if isinstance(layer, L.Flatten) and getattr(layer, "data_format", "") == "channels_first":
        return "rearrange"  # it puts the channels last before it flattens
    return kind
