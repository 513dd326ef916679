"""What functions do that make no new numbers: where they put the values of their argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from layerscope.backends.slices import slices
from layerscope.backends.torch import functions
from layerscope.core.reads import Move

#: Those that leave each value in its place.
_IN_PLACE = frozenset({
    "contiguous", "clone", "detach", "to", "type", "type_as", "float", "half", "double", "bfloat16",
    "cpu", "cuda", "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
    "feature_alpha_dropout", "requires_grad", "pin_memory", "rename", "refine_names",
    "resolve_conj", "resolve_neg", "lift_fresh", "deepcopy", "as_tensor",
})  # fmt: skip
_SHAPING = frozenset({
    "view", "reshape", "view_as", "reshape_as", "flatten", "unflatten", "squeeze", "unsqueeze",
    "ravel",
})  # fmt: skip
#: Those that take a stretch along an axis, and which of their arguments says along which.
_PARTS = {"chunk": 2, "split": 2, "tensor_split": 2, "unbind": 1, "narrow": 1, "select": 1}


def moves_of(
    func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: torch.Tensor
) -> tuple[Move, ...] | None:
    """Return where a function puts the values of its first argument; None where nobody knows.

    The first axis is that of the samples, and must stay as it is.
    """
    given = args[0] if args else None
    if not isinstance(given, torch.Tensor) or not given.ndim:
        return None
    name = functions.bare_name(func)
    if name in _IN_PLACE or functions.is_scaling(name, tuple(args)):
        return () if result.shape == given.shape else None
    if not result.ndim or result.shape[0] != given.shape[0]:
        return None
    if name in _SHAPING:
        return (Move("shape", tuple(result.shape[1:])),)
    if name == "getitem":
        return slices(args[1], tuple(given.shape))
    if name in _PARTS:
        return _part(given, result, kwargs.get("dim", (*args, *(0,) * 3)[_PARTS[name]]))
    order = functions.moved_axes(func, tuple(args), result.ndim)
    if order is None or order[0] != 0:
        return None
    numbers = tuple(axis - 1 for axis in order[1:])
    return (Move("order", tuple(result.shape[1:]), numbers),)


def _part(given: torch.Tensor, result: torch.Tensor, axis: Any) -> tuple[Move, ...] | None:
    """Return which stretch along an axis a part of a tensor is, by where it lies in memory."""
    if not isinstance(axis, int) or not axis % given.ndim:
        return None
    axis %= given.ndim
    step = given.stride(axis)
    if functions.storage_of(given) != functions.storage_of(result) or not step:
        return None
    start = (result.storage_offset() - given.storage_offset()) // step
    lengths = list(given.shape[1:])
    lengths[axis - 1] = result.shape[axis] if result.ndim == given.ndim else 1
    numbers = [0, 1] * (given.ndim - 1)
    numbers[2 * (axis - 1)] = start
    move = Move("slice", tuple(lengths), tuple(numbers))
    if result.ndim == given.ndim:
        return (move,)
    return (move, Move("shape", tuple(result.shape[1:])))
