"""Which functions PyTorch's own modules call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from layerscope.backends.operations import (
    NotExpressibleError,
)


def module_call(module: nn.Module) -> tuple[str, dict[str, Any]]:
    """Return the function that a module of PyTorch's own calls, and its settings by name.

    Raises NotExpressibleError where it is more than one call, or nobody knows which.
    """
    for class_, describe in _MODULES:
        if isinstance(module, class_):
            return describe(module)
    raise NotExpressibleError("is of a type that a page does not know")


def _conv_call(module: Any) -> tuple[str, dict[str, Any]]:
    if module.padding_mode != "zeros":
        raise NotExpressibleError(f"pads by {module.padding_mode!r} instead of zeros")
    names = ("weight", "bias", "stride", "padding", "dilation", "groups")
    return "conv2d", {name: getattr(module, name) for name in names}


def _norm_call(module: Any) -> tuple[str, dict[str, Any]]:
    names = ("running_mean", "running_var", "weight", "bias", "eps")
    return "batch_norm", {name: getattr(module, name) for name in names}


def _settings_of(function: str, *names: str) -> Callable[[Any], tuple[str, dict[str, Any]]]:
    """Return what reads these settings of a module, which are those of its function."""
    return lambda module: (function, {name: getattr(module, name) for name in names})


def _softmax_call(module: Any) -> tuple[str, dict[str, Any]]:
    return ("log_softmax" if isinstance(module, nn.LogSoftmax) else "softmax"), {"dim": module.dim}


def _softmax2d_call(module: Any) -> tuple[str, dict[str, Any]]:
    return "softmax", {"dim": -3}


def _upsample_call(module: Any) -> tuple[str, dict[str, Any]]:
    return "interpolate", {"mode": module.mode}


def _replication_call(module: Any) -> tuple[str, dict[str, Any]]:
    return "pad", {"pad": module.padding, "mode": "replicate"}


def _padding_call(module: Any) -> tuple[str, dict[str, Any]]:
    return "pad", {"pad": module.padding, "value": module.value}


def _max_pool_call(module: Any) -> tuple[str, dict[str, Any]]:
    if module.return_indices:
        raise NotExpressibleError("also returns where the largest values were")
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    return "max_pool2d", {name: getattr(module, name) for name in names}


#: By PyTorch's classes, what is derived first.
_MODULES: tuple[tuple[Any, Callable[[Any], tuple[str, dict[str, Any]]]], ...] = (
    (nn.Conv2d, _conv_call),
    (nn.Linear, _settings_of("linear", "weight", "bias")),
    ((nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm), _norm_call),
    (nn.MaxPool2d, _max_pool_call),
    (nn.AvgPool2d, _settings_of(
        "avg_pool2d", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad",
        "divisor_override")),
    (nn.AdaptiveAvgPool2d, _settings_of("adaptive_avg_pool2d")),
    (nn.AdaptiveMaxPool2d, _settings_of("adaptive_max_pool2d")),
    ((nn.Flatten, nn.Unflatten), _settings_of("reshape")),
    ((nn.ZeroPad1d, nn.ZeroPad2d, nn.ConstantPad1d, nn.ConstantPad2d), _padding_call),
    ((nn.ReplicationPad1d, nn.ReplicationPad2d), _replication_call),
    ((nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout,
      nn.Identity), _settings_of("identity")),
    (nn.Upsample, _upsample_call),
    (nn.ReLU6, _settings_of("relu6")),
    (nn.Hardtanh, _settings_of("hardtanh", "min_val", "max_val")),
    (nn.ReLU, _settings_of("relu")),
    (nn.LeakyReLU, _settings_of("leaky_relu", "negative_slope")),
    (nn.PReLU, _settings_of("prelu", "weight")),
    (nn.ELU, _settings_of("elu", "alpha")),
    (nn.CELU, _settings_of("celu", "alpha")),
    (nn.SELU, _settings_of("selu")),
    (nn.GELU, _settings_of("gelu", "approximate")),
    (nn.Sigmoid, _settings_of("sigmoid")),
    (nn.Tanh, _settings_of("tanh")),
    (nn.Softplus, _settings_of("softplus", "beta", "threshold")),
    (nn.Softsign, _settings_of("softsign")),
    (nn.SiLU, _settings_of("silu")),
    (nn.Mish, _settings_of("mish")),
    (nn.Hardsigmoid, _settings_of("hardsigmoid")),
    (nn.Hardswish, _settings_of("hardswish")),
    (nn.LogSigmoid, _settings_of("logsigmoid")),
    ((nn.Softmax, nn.LogSoftmax), _softmax_call),
    (nn.Softmax2d, _softmax2d_call),
)  # fmt: skip
