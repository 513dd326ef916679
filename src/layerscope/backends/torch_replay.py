"""A pass through a PyTorch model that is known already: seen at the cost of its hooks.

The first pass for an input of some shape watches every operation, to learn what the model calls,
what comes from what, and what is written to. What follows from that is the same the next time, as
long as the same calls are made in the same order, on values that come from the same calls. So a
``Plan`` of these calls is made, and the next pass only checks that it follows it, and keeps values:
by reference, with the version that PyTorch counts for each tensor, since few are ever written to.

Whatever is otherwise than planned raises ``Diverged``, before anything is written that could not be
taken back; then the model is watched again. A value that was written to behind our back shows by
its version; it is copied at once from then on, and the pass is made once more.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import torch
from torch import nn

from layerscope.backends import torch_attention as attention
from layerscope.backends import torch_functions as functions
from layerscope.backends.parts import named_parts
from layerscope.backends.torch_calls import Pass, running, unpacked
from layerscope.backends.torch_plan import Choice, Plan, Producers, Step
from layerscope.backends.trace import PassComplete


class Diverged(BaseException):
    """The pass is not the one that was planned.

    Not an Exception, so that no ``except Exception`` of the model's own swallows it.
    """


class Replay(Pass):
    """One pass that is to keep to a plan.

    Parameters
    ----------
    plan, choice
        What the pass is, and what to keep of it.
    held
        The tensors that the model holds: what shares their memory is copied, and of those that the
        plan does not write to there are no copies.
    received
        The network's inputs, by name.
    """

    def __init__(
        self,
        plan: Plan,
        choice: Choice,
        held: Sequence[torch.Tensor],
        received: Mapping[str, torch.Tensor],
    ) -> None:
        super().__init__()
        self.values: dict[str, torch.Tensor] = {}
        self._plan = plan
        self._steps = choice.steps
        self._choice = choice
        self._lasting = frozenset(map(id, held))
        written = frozenset(plan.written)
        self._guarded = [tensor for i, tensor in enumerate(held) if i not in written]
        self._versions: list[tuple[str, torch.Tensor, int]] = []
        self._handed: dict[str, tuple[Any, int]] = {
            name: (weakref.ref(value), value._version) for name, value in received.items()
        }
        self._producers = Producers(holding=choice.everything)
        self._producers.receive(received.values())
        self._unsealed: list[nn.Module] = []
        self._cursor = 0
        self.stopped = False  #: whether everything that was asked for was there before the end
        self._owner = threading.get_ident()

    def overwritten(self) -> set[str]:
        """Return the addresses whose values were written to since they were kept."""
        return {address for address, value, was in self._versions if value._version != was}

    @contextmanager
    def watching(self, modules: Sequence[nn.Module]) -> Iterator[None]:
        """See the calls of these modules, and of functions, for as long as this lasts."""
        # As ``register_forward_hook`` does it, without an object for each of thousands of hooks,
        # whose making and removing takes longer than what they do.
        plan, key = self._plan, -id(self)
        hooked: list[nn.Module] = []
        try:
            for module in modules:
                if isinstance(module, torch.jit.ScriptModule):
                    continue  # takes no hooks
                hooked.append(module)
                hook: Any = self._ended
                if id(module) in plan.with_kwargs or isinstance(module, nn.MultiheadAttention):
                    module._forward_hooks_with_kwargs[key] = True
                    hook = self._ended_with_kwargs
                elif id(module) in plan.sealed:
                    module._forward_pre_hooks[key] = self._seal
                    hook = self._sealed_ended
                module._forward_hooks[key] = hook
                module._forward_hooks_always_called[key] = True
            with running(self), self:
                try:
                    yield
                finally:
                    self._unseal()
        finally:
            for module in hooked:
                module._forward_pre_hooks.pop(key, None)
                module._forward_hooks.pop(key, None)
                module._forward_hooks_with_kwargs.pop(key, None)
                module._forward_hooks_always_called.pop(key, None)

    def __deepcopy__(self, memo: Any) -> Replay:
        # A model may copy one of its own modules, with our hook on it; the copy's does nothing.
        return self

    def ordered(self) -> dict[str, torch.Tensor]:
        """Return the values that were kept, in the order of the plan."""
        return {a: self.values[a] for a in self._choice.addresses if a in self.values}

    def finish(self) -> None:
        """Raise Diverged where not every call of the plan was made."""
        if self._cursor != len(self._steps):
            self._diverge()

    def _diverge(self) -> NoReturn:
        self._cursor = -1  # for good: the model's own code may catch what is raised here
        raise Diverged

    def _seal(self, module: nn.Module, args: Any) -> None:
        # What PyTorch's own layers call is their affair, and need not pass by here.
        # Not where one is in training mode, and may write to its statistics.
        if self._is_ours() and not module.training and _is_innermost(self):
            torch._C._pop_torch_function_stack()
            self._unsealed.append(module)

    def _unseal(self) -> None:
        if self._unsealed:
            self._unsealed.clear()
            torch._C._push_on_torch_function_stack(self)

    def _sealed_ended(self, module: nn.Module, args: Any, result: Any) -> None:
        if not self._is_ours():
            return
        if self._unsealed and self._unsealed[-1] is module:
            try:
                self._module_ended(module, args, result)  # while functions are no affair of ours
            finally:
                self._unseal()
        else:
            self._ended(module, args, result)

    def _is_ours(self) -> bool:
        """Whether a call is one of this pass.

        What other threads call is not: no pass that was planned calls modules in other threads, so
        it is somebody else who uses the model meanwhile. They may call it while hooks come and go,
        one entry after the other, and so with hooks that have ended, or without what they take.
        """
        return self.is_active and threading.get_ident() == self._owner

    def _ended_with_kwargs(self, module: nn.Module, args: Any, *rest: Any) -> None:
        if not self._is_ours():
            return
        kwargs, result = rest
        with torch._C.DisableTorchFunction():
            step = self._steps[self._cursor] if 0 <= self._cursor < len(self._steps) else None
            weights = None if step is None or result is None else step.weights
            if weights is not None and isinstance(module, nn.MultiheadAttention):
                self.values[weights] = attention.module_weights(module, args, kwargs)
            self._module_ended(module, [*args, *kwargs.values()], result)

    def _ended(self, module: nn.Module, args: Any, result: Any) -> None:
        if not self._is_ours():
            return
        with torch._C.DisableTorchFunction():
            self._module_ended(module, args, result)

    def _module_ended(self, module: nn.Module, args: Any, result: Any) -> None:
        number = self._cursor
        step = self._steps[number] if 0 <= number < len(self._steps) else None
        if step is None or not step.is_module or step.what() is not module:
            self._diverge()
        self._follow(number, step, args, result)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kinds = self._plan.kinds
        kind = kinds.get(func)
        if kind is None:
            kind = kinds[func] = functions.kind(func, self._plan.functions, self._plan.met)
        if kwargs is None:
            kwargs = {}
        if kind == "plain" and "out" not in kwargs and not kwargs.get("inplace"):
            return func(*args, **kwargs)
        if kind == "foreign":
            self._diverge()
        if kind != "step" or kwargs.get("inplace") or "out" in kwargs:
            self._guard(func, args, kwargs)
            if kind not in ("writing step", "step"):
                return func(*args, **kwargs)
        result = func(*args, **kwargs)
        number = self._cursor
        step = self._steps[number] if 0 <= number < len(self._steps) else None
        if step is None or step.is_module or step.what != func:
            self._diverge()
        if step.weights is not None:
            self.values[step.weights] = attention.FusedCall(args, kwargs).weights()
        self._follow(number, step, [*args, *kwargs.values()] if kwargs else args, result)
        return result

    def _guard(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise Diverged before something is written to that could not be put back."""
        for tensor in functions.written_by(func, args, kwargs):
            # By whatever name: a view, ``.data``, ``detach()``.
            if functions.storage_of(tensor) in self._guarded_storages:
                self._diverge()

    @functools.cached_property
    def _guarded_storages(self) -> frozenset[int]:
        return frozenset(map(functions.storage_of, self._guarded))

    def _follow(self, number: int, step: Step, args: Sequence[Any], result: Any) -> None:
        """Hold what a call was given and has returned against the plan; keep what is chosen."""
        if not self._producers.are(args, step.sources):
            self._diverge()
        self._cursor = number + 1
        if step.is_module and step.call.marks:  # a softmax that makes attention weights
            self._handed[str(step.call.attention)] = (weakref.ref(result), result._version)
            if step.weights is not None:
                self.values[step.weights] = attention.marking(args[0])(result)
        if step.shape is not None and type(result) is torch.Tensor:
            # The way that most calls go, without a further call for any of this.
            if result.shape != step.shape or result.is_inference():
                self._diverge()
            self._producers.note(result, number)
            if step.handed_on is not None:
                self._check_handed_on(result, step.handed_on)
            elif step.is_origin:
                self._handed[step.address] = (weakref.ref(result), result._version)
            for _, address in step.kept:
                self._keep(address, result, args[0] if step.call.marks else None)
        elif step.call.returned:
            self._follow_parts(number, step, args, unpacked(result) if step.is_module else result)
        if number == self._choice.last:
            self.stopped = True
            raise PassComplete

    def _follow_parts(self, number: int, step: Step, args: Sequence[Any], result: Any) -> None:
        call = step.call
        parts = [value for _, value in named_parts(result)]
        if len(parts) != len(call.shapes):
            self._diverge()
        for part, shape, returned in zip(parts, call.shapes, call.returned, strict=True):
            if part.shape != shape or part.is_inference():
                self._diverge()
            self._producers.note(part, number)
            if returned.handed_on is not None:
                self._check_handed_on(part, returned.handed_on)
            elif returned.address in self._plan.handed_on:
                self._handed[returned.address] = (weakref.ref(part), part._version)
        for index, address in step.kept:
            self._keep(address, parts[index], args[0] if call.marks else None)

    def _check_handed_on(self, value: torch.Tensor, address: str) -> None:
        reference, version = self._handed.get(address, (None, -1))
        if reference is None or reference() is not value or version != value._version:
            self._diverge()

    def _keep(self, address: str, value: torch.Tensor, scores: torch.Tensor | None) -> None:
        base = value._base
        if scores is not None:
            value = attention.marking(scores)(value)
        elif (
            address in self._plan.copied
            or id(value) in self._lasting
            or (base is not None and id(base) in self._lasting)
        ):
            value = value.clone()
        else:
            self._versions.append((address, value, value._version))
        self.values[address] = value


def _is_innermost(mode: Pass) -> bool:
    depth = torch._C._len_torch_function_stack()
    return bool(depth) and torch._C._get_function_stack_at(depth - 1) is mode
