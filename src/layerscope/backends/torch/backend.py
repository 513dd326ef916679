"""Native PyTorch modules."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import _disable_current_modes

from layerscope.backends.base import ForwardPass, Tap, Update
from layerscope.backends.parts import is_record
from layerscope.backends.random_state import random_state_kept
from layerscope.backends.structure import name_bytes, structure_digest
from layerscope.backends.torch import tree
from layerscope.backends.torch.arguments import (
    arguments,
    arguments_copied,
    objects_in,
    signature,
    tensors_by_name,
)
from layerscope.backends.torch.attention import FusedCall
from layerscope.backends.torch.calculus import differentiated, keras_on_torch, on_tensors
from layerscope.backends.torch.calls import intercepted, looking, unpacked
from layerscope.backends.torch.exported import example as exported_example
from layerscope.backends.torch.exported import type_name
from layerscope.backends.torch.gradients import ValuePass
from layerscope.backends.torch.memory import Known, Memory, planned
from layerscope.backends.torch.misfits import explain
from layerscope.backends.torch.plan import Log, PassPlan, choose
from layerscope.backends.torch.replay import Diverged, Replay
from layerscope.backends.torch.sharded import awaits_first_call, refuse_pass
from layerscope.backends.torch.tensors import (
    Originals,
    is_readable,
    is_value,
    lasting_tensors,
    read,
)
from layerscope.backends.torch.training import TorchTraining
from layerscope.backends.torch.untouched import (
    Writes,
    inference,
    lazy_attributes,
    restored,
    state_of,
    unchanged,
)
from layerscope.backends.trace import PassComplete, Subject, Trace
from layerscope.core.axes import LazyArrays, NamedArray, named_axes
from layerscope.core.errors import ModelError
from layerscope.core.network import InputSpec, Layer, Network
from layerscope.core.selection import Selection, select

#: What is known of passes through a model. It goes with the model, and does not hold on to it.
_MEMORY: weakref.WeakKeyDictionary[nn.Module, Memory] = weakref.WeakKeyDictionary()


class TorchBackend:
    """One ``torch.nn.Module``."""

    training = TorchTraining

    def __init__(self, model: Any) -> None:
        if isinstance(model, torch.jit.ScriptModule):
            raise ModelError(
                f"{type(model).__name__} is a scripted module, which hides its layers: pass the "
                "Python module that it was made from."
            )
        if not isinstance(model, nn.Module):
            raise ModelError(
                f"{type(model).__name__} is no module: pass a torch.nn.Module; of an exported "
                "program, torch.export.unflatten(program)."
            )
        # What torch.compile made of a module runs as one piece: look into the module itself.
        self._model: nn.Module = getattr(model, "_orig_mod", model)

    @property
    def framework(self) -> str:
        """``PyTorch 2.13.0``."""
        return f"PyTorch {torch.__version__.partition('+')[0]}"

    @looking
    def describe(self) -> Network:
        """The modules in the order of their definition: a module does not know its own order.

        An exported program does, and which shapes it takes: it is run on zeros.
        """
        example = exported_example(self._model)
        if example:
            # Somebody else's graph, which may raise anything: then the modules are what is known.
            with suppress(Exception):
                return self.run(example, Selection(everything=True)).network
        return tree.describe(self._model, self.framework)

    @looking
    def inputs(self) -> tuple[InputSpec, ...]:
        """What its first layers suggest; modules do not say what they expect."""
        return self._memory.specs(self._model)

    @looking
    def select(self, layers: Any, executed: Iterable[Layer] | None = None) -> Selection:
        """Read ``layers=``, modules included."""
        if layers is None:
            return select(None, lambda _: None)
        known = tree.addresses(self._model)

        def address_of(thing: Any) -> str | None:
            if thing is self._model:
                return "output"
            if isinstance(thing, nn.Module) and id(thing) not in known:
                raise ModelError(f"This {type(thing).__name__} is not one of this model's modules.")
            return known[id(thing)][0] if id(thing) in known else None

        return select(layers, address_of, executed)

    @looking
    @torch.inference_mode(False)  # whose tensors count no versions, and go through no gradients
    def run(self, x: Any, selection: Selection) -> ForwardPass:
        """One forward pass in inference mode, without gradients."""
        memory, known = self._memory, self._known
        given = _Given.of(x, known.like)
        if known.is_unready:
            self._materialize(given)
            known = memory.known(self._model)
        key = (signature(given.args, given.kwargs), known.fingerprint)
        plan = memory.plan(key)
        if plan is not None:
            with torch.set_grad_enabled(memory.differentiates):
                replayed = self._replayed(plan, known, given, selection, memory)
            if replayed is not None:
                memory.followed()
                return replayed
        run, _, plan = self._seen(given, selection)
        memory.note(key, plan)
        return run

    @property
    def _memory(self) -> Memory:
        return _MEMORY.setdefault(self._model, Memory())

    @property
    def _known(self) -> Known:
        """The model as it is now: a recorder asks the same backend at every step of a training."""
        return self._memory.known(self._model)

    @torch.inference_mode(False)
    def _watched(self, x: Any, selection: Selection) -> tuple[ForwardPass, Writes]:
        """A pass that watches every operation, and what it would have left changed."""
        run, writes, _ = self._seen(_Given.of(x, self._known.like), selection)
        return run, writes

    def _seen(
        self, given: _Given, selection: Selection
    ) -> tuple[ForwardPass, Writes, PassPlan | None]:
        """Watch a pass: what it was, what it would have left changed, and its plan."""
        refuse_pass(self._model)
        memory = self._memory
        try:
            with torch.set_grad_enabled(memory.differentiates):
                return self._seen_once(given.copied(), selection)
        except Exception as error:
            if memory.differentiates or not _wants_gradients(error):
                explain(self._model, given.args, given.kwargs, error)
                raise
        # The forward pass takes a gradient itself, as of an energy with respect to positions.
        memory.differentiates = True
        try:
            return self._seen(given, selection)
        except BaseException:
            memory.differentiates = False
            raise

    def _seen_once(
        self, given: _Given, selection: Selection
    ) -> tuple[ForwardPass, Writes, PassPlan | None]:
        values: dict[str, Any] = {}
        log = Log()
        with random_state_kept():
            self._materialize(given)
            known = tree.subjects(self._model)
            with (
                Originals() as originals,
                unchanged(state_of(self._model, given.objects), originals) as writes,
                inference(self._model),
            ):
                trace = Trace(
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
                log.received(given.received.values())
                for name, tensor in given.received.items():
                    trace.receive(name, tensor, listed=None)
                output, complete = self._call(
                    trace, known, originals, given.args, given.kwargs, log
                )
                lasting = lasting_tensors(self._model)
                originals.detach_from([*writes.tensors, *lasting], only=values)
        run = self._result(trace, given, output, complete)
        copied = originals.copied(values)
        if given.objects:
            return run, writes, None
        return run, writes, planned(self._model, trace, log, run, writes, copied, complete)

    def _replayed(
        self,
        plan: PassPlan,
        model: Known,
        given: _Given,
        selection: Selection,
        memory: Memory,
    ) -> ForwardPass | None:
        """A pass that follows a plan; None where it does not."""
        choice = choose(plan, selection)
        if choice is None:
            return None
        modules = model.modules(self._model)
        while True:
            use = given.copied()
            replay = Replay(plan, choice, model.tensors, use.received)
            output, complete = None, False
            try:
                with (
                    random_state_kept(),
                    restored(model.state, model.tensors, model.generators, plan.written),
                    inference(self._model, modules),
                ):
                    with replay.watching(modules), suppress(PassComplete):
                        output = self._model(*use.args, **use.kwargs)
                        complete = not replay.stopped  # the model may catch what ends a pass
                    overwritten = replay.overwritten()
                if complete:
                    replay.finish()
            except Diverged:
                memory.diverged(plan)
                return None
            except Exception as error:
                explain(self._model, given.args, given.kwargs, error)
                raise
            if not overwritten:
                break
            plan.copied.update(overwritten)
        return ForwardPass(
            plan.network,
            _arrays(replay.ordered(), plan.axes),
            {name: _array(v, plan.input_axes[name]) for name, v in given.received.items()},
            plan.aliases,
            _to_arrays(output) if complete else None,
        )

    @looking
    def weights(self) -> Mapping[str, NamedArray]:
        """Every parameter and floating buffer, a copy of each, by the names of ``state_dict``."""
        arrays = {}
        shapeless = []
        for key, tensor, axes in tree.named_weights(self._model):
            if nn.parameter.is_lazy(tensor):  # a module that is never called has none at any time
                shapeless.append(key)
                continue
            # Not every quantized tensor can be cloned; dequantizing copies each of them.
            values, was = read(tensor if tensor.is_quantized else tensor.detach().clone())
            arrays[key] = NamedArray(values, axes, {"dtype": was} if was else {})
        if shapeless and not arrays:
            raise ModelError(
                f"{shapeless[0]!r} has no shape yet: run the model once on an input, then look."
            )
        return arrays

    @looking
    def digest(self) -> str:
        """SHA-256 over the names and values of the parameters and buffers.

        Where there are none, over the structure.
        """
        digest, empty = hashlib.sha256(), True
        for key, tensor, _ in tree.named_weights(self._model):
            if nn.parameter.is_lazy(tensor):
                continue
            digest.update(name_bytes(key))
            digest.update(np.ascontiguousarray(read(tensor)[0]).data)
            empty = False
        return self._structure() if empty else digest.hexdigest()

    def _structure(self) -> str:
        """What tells a model without parameters from another."""
        network = tree.describe(self._model, self.framework)
        modules = [module for module in self._model.modules() if not tree.is_library(module)]
        kinds = [type(module).__qualname__ for module in modules]
        functions = [type(module).forward for module in modules]
        return structure_digest(network, [repr(self._model), kinds], functions)

    @property
    def ops(self) -> Any:
        """``keras.ops``, with Keras on PyTorch."""
        return keras_on_torch().ops

    @looking
    def values(
        self, taps: Sequence[Tap], embedding: str | None = None
    ) -> Callable[[Any], dict[Tap, Any]]:
        """A forward pass that stops after the last tap.

        Modules have no activations fused into them: what goes into one is a value of its own.
        """
        return ValuePass(self._model, self._watched, self._call, taps, embedding)

    def gradient(self, function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
        """By ``torch.autograd.grad``; no tensor but the result gets a gradient."""
        return differentiated(function)

    def compiled(
        self, function: Callable[..., Any], key: Hashable, *, network: bool
    ) -> Callable[..., Any]:
        """The function itself, given tensors: PyTorch is run eagerly, and nothing is remembered."""
        return on_tensors(function)

    def optimizer(self, which: Any, params: Any) -> Update:
        """One of Keras' own, on PyTorch."""
        keras_on_torch()
        # Imports Keras, which only whoever asks for gradients needs.
        from layerscope.backends.calculus import calculus, optimizer_of

        with torch.inference_mode(False):  # what it counts is written to outside of it, too
            return calculus().update(optimizer_of(which), params)

    def _materialize(self, given: _Given) -> None:
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

    def _call(
        self,
        trace: Trace,
        known: dict[nn.Module, Subject],
        originals: Originals,
        args: Any,
        kwargs: Any,
        log: Log | None = None,
    ) -> tuple[Any, bool]:
        root = known[self._model]
        library = {s.address for module, s in known.items() if tree.is_library(module)}
        sealed = {s.address for module, s in known.items() if tree.is_sealed(module)}

        def prefix_of() -> str | None:
            subject = trace.inside()
            if subject is None or subject.address in library:
                return None
            return "" if subject is root else subject.address + "."

        try:
            with intercepted(trace, known, prefix_of, originals, log, sealed):
                return self._model(*args, **kwargs), not trace.is_over
        except PassComplete:
            return None, False

    def _uncalled(self, trace: Trace) -> list[str]:
        """The modules with parameters of their own that the pass did not call."""
        seen = {layer.address.partition("#")[0] for layer in trace.layers}
        seen |= {alias.partition("#")[0] for alias in trace.aliases} | set(trace.left_out)
        seen |= set(trace.in_threads)
        subjects = tree.subjects(self._model)
        found = (
            subjects[m].address for m in subjects if subjects[m].parameters and m is not self._model
        )
        return [address for address in found if address not in seen]

    def _result(self, trace: Trace, given: _Given, output: Any, complete: bool) -> ForwardPass:
        network = trace.network(
            type_name(self._model), self.framework, tree.parameters(self._model)
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
        axes |= {alias: axes.get(of) for alias, of in trace.aliases.items()}
        return ForwardPass(
            network,
            _arrays(trace.values, axes),
            {name: _array(v, trace.input_axes[name]) for name, v in given.received.items()},
            trace.aliases,
            _to_arrays(output) if complete else None,
        )


@dataclass(frozen=True)
class _Given:
    """What a model is called with."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    received: Mapping[str, torch.Tensor]  #: the tensors in it, by name

    @classmethod
    def of(cls, x: Any, like: torch.Tensor | None) -> _Given:
        """Make arguments of what the user passed."""
        args, kwargs = arguments(x, like)
        return cls(args, kwargs, tensors_by_name(args, kwargs))

    def copied(self) -> _Given:
        """The same, for the model to write to."""
        args, kwargs = arguments_copied(self.args, self.kwargs)
        return _Given(args, kwargs, tensors_by_name(args, kwargs))

    @property
    def objects(self) -> list[Any]:
        """Those among the arguments that are handed on as they are."""
        return objects_in(self.args, self.kwargs)

    @property
    def batch(self) -> int | None:
        """How many samples there are, as far as an input tells."""
        first = next(iter(self.received.values()), None)
        return None if first is None or not first.ndim else first.shape[0]


def _wants_gradients(error: Exception) -> bool:
    """Whether a forward pass failed because gradients are not tracked."""
    return isinstance(error, RuntimeError) and "does not require grad" in str(error)


def _arrays(values: Mapping[str, Any], axes: Mapping[str, tuple[str, ...] | None]) -> LazyArrays:
    """The values as arrays: at once where that takes work or frees memory, else when asked for.

    Attention weights are computed when they are asked for, where a pass has kept what they are
    computed from.
    """
    later = {a: v for a, v in values.items() if isinstance(v, FusedCall) or is_readable(v)}
    # Of the same memory, with a shape of its own: the model's own hooks may keep the value, too.
    later = {a: v if isinstance(v, FusedCall) else v.detach() for a, v in later.items()}
    process = os.getpid()
    made = {a: _array(value, axes[a]) for a, value in values.items() if a not in later}

    def make(address: str) -> NamedArray:
        value = later[address]
        with torch._C.DisableTorchFunction():  # where a model's own code reads what it looked at
            if isinstance(value, FusedCall):
                with _as_at_the_look(process):
                    value = value.weights()
            return _array(value, axes[address])

    return LazyArrays(values, make, made)


@contextmanager
def _as_at_the_look(process: int) -> Iterator[None]:
    """Compute as a look does, whatever the reader is in the midst of; in a forked process, too."""
    threads = torch.get_num_threads()
    if os.getpid() != process:
        torch.set_num_threads(1)  # OpenMP's others were not forked, and would be waited for
    try:
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            torch.autocast("cpu", enabled=False),
            _disable_current_modes(),
        ):
            yield
    finally:
        if os.getpid() != process:
            torch.set_num_threads(threads)


def _array(value: Any, axes: tuple[str, ...] | None) -> NamedArray:
    values, was = read(value)
    return NamedArray(values, axes or named_axes(values.shape), {"dtype": was} if was else {})


def _to_arrays(output: Any) -> Any:
    if isinstance(output, torch.Tensor):
        return read(unpacked(output))[0]
    if isinstance(output, dict):
        return {key: _to_arrays(value) for key, value in output.items()}
    if isinstance(output, tuple | list):
        return [_to_arrays(value) for value in output]
    if is_record(output):
        return {f.name: _to_arrays(getattr(output, f.name)) for f in dataclasses.fields(output)}
    return output
