"""The settings of ONNX operators, by the names that they have in other frameworks."""

from __future__ import annotations

from typing import Any

from layerscope.backends.onnx.data import type_name
from layerscope.backends.onnx.nodes import OnnxNode

_NAMES = {
    "kernel_shape": "kernel", "strides": "stride", "pads": "padding", "dilations": "dilation",
    "group": "groups", "num_groups": "groups", "alpha": "slope", "ratio": "rate", "axis": "axis",
    "hidden_size": "units", "direction": "direction", "perm": "order", "to": "to", "mode": "mode",
    "num_heads": "heads", "q_num_heads": "heads", "blocksize": "block", "auto_pad": "padding",
    "axes": "axis", "activation": "activation", "activations": "activation",
}  # fmt: skip
_SILENT = {
    "padding": 0, "dilation": 1, "groups": 1, "direction": "forward", "mode": "constant",
}  # fmt: skip
#: For these, alpha is no slope but a factor that is nearly always 1.
_FACTOR = ("Gemm", "LRN", "HardSigmoid", "RNN", "LSTM", "GRU")


def settings_of(node: OnnxNode) -> dict[str, Any]:
    """Return what matters to what a node computes, less defaults that say nothing."""
    settings: dict[str, Any] = {}
    for attribute, name in _NAMES.items():
        value = node.attributes.get(attribute)
        if value is None or (attribute == "alpha" and node.op in _FACTOR):
            continue
        if attribute == "to":
            value = type_name(int(value))
        elif attribute == "auto_pad":
            if value == "NOTSET":
                continue
            value = value.partition("_")[0].lower()
        elif attribute == "pads":
            value = _padding(list(value))
        elif isinstance(value, str):
            value = value.lower()
        elif isinstance(value, list):
            value = tuple(_plain(item) for item in value)
        silent = _SILENT.get(name)
        if all(item == silent for item in (value if isinstance(value, tuple) else (value,))):
            continue
        settings[name] = value
    if node.op == "Reshape" and 1 in node.constants:
        settings["to"] = tuple(int(length) for length in node.constants[1])
    return settings


def _padding(pads: list[int]) -> tuple[int, ...]:
    """Return one number for each axis where both sides have the same."""
    half = len(pads) // 2
    return tuple(pads[:half]) if pads[:half] == pads[half:] else tuple(pads)


def _plain(item: Any) -> Any:
    return item.decode("utf-8", "replace").lower() if isinstance(item, bytes) else item
