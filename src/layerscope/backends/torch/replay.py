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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import get_ident
from typing import Any, NoReturn

import torch
from torch import nn

from layerscope.backends.torch import attention, functions
from layerscope.backends.torch.calls import Pass, running
from layerscope.backends.torch.following import Diverged, Following
from layerscope.backends.torch.places import CallPlaces
from layerscope.backends.torch.plan import Choice, PassPlan


class HooksAppeared(Diverged):
    """Modules got hooks in the midst of the pass: they are to be seen by hooks, too."""


class Replay(Pass):
    """One pass that is to keep to a plan.

    Parameters
    ----------
    plan, choice
        What the pass is, and what to keep of it.
    held
        The tensors that the model holds: of those that the plan does not write to there are no
        copies.
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
        self.kept = Following(plan, choice, held, received)
        self._plan = plan
        self._kinds = plan.kinds
        self._tensors = held
        self.pending = self.kept.pending
        self.follow = self.kept.follower()
        self.owner = get_ident()

    @contextmanager
    def watching(self, places: CallPlaces) -> Iterator[None]:
        """See the calls of these modules, and of functions, for as long as this lasts."""
        try:
            with places.taken(self), running(self), self:
                yield
        except Diverged:
            hooked = places.hooked()
            if hooked:
                self._plan.hooked.update(hooked)
                raise HooksAppeared from None
            raise
        finally:
            del self.follow  # refers to what refers to it

    def __deepcopy__(self, memo: Any) -> Replay:
        # A model may copy one of its own modules, with our hook on it; the copy's does nothing.
        return self

    def see_hook(self, module: nn.Module, args: Any, *rest: Any) -> None:
        """See that a module with a hook has returned, or raised: then its result is None."""
        # Another thread may call it while hooks come and go, one entry after the other: with hooks
        # that have ended, or without what they take.
        if self.is_active and get_ident() == self.owner:
            self.see(module, args, *rest)

    def see(self, module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
        """Hold a call of a module against the plan."""
        with torch._C.DisableTorchFunction():
            step = self.pending.pop() if self.pending else None
            if step is None or not step.is_module or step.what() is not module:
                self.diverge()
            if (
                step.weights is not None
                and result is not None
                and isinstance(module, nn.MultiheadAttention)
            ):
                self.kept.values[step.weights] = attention.module_weights(module, args, kwargs)
            self.follow(step, [*args, *kwargs.values()] if kwargs else args, result)

    def diverge(self) -> NoReturn:
        """Raise Diverged, now and at every further call."""
        self.kept.diverge()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kind = self._kinds.get(func)
        if kwargs:
            is_written = bool("out" in kwargs or kwargs.get("inplace"))
            if kind == "plain" and not is_written:
                return func(*args, **kwargs)
        elif kind == "plain":  # as most are
            return func(*args)
        else:
            kwargs, is_written = {}, False
        if kind is None:
            kind = functions.kind(func, self._plan.functions, self._plan.met)
            self._kinds[func] = kind
        if kind == "foreign":
            self.diverge()
        if is_written or kind in ("writes", "writing step"):
            self._guard(func, args, kwargs)
        result = func(*args, **kwargs)
        if kind not in ("step", "writing step"):
            return result
        step = self.pending.pop() if self.pending else None
        if step is None or step.is_module or (step.what is not func and step.what != func):
            self.diverge()
        if step.weights is not None:
            self.kept.attend(step.weights, attention.FusedCall(args, kwargs))
        self.follow(step, [*args, *kwargs.values()] if kwargs else args, result)
        return result

    def _guard(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise Diverged before something is written to that could not be put back."""
        for tensor in functions.written_by(func, args, kwargs):
            # By whatever name: a view, ``.data``, ``detach()``.
            if functions.storage_of(tensor) in self._guarded_storages:
                self.diverge()

    @functools.cached_property
    def _guarded_storages(self) -> frozenset[int]:
        written = frozenset(self._plan.written)
        guarded = (tensor for i, tensor in enumerate(self._tensors) if i not in written)
        return frozenset(map(functions.storage_of, guarded))
