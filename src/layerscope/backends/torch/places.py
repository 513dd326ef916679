"""Where a replay sees the calls of modules."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Any, Protocol

import torch
from torch import nn

from layerscope.backends.torch.plan import PassPlan

#: What a module calls in place of its own ``_call_impl`` where it has it, as ``compile()`` sets it.
_CALLED = "_compiled_call_impl"

_Call = Callable[..., Any]


class CallMaker(Protocol):
    """Makes what is called in a module's place."""

    def __call__(
        self, module: nn.Module, inner: _Call, sealed: bool, before: Any, after: Any
    ) -> _Call:
        """Return what makes the call by ``inner``, and sees it.

        ``before`` and ``after`` are the dicts of the module's hooks, in which there are none.
        """


class CallPlaces:
    """The modules of a model, by how a replay sees their calls.

    What a module calls in place of its own code takes a tenth of a microsecond, and hooks two, with
    an object for each and PyTorch's slow way through the call; it is not copied with the module. So
    hooks are left to modules that have hooks of somebody's own: ours come last, and see what goes
    into the module and what comes out of it after those. And to the model itself, which nothing
    here refers to.
    """

    def __init__(self, plan: PassPlan, model: nn.Module, parts: Iterable[nn.Module]) -> None:
        self._called: list[tuple[nn.Module, dict[str, Any], bool]] = []
        self._hooks: list[dict[int, Any]] = []
        self._flags: list[dict[int, Any]] = []
        self._note_hooks(model)
        for module in parts:
            if isinstance(module, torch.jit.ScriptModule):
                continue  # takes neither
            if id(module) in plan.hooked or not _can_be_called(module):
                self._note_hooks(module)
            else:
                self._called.append((module, vars(module), id(module) in plan.sealed))
        self._attributes = [attributes for _, attributes, _ in self._called]

    @contextmanager
    def taken(self, key: int, hook: Any, make: CallMaker) -> Iterator[None]:
        """Have what sees calls there, for as long as this lasts.

        The hook is called also where a module raises.
        """
        before = [attributes.get(_CALLED) for attributes in self._attributes]
        try:
            _put(self._flags, key, True)
            _put(self._hooks, key, hook)
            for (module, attributes, sealed), was in zip(self._called, before, strict=True):
                inner = module._call_impl if was is None else was
                attributes[_CALLED] = make(
                    module, inner, sealed, module._forward_pre_hooks, module._forward_hooks
                )
            yield
        finally:
            _remove(self._hooks, key)
            _remove(self._flags, key)
            _remove(self._attributes, _CALLED)
            if any(before):  # compiled, or seen by a look around this one
                for attributes, was in zip(self._attributes, before, strict=True):
                    if was is not None:
                        attributes[_CALLED] = was

    def hooked(self) -> set[int]:
        """Return the ids of modules that have got hooks, and are not seen by hooks of ours."""
        return {
            id(module)
            for module, _, _ in self._called
            if module._forward_pre_hooks or module._forward_hooks
        }

    def _note_hooks(self, module: nn.Module) -> None:
        self._hooks.append(module._forward_hooks)
        self._flags += [module._forward_hooks_always_called, module._forward_hooks_with_kwargs]


def _can_be_called(module: nn.Module) -> bool:
    """Return whether all that a call does is a module's own code, and no copy takes ours along."""
    kind: Any = type(module)
    hooks = (
        module._forward_hooks, module._forward_pre_hooks,
        module._backward_hooks, module._backward_pre_hooks,
    )  # fmt: skip
    return (
        not any(hooks)
        and hasattr(kind, _CALLED)
        and kind.__getstate__ is nn.Module.__getstate__
        and kind.__reduce_ex__ is object.__reduce_ex__
        and not hasattr(kind, "__copy__")
        and not hasattr(kind, "__deepcopy__")
    )


def _put(places: Sequence[dict[int, Any]], key: int, value: Any) -> None:
    deque(map(operator.setitem, places, repeat(key), repeat(value)), maxlen=0)


def _remove(places: Sequence[dict[Any, Any]], key: int | str) -> None:
    deque(map(operator.methodcaller("pop", key, None), places), maxlen=0)
