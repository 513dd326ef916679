"""Gradients of native PyTorch modules: a pass that costs what one written by hand would.

The first pass for a shape is an ordinary, watched one. It tells how the model's input and the
values asked for are laid out, and what the model writes to. Those that follow need a hook on the
modules asked for, and nothing else; only where a value is that of a function between modules are
they watched as well.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from layerscope.backends.base import ForwardPass, Tap
from layerscope.backends.gradient_rules import GradientRule
from layerscope.backends.parts import named_parts
from layerscope.backends.random_state import random_state_kept
from layerscope.backends.torch import tree
from layerscope.backends.torch.calls import looking, unpacked
from layerscope.backends.torch.forms import Axes, Form, forms, views
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
        shifted: Layer | None = None,
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
        self._shifted = shifted
        self._rule = rule
        self._selection = Selection(written=sorted(layers), exact=frozenset(layers))
        self._modules = _modules(model)
        self._plans: dict[tuple[int, ...], _InputPlan] = {}
        if embedding is not None and _stem(embedding) not in self._modules:
            raise unknown_address(embedding, list(self._modules))
        if shifted is not None and _stem(shifted.address) not in self._modules:
            raise ModelError(
                f"{shifted.address!r} is no module of {type(model).__name__}, so nothing can be "
                "added to its value: name a module's."
            )

    @looking
    def __call__(
        self, x: torch.Tensor, shift: torch.Tensor | None = None
    ) -> dict[Tap, torch.Tensor]:
        """Return the values by tap, presented, of float32, where x is."""
        if not self._taps:
            return {}
        shape = tuple(
            x.shape[1:]
        )  # what a plan tells does not depend on how many samples there are
        if shape not in self._plans:
            self._plans[shape] = self._planned(x)
        plan = self._plans[shape]
        given, argument = self._argument(x, plan.form)
        with ExitStack() as stack:
            stack.enter_context(random_state_kept())
            stack.enter_context(inference(self._model))
            stack.enter_context(frozen(plan.parameters))
            stack.enter_context(channels_last(plan.kernels))
            stack.enter_context(on_copies(self._model, plan.writes))
            stack.enter_context(self._embedded(given))
            stack.enter_context(self._adding(shift))
            stack.enter_context(views(plan.form))
            if plan.recurrent and argument.is_cuda:
                # cuDNN differentiates recurrent layers in training mode only.
                stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            if self._redirected:
                stack.enter_context(RedirectedRelus())
            if self._rule is not None:
                stack.enter_context(RuledFunctions(self._rule))
            hooked = {_stem(name) for name in plan.seen_at} <= self._modules.keys()
            values = self._hooked(argument, plan.seen_at) if hooked else self._traced(argument)
        return {
            tap: values[tap.layer].permute(plan.outward[tap.layer]).to(x.device, torch.float32)
            for tap in self._taps
        }

    def _planned(self, x: torch.Tensor) -> _InputPlan:
        run, form, writes = self._observed_on_one(x.detach())
        known = [*(layer.address for layer in run.network), *run.aliases]
        self._selection.check(run.values, known)
        outward = {
            address: tuple(array.axes.index(name) for name in presented(array.axes))
            for address, array in run.values.items()
        }
        recurrent = any(isinstance(module, nn.RNNBase) for module in self._model.modules())
        last = form.axes[:2] == ("sample", "channel") and not form.copied
        return _InputPlan(
            form,
            outward,
            writes,
            tuple(self._model.parameters()),
            kernels(self._model) if x.ndim == 4 and last else (),
            recurrent,
            self._where_seen(x, form),
        )

    def _where_seen(self, x: torch.Tensor, form: Form) -> dict[str, str]:
        """Return the addresses asked for, by those of the modules that return their values.

        What a function between modules makes may be what the module around it returns: then a hook
        on that module spares watching all functions of each pass.
        """
        wanted = self._selection.exact
        if {_stem(address) for address in wanted} <= self._modules.keys():
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
        (module, *_) = self._modules[_stem(self._embedding)]
        index = _meaningless(module)
        return given, torch.full(given.shape[:-1], index, dtype=torch.long, device=given.device)

    @contextmanager
    def _embedded(self, given: torch.Tensor) -> Iterator[None]:
        """Have the embedding return this."""
        if self._embedding is None:
            yield
            return
        with _hooks(self._modules, {_stem(self._embedding)}) as calls:
            calls.append(lambda address, result: given if address == self._embedding else None)
            yield

    @contextmanager
    def _adding(self, shift: torch.Tensor | None) -> Iterator[None]:
        """Have something added to what a module returns at one of its calls."""
        shifted = self._shifted
        if shifted is None or shift is None:
            yield
            return
        axes = shifted.axes or ()
        order = [presented(axes).index(name) for name in axes]

        def add(address: str, result: Any) -> Any:
            if address != shifted.address:
                return None
            if not isinstance(result, torch.Tensor):
                raise ModelError(
                    f"{address!r} returns several values, to which nothing can be added: name a "
                    "module that returns one."
                )
            return result + shift.permute(order).to(result.device, result.dtype)

        with _hooks(self._modules, {_stem(shifted.address)}) as calls:
            calls.append(add)
            yield

    def _hooked(self, argument: torch.Tensor, wanted: Mapping[str, str]) -> Values:
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

        stems = {_stem(address) for address in wanted}
        with _hooks(self._modules, stems) as calls, suppress(PassComplete):
            calls.append(keep)
            self._model(argument)
        return values

    def _traced(self, argument: torch.Tensor) -> Values:
        """Make a pass in which functions between modules are seen, too."""
        values: Values = {}

        def keep(address: str, value: torch.Tensor) -> torch.Tensor:
            values[address] = value.clone()
            return value

        trace = Trace(
            self._selection,
            batch=argument.shape[0],
            is_value=is_value,
            default_layout="channels_first",
            values={},
            keep=keep,
        )
        trace.receive("input", argument, listed=None)
        self._call(trace, tree.subjects(self._model), Originals(), (argument,), {})
        return values


@contextmanager
def _hooks(
    modules: Mapping[str, Sequence[nn.Module]], addresses: set[str]
) -> Iterator[list[Callable[[str, Any], Any]]]:
    """Tell what is put into the list of each call of these modules, by its address."""
    reported: list[Callable[[str, Any], Any]] = []
    counts = dict.fromkeys(addresses, 0)
    owner = threading.get_ident()

    def hook(stem: str) -> Callable[..., Any]:
        def after(module: nn.Module, args: Any, result: Any) -> Any:
            tensors = [value for _, value in named_parts(unpacked(result))]
            if threading.get_ident() != owner or not all(map(is_value, tensors)):
                return None
            counts[stem] += 1
            return reported[0](stem if counts[stem] == 1 else f"{stem}#{counts[stem]}", result)

        return after

    with ExitStack() as stack:
        for stem in addresses:
            for module in modules[stem]:
                stack.callback(module.register_forward_hook(hook(stem)).remove)
        yield reported


def _modules(model: nn.Module) -> dict[str, list[nn.Module]]:
    """Return the modules that can be hooked, by address; exported, several have one address."""
    by_address: dict[str, list[nn.Module]] = {"output": [model]}
    for address, module in tree.addresses(model).values():
        if not isinstance(module, torch.jit.ScriptModule):
            by_address.setdefault(address, []).append(module)
    return by_address


def _stem(address: str) -> str:
    """Return an address without the number of a call and the name of a part."""
    return re.sub(r"(#\d+)?(\[[^\]]*\])?$", "", address, count=1)


def _meaningless(embedding: nn.Module) -> int:
    """Return an index that stands for nothing: not that of padding, which models leave out."""
    padding = getattr(embedding, "padding_idx", None) or 0
    return 1 if padding == 0 and getattr(embedding, "num_embeddings", 2) > 1 else 0
