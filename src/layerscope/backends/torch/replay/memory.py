"""What is remembered of passes through a PyTorch model, to see the next one at less cost."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from layerscope.backends.base import ForwardPass
from layerscope.backends.torch import functions, tree
from layerscope.backends.torch.object_state import DictSnapshot, ObjectState
from layerscope.backends.torch.replay.places import CallPlaces
from layerscope.backends.torch.replay.plan import Log, PassPlan
from layerscope.backends.torch.sharded import awaits_first_call
from layerscope.backends.torch.untouched import Writes, state_of, tensors_of
from layerscope.backends.trace import Trace
from layerscope.core.network import InputSpec

_MOST_PLANS = 4
_MOST_DIVERGED = 3  #: after so many in a row a model is taken to be another each time

_dtype, _shape = operator.attrgetter("dtype"), operator.attrgetter("shape")
_wants_gradient = operator.attrgetter("requires_grad")

_PLAIN = (bool, int, float, str, type(None))


class Known:
    """A model as it was found: what it holds, its modules and tensors."""

    def __init__(self, model: nn.Module) -> None:
        self.state = state_of(model)
        self.tensors = tensors_of(self.state)
        self.fingerprint = Fingerprint(self.state)
        self.specs = tree.input_specs(model)
        #: Whether something is only made at the model's first call.
        self.is_unready = awaits_first_call(model) or any(
            nn.parameter.is_lazy(tensor)
            for tensor in self.state.leaves
            if isinstance(tensor, torch.Tensor)
        )
        #: A floating parameter, which tells what type and device arrays are to have.
        self.like = next((p for p in model.parameters() if p.is_floating_point()), None)
        self.generators = [g for g in self.state.leaves if isinstance(g, torch.Generator)]
        telling = [vars(module) for module in tree.hints(model)]
        telling += [module._modules for module in model.modules() if type(module._modules) is dict]
        self._telling = DictSnapshot(dict, [(held, held.copy()) for held in telling])
        self._dtypes, self.flags, self._shapes = (
            list(map(of, self.tensors)) for of in (_dtype, _wants_gradient, _shape)
        )
        # Without the model itself, which goes when nobody else holds on to it.
        self._modules = [module for module in model.modules() if module is not model]
        self._training = [module for module in self._modules if module.training]
        self._is_in_training = model.training
        self._places: tuple[PassPlan, int, CallPlaces] | None = None

    def is_current(self) -> bool:
        """Return whether the model is still as it was found."""
        tensors = self.tensors
        return (
            self.state.is_current()
            and list(map(_wants_gradient, tensors)) == self.flags
            and list(map(_dtype, tensors)) == self._dtypes
            and list(map(_shape, tensors)) == self._shapes
        )

    def expects_the_same(self) -> bool:
        """Return whether what tells which inputs the model takes is as it was found."""
        return self._telling.is_current()

    def call_places(self, plan: PassPlan, model: nn.Module) -> CallPlaces:
        """Return where a pass that follows this plan sees calls of modules."""
        known = self._places
        if known is None or known[0] is not plan or known[1] != plan.closeness:
            known = plan, plan.closeness, CallPlaces(plan, model, self._modules)
            self._places = known
        return known[2]

    def training(self, model: nn.Module) -> list[nn.Module]:
        """Return those of its modules that are in training mode, the model itself first."""
        return [model, *self._training] if self._is_in_training else self._training


@dataclass
class Memory:
    """Of one model: a plan for each kind of call, and what it needs."""

    differentiates: bool = False  #: whether its forward pass takes gradients itself
    _known: Known | None = None
    _plans: OrderedDict[Hashable, PassPlan | None] = field(default_factory=OrderedDict)
    _diverged: int = 0

    def known(self, model: nn.Module) -> Known:
        """Return what the model is now; found out anew only where it has changed."""
        if self._known is not None and self._known.is_current():
            return self._known
        known = Known(model)
        # What refers to the model would keep it alive.
        self._known = None if known.state.refers_to_root else known
        return known

    def specs(self, model: nn.Module) -> tuple[InputSpec, ...]:
        """Return what the model expects; asked before every look, and compared at less cost."""
        if self._known is not None and self._known.expects_the_same():
            return self._known.specs
        return self.known(model).specs

    def plan(self, key: Hashable) -> PassPlan | None:
        """Return the plan for a kind of call, where there is one."""
        if self._diverged >= _MOST_DIVERGED or key not in self._plans:
            return None
        self._plans.move_to_end(key)
        return self._plans[key]

    def note(self, key: Hashable, plan: PassPlan | None) -> None:
        """Remember the plan of a pass, where none is known that goes further."""
        known = self._plans.get(key)
        if known is None or (plan is not None and len(plan.calls) > len(known.calls)):
            self._plans[key] = plan
        while len(self._plans) > _MOST_PLANS:
            self._plans.popitem(last=False)

    def followed(self) -> None:
        """Note that a pass has followed its plan."""
        self._diverged = 0

    def diverged(self, plan: PassPlan) -> None:
        """Note that a pass did not follow its plan."""
        self._diverged += 1
        for key in [key for key, known in self._plans.items() if known is plan]:
            del self._plans[key]


class Fingerprint:
    """What changes whenever a setting, a layer or a tensor of a model does.

    It has thousands of entries, and is looked up at every look: they are hashed once.
    """

    def __init__(self, state: ObjectState) -> None:
        entries = [
            value if isinstance(value, _PLAIN) or _is_plain_tuple(value) else id(value)
            for attributes in state.contents()
            for value in attributes.values()
        ]
        tensors = [(id(t), t.dtype, t.requires_grad, t.shape) for t in tensors_of(state)]
        self._entries = (*entries, *tensors)
        self._hash = hash(self._entries)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Fingerprint) and self._entries == other._entries

    def __hash__(self) -> int:
        return self._hash


def planned(
    model: nn.Module,
    trace: Trace,
    log: Log,
    run: ForwardPass,
    writes: Writes,
    copied: set[str],
    complete: bool,
) -> PassPlan | None:
    """Return the plan of a pass; None where it can't be followed.

    Not where layers ran in other threads; nor where tensors count no versions, or are no plain
    ones, or were given other memory, if only for the pass: what happened to them can't be seen, nor
    taken back, without watching.
    """
    held = writes.tensors
    moved = writes.memory or log.moves_one_of(held)
    unseen = trace.only_in_threads() or moved or writes.gradients
    followed = writes.complete and not unseen
    if not followed or not all(map(_counts_versions, held)):
        return None
    positions = {id(tensor): i for i, tensor in enumerate(held)}
    calls, called = log.steps()
    axes: dict[str, Any] = {layer.address: layer.axes for layer in trace.layers}
    axes |= {alias: axes.get(of) for alias, of in trace.aliases.items()}
    return PassPlan(
        calls=calls,
        functions=called,
        met=frozenset(call.what for call in log.calls if not call.is_module),
        sealed=frozenset(id(m) for m in model.modules() if tree.is_sealed(m)),
        network=run.network,
        aliases=dict(trace.aliases),
        axes=axes,
        input_axes=dict(trace.input_axes),
        may_stop=tree.may_stop(tree.subjects(model).values()),
        written=tuple(sorted(positions[id(t)] for t in writes.written)),
        gives_memory=any(map(functions.gives_memory, called)),
        complete=complete,
        handed_on=frozenset(r.handed_on for call in calls for r in call.returned if r.handed_on),
        copied=copied | log.written_uncounted() | log.in_memory_of(held),
        inside_loops=tuple(trace.inside_loops),
    )


def _counts_versions(tensor: torch.Tensor) -> bool:
    plain = type(tensor) in (torch.Tensor, nn.Parameter, nn.Buffer)
    return plain and not tensor.is_inference() and tensor.layout is torch.strided


def _is_plain_tuple(value: Any) -> bool:
    return type(value) is tuple and all(isinstance(item, _PLAIN) for item in value)
