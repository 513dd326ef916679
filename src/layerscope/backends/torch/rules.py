"""Nonlinear functions of PyTorch whose gradients follow another rule than the chain rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from layerscope.backends.gradient_rules import (
    GradientRule,
    gamma_ruled,
    kinds_of,
    of_sign,
    ruled,
)
from layerscope.backends.torch.functions import bare_name, plain_name
from layerscope.backends.torch.ops import TorchOps

#: What PyTorch calls some of these functions, in the names of Keras.
_SPELLINGS = {
    "hardtanh": "hard_tanh", "hardswish": "hard_silu", "hardsigmoid": "hard_sigmoid",
    "logsigmoid": "log_sigmoid", "log_sigmoid": "log_sigmoid", "prelu": "leaky_relu",
    "max_pool1d": "max_pool", "max_pool2d": "max_pool", "max_pool3d": "max_pool",
    "adaptive_max_pool1d": "max_pool", "adaptive_max_pool2d": "max_pool",
    "adaptive_max_pool3d": "max_pool",
}  # fmt: skip
_LINEAR = frozenset({
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d",
})  # fmt: skip
_OPS = TorchOps()


class RuledFunctions(TorchFunctionMode):
    """While it is active, nonlinear functions follow a rule, as modules and as functions."""

    def __init__(self, rule: GradientRule) -> None:
        super().__init__()
        self._rule = rule
        self._kinds = kinds_of(rule)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if self._rule.gamma and bare_name(func) in _LINEAR:
            return self._spread(func, args, kwargs)
        kind = self._kind(func, args, kwargs)
        named = "input" in kwargs
        x = args[0] if args else kwargs.get("input")
        if kind is None or not isinstance(x, torch.Tensor) or not x.is_floating_point():
            return func(*args, **kwargs)
        in_place = plain_name(func).endswith("_") or bool(kwargs.get("inplace", False))
        in_place = in_place or _inplace_by_position(func, args)
        first = x.clone() if in_place else x

        def compute(value: torch.Tensor) -> torch.Tensor:
            # A copy, since it may write into what it receives.
            value = value.clone() if in_place else value
            if named:
                return func(**{**kwargs, "input": value})  # type: ignore[no-any-return]
            return func(value, *args[1:], **kwargs)  # type: ignore[no-any-return]

        y = _Ruled.apply(first, compute, self._rule, kind)  # type: ignore[no-untyped-call]
        return x.copy_(y) if in_place else y

    def _spread(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Compute a linear function so that its gradient follows the γ rule."""
        given = {**dict(zip(("input", "weight", "bias"), args[:3], strict=False)), **kwargs}
        x, weight = given.pop("input"), given.pop("weight")
        bias = given.pop("bias", None)
        if not x.is_floating_point() or not x.requires_grad:
            return func(*args, **kwargs)

        def compute(value: torch.Tensor, kernel: Any, shift: Any) -> torch.Tensor:
            return func(value, kernel, shift, *args[3:], **given)  # type: ignore[no-any-return]

        rest = (compute, weight, bias, self._rule.gamma)
        return _Spread.apply(x, *rest)  # type: ignore[no-untyped-call]

    def _kind(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        name = bare_name(func)
        name = _SPELLINGS.get(name, name)
        if self._rule.name == "guided" and name == "hard_tanh":  # by which nn.ReLU6 is computed
            low = kwargs.get("min_val", args[1] if len(args) > 1 else -1.0)
            name = "relu6" if not low else name
        if kwargs.get("return_indices"):
            return None
        return self._kinds.get(name)


def _inplace_by_position(func: Any, args: tuple[Any, ...]) -> bool:
    """Return whether a function of torch.nn.functional was told by position to write in place."""
    at = {"relu": 1, "relu6": 1, "silu": 1, "mish": 1, "hardswish": 1, "selu": 1,
          "hardtanh": 3, "leaky_relu": 2, "elu": 2, "celu": 2}.get(bare_name(func))  # fmt: skip
    return at is not None and len(args) > at and args[at] is True


class _Spread(torch.autograd.Function):
    """A linear function whose gradient follows the γ rule."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        compute: Callable[[torch.Tensor, Any, Any], torch.Tensor],
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        gamma: float,
    ) -> torch.Tensor:
        z = compute(x, weight, bias)
        ctx.compute, ctx.gamma = compute, gamma
        ctx.weights = weight.detach(), None if bias is None else bias.detach()
        ctx.save_for_backward(x, z)
        return z

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, z = ctx.saved_tensors
        weight, bias = ctx.weights

        def linear(value: torch.Tensor, sign: int, biased: bool) -> torch.Tensor:
            shift = of_sign(_OPS, bias, sign) if biased and bias is not None else None
            return ctx.compute(value, of_sign(_OPS, weight, sign), shift)  # type: ignore[no-any-return]

        def pulled(sign: int, cotangent: torch.Tensor) -> torch.Tensor:
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                gradient: torch.Tensor = torch.autograd.grad(
                    linear(leaf, sign, False), leaf, cotangent
                )[0]
            return gradient

        made = gamma_ruled(_OPS, ctx.gamma, x, z, slopes[0], linear, pulled)
        return made, None, None, None, None


class _Ruled(torch.autograd.Function):
    """A function whose gradient follows a rule."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        compute: Callable[[torch.Tensor], torch.Tensor],
        rule: GradientRule,
        kind: str,
    ) -> torch.Tensor:
        y = compute(x)
        ctx.compute, ctx.rule, ctx.kind = compute, rule, kind
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, y = ctx.saved_tensors

        def ordinary(cotangent: torch.Tensor) -> torch.Tensor:
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                gradient: torch.Tensor = torch.autograd.grad(ctx.compute(leaf), leaf, cotangent)[0]
            return gradient

        return ruled(_OPS, ctx.rule, ctx.kind, x, y, slopes[0], ordinary), None, None, None
