"""What today's Keras reads differently in a layer's old configuration, and how it is put right.

A repair is a pure function of a layer's class name and settings: it returns them as they should be,
and what it changed, as a key of ``SAID``; None where there was nothing to change. ``REPAIRS`` is
the order in which they are applied.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from layerscope.core.errors import ModelError

Config = dict[str, Any]
Repaired = tuple[str, Config, str | None]
Repair = Callable[[str, Config], Repaired]

#: What each repair is called: of one layer, and of several.
SAID = {
    "list": (
        "a Sequential was stored as a bare list of layers",
        "{} Sequentials were stored as bare lists of layers",
    ),
    "no input": (
        "the Sequential {name!r} had no InputLayer: its input shape stood in its first layer",
        "{} Sequentials had no InputLayer: their input shapes stood in their first layers",
    ),
    "initializer": (
        "an initializer had a dtype, which today's Keras does not take",
        "{} initializers had a dtype, which today's Keras does not take",
    ),
    "cudnn": (
        "the layer {name!r} was for CuDNN only: it is now the same layer for any device",
        "{} layers were for CuDNN only: they are now the same layers for any device",
    ),
    "hard sigmoid": (
        "the layer {name!r} keeps Keras 2's hard_sigmoid, clip(0.2x + 0.5): today's has another "
        "slope",
        "{} layers keep Keras 2's hard_sigmoid, clip(0.2x + 0.5): today's has another slope",
    ),
    "reset": (
        "the GRU {name!r} resets its state before the matrix product, as it was the default then",
        "{} GRUs reset their state before the matrix product, as it was the default then",
    ),
    "threshold": (
        "the ThresholdedReLU {name!r} is now a ReLU with a threshold",
        "{} ThresholdedReLUs are now ReLUs with a threshold",
    ),
    "dtype": (
        "the Embedding {name!r} had the dtype of its indexes",
        "{} Embeddings had the dtypes of their indexes",
    ),
    "name": (
        "the layer {name!r} lost the slash in its name, which today's Keras does not allow",
        "{} layers lost the slashes in their names, which today's Keras does not allow",
    ),
    "operation": (
        "TensorFlow's function {name!r} in the graph is now Keras' own operation",
        "{} functions of TensorFlow in the graph are now Keras' own operations",
    ),
    "theano": (
        "the kernel of the layer {name!r} was turned around, for it was written for Theano",
        "the kernels of {} layers were turned around, for they were written for Theano",
    ),
    "gates": (
        "the weights of {name!r} were put from CuDNN's order into that of LSTM and GRU",
        "the weights of {} recurrent layers were put from CuDNN's order into that of LSTM and GRU",
    ),
}  # fmt: skip


def in_words(done: list[tuple[str, str]]) -> tuple[str, ...]:
    """Return what was repaired, as sentences: of pairs of a key of ``SAID`` and a layer."""
    sentences = []
    for key, (one, several) in SAID.items():
        names = [name for what, name in done if what == key]
        if names:
            sentences.append(
                one.format(name=names[0]) if len(names) == 1 else several.format(len(names))
            )
    return tuple(sentences)


def hard_sigmoid_of_keras_2(x: Any) -> Any:
    """Return Keras 2's piecewise sigmoid, ``clip(0.2 x + 0.5, 0, 1)``; today's slope is 1/6."""
    from keras import ops

    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


#: The names of layerscope's own functions in repaired configurations.
FUNCTIONS = {"layerscope>hard_sigmoid_of_keras_2": hard_sigmoid_of_keras_2}
_HARD_SIGMOID = {
    "class_name": "function",
    "config": "layerscope>hard_sigmoid_of_keras_2",
    "registered_name": "layerscope>hard_sigmoid_of_keras_2",
    "module": None,
}


def _from_cudnn(class_name: str, config: Config) -> Repaired:
    if class_name not in ("CuDNNLSTM", "CuDNNGRU"):
        return class_name, config, None
    fixed: Config = {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True}
    if class_name == "CuDNNGRU":
        fixed["reset_after"] = True
    return class_name.removeprefix("CuDNN"), {**config, **fixed}, "cudnn"


def _thresholded(class_name: str, config: Config) -> Repaired:
    if class_name != "ThresholdedReLU":
        return class_name, config, None
    rest = {key: value for key, value in config.items() if key != "theta"}
    return "ReLU", {**rest, "threshold": config.get("theta", 1.0)}, "threshold"


def _reset(class_name: str, config: Config) -> Repaired:
    if class_name not in ("GRU", "GRUCell") or "reset_after" in config:
        return class_name, config, None
    return class_name, {**config, "reset_after": False}, "reset"


def _hard_sigmoid(class_name: str, config: Config) -> Repaired:
    held = [key for key, value in config.items() if value == "hard_sigmoid" and key != "name"]
    if not held:
        return class_name, config, None
    return class_name, config | dict.fromkeys(held, _HARD_SIGMOID), "hard sigmoid"


def _policy(class_name: str, config: Config) -> Repaired:
    """Return a dtype policy that was written as an object, by its name."""
    dtype = config.get("dtype")
    inner = dtype.get("config") if isinstance(dtype, dict) else None
    if isinstance(inner, dict) and set(inner) <= {"name", "loss_scale"} and inner.get("name"):
        return class_name, {**config, "dtype": inner["name"]}, None
    return class_name, config, None


def _indexes(class_name: str, config: Config) -> Repaired:
    if class_name == "Embedding" and str(config.get("dtype")).startswith(("int", "uint")):
        return class_name, {**config, "dtype": "float32"}, "dtype"
    return class_name, config, None


def _axis(class_name: str, config: Config) -> Repaired:
    """Translate ``"axis": [3]``, which tf.keras wrote for one axis."""
    axis = config.get("axis")
    if class_name == "BatchNormalization" and isinstance(axis, list) and len(axis) == 1:
        return class_name, {**config, "axis": axis[0]}, None
    return class_name, config, None


def _renamed(class_name: str, config: Config) -> Repaired:
    if class_name == "InputLayer" and "batch_input_shape" in config:
        rest = {key: value for key, value in config.items() if key != "batch_input_shape"}
        return class_name, {**rest, "batch_shape": config["batch_input_shape"]}, None
    if class_name == "LeakyReLU" and "alpha" in config:
        rest = {key: value for key, value in config.items() if key != "alpha"}
        return class_name, {**rest, "negative_slope": config["alpha"]}, None
    return class_name, config, None


#: Applied to what Keras 2 wrote.
REPAIRS: tuple[Repair, ...] = (
    _from_cudnn, _thresholded, _reset, _hard_sigmoid, _policy, _indexes, _axis, _renamed,
)  # fmt: skip


def initializers(config: Config) -> tuple[Config, int]:
    """Return the settings without the dtypes of initializers; and how many had one."""
    count = 0
    repaired = dict(config)
    for key, value in config.items():
        inner = value.get("config") if isinstance(value, dict) else None
        if key.endswith("_initializer") and isinstance(inner, dict) and "dtype" in inner:
            rest = {k: v for k, v in inner.items() if k != "dtype"}
            repaired[key] = {**value, "config": rest}
            count += 1
    return repaired, count


#: What changes no number once the weights are there, or says what today's layers find out.
_MEANINGLESS = {"implementation", "fused", "input_length", "input_dim", "input_shape",
                "batch_input_shape", "build_config", "query_shape", "key_shape", "value_shape",
                "rank", "experimental_autocast", "optional", "input_dtype",
                "unit_forget_bias"}  # fmt: skip
_TRAINING = ("_initializer", "_regularizer", "_constraint")
#: What has one value that is the same as nothing.
_NEUTRAL = {"groups": 1, "dilation_rate": [1, 1], "virtual_batch_size": None, "mode": 0}


def settings_that_are(class_name: str, name: str, config: Config, cls: type) -> Config:
    """Return the settings that the layer of today has; the others have to mean nothing.

    Raises ModelError for one that today's layer does not have and that changes what it computes.
    """
    known = accepted(cls)
    for key in [key for key in config if key not in known]:
        value = config[key]
        nothing = key in _MEANINGLESS or value in (None, False) or key.endswith(_TRAINING)
        if not nothing and _NEUTRAL.get(key, ...) != value:
            raise ModelError(
                f"The layer {name!r} ({class_name}) has {key}={value!r}, which today's Keras has "
                "no counterpart for: build the model in Python and pass it as package.module:name"
            )
    return {key: value for key, value in config.items() if key in known}


def accepted(cls: type) -> set[str]:
    """Return the names of what a layer's class takes, and its bases as far as it hands on."""
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters: Mapping[str, inspect.Parameter] = inspect.signature(base.__init__).parameters  # type: ignore[misc]  # read, not called
        names |= set(parameters)
        if base.__name__ == "Layer":
            break
        if all(p.kind is not p.VAR_KEYWORD for p in parameters.values()):
            break
    return names - {"self", "args", "kwargs"}
