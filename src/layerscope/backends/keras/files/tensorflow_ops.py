"""TensorFlow's functions in the graphs of tf.keras, as the operations of Keras 3.

``x + 1`` and ``tf.nn.relu(x)`` on a symbolic tensor became layers in tf.keras: TensorFlowOpLayer up
to 2.3, TFOpLambda and SlicingOpLambda from 2.4 on. Keras 3 has operations for the common ones.
"""

from __future__ import annotations

import json
from typing import Any

from layerscope.core.errors import ModelError

Config = dict[str, Any]

LAYERS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")
_TENSORS = ("x", "y", "a", "b", "input_tensor", "features", "logits", "tensor", "values", "input",
            "axis_values", "inputs", "t")  # fmt: skip

#: TensorFlow's function: Keras' operation, and what its settings are called there.
_OPERATIONS: dict[str, tuple[str, dict[str, str]]] = {
    "__operators__.add": ("numpy.Add", {}),
    "math.add": ("numpy.Add", {}),
    "math.subtract": ("numpy.Subtract", {}),
    "math.multiply": ("numpy.Multiply", {}),
    "math.truediv": ("numpy.TrueDivide", {}),
    "math.divide": ("numpy.TrueDivide", {}),
    "math.floordiv": ("numpy.FloorDivide", {}),
    "math.pow": ("numpy.Power", {}),
    "math.maximum": ("numpy.Maximum", {}),
    "math.minimum": ("numpy.Minimum", {}),
    "linalg.matmul": ("numpy.Matmul", {}),
    "math.exp": ("numpy.Exp", {}),
    "math.log": ("numpy.Log", {}),
    "math.sqrt": ("numpy.Sqrt", {}),
    "math.rsqrt": ("math.Rsqrt", {}),
    "math.square": ("numpy.Square", {}),
    "math.abs": ("numpy.Absolute", {}),
    "math.negative": ("numpy.Negative", {}),
    "math.sin": ("numpy.Sin", {}),
    "math.cos": ("numpy.Cos", {}),
    "math.tanh": ("numpy.Tanh", {}),
    "math.sigmoid": ("nn.Sigmoid", {}),
    "nn.relu": ("nn.Relu", {}),
    "nn.relu6": ("nn.Relu6", {}),
    "nn.elu": ("nn.Elu", {}),
    "nn.selu": ("nn.Selu", {}),
    "nn.silu": ("nn.Silu", {}),
    "nn.swish": ("nn.Silu", {}),
    "math.softplus": ("nn.Softplus", {}),
    "nn.gelu": ("nn.Gelu", {"approximate": "approximate"}),
    "nn.leaky_relu": ("nn.LeakyRelu", {"alpha": "negative_slope"}),
    "nn.softmax": ("nn.Softmax", {"axis": "axis"}),
    "math.reduce_mean": ("numpy.Mean", {"axis": "axis", "keepdims": "keepdims"}),
    "math.reduce_sum": ("numpy.Sum", {"axis": "axis", "keepdims": "keepdims"}),
    "math.reduce_max": ("numpy.Max", {"axis": "axis", "keepdims": "keepdims"}),
    "math.reduce_min": ("numpy.Min", {"axis": "axis", "keepdims": "keepdims"}),
    "math.reduce_prod": ("numpy.Prod", {"axis": "axis", "keepdims": "keepdims"}),
    "clip_by_value": ("numpy.Clip", {"clip_value_min": "x_min", "clip_value_max": "x_max"}),
    "reshape": ("numpy.Reshape", {"shape": "newshape"}),
    "transpose": ("numpy.Transpose", {"perm": "axes"}),
    "expand_dims": ("numpy.ExpandDims", {"axis": "axis"}),
    "squeeze": ("numpy.Squeeze", {"axis": "axis"}),
    "tile": ("numpy.Tile", {"multiples": "repeats"}),
    "concat": ("numpy.Concatenate", {"axis": "axis"}),
    "stack": ("numpy.Stack", {"axis": "axis"}),
    "cast": ("core.Cast", {"dtype": "dtype"}),
}
#: TensorFlow's defaults where Keras' are others.
_DEFAULTS: dict[str, Config] = {
    "nn.gelu": {"approximate": False},
    "nn.leaky_relu": {"negative_slope": 0.2},
}
#: What the graph calls the functions that a TensorFlowOpLayer holds.
_NODES = {
    "Add": "math.add", "AddV2": "math.add", "Sub": "math.subtract", "Mul": "math.multiply",
    "RealDiv": "math.truediv", "Pow": "math.pow", "Maximum": "math.maximum",
    "Minimum": "math.minimum", "Exp": "math.exp", "Log": "math.log", "Sqrt": "math.sqrt",
    "Rsqrt": "math.rsqrt", "Square": "math.square", "Abs": "math.abs", "Neg": "math.negative",
    "Tanh": "math.tanh", "Sigmoid": "math.sigmoid", "Relu": "nn.relu", "Relu6": "nn.relu6",
    "Elu": "nn.elu", "Selu": "nn.selu", "Softplus": "math.softplus",
}  # fmt: skip


def operation(entry: Config, calls: list[Config]) -> Config:
    """Return the entry of such a layer as an operation of Keras 3, with its calls' arguments.

    Raises ModelError where Keras has no such operation, or not with these settings.
    """
    config, name = entry["config"], entry["name"]
    if entry["class_name"] == "TensorFlowOpLayer":
        function, calls = _of_node(config, calls)
    else:
        function = str(config.get("function"))
    if function == "__operators__.getitem":
        return _entry("numpy.GetItem", name, {}, [_getitem(call) for call in calls])
    if function not in _OPERATIONS or not calls:
        raise ModelError(_no_operation(name, function))
    where, renamed = _OPERATIONS[function]
    settings = dict(_DEFAULTS.get(function, {}))
    new_calls = []
    for call in calls:
        args, kwargs = list(call["args"]), dict(call["kwargs"])
        kwargs.pop("name", None)
        settings |= {new: kwargs.pop(old) for old, new in renamed.items() if old in kwargs}
        args += [kwargs.pop(tensor) for tensor in _TENSORS if tensor in kwargs]
        if any(value not in (None, False) for value in kwargs.values()):
            raise ModelError(_no_operation(name, f"{function} with {', '.join(kwargs)}"))
        new_calls.append({"args": args, "kwargs": {}})
    if where == "numpy.Transpose":
        settings.setdefault("axes", None)
    return _entry(where, name, settings, new_calls)


def _entry(where: str, name: str, settings: Config, calls: list[Config]) -> Config:
    module, _, class_name = where.partition(".")
    return {
        "module": f"keras.src.ops.{module}",
        "class_name": class_name,
        "registered_name": class_name,
        "config": {"name": name, **settings},
        "name": name,
        "inbound_nodes": calls,
    }


def _getitem(call: Config) -> Config:
    """Return ``x[1:, ..., 0]``: the key as Keras writes slices."""
    spec = call["kwargs"].get("slice_spec", [])
    keys = [_key(one) for one in (spec if isinstance(spec, list) else [spec])]
    args = [*call["args"], *(call["kwargs"][k] for k in ("tensor",) if k in call["kwargs"])]
    return {"args": [args[0], keys], "kwargs": {}}


def _key(one: Any) -> Any:
    if one == "Ellipsis" or (isinstance(one, dict) and one.get("value") == "Ellipsis"):
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(one, dict) and {"start", "stop", "step"} <= set(one):
        return {"class_name": "__slice__", "config": one}
    return one


def _of_node(config: Config, calls: list[Config]) -> tuple[str, list[Config]]:
    """Return the function of a TensorFlowOpLayer, and its calls with their constants in place."""
    try:
        node = json.loads(config["node_def"])
        constants = {int(i): value for i, value in (config.get("constants") or {}).items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        return "an operation that can't be read", []
    new = []
    for call in calls:
        args = list(call["args"])
        if len(args) == 1 and isinstance(args[0], list):
            args = args[0]
        for index in sorted(constants):
            args.insert(index, constants[index])
        new.append({"args": args, "kwargs": {}})
    op = str(node.get("op")) if isinstance(node, dict) else ""
    return _NODES.get(op, f"the operation {op}"), new


def _no_operation(name: str, function: str) -> str:
    return (
        f"The layer {name!r} is TensorFlow's {function}, for which Keras 3 has no counterpart that "
        "layerscope knows: build the model in Python and pass it as package.module:name"
    )
