"""Gradients of native PyTorch modules: a pass that costs what one written by hand would.

The first pass for a shape is an ordinary, watched one. It tells how the model's input and the
values asked for are laid out, and what the model writes to. Those that follow need a hook on the
modules asked for, and nothing else; only where a value is that of a function between modules are
they watched as well.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from layerscope.backends.base import ForwardPass, Tap
from layerscope.backends.gradient_rules import GradientRule
from layerscope.backends.parts import named_parts
from layerscope.backends.random_state import random_state_kept
from layerscope.backends.torch import tree
from layerscope.backends.torch.arguments import tensors_by_name
from layerscope.backends.torch.calls import looking, unpacked
from layerscope.backends.torch.forms import Axes, Form, forms, views
from layerscope.backends.torch.module_hooks import hooks_on, modules_by_address, stem_of
from layerscope.backends.torch.relus import RedirectedRelus
from layerscope.backends.torch.rules import RuledFunctions
from layerscope.backends.torch.tensors import Originals, is_value
from layerscope.backends.torch.untouched import (
    Kernel,
    Writes,
    channels_last,
    frozen,
    inference,
    kernels,
    on_copies,
)
from layerscope.backends.trace import PassComplete, Trace
from layerscope.core.addresses import unknown_address
from layerscope.core.attention import is_attention
from layerscope.core.axes import presented
from layerscope.core.errors import InputError, ModelError
from layerscope.core.network import Layer
from layerscope.core.selection import Selection

Values = dict[str, torch.Tensor]

#: What PyTorch and modules raise for an input that is laid out in another way.
_MISFITS = (RuntimeError, ValueError, IndexError, AssertionError)


@dataclass(frozen=True)
class _InputPlan:
    """What the first pass for a shape has told."""

    form: Form
    outward: Mapping[str, tuple[int, ...]]  #: of the axes of a value, as they are presented
    writes: Writes
    parameters: tuple[torch.Tensor, ...]
    kernels: tuple[Kernel, ...]  #: to convolve with, in place of the model's
    recurrent: bool
    seen_at: Mapping[str, str]  #: the addresses asked for, by those at which they are seen


class ValuePass:
    """A forward pass as a function of its presented input, for gradients to go through."""

    def __init__(
        self,
        model: nn.Module,
        watched: Callable[[Any, Selection], tuple[ForwardPass, Writes]],
        call: Callable[..., Any],
        taps: Sequence[Tap],
        embedding: str | None,
        *,
        redirected: bool = False,
        shifted: Sequence[Layer] = (),
        rule: GradientRule | None = None,
    ) -> None:
        if any(tensor.is_inference() for tensor in model.parameters()):
            raise ModelError(
                f"{type(model).__name__} was made in torch.inference_mode(), so that there are no "
                "gradients through it: make it outside, or copy its weights to one made outside."
            )
        self._model = model
        self._watched = watched
        self._call = call
        self._taps = tuple(taps)
        layers = {tap.layer for tap in taps}
        self._embedding = embedding
        self._redirected = redirected
        self._shifted = {layer.address: layer for layer in shifted}
        self._rule = rule
        self._selection = Selection(written=sorted(layers), exact=frozenset(layers))
        self._modules = modules_by_address(model)
        self._plans: dict[Hashable, _InputPlan] = {}
        if embedding is not None and stem_of(embedding) not in self._modules:
            raise unknown_address(embedding, list(self._modules))
        self._attended = {layer.address for layer in shifted if is_attention(layer.axes or ())}
        for address in self._shifted:
            if stem_of(address) not in self._modules and address not in self._attended:
                raise ModelError(
                    f"{address!r} is no module of {type(model).__name__}, so nothing can be added "
                    "to its value: name a module's."
                )

    @looking
    def __call__(self, x: Any, shifts: Sequence[torch.Tensor] = ()) -> dict[Tap, torch.Tensor]:
        """Return the values by tap, presented, of float32, where x is."""
        if not self._taps:
            return {}
        if isinstance(x, list | tuple | dict):
            return self._on_several(x, shifts)
        # What a plan tells does not depend on how many samples there are.
        shape = tuple(x.shape[1:])
        if shape not in self._plans:
            self._plans[shape] = self._planned(x)
        plan = self._plans[shape]
        given, argument = self._argument(x, plan.form)
        return self._passed(plan, ((argument,), {}), shifts, given, x.device)

    def _on_several(self, x: Any, shifts: Sequence[torch.Tensor]) -> dict[Tap, torch.Tensor]:
        """Return the values of a pass on several inputs, which are as the model takes them."""
        tensors = [value for value in _items(x) if isinstance(value, torch.Tensor)]
        shapes = tuple(tuple(value.shape[1:]) for value in tensors)
        like = next((p for p in self._model.parameters() if p.is_floating_point()), tensors[0])

        def moved(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return value
            dtype = like.dtype if value.is_floating_point() else value.dtype
            return value.to(like.device, dtype).clone()  # a module may write into what it receives

        args, kwargs = _arguments(x, moved)
        if shapes not in self._plans:
            watched_args, watched_kwargs = _arguments(x, lambda value: _detached(moved(value)))
            run, writes = self._watched(watched_kwargs or list(watched_args), self._selection)
            form = Form(next(iter(run.inputs.values())).axes)
            self._plans[shapes] = self._plan_of(run, form, writes, ())
        plan = self._plans[shapes]
        return self._passed(plan, (args, kwargs), shifts, None, tensors[0].device)

    def _passed(
        self,
        plan: _InputPlan,
        arguments: tuple[tuple[Any, ...], dict[str, Any]],
        shifts: Sequence[torch.Tensor],
        given: torch.Tensor | None,
        device: torch.device,
    ) -> dict[Tap, torch.Tensor]:
        with ExitStack() as stack:
            stack.enter_context(random_state_kept())
            stack.enter_context(inference(self._model))
            stack.enter_context(frozen(plan.parameters))
            stack.enter_context(channels_last(plan.kernels))
            stack.enter_context(on_copies(self._model, plan.writes))
            stack.enter_context(self._embedded(given))
            stack.enter_context(self._adding(shifts))
            stack.enter_context(views(plan.form))
            first = next(iter(_tensors(arguments)))
            if plan.recurrent and first.is_cuda:
                # cuDNN differentiates recurrent layers in training mode only.
                stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            if self._redirected:
                stack.enter_context(RedirectedRelus())
            if self._rule is not None:
                stack.enter_context(RuledFunctions(self._rule))
            of_weights = {
                address: shift
                for address, shift in zip(self._shifted, shifts, strict=bool(shifts))
                if address in self._attended
            }
            hooked = {stem_of(name) for name in plan.seen_at} <= self._modules.keys()
            hooked = hooked and not of_weights
            values = (
                self._hooked(arguments, plan.seen_at)
                if hooked
                else self._traced(arguments, of_weights)
            )
        return {
            tap: values[tap.layer].permute(plan.outward[tap.layer]).to(device, torch.float32)
            for tap in self._taps
        }

    def _planned(self, x: torch.Tensor) -> _InputPlan:
        run, form, writes = self._observed_on_one(x.detach())
        last = form.axes[:2] == ("sample", "channel") and not form.copied
        chosen = kernels(self._model) if x.ndim == 4 and last else ()
        plan = self._plan_of(run, form, writes, chosen)
        return replace(plan, seen_at=self._where_seen(x, form))

    def _plan_of(
        self, run: ForwardPass, form: Form, writes: Writes, chosen: tuple[Kernel, ...]
    ) -> _InputPlan:
        known = [*(layer.address for layer in run.network), *run.aliases]
        self._selection.check(run.values, known)
        outward = {
            address: tuple(array.axes.index(name) for name in presented(array.axes))
            for address, array in run.values.items()
        }
        recurrent = any(isinstance(module, nn.RNNBase) for module in self._model.modules())
        seen_at = {address: address for address in self._selection.exact}
        parameters = tuple(self._model.parameters())
        return _InputPlan(form, outward, writes, parameters, chosen, recurrent, seen_at)

    def _where_seen(self, x: torch.Tensor, form: Form) -> dict[str, str]:
        """Return the addresses asked for, by those of the modules that return their values.

        What a function between modules makes may be what the module around it returns: then a hook
        on that module spares watching all functions of each pass.
        """
        wanted = self._selection.exact
        if {stem_of(address) for address in wanted} <= self._modules.keys():
            return {address: address for address in wanted}
        given, argument = self._argument(x[:1].detach(), form)
        try:
            with self._embedded(given), views(form):
                run, _ = self._watched(argument, Selection(everything=True))
        except (*_MISFITS, InputError):
            # What comes after the values asked for may take this form no longer.
            return {address: address for address in wanted}
        around = {of: container for container, of in run.aliases.items()}
        around |= {row.inputs[0]: row.address for row in run.network if row.role == "container"}
        return {around.get(address, address): address for address in wanted}

    def _observed_on_one(self, x: torch.Tensor) -> tuple[ForwardPass, Form, Writes]:
        """Make an ordinary pass on one sample, or on all where the model takes no fewer."""
        if len(x) > 1:
            try:
                return self._observed(x[:1])
            except (*_MISFITS, InputError):
                pass
        return self._observed(x)

    def _observed(self, x: torch.Tensor) -> tuple[ForwardPass, Form, Writes]:
        """Make an ordinary pass on x, in the form that the model takes; return that form, too.

        Forms are tried until the model, given one, says that it is what it takes; where it says
        so of none, the first that it runs on is taken.
        """
        ran: list[tuple[ForwardPass, Form, Writes]] = []
        errors: list[Exception] = []
        for form in forms(x.ndim, embedded=self._embedding is not None):
            if any(form.axes == tried.axes for _, tried, _ in ran):
                continue
            given, argument = self._argument(x, form)
            try:
                with self._embedded(given), views(form):
                    run, writes = self._watched(argument, self._looked_at())
            except _MISFITS as error:
                errors.append(error)
                continue
            ran.append((run, form, writes))
            if self._stated(run) == form.axes:
                return ran[-1]
        if not ran:
            raise errors[0]
        return ran[0]

    def _looked_at(self) -> Selection:
        if self._embedding is None:
            return self._selection
        return Selection(exact=self._selection.exact | {self._embedding})

    def _stated(self, run: ForwardPass) -> Axes:
        """Return how what stands for x was laid out, as the pass understood it."""
        if self._embedding is None:
            return next(iter(run.inputs.values())).axes
        if self._embedding not in run.values:
            raise unknown_address(self._embedding, [layer.address for layer in run.network])
        return run.values[self._embedding].axes

    def _argument(self, x: torch.Tensor, form: Form) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what stands for x in the model's own layout, and what the model is called with.

        An image with its channels last in memory stays so: convolutions are faster for it.
        """
        floating = (p for p in self._model.parameters() if p.is_floating_point())
        like = next(floating, x)
        # A copy, since a module may write into what it receives.
        memory = torch.contiguous_format if form.copied else torch.preserve_format
        dtype = like.dtype if x.is_floating_point() else x.dtype
        given = x.to(like.device, dtype).permute(form.order).clone(memory_format=memory)
        if self._embedding is None:
            return given, given
        (module, *_) = self._modules[stem_of(self._embedding)]
        index = _meaningless(module)
        return given, torch.full(given.shape[:-1], index, dtype=torch.long, device=given.device)

    @contextmanager
    def _embedded(self, given: torch.Tensor | None) -> Iterator[None]:
        """Have the embedding return this."""
        if self._embedding is None or given is None:
            yield
            return
        with hooks_on(self._modules, {stem_of(self._embedding)}) as calls:
            calls.append(lambda address, result: given if address == self._embedding else None)
            yield

    @contextmanager
    def _adding(self, shifts: Sequence[torch.Tensor]) -> Iterator[None]:
        """Have something added to what modules return at one of their calls."""
        if not shifts:
            yield
            return
        added = dict(zip(self._shifted, shifts, strict=True))
        for address in self._attended:
            added.pop(address)

        def add(address: str, result: Any) -> Any:
            if address not in added:
                return None
            if not isinstance(result, torch.Tensor):
                raise ModelError(
                    f"{address!r} returns several values, to which nothing can be added: name a "
                    "module that returns one."
                )
            axes = self._shifted[address].axes or ()
            order = [presented(axes).index(name) for name in axes]
            return result + added[address].permute(order).to(result.device, result.dtype)

        with hooks_on(self._modules, {stem_of(address) for address in added}) as calls:
            calls.append(add)
            yield

    def _hooked(
        self, arguments: tuple[tuple[Any, ...], dict[str, Any]], wanted: Mapping[str, str]
    ) -> Values:
        """Make a pass that is seen only where it calls these modules, by the addresses."""
        values: Values = {}

        def keep(address: str, result: Any) -> None:
            by_address = {
                wanted[address + suffix]: value
                for suffix, value in named_parts(unpacked(result))
                if address + suffix in wanted
            }
            if len(values) + len(by_address) == len(wanted):
                values.update(by_address)
                raise PassComplete
            # The model goes on, and may write into what it has returned.
            values.update({key: value.clone() for key, value in by_address.items()})

        stems = {stem_of(address) for address in wanted}
        with hooks_on(self._modules, stems) as calls, suppress(PassComplete):
            calls.append(keep)
            args, kwargs = arguments
            self._model(*args, **kwargs)
        return values

    def _traced(
        self,
        arguments: tuple[tuple[Any, ...], dict[str, Any]],
        attention_shifts: Mapping[str, torch.Tensor],
    ) -> Values:
        """Make a pass in which functions between modules are seen, too."""
        values: Values = {}

        def keep(address: str, value: torch.Tensor) -> torch.Tensor:
            values[address] = value.clone()
            return value

        trace = Trace(
            self._selection,
            batch=next(iter(_tensors(arguments))).shape[0],
            is_value=is_value,
            default_layout="channels_first",
            values={},
            keep=keep,
        )
        args, kwargs = arguments
        for name, value in tensors_by_name(args, kwargs).items():
            trace.receive(name, value, listed=None)
        self._call(
            trace, tree.subjects(self._model), Originals(), args, kwargs,
            attention_shifts=attention_shifts,
        )  # fmt: skip
        return {**trace.values, **values}  # attention weights are stored there


def _items(x: Any) -> list[Any]:
    return list(x.values() if isinstance(x, dict) else x)


def _arguments(x: Any, made: Callable[[Any], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what a model is called with, of what is made of each of several inputs."""
    if isinstance(x, dict):
        return (), {str(name): made(value) for name, value in x.items()}
    return tuple(map(made, x)), {}


def _tensors(arguments: tuple[tuple[Any, ...], dict[str, Any]]) -> Iterator[torch.Tensor]:
    args, kwargs = arguments
    return (value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor))


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, torch.Tensor) else value


def _meaningless(embedding: nn.Module) -> int:
    """Return an index that stands for nothing: not that of padding, which models leave out."""
    padding = getattr(embedding, "padding_idx", None) or 0
    return 1 if padding == 0 and getattr(embedding, "num_embeddings", 2) > 1 else 0
