"""An ONNX graph of each of the operators that most frameworks have layers of."""

from __future__ import annotations

from typing import Any

import numpy as np

from cases.onnx_cases import model, node, value

IMAGE = np.linspace(-1, 1, 2 * 4 * 6 * 3).reshape(2, 3, 4, 6).astype("float32")
_KERNEL = np.ones((2, 3, 3, 3), np.float32)
_ONES = np.ones(3, np.float32)
_PADS = np.array([0, 0, 1, 1, 0, 0, 1, 1])
#: The operator, its weights and its attributes.
ON_IMAGES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "convolution": ("Conv", {"w": _KERNEL}, {}),
    "transposed convolution": ("ConvTranspose", {"w": _KERNEL.transpose(1, 0, 2, 3)}, {}),
    "dense": ("MatMul", {"w": np.ones((6, 4), np.float32)}, {}),
    "batch normalization": ("BatchNormalization", dict.fromkeys("wbmv", _ONES), {}),
    "group normalization": ("InstanceNormalization", dict.fromkeys("wb", _ONES), {}),
    "layer normalization": ("LayerNormalization", {"w": np.ones(6, np.float32)}, {}),
    "ReLU": ("Relu", {}, {}),
    "leaky ReLU": ("LeakyRelu", {}, {}),
    "parametric ReLU": ("PRelu", {"w": _ONES.reshape(3, 1, 1) / 4}, {}),
    "ELU": ("Elu", {}, {}),
    "GELU": ("Gelu", {}, {}),
    "tanh": ("Tanh", {}, {}),
    "sigmoid": ("Sigmoid", {}, {}),
    "softmax": ("Softmax", {}, {}),
    "largest values": ("MaxPool", {}, {"kernel_shape": [2, 2]}),
    "means": ("GlobalAveragePool", {}, {}),
    "flattened": ("Flatten", {}, {}),
    "transposed": ("Transpose", {}, {"perm": [0, 1, 3, 2]}),
    "padded with zeros": ("Pad", {"w": _PADS}, {}),
    "dropout": ("Dropout", {}, {}),
    "identity": ("Identity", {}, {}),
}


def standard() -> dict[str, tuple[Any, Any]]:
    """A model of each of the layers that most frameworks have, and an input."""
    models = {
        name: (_model(op, ",".join(["x", *weights]), weights, **attributes), IMAGE)
        for name, (op, weights, attributes) in ON_IMAGES.items()
    }
    for name, op in (("sum of two", "Add"), ("product of two", "Mul")):
        models[name] = _model(op, "x,x", {}), IMAGE
    models["side by side"] = _model("Concat", "x,x", {}, axis=1), IMAGE
    models["nobody knows it"] = _model("CumSum", "x,w", {"w": np.array(1)}), IMAGE
    return models


def _model(op: str, inputs: str, weights: dict[str, Any], **attributes: Any) -> Any:
    shape = ["n", 3, 4, 6]
    return model(
        [node(op, inputs, "y", **attributes)],
        [value("x", shape)],
        [value("y", None)],
        weights,
        opset=20,
        ir=9,
    )
