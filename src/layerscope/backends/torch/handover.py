"""One module's weights given to another that is certainly the same module otherwise."""

from __future__ import annotations

from collections import OrderedDict
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

_ATOMS = (
    type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device,
    torch.memory_format,
)  # fmt: skip
_NAMED = (type, FunctionType, BuiltinFunctionType, ModuleType)
_SEQUENCES = (list, tuple, torch.Size)
_MAPPINGS = (dict, OrderedDict)


def take_weights(mine: nn.Module, theirs: nn.Module) -> bool:
    """Give a module all tensors of another, where the two differ in nothing else.

    Returns whether that is so. What can't be compared, such as what a function closes over or an
    object of C, counts as a difference.
    """
    pairing = _Pairing()
    if mine is theirs or not pairing.alike(mine, theirs):
        return False
    with torch.no_grad():
        for tensor, other in pairing.tensors:
            tensor.copy_(other)
    return True


class _Pairing:
    """Which object of one model stands for which of the other, as far as they were compared."""

    def __init__(self) -> None:
        self.tensors: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._others: dict[int, Any] = {}
        self._firsts: dict[int, Any] = {}

    def alike(self, mine: Any, theirs: Any) -> bool:
        """Return whether the two are the same but for the values of tensors."""
        kind = type(mine)
        if kind is not type(theirs):
            return False
        if isinstance(mine, _ATOMS):
            return bool(mine == theirs)
        if isinstance(mine, _NAMED):
            return mine is theirs
        if id(mine) in self._others or id(theirs) in self._firsts:  # shared alike, or not at all
            return self._others.get(id(mine)) is theirs and self._firsts.get(id(theirs)) is mine
        self._others[id(mine)], self._firsts[id(theirs)] = theirs, mine
        if isinstance(mine, torch.Tensor):
            return self._tensor(mine, theirs)
        if kind is np.ndarray:
            return mine.dtype == theirs.dtype and np.array_equal(mine, theirs)
        if kind in _SEQUENCES:
            return self._each(mine, theirs)
        if kind in _MAPPINGS:
            return self._each(list(mine), list(theirs)) and self._each(
                list(mine.values()), list(theirs.values())
            )
        if isinstance(mine, set | frozenset):
            return all(map(_is_atom, mine)) and mine == theirs
        return self._object(mine, theirs)

    def _each(self, mine: Any, theirs: Any) -> bool:
        return len(mine) == len(theirs) and all(map(self.alike, mine, theirs))

    def _tensor(self, mine: torch.Tensor, theirs: torch.Tensor) -> bool:
        if type(mine) not in (torch.Tensor, nn.Parameter, nn.Buffer):
            return False  # a lazy one has no shape, and others have rules of their own
        both = (mine, theirs)
        if any(t.layout is not torch.strided or t.is_quantized or t.is_inference() for t in both):
            return False
        if len({(t.shape, t.dtype, t.device, t.requires_grad, t.stride()) for t in both}) > 1:
            return False
        if mine.grad_fn is not None or 0 in mine.stride():
            return False
        self.tensors.append((mine, theirs))
        return True

    def _object(self, mine: Any, theirs: Any) -> bool:
        """Return whether two modules, or plain objects such as settings, hold the same."""
        if isinstance(mine, torch.jit.ScriptModule):
            return False
        plain = type(mine).__module__.partition(".")[0] not in ("torch", "numpy", "builtins")
        slots = any("__slots__" in vars(base) for base in type(mine).__mro__[:-1])
        known = isinstance(mine, nn.Module) or (plain and not slots and hasattr(mine, "__dict__"))
        # What derives from a container has contents beside its attributes.
        contents = isinstance(mine, list | tuple | dict | str | bytes | int | float | np.ndarray)
        return known and not contents and self.alike(vars(mine), vars(theirs))


def _is_atom(value: Any) -> bool:
    return isinstance(value, _ATOMS)
