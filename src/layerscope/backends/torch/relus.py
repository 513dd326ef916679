"""ReLUs of PyTorch whose gradients are redirected."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from layerscope.backends.relu_gradient import redirected
from layerscope.backends.torch.functions import bare_name, plain_name


class RedirectedRelus(TorchFunctionMode):
    """While it is active, ReLUs redirect their gradients, as modules and as functions."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        x = args[0] if args else kwargs.get("input")
        ceiling = _ceiling(func, args, kwargs)
        if ceiling is None or not isinstance(x, torch.Tensor) or not x.is_floating_point():
            return func(*args, **kwargs)
        redirected: Any = _Redirected.apply
        if _in_place(func, args, kwargs):
            return x.copy_(redirected(x.clone(), ceiling))
        return redirected(x, ceiling)


class _Redirected(torch.autograd.Function):
    """A ReLU, up to a ceiling."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor, ceiling: float) -> torch.Tensor:
        return x.clamp(0, ceiling)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        x, ctx.ceiling = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[torch.Tensor, None]:
        (x,) = ctx.saved_tensors
        return redirected(torch, x, slopes[0], ctx.ceiling), None


def _ceiling(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float | None:
    """Return the largest value that a ReLU returns; None for any other function."""
    name = bare_name(func)
    if name == "relu":
        return math.inf
    if name == "relu6":
        return 6.0
    if name == "hardtanh":  # by which PyTorch computes nn.ReLU6
        low = kwargs.get("min_val", args[1] if len(args) > 1 else -1.0)
        return float(kwargs.get("max_val", args[2] if len(args) > 2 else 1.0)) if not low else None
    return None


def _in_place(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    at = 3 if bare_name(func) == "hardtanh" else 1
    return plain_name(func).endswith("_") or bool(
        kwargs.get("inplace", args[at] if len(args) > at else False)
    )
