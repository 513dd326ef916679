"""Native PyTorch modules."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import sys
import weakref
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch
from torch import nn

from layerscope.backends.base import ForwardPass, ReducedPass, ReductionOf, Result, Tap, Update
from layerscope.backends.editing import AxesByAddress, Editing, LayerEdit
from layerscope.backends.gradient_rules import GradientRule
from layerscope.backends.random_state import random_state_kept
from layerscope.backends.structure import name_bytes, structure_digest
from layerscope.backends.torch import tree
from layerscope.backends.torch.arguments import Given, signature
from layerscope.backends.torch.arrays import named_array, named_arrays, output_arrays
from layerscope.backends.torch.calculus import differentiated, keras_on_torch, on_tensors
from layerscope.backends.torch.calls import looking
from layerscope.backends.torch.exported import example as exported_example
from layerscope.backends.torch.misfits import explain
from layerscope.backends.torch.ops import TorchOps
from layerscope.backends.torch.precision import hidden_rounding
from layerscope.backends.torch.reduced import EarlyReduction
from layerscope.backends.torch.replay.keeping import Diverged
from layerscope.backends.torch.replay.memory import Known, Memory
from layerscope.backends.torch.replay.passes import HooksAppeared, Replay
from layerscope.backends.torch.replay.plan import PassPlan, choose
from layerscope.backends.torch.tensors import read
from layerscope.backends.torch.training import TorchTraining
from layerscope.backends.torch.untouched import inference, restored
from layerscope.backends.torch.watching import Watching
from layerscope.backends.trace import PassComplete
from layerscope.backends.turns import in_turn
from layerscope.core.axes import NamedArray
from layerscope.core.errors import ModelError
from layerscope.core.network import InputSpec, Layer, Network
from layerscope.core.operations import OperationGraph
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
        self._watching = Watching(
            self._model, self.framework, functools.partial(_memory_of, self._model)
        )

    @property
    def framework(self) -> str:
        """``PyTorch 2.13.0``."""
        return f"PyTorch {torch.__version__.partition('+')[0]}"

    @property
    def hidden_rounding(self) -> float:
        """One rounding of TF32 where the module computes in it on a GPU, else 0."""
        return hidden_rounding(self._model)

    @looking
    def describe(self) -> Network:
        """Return the modules in the order of their definition: no module knows its own order.

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
        """Return what its first layers suggest; modules do not say what they expect."""
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
        """Make one forward pass in inference mode, without gradients."""
        return self._run(x, selection)

    @looking
    @torch.inference_mode(False)
    def reduced(
        self, x: Any, selection: Selection, reduction: ReductionOf, offsets: Any
    ) -> ReducedPass:
        """Make one forward pass, and keep what the reduction makes of values as they come.

        The first pass on an input of some shape tells their axes: its values are kept meanwhile.
        """
        early = EarlyReduction(reduction, offsets)
        return early.result(self._run(x, selection, early))

    def _run(
        self, x: Any, selection: Selection, early: EarlyReduction | None = None
    ) -> ForwardPass:
        memory, known = self._memory, self._known
        given = Given.of(x, known.like)
        if known.is_unready:
            self._watching.materialize(given)
            known = memory.known(self._model)
        key = (signature(given.args, given.kwargs), known.fingerprint)
        plan = memory.plan(key)
        if plan is not None and not any(map(selection.wants_inside, plan.inside_loops)):
            with torch.set_grad_enabled(memory.differentiates):
                replayed = self._replayed(plan, known, given, selection, memory, early)
            if replayed is not None:
                memory.followed()
                return replayed
        run, _, plan = self._watching.passed(given, selection)
        memory.note(key, plan)
        return run

    @looking
    @torch.inference_mode(False)
    def normalized_by_batch(self, x: Any, selection: Selection) -> ForwardPass:
        """Make one forward pass in inference mode, but with batch normalization by the batch."""
        given = Given.of(x, self._known.like)
        return self._watching.passed(given, selection, batch_norm=True)[0]

    @property
    def _memory(self) -> Memory:
        return _memory_of(self._model)

    @property
    def _known(self) -> Known:
        """The model as it is now: a recorder asks the same backend at every step of a training."""
        return self._memory.known(self._model)

    def _replayed(
        self,
        plan: PassPlan,
        model: Known,
        given: Given,
        selection: Selection,
        memory: Memory,
        early: EarlyReduction | None,
    ) -> ForwardPass | None:
        """Make a pass that follows a plan; return None where it does not."""
        choice = choose(plan, selection)
        if choice is None:
            return None
        training = model.training(self._model)
        if early is not None:
            early.begin(plan.axes)
        while True:
            use, places = given.copied(), model.call_places(plan, self._model)
            closeness = plan.closeness
            replay = Replay(plan, choice, model.tensors, use.received, early)
            output, complete = None, False
            try:
                with (
                    random_state_kept(),
                    restored(
                        model.state, model.tensors, model.flags, model.generators, plan.written
                    ),
                    inference(self._model, training),
                ):
                    with replay.watching(places), suppress(PassComplete):
                        output = self._model(*use.args, **use.kwargs)
                        complete = not replay.kept.stopped  # the model may catch what ends a pass
                    is_settled = replay.kept.settle()
            except HooksAppeared:
                continue
            except Diverged:
                memory.diverged(plan)
                return None
            except Exception as error:
                explain(self._model, given.args, given.kwargs, error)
                raise
            if is_settled:
                break
            if plan.closeness == closeness:  # another pass would see no more than this one
                memory.diverged(plan)
                return None
        kept = replay.kept.take()
        return ForwardPass(
            plan.network,
            named_arrays(kept if early is None else early.take(kept), plan.axes),
            {name: named_array(v, plan.input_axes[name]) for name, v in given.received.items()},
            plan.aliases,
            output_arrays(output) if complete else None,
            plan.inside_loops,
        )

    @contextmanager
    def edited(
        self, edits: Sequence[LayerEdit], axes: AxesByAddress | None = None
    ) -> Iterator[Editing]:
        """Have the model's own calls go on with edited values, as long as this lasts."""
        from layerscope.backends.torch import editing  # not for a look

        def axes_of(*args: Any, **kwargs: Any) -> AxesByAddress:
            x = editing.as_input(self._model, args, kwargs)
            values = self.run(x, Selection(exact=frozenset(each.address for each in edits))).values
            return {address: array.axes for address, array in values.items()}

        known = axes_of if axes is None else lambda *args, **kwargs: axes
        active = Editing(edits, editing.TorchArrays(), known)
        with editing.edited(self._model, active):
            yield active

    @looking
    def weights(self) -> Mapping[str, NamedArray]:
        """Return copies of all parameters and floating buffers, by the names of ``state_dict``."""
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
        """Return SHA-256 over the names and values of the parameters and buffers.

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
        """Return what tells a model without parameters from another."""
        network = tree.describe(self._model, self.framework)
        modules = [module for module in self._model.modules() if not tree.is_library(module)]
        kinds = [type(module).__qualname__ for module in modules]
        functions = [type(module).forward for module in modules]
        return structure_digest(network, [repr(self._model), kinds], functions)

    @looking
    def operations(self, x: Any) -> OperationGraph:
        """Return what a pass on this input computes, as operations."""
        # A look, which is what most people come for, is not to wait for the import.
        from layerscope.backends.torch.portable import operations_of

        given = Given.of(x, self._known.like).copied()
        return operations_of(self._model, self._watching, given)

    @property
    def ops(self) -> Any:
        """``keras.ops``, with Keras on PyTorch; where it is not installed, what is here of it."""
        if "keras" not in sys.modules and importlib.util.find_spec("keras") is None:
            return TorchOps()
        return keras_on_torch().ops

    @looking
    def values(
        self, taps: Sequence[Tap], embedding: str | None = None, *, redirected: bool = False
    ) -> Callable[[Any], dict[Tap, Any]]:
        """Return a forward pass that stops after the last tap.

        Modules have no activations fused into them: what goes into one is a value of its own.
        """
        from layerscope.backends.torch.gradients import ValuePass  # not for a look, either

        watching = self._watching
        return ValuePass(
            self._model, watching.watched, watching.call, taps, embedding, redirected=redirected
        )

    @looking
    def altered(
        self,
        taps: Sequence[Tap],
        *,
        shifted: Sequence[Layer] = (),
        rule: GradientRule | None = None,
    ) -> Callable[..., dict[Tap, Any]]:
        """Return a pass with something added to a module, or with other gradients."""
        from layerscope.backends.torch.gradients import ValuePass

        watching = self._watching
        return ValuePass(
            self._model, watching.watched, watching.call, taps, None, shifted=shifted, rule=rule
        )

    @in_turn
    def shuffled(self, keys: Collection[str], seed: int, function: Callable[[], Result]) -> Result:
        """Return what the function returns while the values of some parameters are shuffled."""
        chosen = [
            tensor
            for key, tensor, _ in tree.named_weights(self._model)
            if key in keys and isinstance(tensor, nn.Parameter)
        ]
        before = [tensor.data for tensor in chosen]
        rng = np.random.default_rng(seed)
        try:
            for tensor, values in zip(chosen, before, strict=True):
                order = torch.from_numpy(rng.permutation(values.numel())).to(values.device)
                tensor.data = values.flatten()[order].reshape(values.shape)
            return function()
        finally:
            for tensor, values in zip(chosen, before, strict=True):
                tensor.data = values

    def gradient(self, function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
        """Differentiate by ``torch.autograd.grad``; no tensor but the result gets a gradient."""
        return differentiated(function)

    def compiled(
        self, function: Callable[..., Any], key: Hashable, *, network: bool
    ) -> Callable[..., Any]:
        """Return the function itself, given tensors: PyTorch is run eagerly."""
        return on_tensors(function)

    def optimizer(self, which: Any, params: Any) -> Update:
        """Return one of Keras' own, on PyTorch."""
        keras_on_torch()
        # Imports Keras, which only whoever asks for gradients needs.
        from layerscope.backends.calculus import calculus, optimizer_of

        with torch.inference_mode(False):  # what it counts is written to outside of it, too
            return calculus().update(optimizer_of(which), params)


def _memory_of(model: nn.Module) -> Memory:
    """Return what is remembered of passes through a model."""
    memory = _MEMORY.get(model)
    return _MEMORY.setdefault(model, Memory()) if memory is None else memory
