"""A pass through a PyTorch model that is known already: seen at the cost of its hooks.

The first pass for an input of some shape watches every operation, to learn what the model calls,
what comes from what, and what is written to. What follows from that is the same the next time, as
long as the same calls are made in the same order, on values that come from the same calls. So a
``PassPlan`` of these calls is made, and the next pass only checks that it follows it, and keeps
values: by reference, with the version that PyTorch counts for each tensor, since few are ever
written to.

Whatever is otherwise than planned raises ``Diverged``, before anything is written that could not be
taken back; then the model is watched again. A value that was written to behind our back shows by
its version; it is copied at once from then on, and the pass is made once more.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import get_ident
from typing import Any, NoReturn

import torch
from torch import nn

from layerscope.backends.parts import named_parts
from layerscope.backends.torch import attention, functions
from layerscope.backends.torch.calls import Pass, running, unpacked
from layerscope.backends.torch.plan import Choice, PassPlan, Producers, Step
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
        plan: PassPlan,
        choice: Choice,
        held: Sequence[torch.Tensor],
        received: Mapping[str, torch.Tensor],
    ) -> None:
        super().__init__()
        #: The values kept; of attention weights, what they can be computed from.
        self.values: dict[str, torch.Tensor | attention.FusedCall] = {}
        self._plan = plan
        self._steps = choice.steps
        self._choice = choice
        self._last = choice.last
        self._kinds, self._copied = plan.kinds, plan.copied
        self._lasting = frozenset(map(id, held))
        written = frozenset(plan.written)
        self._guarded = [tensor for i, tensor in enumerate(held) if i not in written]
        self._versions: list[tuple[str, torch.Tensor, int]] = []
        self._handed: dict[str, tuple[Any, int]] = {
            name: (weakref.ref(value), value._version) for name, value in received.items()
        }
        self._producers = Producers(holding=choice.everything)
        self._producers.receive(received.values())
        self._calls, self._held = self._producers.calls, self._producers.held
        #: Values that nobody else writes to, or what they are views of; they are kept, so that no
        #: other tensors take their identities.
        self._own_memory: set[int] = set()
        self._unsealed: list[nn.Module] = []
        self._cursor = 0
        self.stopped = False  #: whether everything that was asked for was there before the end
        self._owner = get_ident()

    def overwritten(self) -> set[str]:
        """Return the addresses whose values were written to since they were kept."""
        return {address for address, value, was in self._versions if value._version != was}

    @contextmanager
    def watching(self, modules: Sequence[nn.Module]) -> Iterator[None]:
        """See the calls of these modules, and of functions, for as long as this lasts."""
        # As ``register_forward_hook`` does it, without an object for each of thousands of hooks,
        # whose making and removing takes longer than what they do.
        plan, key = self._plan, -id(self)
        entries: list[dict[int, Any]] = []  #: the dicts that hold something of ours

        def put(held: dict[int, Any], value: Any) -> None:
            entries.append(held)
            held[key] = value

        try:
            for module in modules:
                if isinstance(module, torch.jit.ScriptModule):
                    continue  # takes no hooks
                hook: Any = self._ended
                if id(module) in plan.with_kwargs or isinstance(module, nn.MultiheadAttention):
                    put(module._forward_hooks_with_kwargs, True)
                    hook = self._ended_with_kwargs
                elif id(module) in plan.sealed:
                    put(module._forward_pre_hooks, self._seal)
                    hook = self._sealed_ended
                put(module._forward_hooks, hook)
                put(module._forward_hooks_always_called, True)
            with running(self), self:
                try:
                    yield
                finally:
                    self._unseal()
        finally:
            for held in entries:
                held.pop(key, None)

    def __deepcopy__(self, memo: Any) -> Replay:
        # A model may copy one of its own modules, with our hook on it; the copy's does nothing.
        return self

    def ordered(self) -> dict[str, torch.Tensor | attention.FusedCall]:
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
        mine = self.is_active and get_ident() == self._owner
        if mine and not module.training and _is_innermost(self):
            torch._C._pop_torch_function_stack()
            self._unsealed.append(module)

    def _unseal(self) -> None:
        if self._unsealed:
            self._unsealed.clear()
            torch._C._push_on_torch_function_stack(self)

    def _sealed_ended(self, module: nn.Module, args: Any, result: Any) -> None:
        if not self.is_active or get_ident() != self._owner:
            return
        if self._unsealed and self._unsealed[-1] is module:
            try:
                self._module_ended(module, args, result)  # while functions are no affair of ours
            finally:
                self._unseal()
        else:
            self._ended(module, args, result)

    # What other threads call is no call of this pass: none that was planned calls modules in other
    # threads, so it is somebody else who uses the model meanwhile. They may call it while hooks
    # come and go, one entry after the other: with hooks that have ended, or without what they take.

    def _ended_with_kwargs(self, module: nn.Module, args: Any, *rest: Any) -> None:
        if not self.is_active or get_ident() != self._owner:
            return
        kwargs, result = rest
        with torch._C.DisableTorchFunction():
            step = self._steps[self._cursor] if 0 <= self._cursor < len(self._steps) else None
            weights = None if step is None or result is None else step.weights
            if weights is not None and isinstance(module, nn.MultiheadAttention):
                self.values[weights] = attention.module_weights(module, args, kwargs)
            self._module_ended(module, [*args, *kwargs.values()], result)

    def _ended(self, module: nn.Module, args: Any, result: Any) -> None:
        if not self.is_active or get_ident() != self._owner:
            return
        with torch._C.DisableTorchFunction():
            self._module_ended(module, args, result)

    def _module_ended(self, module: nn.Module, args: Any, result: Any) -> None:
        number = self._cursor
        step = self._steps[number] if 0 <= number < len(self._steps) else None
        if step is None or not step.is_module or step.what() is not module:
            self._diverge()
        self._follow(step, args, result)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kind = self._kinds.get(func)
        if kind == "plain" and not kwargs:  # as most are
            return func(*args)
        if kind is None:
            kind = functions.kind(func, self._plan.functions, self._plan.met)
            self._kinds[func] = kind
        kwargs = kwargs or {}
        in_place = "out" in kwargs or kwargs.get("inplace")
        if kind == "plain" and not in_place:
            return func(*args, **kwargs)
        if kind == "foreign":
            self._diverge()
        if kind != "step" or in_place:
            self._guard(func, args, kwargs)
            if kind not in ("writing step", "step"):
                return func(*args, **kwargs)
        result = func(*args, **kwargs)
        number = self._cursor
        step = self._steps[number] if 0 <= number < len(self._steps) else None
        if step is None or step.is_module or step.what != func:
            self._diverge()
        if step.weights is not None:
            self._attend(step.weights, attention.FusedCall(args, kwargs))
        self._follow(step, [*args, *kwargs.values()] if kwargs else args, result)
        return result

    def _guard(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise Diverged before something is written to that could not be put back."""
        for tensor in functions.written_by(func, args, kwargs):
            # By whatever name: a view, ``.data``, ``detach()``.
            if functions.storage_of(tensor) in self._guarded_storages:
                self._diverge()

    @functools.cached_property
    def _gives_memory(self) -> bool:
        return any(map(functions.gives_memory, self._plan.functions))

    @functools.cached_property
    def _guarded_storages(self) -> frozenset[int]:
        return frozenset(map(functions.storage_of, self._guarded))

    def _follow(self, step: Step, args: Sequence[Any], result: Any) -> None:
        """Hold what a call was given and has returned against the plan; keep what is chosen."""
        self._check_sources(args, step.sources)
        self._cursor = step.number + 1
        if type(result) is tuple and len(result) == 2 and result[1] is None:
            result = result[0]  # as attention returns it without its weights
        if not step.is_simple or type(result) is not torch.Tensor:
            self._follow_any(step, args, result)
        else:
            # The way that most calls go, without a further call for any of this.
            if result.shape != step.shape:
                self._diverge()
            try:
                version = result._version
            except RuntimeError:  # made in inference mode, where none are counted
                self._diverge()
            if step.handed_on is not None:
                reference, was = self._handed.get(step.handed_on, (None, -1))
                if reference is None or reference() is not result or version != was:
                    self._diverge()
            elif step.is_origin:
                self._handed[step.address] = (weakref.ref(result), version)
            address = step.keeps
            if self._held is None:
                self._producers.note(result, step.number)
            else:
                self._calls[id(result)] = step.number
                self._held.append(result)
            if address is not None:
                base = result._base
                if (
                    address in self._copied
                    or id(result) in self._lasting
                    or (base is not None and id(base) in self._lasting)
                ):
                    result = result.clone()
                else:
                    self._versions.append((address, result, version))
                    self._own_memory.add(id(result if base is None else base))
                self.values[address] = result
        if step.number == self._last:
            self.stopped = True
            raise PassComplete

    def _check_sources(self, args: Sequence[Any], expected: tuple[int, ...]) -> None:
        """Raise Diverged where arguments do not come from these calls."""
        if self._held is None:
            if self._producers.of(args) != expected:
                self._diverge()
            return
        known, count, index = self._calls.get, len(expected), 0
        for arg in args:
            if isinstance(arg, torch.Tensor):
                if index == count or known(id(arg), -1) != expected[index]:
                    self._diverge()
                index += 1
            elif type(arg) is list or type(arg) is tuple:
                if self._producers.of(args) != expected:
                    self._diverge()
                return
        if index != count:
            self._diverge()

    def _follow_any(self, step: Step, args: Sequence[Any], result: Any) -> None:
        """Keep what is chosen of a call that attends, hands on, or returns something else."""
        number = step.number
        if step.is_module and step.call.marks:  # a softmax that makes attention weights
            self._handed[str(step.call.attention)] = (weakref.ref(result), result._version)
            if step.weights is not None:
                self.values[step.weights] = attention.marking(args[0])(result)
        if step.call.returned:
            self._follow_parts(number, step, args, unpacked(result) if step.is_module else result)

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

    def _attend(self, address: str, call: attention.FusedCall) -> None:
        """Keep the weights of a call, or what they are computed from when they are asked for."""
        tensors = call.tensors()
        later = None
        if address not in self._copied and self._are_of_this_pass(tensors):
            later = call.later()
        if later is None:
            self.values[address] = call.weights()
            return
        self.values[address] = later
        self._versions += [(address, tensor, tensor._version) for tensor in tensors]

    def _are_of_this_pass(self, tensors: Sequence[torch.Tensor]) -> bool:
        """Return whether these are values of this pass, or views of such, and nobody else's."""
        if self._held is None or self._gives_memory:
            return False
        bases = (tensor if tensor._base is None else tensor._base for tensor in tensors)
        return all(id(base) in self._own_memory for base in bases)

    def _is_lasting(self, value: torch.Tensor) -> bool:
        """Return whether a tensor is one that the model holds, or a view of one."""
        base = value._base
        return id(value) in self._lasting or (base is not None and id(base) in self._lasting)

    def _keep(self, address: str, value: torch.Tensor, scores: torch.Tensor | None) -> None:
        if scores is not None:
            value = attention.marking(scores)(value)
        elif address in self._copied or self._is_lasting(value):
            value = value.clone()
        else:
            self._versions.append((address, value, value._version))
        self.values[address] = value


def _is_innermost(mode: Pass) -> bool:
    depth = torch._C._len_torch_function_stack()
    return bool(depth) and torch._C._get_function_stack_at(depth - 1) is mode
