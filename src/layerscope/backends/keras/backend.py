"""Keras 3 models, on whichever backend Keras runs."""

from __future__ import annotations

import hashlib
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from layerscope.backends.base import ForwardPass, ReducedPass, ReductionOf, Result, Tap, Update
from layerscope.backends.calculus import calculus, compiled, optimizer_of
from layerscope.backends.editing import AxesByAddress, Editing, LayerEdit
from layerscope.backends.gradient_rules import GradientRule
from layerscope.backends.keras import tree
from layerscope.backends.keras.calls import by_batch
from layerscope.backends.keras.engines import Engine, engine
from layerscope.backends.keras.forward import Facts, leaves, subject_lookup, unrecorded, watched
from layerscope.backends.keras.graph import is_exact, is_loop
from layerscope.backends.keras.inputs import (
    input_names,
    input_operations,
    input_specs,
    inputs_by_name,
)
from layerscope.backends.keras.loops import check_steps
from layerscope.backends.keras.settings import settings_number
from layerscope.backends.keras.sources import sources_of
from layerscope.backends.keras.training import KerasTraining
from layerscope.backends.keras.unreached import check_call
from layerscope.backends.keras.weights import weights_of
from layerscope.backends.pass_notes import guessed_note
from layerscope.backends.random_state import random_state_kept
from layerscope.backends.reducing import NumpyOps, by_name
from layerscope.backends.structure import name_bytes, structure_digest
from layerscope.backends.turns import in_turn
from layerscope.core.axes import NamedArray, named_axes
from layerscope.core.errors import InputError, ModelError
from layerscope.core.network import InputSpec, Layer, Network
from layerscope.core.operations import OperationGraph
from layerscope.core.selection import Selection, select

_SHAPES_REMEMBERED = 4
_FUNCTIONS_REMEMBERED = 8


@dataclass(frozen=True)
class _PassResult:
    values: Mapping[str, Any]
    output: Any
    facts: Facts


@dataclass(frozen=True)
class _Reduced:
    """What is to be made of the values of a pass."""

    reduction: ReductionOf
    offsets: Any  #: a tensor, which the reduction is given

    def of(
        self, values: Mapping[str, Any], facts: Facts, engine: Engine
    ) -> tuple[dict[str, Any], Facts]:
        """Return what is made of tensors, by address, and the facts with their shapes."""

        def reduce(_: Any, value: Any, axes: tuple[str, ...], offsets: Any) -> Any:
            return engine.reduce(self.reduction, value, axes, offsets)

        made = by_name(reduce, keras.ops, values, facts.axes, self.offsets)
        return self._with_shapes(made, values, facts)

    def of_arrays(
        self, values: Mapping[str, Any], facts: Facts, engine: Engine
    ) -> tuple[dict[str, Any], Facts]:
        """Return the same where nothing is compiled: of tensors on the CPU, in NumPy.

        They share their memory with arrays, which are reduced piece by piece.
        """
        if any(str(getattr(v, "device", "cpu")) != "cpu" for v in values.values()):
            return self.of(values, facts, engine)
        arrays = {address: engine.read(value)[0] for address, value in values.items()}
        offsets = engine.read(self.offsets)[0]
        made = by_name(self.reduction, NumpyOps, arrays, facts.axes, offsets)
        return self._with_shapes(made, values, facts)

    def _with_shapes(
        self, made: dict[str, Any], values: Mapping[str, Any], facts: Facts
    ) -> tuple[dict[str, Any], Facts]:
        shapes = {address: tuple(map(int, values[address].shape)) for address in made}
        return made, replace(facts, kept=tuple(made), shapes=shapes)


@dataclass(frozen=True)
class _Compiled:
    function: Callable[[Any], tuple[dict[str, Any], Any]]
    facts: list[Facts]  #: one, from when the function is first called and so traced


@dataclass
class _ShapeMemory:
    """What is remembered of passes on inputs of one shape."""

    facts: Facts | None = None  #: of a pass that ran to its end
    runs: int = 0
    #: Where each value comes from, found out when it was guessed; None where it can't be.
    sources: Mapping[str, tuple[str, ...]] | None = None
    sought: bool = False
    traceable: bool = True
    functions: OrderedDict[Hashable, _Compiled] = field(default_factory=OrderedDict)


#: Compiled passes by model. They go with the model; none of them holds on to it.
_MEMORY: weakref.WeakKeyDictionary[Any, OrderedDict[Hashable, _ShapeMemory]] = (
    weakref.WeakKeyDictionary()
)


class KerasBackend:
    """One Keras model or layer."""

    training = KerasTraining

    def __init__(self, model: Any) -> None:
        if not isinstance(model, keras.Layer):
            raise ModelError(f"{model!r} is no Keras model: pass the model itself.")
        self._model = model
        self._engine: Engine = engine()

    @property
    def framework(self) -> str:
        """``Keras 3.15.1 on JAX``."""
        return f"Keras {keras.__version__} on {self._engine.name}"

    @property
    def compiles_by_shape(self) -> bool:
        """Whether a pass on another number of samples is compiled anew."""
        return self._engine.compiles(1, False)

    @in_turn
    def describe(self) -> Network:
        """Return the layers as far as they are known without running the model."""
        return tree.describe(self._model, self.framework)

    @in_turn
    def inputs(self) -> tuple[InputSpec, ...]:
        """Return what the model expects; empty for a model that was never told."""
        return input_specs(self._model)

    @in_turn
    def select(self, layers: Any, executed: Iterable[Layer] | None = None) -> Selection:
        """Read ``layers=``, Keras' own layer objects included."""
        if layers is None:
            return select(None, lambda _: None)
        known = tree.addresses(self._model)
        names = input_names(self._model)
        inputs = dict(zip(map(id, input_operations(self._model)), names, strict=True))

        def address_of(thing: Any) -> str | None:
            if id(thing) in known:
                return known[id(thing)][0]
            if isinstance(thing, keras.Operation) and id(thing) not in inputs:
                raise ModelError(f"The layer {thing.name!r} is not one of {self._model.name!r}.")
            return inputs.get(id(thing))

        static = self.describe().layers if is_exact(self._model) else executed
        return select(layers, address_of, static, inputs=names)

    @in_turn
    def run(self, x: Any, selection: Selection) -> ForwardPass:
        """Make one forward pass in inference mode."""
        check_call(self._model)
        x = keras.tree.map_structure(self._tensor, x)
        received = {
            name: self._engine.snapshot(value)
            for name, value in inputs_by_name(self._model, x).items()
        }
        return self._result(received, self._passed(x, selection))

    @in_turn
    def reduced(
        self, x: Any, selection: Selection, reduction: ReductionOf, offsets: Any
    ) -> ReducedPass:
        """Make one forward pass in inference mode, and keep what the reduction makes of values."""
        check_call(self._model)
        x = keras.tree.map_structure(self._tensor, x)
        outcome = self._passed(x, selection, _Reduced(reduction, self._tensor(offsets)))
        facts = outcome.facts
        values = {
            address: {name: self._array_of(value) for name, value in made.items()}
            for address, made in outcome.values.items()
        }
        left_out = tuple(dict.fromkeys((*facts.left_out, *facts.inside_loops)))
        return ReducedPass(
            self.describe() if not facts.complete and is_exact(self._model) else facts.network,
            values,
            facts.axes,
            facts.shapes,
            facts.input_axes,
            facts.aliases,
            tuple(name for name in left_out if name not in values),
        )

    @in_turn
    def normalized_by_batch(self, x: Any, selection: Selection) -> ForwardPass:
        """Make one forward pass in inference mode, but with batch normalization by the batch."""
        check_call(self._model)
        x = keras.tree.map_structure(self._tensor, x)
        values: dict[str, Any] = {}
        with random_state_kept():
            self._build(x)
            received = inputs_by_name(self._model, x)
            with self._engine.eager(self._model, values) as keep:
                output, facts = watched(
                    self._model, x, selection, self._engine, values, keep,
                    perform=by_batch, training=None,
                )  # fmt: skip
        return self._result(received, _PassResult(values, output, self._named(facts)))

    def _array_of(self, value: Any) -> Any:
        return value if isinstance(value, np.ndarray) else self._engine.read(value)[0]

    def _passed(self, x: Any, selection: Selection, reduced: _Reduced | None = None) -> _PassResult:
        """Make a pass, compiled or not; what it keeps are tensors, or what was made of them."""
        with random_state_kept():
            self._build(x)
            seen = self._recall(x)
            outcome = None
            if self._engine.compiles(leaves(x)[0].shape[0], seen.runs > 0) and seen.traceable:
                outcome = self._compiled(x, selection, seen, reduced)
            if outcome is None:
                outcome = self._eager(x, selection, reduced)
        if outcome.facts.guessed or outcome.facts.unseen:
            outcome = self._with_sources(outcome, x, seen)
        seen.runs += 1
        if outcome.facts.complete:
            seen.facts = outcome.facts
        return outcome

    @property
    def compiles_edits(self) -> bool:
        """Whether another edit makes another model of it, which is compiled or watched anew."""
        return True

    @contextmanager
    def edited(
        self, edits: Sequence[LayerEdit], axes: AxesByAddress | None = None
    ) -> Iterator[Editing]:
        """Have the model's own calls go on with edited values, as long as this lasts."""
        from layerscope.backends.keras import editing  # not for a look

        layers = dict(tree.addresses(self._model).values())

        def guessed(address: str, value: Any) -> tuple[str, ...]:
            layout = tree.layout_of(layers[address])
            layout = self._engine.default_layout if layout == "inherit" else layout
            return named_axes(tuple(value.shape), layout=layout)

        known = self.describe() if axes is None and is_exact(self._model) else ()
        stated = {a.address: a.axes for a in known if a.axes} if axes is None else axes
        active = Editing(edits, editing.KerasArrays(), lambda *args, **kwargs: stated, guessed)
        with editing.edited(self._model, active):
            yield active

    @in_turn
    def weights(self) -> Mapping[str, NamedArray]:
        """Return a snapshot of every parameter."""
        return weights_of(self._model, self._engine)

    @in_turn
    def digest(self) -> str:
        """Return SHA-256 over the names and values of the parameters, or over the structure."""
        digest, empty = hashlib.sha256(), True
        for owned in tree.owned_parameters(self._model, tree.addresses(self._model)):
            digest.update(name_bytes(owned.parameter.key))
            digest.update(np.ascontiguousarray(self._engine.read(owned.variable.value)[0]).data)
            empty = False
        return self._structure() if empty else digest.hexdigest()

    def _structure(self) -> str:
        """Return what tells a model without parameters from another."""
        layers = [self._model, *(layer for _, layer in tree.addresses(self._model).values())]
        users = [layer for layer in layers if type(layer).__module__.partition(".")[0] != "keras"]
        functions = [type(layer).call for layer in users]
        functions += [f for layer in layers if callable(f := getattr(layer, "function", None))]
        details = [config for layer in layers if layer not in users for config in _plain(layer)]
        kinds = [type(layer).__qualname__ for layer in layers]
        return structure_digest(self.describe(), [kinds, details], functions)

    @in_turn
    def operations(self, x: Any) -> OperationGraph:
        """Return what a pass on this input computes, as operations."""
        # A look, which is what most people come for, is not to wait for the import.
        from layerscope.backends.keras.portable import operations_of

        check_call(self._model)
        x = keras.tree.map_structure(self._tensor, x)
        with random_state_kept():
            self._build(x)
            return operations_of(self._model, x, self._engine)

    @property
    def ops(self) -> Any:
        """``keras.ops``."""
        return keras.ops

    @in_turn
    def values(
        self, taps: Sequence[Tap], embedding: str | None = None, *, redirected: bool = False
    ) -> Callable[[Any], dict[Tap, Any]]:
        """Return a forward pass in inference mode, to be differentiated and compiled."""
        from layerscope.backends.keras.gradients import values_of  # not for a look, either

        return values_of(self._model, self._engine, taps, embedding, redirected=redirected)

    @in_turn
    def altered(
        self,
        taps: Sequence[Tap],
        *,
        shifted: Layer | None = None,
        rule: GradientRule | None = None,
    ) -> Callable[[Any, Any], dict[Tap, Any]]:
        """Return a pass with something added to a layer, or with other gradients."""
        from layerscope.backends.keras.gradients import values_of

        return values_of(self._model, self._engine, taps, shifted=shifted, rule=rule)

    @in_turn
    def shuffled(self, keys: Collection[str], seed: int, function: Callable[[], Result]) -> Result:
        """Return what the function returns while the values of some variables are shuffled."""
        owned = tree.owned_parameters(self._model, tree.addresses(self._model))
        chosen = [one.variable for one in owned if one.parameter.key in keys]
        before = [keras.ops.convert_to_numpy(variable.value).copy() for variable in chosen]
        rng = np.random.default_rng(seed)
        try:
            for variable, values in zip(chosen, before, strict=True):
                variable.assign(rng.permutation(values.ravel()).reshape(values.shape))
            return function()
        finally:
            for variable, values in zip(chosen, before, strict=True):
                variable.assign(values)

    def gradient(self, function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
        """Return a function that also returns the gradient with respect to its first argument."""
        return calculus().gradient(function)

    @in_turn
    def compiled(
        self, function: Callable[..., Any], key: Hashable, *, network: bool
    ) -> Callable[..., Any]:
        """Compile the function of arrays on JAX and TensorFlow; it is remembered with the model."""
        model = self._model
        if not network:
            return compiled(model, function, (key, None), list, network=False)
        key = key, settings_number(model)
        return compiled(model, function, key, lambda: list(model.variables), network=True)

    def optimizer(self, which: Any, params: Any) -> Update:
        """Return ``"adam"`` or one of ``keras.optimizers``."""
        return calculus().update(optimizer_of(which), params)

    def _tensor(self, value: Any) -> Any:
        """Return the value as a tensor that shares no memory with the user's array."""
        if not hasattr(value, "shape"):
            raise InputError(
                f"x holds a {type(value).__name__}: pass an array, or a list, tuple or dict of "
                "arrays for a model with several inputs."
            )
        if isinstance(value, np.ndarray):
            value = np.array(value, dtype=keras.config.floatx() if value.dtype == float else None)
        return keras.ops.convert_to_tensor(value)

    def _build(self, x: Any) -> None:
        """Build what the first call would build, and change nothing else that it would change."""
        if self._model in _MEMORY:
            return
        layers = [self._model, *(layer for _, layer in tree.addresses(self._model).values())]
        if not all(getattr(layer, "built", True) for layer in layers):
            with keras.StatelessScope(), unrecorded(self._model):
                self._model(x, training=False)

    def _recall(self, x: Any) -> _ShapeMemory:
        memory = _MEMORY.setdefault(self._model, OrderedDict())
        shapes = tuple((tuple(leaf.shape), str(leaf.dtype)) for leaf in leaves(x))
        return _recent(
            memory, (shapes, settings_number(self._model)), _ShapeMemory, _SHAPES_REMEMBERED
        )

    def _eager(self, x: Any, selection: Selection, reduced: _Reduced | None = None) -> _PassResult:
        values: dict[str, Any] = {}
        with self._engine.eager(self._model, values) as keep:
            output, facts = watched(self._model, x, selection, self._engine, values, keep)
        if reduced is not None:
            values, facts = reduced.of_arrays(values, facts, self._engine)
        return _PassResult(values, output, self._named(facts))

    def _compiled(
        self, x: Any, selection: Selection, seen: _ShapeMemory, reduced: _Reduced | None = None
    ) -> _PassResult | None:
        """Return a compiled pass; None where this model can't be traced."""
        key = _selected(selection, seen.facts)
        if reduced is not None:
            x = x, reduced.offsets
            key = None if key is None else (key, reduced.reduction)
        compiled = seen.functions.get(key) if key is not None else None
        if compiled is not None:
            seen.functions.move_to_end(key)
            return self._call(compiled, x)
        compiled = self._compile(selection, reduced.reduction if reduced is not None else None)
        try:
            outcome = self._call(compiled, x)
        except Exception:  # noqa: BLE001
            # Whatever the model raises while it is traced (it may branch on values, or leave
            # tensors for NumPy), the eager pass that follows works, or raises it in plain terms.
            seen.traceable = False
            return None
        if self._engine.sees_branches and self._hidden(outcome.facts):
            # Uncompiled, a branch is taken, and what it calls is seen, at every look alike.
            seen.traceable = False
            return None
        if key is not None:
            seen.functions[key] = compiled
            while len(seen.functions) > _FUNCTIONS_REMEMBERED:
                seen.functions.popitem(last=False)
        return outcome

    def _hidden(self, facts: Facts) -> bool:
        """Return whether layers were called out of sight, other than by a loop of Keras' own."""
        loops = tuple(
            address + "/"
            for address, layer in tree.addresses(self._model).values()
            if is_loop(layer)
        )
        return any(not address.startswith(loops) for address in facts.left_out)

    def _compile(self, selection: Selection, reduction: ReductionOf | None) -> _Compiled:
        # What is remembered by model must not keep the model alive.
        model, engine = weakref.ref(self._model), self._engine
        facts: list[Facts] = []

        def run(x: Any) -> tuple[dict[str, Any], Any]:
            values: dict[str, Any] = {}
            x, offsets = (x, None) if reduction is None else x
            keep = lambda _, value: engine.keep(value)  # noqa: E731
            output, pass_facts = watched(model(), x, selection, engine, values, keep)
            if reduction is not None:
                values, pass_facts = _Reduced(reduction, offsets).of(values, pass_facts, engine)
            facts[:] = [pass_facts]
            return values, output

        return _Compiled(engine.compile(run, list(self._model.variables)), facts)

    def _call(self, compiled: _Compiled, x: Any) -> _PassResult:
        values, output = compiled.function(x)
        facts = compiled.facts[0]
        if facts.network.framework == "":
            compiled.facts[0] = facts = self._named(facts)
        # JAX hands dictionaries back in alphabetical order.
        return _PassResult({address: values[address] for address in facts.kept}, output, facts)

    def _with_sources(self, outcome: _PassResult, x: Any, seen: _ShapeMemory) -> _PassResult:
        """Return the outcome with sources in place of guesses, where the code tells them."""
        if not seen.sought:
            known = tree.subjects(self._model)
            with random_state_kept():
                seen.sources = sources_of(
                    self._model, x, lambda trace: subject_lookup(trace, self._model, known)
                )
            seen.sought = True
        facts, sources = outcome.facts, seen.sources
        if sources is None or any(guess not in sources for guess in facts.guessed):
            return _with_unseen_note(outcome)
        layers = tuple(
            replace(layer, inputs=sources.get(layer.address, layer.inputs))
            for layer in facts.network
        )
        notes = tuple(n for n in facts.network.notes if n != guessed_note(facts.guessed))
        network = replace(facts.network, layers=layers, notes=notes)
        return replace(outcome, facts=replace(facts, network=network, guessed=(), unseen=()))

    def _named(self, facts: Facts) -> Facts:
        """Return the facts with what of the network a pass need not look up."""
        if not facts.complete and is_exact(self._model):
            # The pass stopped early, but all the layers are known, and what goes into each.
            return replace(facts, network=self.describe(), guessed=(), unseen=())
        parameters = tree.owned_parameters(self._model, tree.addresses(self._model))
        network = replace(
            facts.network,
            name=self._model.name,
            framework=self.framework,
            parameters=tuple(owned.parameter for owned in parameters),
        )
        return replace(facts, network=network)

    def _result(self, received: Mapping[str, Any], outcome: _PassResult) -> ForwardPass:
        facts = outcome.facts
        values = {
            address: self._array(value, facts.axes[address])
            for address, value in outcome.values.items()
        }
        inputs = {
            name: self._array(value, facts.input_axes.get(name)) for name, value in received.items()
        }
        output = None
        if facts.complete:
            to_numpy = lambda v: self._engine.read(v)[0] if hasattr(v, "shape") else v  # noqa: E731
            output = keras.tree.map_structure(to_numpy, outcome.output)
        check_steps({n: values[n].values for n in facts.inside_loops if n in values})
        inside = [name for name in facts.inside_loops if name not in values]
        left_out = tuple(dict.fromkeys((*facts.left_out, *inside)))
        return ForwardPass(facts.network, values, inputs, facts.aliases, output, left_out)

    def _array(self, value: Any, axes: tuple[str, ...] | None) -> NamedArray:
        values, was = self._engine.read(value)
        return NamedArray(values, axes or named_axes(values.shape), {"dtype": was} if was else {})


def _with_unseen_note(outcome: _PassResult) -> _PassResult:
    """Return the outcome, with a note where only some of what a layer reads is known."""
    unseen = [address for address in outcome.facts.unseen if address not in outcome.facts.guessed]
    if not unseen:
        return outcome
    shown = ", ".join(unseen[:8]) + (", …" if len(unseen) > 8 else "")
    network = outcome.facts.network
    note = f"code between layers is not seen: some of what goes into {shown} is not known"
    network = replace(network, notes=(*network.notes, note))
    return replace(outcome, facts=replace(outcome.facts, network=network))


def _selected(selection: Selection, facts: Facts | None) -> Hashable:
    """Return what the selection comes down to for this model; None where only a pass can tell."""
    if selection.everything:
        return "everything"
    if selection.expected is not None:
        return selection.expected
    if not selection.matchers:
        return selection.exact
    if facts is None:
        return None
    layers = enumerate(facts.network.layers)
    matched = frozenset(layer.address for i, layer in layers if selection.wants(layer, i))
    inside = frozenset(filter(selection.wants_inside, facts.inside_loops))
    return matched | inside | (selection.exact & facts.aliases.keys())


def _recent(
    memory: OrderedDict[Hashable, _ShapeMemory],
    key: Hashable,
    make: Callable[[], _ShapeMemory],
    most: int,
) -> _ShapeMemory:
    """Return the entry for a key, made where there is none; forget those not used for longest."""
    if key not in memory:
        memory[key] = make()
    memory.move_to_end(key)
    while len(memory) > most:
        memory.popitem(last=False)
    return memory[key]


def _plain(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yield the numbers and words of a layer's configuration."""
    if isinstance(layer, keras.Model):
        return
    for name, value in sorted(layer.get_config().items()):
        if isinstance(value, bool | int | float | str | list | tuple | None):
            yield name, value
