"""One call of a PyTorch function, with symbols in place of the network's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from layerscope.backends.operations import (
    NotExpressibleError,
    OperationWriter,
    Symbol,
)
from layerscope.backends.torch.tensors import read
from layerscope.core.axes import named_axes

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class FunctionCall:
    """One call of a function, with symbols in place of the network's values."""

    writer: OperationWriter
    func: Any
    name: str  #: ``conv2d``, whatever its spelling
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    shape: tuple[int, ...]  #: of the result, without the samples
    parameters: Mapping[str, Any] = field(default_factory=dict)  #: by their names

    @property
    def x(self) -> Symbol:
        """The value of the network that it is given first."""
        value = self.args[0] if self.args else next(iter(self.kwargs.values()), None)
        if not isinstance(value, Symbol):
            raise NotExpressibleError("takes something else than a value of the network first")
        return value

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def tensor(self, name: str) -> Array | None:
        """Return a tensor of the model's own as an array; None where it is not given."""
        value = self.parameters[name]
        if value is None:
            return None
        if not isinstance(value, torch.Tensor):
            raise NotExpressibleError(f"computes its {name} from the input")
        return numbers(value)


def numbers(tensor: torch.Tensor) -> Array:
    """Return a tensor of the model's own as an array."""
    return read(tensor.detach())[0]


def default_axes(shape: Sequence[int]) -> tuple[str, ...]:
    """Return the names of axes as PyTorch lays out maps, without the samples."""
    return named_axes((None, *shape), layout="channels_first")[1:]


_REQUIRED = object()


_PARAMETERS: dict[str, tuple[tuple[str, Any], ...]] = {
    "conv2d": (("input", _REQUIRED), ("weight", _REQUIRED), ("bias", None), ("stride", 1),
               ("padding", 0), ("dilation", 1), ("groups", 1)),
    "linear": (("input", _REQUIRED), ("weight", _REQUIRED), ("bias", None)),
    "batch_norm": (("input", _REQUIRED), ("running_mean", None), ("running_var", None),
                   ("weight", None), ("bias", None), ("training", False), ("momentum", 0.1),
                   ("eps", 1e-5)),
    # The order of the operator's own parameters, which exported programs call.
    "aten.batch_norm": (("input", _REQUIRED), ("weight", None), ("bias", None),
                        ("running_mean", None), ("running_var", None), ("training", False),
                        ("momentum", 0.1), ("eps", 1e-5)),
    "max_pool2d": (("input", _REQUIRED), ("kernel_size", _REQUIRED), ("stride", None),
                   ("padding", 0), ("dilation", 1), ("ceil_mode", False)),
    "avg_pool2d": (("input", _REQUIRED), ("kernel_size", _REQUIRED), ("stride", None),
                   ("padding", 0), ("ceil_mode", False), ("count_include_pad", True),
                   ("divisor_override", None)),
    "pad": (("input", _REQUIRED), ("pad", _REQUIRED), ("mode", "constant"), ("value", None)),
    "mean": (("input", _REQUIRED), ("dim", None), ("keepdim", False)),
    "amax": (("input", _REQUIRED), ("dim", None), ("keepdim", False)),
    "cat": (("tensors", _REQUIRED), ("dim", 0)),
    "softmax": (("input", _REQUIRED), ("dim", None)),
    "log_softmax": (("input", _REQUIRED), ("dim", None)),
    "leaky_relu": (("input", _REQUIRED), ("negative_slope", 0.01)),
    "elu": (("input", _REQUIRED), ("alpha", 1.0)),
    "celu": (("input", _REQUIRED), ("alpha", 1.0)),
    "gelu": (("input", _REQUIRED), ("approximate", "none")),
    "softplus": (("input", _REQUIRED), ("beta", 1.0), ("threshold", 20.0)),
    "prelu": (("input", _REQUIRED), ("weight", _REQUIRED)),
    "hardtanh": (("input", _REQUIRED), ("min_val", -1.0), ("max_val", 1.0)),
    "clamp": (("input", _REQUIRED), ("min", None), ("max", None)),
    "interpolate": (("input", _REQUIRED), ("size", None), ("scale_factor", None),
                    ("mode", "nearest")),
    "add": (("input", _REQUIRED), ("other", _REQUIRED), ("alpha", 1)),
    "sub": (("input", _REQUIRED), ("other", _REQUIRED), ("alpha", 1)),
    "dropout": (("input", _REQUIRED), ("p", 0.5), ("training", True)),
}  # fmt: skip


for _name in ("dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"):
    _PARAMETERS[_name] = _PARAMETERS["dropout"]
_PARAMETERS["upsample_nearest2d"] = _PARAMETERS["interpolate"]


def bound(call: FunctionCall) -> FunctionCall:
    """Return the call with its arguments by the names of the function's parameters."""
    is_operator = call.func is not F.batch_norm and not isinstance(call.func, nn.Module)
    name = "aten.batch_norm" if call.name == "batch_norm" and is_operator else call.name
    names = _PARAMETERS.get(name, ())
    known = {name: default for name, default in names if default is not _REQUIRED}
    given = dict(zip((name for name, _ in names), call.args, strict=False))
    return replace(call, parameters={**known, **given, **call.kwargs})
