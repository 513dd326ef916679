"""Passes through Keras models: compiled where that pays, and what is remembered of them."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras

from layerscope.backends.base import ReductionOf
from layerscope.backends.keras import tree
from layerscope.backends.keras.engines import Engine, Keep
from layerscope.backends.keras.forward import Facts, leaves, subject_lookup, unrecorded, watched
from layerscope.backends.keras.graph import is_exact, is_loop
from layerscope.backends.keras.settings import settings_number
from layerscope.backends.keras.sources import sources_of
from layerscope.backends.pass_notes import guessed_note
from layerscope.backends.random_state import random_state_kept
from layerscope.backends.reducing import ReducedValue, by_name
from layerscope.core.selection import Selection

_SHAPES_REMEMBERED = 4
_FUNCTIONS_REMEMBERED = 8


@dataclass(frozen=True)
class PassResult:
    values: Mapping[str, Any]
    output: Any
    facts: Facts


@dataclass(frozen=True)
class Reduced:
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
        shapes = {address: tuple(map(int, values[address].shape)) for address in made}
        return made, replace(facts, kept=tuple(made), shapes=shapes)

    def at_once(self, value: Any, axes: tuple[str, ...], engine: Engine) -> ReducedValue:
        """Return what is made of a tensor that is there; of one on the CPU, in NumPy.

        It shares its memory with an array, which is reduced piece by piece.
        """
        shape = tuple(map(int, value.shape))
        if not engine.is_on_cpu(value):
            numbers = engine.reduce(self.reduction, value, axes, self.offsets)
            if numbers is not None:  # parts of the value may be among them
                numbers = {name: engine.snapshot(one) for name, one in numbers.items()}
            return ReducedValue(numbers, axes, shape)
        array, offsets = engine.read(value)[0], engine.read(self.offsets)[0]
        return ReducedValue.of(array, axes, self.reduction, offsets)

    def of_kept(
        self, values: dict[str, Any], facts: Facts, engine: Engine
    ) -> tuple[dict[str, Any], Facts]:
        """Return what is made of what a pass has kept, and the facts with the shapes.

        ``values`` is emptied meanwhile: what was looked at takes no memory any more.
        """
        made: dict[str, Any] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        for address in tuple(values):
            value, axes = values.pop(address), facts.axes[address]
            if not isinstance(value, ReducedValue):
                value = self.at_once(value, axes, engine)
            if value.numbers is not None:
                made[address], shapes[address] = value.numbers, value.shape
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


class KerasPasses:
    """The passes of one model on one of Keras' backends; ``framework`` names it."""

    def __init__(self, model: Any, engine: Engine, framework: str) -> None:
        self._model = model
        self._engine = engine
        self._framework = framework

    def made(self, x: Any, selection: Selection, reduced: Reduced | None = None) -> PassResult:
        """Make a pass, compiled or not; what it keeps are tensors, or what was made of them."""
        with random_state_kept():
            self.build(x)
            seen = self._recall(x)
            outcome = None
            if self._engine.compiles(leaves(x)[0].shape[0], seen.runs > 0) and seen.traceable:
                outcome = self._compiled(x, selection, seen, reduced)
            if outcome is None:
                outcome = self._eager(x, selection, seen, reduced)
        if outcome.facts.guessed or outcome.facts.unseen:
            outcome = self._with_sources(outcome, x, seen)
        seen.runs += 1
        if outcome.facts.complete:
            seen.facts = outcome.facts
        return outcome

    def build(self, x: Any) -> None:
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

    def _eager(
        self, x: Any, selection: Selection, seen: _ShapeMemory, reduced: Reduced | None = None
    ) -> PassResult:
        values: dict[str, Any] = {}
        known = seen.facts.axes if seen.facts is not None else {}
        with self._engine.eager(self._model, values) as keep:
            if reduced is not None and known:
                keep = _reducing(keep, values, reduced, known, self._engine)
            output, facts = watched(self._model, x, selection, self._engine, values, keep)
        if reduced is None:
            return PassResult(values, output, self.named(facts))
        early = {a: v for a, v in values.items() if isinstance(v, ReducedValue)}
        if any(value.axes != facts.axes[address] for address, value in early.items()):
            # It took another branch than when its axes were learned.
            return self._eager(x, selection, _ShapeMemory(), reduced)
        made, facts = reduced.of_kept(values, facts, self._engine)
        return PassResult(made, output, self.named(facts))

    def _compiled(
        self, x: Any, selection: Selection, seen: _ShapeMemory, reduced: Reduced | None = None
    ) -> PassResult | None:
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
                values, pass_facts = Reduced(reduction, offsets).of(values, pass_facts, engine)
            facts[:] = [pass_facts]
            return values, output

        return _Compiled(engine.compile(run, list(self._model.variables)), facts)

    def _call(self, compiled: _Compiled, x: Any) -> PassResult:
        values, output = compiled.function(x)
        facts = compiled.facts[0]
        if facts.network.framework == "":
            compiled.facts[0] = facts = self.named(facts)
        # JAX hands dictionaries back in alphabetical order.
        return PassResult({address: values[address] for address in facts.kept}, output, facts)

    def _with_sources(self, outcome: PassResult, x: Any, seen: _ShapeMemory) -> PassResult:
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

    def named(self, facts: Facts) -> Facts:
        """Return the facts with what of the network a pass need not look up."""
        if not facts.complete and is_exact(self._model):
            # The pass stopped early, but all the layers are known, and what goes into each.
            return replace(
                facts, network=tree.describe(self._model, self._framework), guessed=(), unseen=()
            )
        parameters = tree.owned_parameters(self._model, tree.addresses(self._model))
        network = replace(
            facts.network,
            name=self._model.name,
            framework=self._framework,
            parameters=tuple(owned.parameter for owned in parameters),
        )
        return replace(facts, network=network)


def _reducing(
    keep: Keep,
    values: dict[str, Any],
    reduced: Reduced,
    axes: Mapping[str, tuple[str, ...]],
    engine: Engine,
) -> Keep:
    """Return what keeps of a value what is made of it, where its axes are known."""

    def keep_reduced(address: str, value: Any) -> Any:
        if address not in axes:
            return keep(address, value)
        values[address] = reduced.at_once(value, axes[address], engine)
        return value

    return keep_reduced


def _with_unseen_note(outcome: PassResult) -> PassResult:
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
