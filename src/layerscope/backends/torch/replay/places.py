"""Where a replay sees the calls of modules."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from threading import get_ident
from typing import Any, NoReturn, Protocol

import torch
from torch import nn

from layerscope.backends.torch.replay.keeping import alone
from layerscope.backends.torch.replay.noting import identities
from layerscope.backends.torch.replay.plan import PassPlan
from layerscope.backends.torch.replay.producers import flattened

#: What a module calls in place of its own ``_call_impl`` where it has it, as ``compile()`` sets it.
_CALLED = "_compiled_call_impl"

_pop_mode = torch._C._pop_torch_function_stack
_push_mode: Callable[[Any], None] = torch._C._push_on_torch_function_stack
_count_modes = torch._C._len_torch_function_stack

_Call = Callable[..., Any]


class Seeing(Protocol):
    """What sees calls of modules: a function mode, of use in one thread while it is active."""

    is_active: bool
    owner: int
    #: Notes a call of the plainest kind, where that will do.
    note: Callable[[tuple[Any, ...]], None] | None
    holds_arguments: bool  #: whether a note holds the arguments, rather than what tells them apart

    def see(self, module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
        """See that a module has returned, or raised: then its result is None."""

    def see_hook(self, module: nn.Module, args: Any, *rest: Any) -> None:
        """See the same, as a hook that is always called."""

    def diverge(self) -> NoReturn:
        """Raise Diverged."""


class CallPlaces:
    """The modules of a model, by how a replay sees their calls.

    What a module calls in place of its own code takes a tenth of a microsecond, and hooks two, with
    an object for each and PyTorch's slow way through the call; it is not copied with the module. So
    hooks are left to modules that have hooks of somebody's own: ours come last, and see what goes
    into the module and what comes out of it after those. And to the model itself, which nothing
    here refers to.
    """

    def __init__(self, plan: PassPlan, model: nn.Module, parts: Iterable[nn.Module]) -> None:
        self.seen_by: Seeing | None = None
        self._called: list[tuple[nn.Module, bool]] = []
        modules = [call for call in plan.calls if call.is_module]
        self._references = {id(call.what()): call.what for call in modules}
        self._close = {id(plan.calls[n].what()) for n in plan.close if plan.calls[n].is_module}
        self._nested = {id(call.what()) for call in modules if call.is_nested}
        self._hooks: list[dict[int, Any]] = []
        self._flags: list[dict[int, Any]] = []
        self._note_hooks(model)
        for module in parts:
            if isinstance(module, torch.jit.ScriptModule):
                continue  # takes neither
            if id(module) in plan.hooked or not _can_be_called(module):
                self._note_hooks(module)
            else:
                self._called.append((module, id(module) in plan.sealed))
        self._attributes = [vars(module) for module, _ in self._called]
        self._calls = [
            self._call(module, module._call_impl, sealed) for module, sealed in self._called
        ]

    @contextmanager
    def taken(self, seen_by: Seeing) -> Iterator[None]:
        """Have calls be seen, for as long as this lasts."""
        key, calls, outer = -id(seen_by), self._calls, self.seen_by
        before = list(map(operator.methodcaller("get", _CALLED), self._attributes))
        replaced = any(before)  # compiled, or seen by a look around this one
        if replaced:
            calls = [
                call if was is None else self._call(module, was, sealed)
                for call, was, (module, sealed) in zip(calls, before, self._called, strict=True)
            ]
        try:
            self.seen_by = seen_by
            _put(self._flags, key, repeat(True))
            _put(self._hooks, key, repeat(seen_by.see_hook))
            _put(self._attributes, _CALLED, calls)
            yield
        finally:
            self.seen_by = outer
            _remove(self._hooks, key)
            _remove(self._flags, key)
            _remove(self._attributes, _CALLED)
            if replaced:
                for attributes, was in zip(self._attributes, before, strict=True):
                    if was is not None:
                        attributes[_CALLED] = was

    def hooked(self) -> set[int]:
        """Return the ids of modules that have got hooks, and are not seen by hooks of ours."""
        return {
            id(module)
            for module, _ in self._called
            if module._forward_pre_hooks or module._forward_hooks
        }

    def _note_hooks(self, module: nn.Module) -> None:
        self._hooks.append(module._forward_hooks)
        self._flags += [module._forward_hooks_always_called, module._forward_hooks_with_kwargs]

    def _call(self, module: nn.Module, inner: _Call, sealed: bool) -> _Call:
        """Return what makes a module's call by ``inner``, and has it seen.

        ``sealed`` modules are PyTorch's own layers: the functions that they call are their affair,
        and need not pass by a mode. Not where one is in training mode, and may write to its
        statistics.
        """
        before, after = module._forward_pre_hooks, module._forward_hooks
        called = self._references.get(id(module))  # of one that was not called, diverges
        is_close = id(module) in self._close
        is_nested = id(module) in self._nested
        is_odd = is_close or is_nested

        # What other threads call is no call of the pass: none that was planned calls modules in
        # other threads, so it is somebody else who uses the model meanwhile.
        def call(*args: Any, **kwargs: Any) -> Any:
            seen_by = self.seen_by
            if seen_by is None or not seen_by.is_active or get_ident() != seen_by.owner:
                return inner(*args, **kwargs)
            try:
                result = inner(*args, **kwargs)
            except Exception:
                seen_by.see(module, args, kwargs, None)
                raise
            if before or after:  # which it did not have: ours would have come before these
                seen_by.diverge()
            note, value = seen_by.note, alone(result)
            if is_close or note is None or type(value) is not torch.Tensor:
                seen_by.see(module, args, kwargs, result)
                return result
            given = (*args, *kwargs.values()) if kwargs else args
            if is_nested:
                given = flattened(given)
            if not seen_by.holds_arguments:
                given = identities(given)
            note((called, given, value))
            return result

        def sealed_call(*args: Any, **kwargs: Any) -> Any:
            seen_by = self.seen_by
            if seen_by is None or not seen_by.is_active or get_ident() != seen_by.owner:
                return inner(*args, **kwargs)
            if module.training or not _count_modes():
                return call(*args, **kwargs)
            mode = _pop_mode()
            if mode is not seen_by:  # somebody else's, who is to see them
                _push_mode(mode)
                return call(*args, **kwargs)
            try:
                try:
                    result = inner(*args, **kwargs)
                except Exception:
                    seen_by.see(module, args, kwargs, None)
                    raise
                if before or after:
                    seen_by.diverge()
                note = seen_by.note
                if is_odd or kwargs or note is None or type(result) is not torch.Tensor:
                    seen_by.see(module, args, kwargs, result)
                else:
                    given = args if seen_by.holds_arguments else identities(args)
                    note((called, given, result))
            finally:
                _push_mode(mode)
            return result

        return sealed_call if sealed else call


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


def _put(places: Sequence[dict[Any, Any]], key: int | str, values: Iterable[Any]) -> None:
    deque(map(operator.setitem, places, repeat(key), values), maxlen=0)


def _remove(places: Sequence[dict[Any, Any]], key: int | str) -> None:
    deque(map(operator.methodcaller("pop", key, None), places), maxlen=0)
