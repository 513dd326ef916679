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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import get_ident
from typing import Any, NoReturn

import torch
from torch import nn

from layerscope.backends.reducing import ReducedValue
from layerscope.backends.torch import functions
from layerscope.backends.torch.calls import Pass, running
from layerscope.backends.torch.replay.following import Following
from layerscope.backends.torch.replay.keeping import Diverged
from layerscope.backends.torch.replay.noting import Noting, identities
from layerscope.backends.torch.replay.places import CallPlaces
from layerscope.backends.torch.replay.plan import Choice, PassPlan
from layerscope.backends.torch.replay.producers import flattened

#: Functions that are calls of the plan.
_STEPS = frozenset({"step", "nested step", "close step", "writing step"})

#: Those of whose calls most are only noted.
_NOTED = frozenset({"step", "nested step", "close step"})


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
    reduce
        Given an address and a value, makes of it what is kept in its place, at once.
    """

    def __init__(
        self,
        plan: PassPlan,
        choice: Choice,
        held: Sequence[torch.Tensor],
        received: Mapping[str, torch.Tensor],
        reduce: Callable[[str, torch.Tensor], ReducedValue] | None = None,
    ) -> None:
        super().__init__()
        self.kept: Noting | Following = (
            Noting(plan, choice, held, received)
            if choice.everything and reduce is None
            else Following(plan, choice, held, received, reduce)
        )
        noting = self.kept if isinstance(self.kept, Noting) else None
        #: Where a call is noted; None where each is held against the plan as it is made.
        self.note: Callable[[tuple[Any, ...]], None] | None = (
            noting.notes.extend if noting else None
        )
        #: Whether a note holds the arguments, rather than what tells them apart.
        self.holds_arguments = noting is not None and noting.holds_arguments
        self._plan = plan
        self._kinds = plan.kinds
        self._tensors = held
        self.owner = get_ident()

    @contextmanager
    def watching(self, places: CallPlaces) -> Iterator[None]:
        """See the calls of these modules, and of functions, for as long as this lasts."""
        try:
            with places.taken(self), running(self), self:
                yield
        except (Diverged, Exception):
            # On its way through TorchScript, or the model's own code, what has ended the pass may
            # have become an error.
            if not self.kept.is_over:
                raise
            if self.kept.stopped:
                return
            hooked = places.hooked()
            if hooked:
                self._plan.hooked.update(hooked)
                raise HooksAppeared from None
            raise Diverged from None

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
        """Hold a call of a module against the plan, or note it to do so when the pass has ended."""
        with torch._C.DisableTorchFunction():
            self.kept.see(module, args, kwargs, result)

    def diverge(self) -> NoReturn:
        """Raise Diverged, now and at the end."""
        self.kept.diverge()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kind = self._kinds.get(func)
        if kind == "plain":  # as most are
            if not kwargs:
                return func(*args)
            if not _is_written(kwargs):
                return func(*args, **kwargs)
        elif kind in _NOTED and self.note and not (kwargs and _is_written(kwargs)):
            if kind == "close step" and self.kept.is_close():
                return self._call(func, args, kwargs or {}, kind)
            if kwargs:
                result = func(*args, **kwargs)
                given = (*args, *kwargs.values())
            else:
                result, given = func(*args), args
            if type(result) is torch.Tensor:
                if kind != "step":
                    given = flattened(given)
                if not self.holds_arguments:
                    given = identities(given)
                self.note((func, given, result))
            else:
                self.kept.see(func, args, kwargs or {}, result)
            return result
        return self._call(func, args, kwargs or {}, kind)

    def _call(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], kind: str | None
    ) -> Any:
        """Call a function of which there is more to be asked than of most."""
        if kind is None:
            kind = self._plan.kind(func)
        if kind == "foreign" and self.kept.is_over:  # the model's own cleaning up is not disturbed
            self.kept.give_up()
        elif kind == "foreign":
            self.diverge()
        if kind in ("writes", "writing step") or _is_written(kwargs):
            self._guard(func, args, kwargs)
        result = func(*args, **kwargs)
        if kind in _STEPS:
            self.kept.see(func, args, kwargs, result)
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


def _is_written(kwargs: Mapping[str, Any]) -> bool:
    """Return whether a function called so writes to its arguments."""
    return bool("out" in kwargs or kwargs.get("inplace"))
