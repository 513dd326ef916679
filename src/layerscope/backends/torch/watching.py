"""Passes that watch every operation of a PyTorch model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from layerscope.backends.base import ForwardPass
from layerscope.backends.random_state import random_state_kept
from layerscope.backends.torch import tree
from layerscope.backends.torch.arguments import Given
from layerscope.backends.torch.arrays import named_array, named_arrays, output_arrays
from layerscope.backends.torch.calls import CallLog, intercepted
from layerscope.backends.torch.exported import type_name
from layerscope.backends.torch.misfits import explain
from layerscope.backends.torch.replay.memory import Memory, planned
from layerscope.backends.torch.replay.plan import Log, PassPlan
from layerscope.backends.torch.sharded import awaits_first_call, refuse_pass
from layerscope.backends.torch.tensors import Originals, is_value, lasting_tensors
from layerscope.backends.torch.untouched import (
    Writes,
    inference,
    lazy_attributes,
    state_of,
    unchanged,
)
from layerscope.backends.trace import PassComplete, Subject, Trace
from layerscope.core.selection import Selection


class Watching:
    """Watches passes through one model.

    Parameters
    ----------
    model
        The module.
    framework
        Its framework's name and version.
    memory
        Gives what is remembered of the model.
    """

    def __init__(self, model: nn.Module, framework: str, memory: Callable[[], Memory]) -> None:
        self._model = model
        self._framework = framework
        self._memory = memory

    @torch.inference_mode(False)
    def watched(self, x: Any, selection: Selection) -> tuple[ForwardPass, Writes]:
        """Watch a pass on what the user passed: what it was, what it would have left changed."""
        run, writes, _ = self.passed(Given.of(x, self._memory().known(self._model).like), selection)
        return run, writes

    def passed(
        self, given: Given, selection: Selection, *, batch_norm: bool = False
    ) -> tuple[ForwardPass, Writes, PassPlan | None]:
        """Watch a pass: what it was, what it would have left changed, and its plan.

        With ``batch_norm``, batch normalization is by the batch, as in training.
        """
        refuse_pass(self._model)
        memory = self._memory()
        try:
            with torch.set_grad_enabled(memory.differentiates):
                return self._passed_once(given.copied(), selection, batch_norm)
        except Exception as error:
            if memory.differentiates or not _wants_gradients(error):
                explain(self._model, given.args, given.kwargs, error)
                raise
        # The forward pass takes a gradient itself, as of an energy with respect to positions.
        memory.differentiates = True
        try:
            return self.passed(given, selection, batch_norm=batch_norm)
        except BaseException:
            memory.differentiates = False
            raise

    def _passed_once(
        self, given: Given, selection: Selection, batch_norm: bool
    ) -> tuple[ForwardPass, Writes, PassPlan | None]:
        values: dict[str, Any] = {}
        log = Log()
        with random_state_kept():
            self.materialize(given)
            known = tree.subjects(self._model)
            with (
                Originals() as originals,
                unchanged(state_of(self._model, given.objects), originals) as writes,
                inference(self._model),
            ):
                if batch_norm:
                    for module in self._model.modules():
                        module.training = isinstance(module, nn.modules.batchnorm._BatchNorm)
                trace = self._trace(selection, given, known, originals, values)
                log.received(given.received.values())
                for name, tensor in given.received.items():
                    trace.receive(name, tensor, listed=None)
                output, complete = self.call(trace, known, originals, given.args, given.kwargs, log)
                lasting = lasting_tensors(self._model)
                originals.detach_from([*writes.tensors, *lasting], only=values)
        run = self._result(trace, given, output, complete)
        copied = originals.copied(values)
        if given.objects:
            return run, writes, None
        return run, writes, planned(self._model, trace, log, run, writes, copied, complete)

    @torch.inference_mode(False)
    def logged(self, given: Given, log: CallLog) -> ForwardPass:
        """Watch a pass that runs to its end on exactly these tensors; tell the log of each call."""
        refuse_pass(self._model)
        with random_state_kept(), torch.no_grad():
            self.materialize(given)
            known = tree.subjects(self._model)
            with (
                Originals() as originals,
                unchanged(state_of(self._model, given.objects), originals),
                inference(self._model),
            ):
                trace = self._trace(Selection(everything=True), given, known, originals, {})
                for name, tensor in given.received.items():
                    trace.receive(name, tensor, listed=None)
                output, complete = self.call(trace, known, originals, given.args, given.kwargs, log)
        return self._result(trace, given, output, complete)

    def materialize(self, given: Given) -> None:
        """Let modules that are made ready by their first call have it: lazy and sharded ones."""
        is_lazy = any(nn.parameter.is_lazy(p) for p in self._model.parameters())
        if is_lazy or awaits_first_call(self._model):
            refuse_pass(self._model)
            use = given.copied()
            try:
                with random_state_kept(), torch.no_grad(), ExitStack() as stack:
                    if is_lazy:
                        state = state_of(self._model, given.objects)
                        state.leave_alone(lazy_attributes(self._model))
                        originals = stack.enter_context(Originals())
                        stack.enter_context(unchanged(state, originals))
                    stack.enter_context(inference(self._model))
                    self._model(*use.args, **use.kwargs)
            except Exception as error:
                explain(self._model, given.args, given.kwargs, error)
                raise

    def _trace(
        self,
        selection: Selection,
        given: Given,
        known: dict[nn.Module, Subject],
        originals: Originals,
        values: dict[str, Any],
    ) -> Trace:
        return Trace(
            selection,
            batch=given.batch,
            is_value=is_value,
            default_layout="channels_first",
            values=values,
            keep=functools.partial(originals.watch, values),
            may_stop=tree.may_stop(known.values()),
            version_of=originals.version_of,
            sees_everything=originals.sees_everything,
        )

    def call(
        self,
        trace: Trace,
        known: dict[nn.Module, Subject],
        originals: Originals,
        args: Any,
        kwargs: Any,
        log: CallLog | None = None,
        attention_shifts: Mapping[str, torch.Tensor] | None = None,
    ) -> tuple[Any, bool]:
        """Call the model, and report to the trace; whether it ran to its end.

        ``attention_shifts`` are added to attention weights, by their addresses.
        """
        root = known[self._model]
        library = {s.address for module, s in known.items() if tree.is_library(module)}
        sealed = {s.address for module, s in known.items() if tree.is_sealed(module)}

        def prefix_of() -> str | None:
            subject = trace.inside()
            if subject is None or subject.address in library:
                return None
            return "" if subject is root else subject.address + "."

        try:
            with intercepted(trace, known, prefix_of, originals, log, sealed, attention_shifts):
                return self._model(*args, **kwargs), not trace.is_over
        except PassComplete:
            return None, False
        except Exception:
            if not trace.is_over:  # else what TorchScript, or the model, makes of being ended
                raise
            return None, False

    def _uncalled(self, trace: Trace) -> list[str]:
        """Return the modules with parameters of their own that the pass did not call."""
        seen = {layer.address.partition("#")[0] for layer in trace.layers}
        seen |= {alias.partition("#")[0] for alias in trace.aliases} | set(trace.left_out)
        seen |= set(trace.in_threads)
        subjects = tree.subjects(self._model)
        with_parameters = (
            subjects[m].address for m in subjects if subjects[m].parameters and m is not self._model
        )
        return [address for address in with_parameters if address not in seen]

    def _result(self, trace: Trace, given: Given, output: Any, complete: bool) -> ForwardPass:
        network = trace.network(
            type_name(self._model), self._framework, tree.parameters(self._model)
        )
        scripted = [
            address
            for address, module in tree.addresses(self._model).values()
            if isinstance(module, torch.jit.ScriptModule)
        ]
        if scripted:
            note = f"left out, because scripted modules hide their calls: {', '.join(scripted)}"
            network = replace(network, notes=(*network.notes, note))
        uncalled = self._uncalled(trace) if complete else []
        if uncalled:
            shown = ", ".join(uncalled[:8]) + (", …" if len(uncalled) > 8 else "")
            network = replace(network, notes=(*network.notes, f"defined, but not called: {shown}"))
        axes = {layer.address: layer.axes for layer in trace.layers}
        axes |= {alias: axes.get(of) for alias, of in trace.aliases.items()} | trace.inside_loops
        return ForwardPass(
            network,
            named_arrays(trace.values, axes),
            {name: named_array(v, trace.input_axes[name]) for name, v in given.received.items()},
            trace.aliases,
            output_arrays(output) if complete else None,
            tuple(name for name in trace.inside_loops if name not in trace.values),
        )


def _wants_gradients(error: Exception) -> bool:
    """Return whether a forward pass failed because gradients are not tracked."""
    return isinstance(error, RuntimeError) and "does not require grad" in str(error)
