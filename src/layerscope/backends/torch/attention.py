"""Attention weights in PyTorch: computed for the look where the framework fuses them away.

They are computed from the query and the key that were passed, in at least float32, as the unfused
computation would. Masked places hold -0.0: it equals 0, and can be told from a weight that is 0.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import nn

#: The arguments of ``scaled_dot_product_attention``, in their order.
_FUSED = (
    "query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa",
)  # fmt: skip

#: Those that its weights are computed from, and the tensors among them.
_OF_WEIGHTS = ("query", "key", "attn_mask", "is_causal", "scale", "enable_gqa")
_TENSORS = ("query", "key", "attn_mask")


class FusedCall:
    """A call of ``scaled_dot_product_attention``, of which the weights can be computed."""

    def __init__(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self._given: dict[str, Any] = {**dict(zip(_FUSED, args, strict=False)), **kwargs}

    @property
    def sources(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The query and the key."""
        return self._given["query"], self._given["key"]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weights."""
        query, key = self.sources
        return (*query.shape[:-1], key.shape[-2])

    def tensors(self) -> list[torch.Tensor]:
        """Return the tensors that the weights are computed from."""
        given = map(self._given.get, _TENSORS)
        return [tensor for tensor in given if tensor is not None]

    def versions(self) -> list[int]:
        """Return the versions of these tensors, which tell whether somebody has written to them."""
        return [tensor._version for tensor in self.tensors()]

    def is_of(self, owned: Collection[int]) -> bool:
        """Return whether the weights can be computed later from tensors of these identities.

        Not on another device, whose memory is to be free again. A tensor's base, whose memory it
        shares, is no view itself.
        """
        for tensor in self.tensors():
            base = tensor._base
            is_plain = type(tensor) is torch.Tensor and tensor.is_cpu
            if not is_plain or id(tensor if base is None else base) not in owned:
                return False
        return not isinstance(self._given.get("scale"), torch.Tensor)  # which may change

    def later(self) -> FusedCall:
        """Return what the weights can be computed from later on."""
        given = {name: self._given[name] for name in _OF_WEIGHTS if name in self._given}
        for name in _TENSORS:
            if given.get(name) is not None:
                given[name] = given[name].detach()
        return FusedCall((), given)

    def weights(self) -> torch.Tensor:
        """Compute the weights, ``(sample, head, query, key)``."""
        query, key = (tensor.detach() for tensor in self.sources)
        query, key = _at_least_float32(query), _at_least_float32(key)
        if self._given.get("enable_gqa") and query.ndim > 2:
            key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
        scale = self._given.get("scale")
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        scores = (query * scale) @ key.transpose(-2, -1)
        mask = self._given.get("attn_mask")
        if self._given.get("is_causal"):
            hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu_(1)
        elif mask is None:
            return torch.softmax(scores, -1)
        elif mask.dtype is torch.bool:
            hidden = ~mask
        else:
            weights = (scores + mask.to(scores.dtype)).softmax(-1)
            return marked(weights, is_masking(mask))
        # A query that may look nowhere has no weights, rather than NaN.
        weights = torch.softmax(scores.masked_fill_(hidden, -torch.inf), -1)
        return weights.masked_fill_(hidden, -0.0)


def weights_of(
    what: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any
) -> torch.Tensor | None:
    """Compute the weights of a call of a module or a function; None where it raised."""
    if not isinstance(what, nn.MultiheadAttention):
        return FusedCall(args, kwargs).weights()
    return None if result is None else module_weights(what, args, kwargs)


def module_weights(
    module: nn.MultiheadAttention, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> torch.Tensor:
    """Compute the weights of each head of a call, ``(sample, head, query, key)``."""
    given = inspect.signature(nn.MultiheadAttention.forward).bind(module, *args, **kwargs)
    given.arguments |= {"need_weights": True, "average_attn_weights": False}
    rate, module.dropout = module.dropout, 0.0
    try:
        _, weights = nn.MultiheadAttention.forward(*given.args, **given.kwargs)
    finally:
        module.dropout = rate
    if weights is None:
        raise AssertionError("asked for weights, PyTorch returned none")
    weights = weights.detach()
    if weights.ndim == 3:  # of an input without samples
        weights = weights[None]
    return marked(weights, _module_mask(given.arguments, weights))


def moved(weights: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Return weights so much larger, which come as ``(sample, head, query, key)``."""
    return weights + shift.reshape(weights.shape).to(weights.device, weights.dtype)


def fused_moved(function: Any, shift: torch.Tensor) -> Callable[..., Any]:
    """Return ``scaled_dot_product_attention`` as it would be with weights so much larger."""

    @functools.wraps(function)
    def attend(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        given = {**dict(zip(_FUSED, args, strict=False)), **kwargs}
        value = given["value"]
        if given.get("enable_gqa") and value.ndim > 2:
            value = value.repeat_interleave(shift.shape[-3] // value.shape[-3], -3)
        added = shift.reshape(*result.shape[:-1], -1).to(value.device, value.dtype) @ value
        return result + added.to(result.dtype)

    return attend


def module_applied(
    module: nn.MultiheadAttention, shift: torch.Tensor, args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> torch.Tensor:  # fmt: skip
    """Return what weights ``(sample, head, query, key)`` add to what a call returns first."""
    given = inspect.signature(nn.MultiheadAttention.forward).bind(module, *args, **kwargs)
    value = given.arguments["value"]
    is_batch = value.ndim == 3
    value = value if is_batch else value[None]
    value = value if module.batch_first or not is_batch else value.transpose(0, 1)
    width = module.embed_dim
    bias = None if module.in_proj_bias is None else module.in_proj_bias[2 * width :]
    weight = module.v_proj_weight if module.in_proj_weight is None else (
        module.in_proj_weight[2 * width :])  # fmt: skip
    value = nn.functional.linear(value, weight, bias)
    if module.bias_v is not None:
        value = torch.cat([value, module.bias_v.expand(len(value), 1, -1)], 1)
    if module.add_zero_attn:
        value = torch.cat([value, value.new_zeros(len(value), 1, width)], 1)
    heads = value.unflatten(2, (module.num_heads, -1)).transpose(1, 2)
    applied = shift.to(value.device, value.dtype) @ heads
    made = nn.functional.linear(applied.transpose(1, 2).flatten(2), module.out_proj.weight)
    if not is_batch:
        return made[0]
    return made if module.batch_first else made.transpose(0, 1)


def module_shape(
    module: nn.MultiheadAttention, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[int, ...], tuple[Any, Any]] | None:
    """Return the shape of a call's weights, and its query and key; None for nested tensors."""
    given = inspect.signature(nn.MultiheadAttention.forward).bind(module, *args, **kwargs)
    query, key = given.arguments["query"], given.arguments["key"]
    if query.is_nested:
        return None
    lengths = [t.shape[1 if t.ndim == 3 and module.batch_first else 0] for t in (query, key)]
    if module.bias_k is not None:
        lengths[1] += 1
    if module.add_zero_attn:
        lengths[1] += 1
    samples = query.shape[0 if module.batch_first else 1] if query.ndim == 3 else 1
    return (samples, module.num_heads, *lengths), (query, key)


def _module_mask(given: Mapping[str, Any], weights: torch.Tensor) -> torch.Tensor:
    """Return where a call of ``nn.MultiheadAttention`` masks, as the weights are laid out."""
    masked = torch.zeros_like(weights, dtype=torch.bool)
    samples, heads = weights.shape[:2]
    mask = given.get("attn_mask")
    if mask is not None:
        hidden = is_masking(mask)
        hidden = hidden.view(samples, heads, *hidden.shape[1:]) if hidden.ndim == 3 else hidden
        masked[..., : hidden.shape[-1]] |= hidden
    padding = given.get("key_padding_mask")
    if padding is not None:
        padding = padding if padding.ndim == 2 else padding[None]
        masked[..., : padding.shape[-1]] |= is_masking(padding)[:, None, None]
    return masked


def is_masking(mask: torch.Tensor) -> torch.Tensor:
    """Return where a mask hides: where it is True, or so low that nothing is left of a weight."""
    if not mask.is_floating_point():
        return mask.bool()
    return mask <= torch.finfo(mask.dtype).min / 2


def marked(weights: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
    """Return the weights with -0.0 for 0 where they are masked."""
    if not masked.any():
        return weights
    return torch.where(masked & (weights == 0), weights.new_tensor(-0.0), weights)


def marking(scores: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what marks a softmax of these scores where they are masked, for storing it."""
    return lambda weights: marked(weights.clone(), is_masking(scores))


def _at_least_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.dtype.itemsize < 4 else tensor
