"""Keras 3 models, on whichever backend Keras runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from layerscope.backends.keras.forward import watched
from layerscope.backends.keras.graph import is_exact
from layerscope.backends.keras.inputs import (
    input_names,
    input_operations,
    input_specs,
    inputs_by_name,
)
from layerscope.backends.keras.loops import check_steps
from layerscope.backends.keras.passes import KerasPasses, PassResult, Reduced
from layerscope.backends.keras.settings import settings_number
from layerscope.backends.keras.training import KerasTraining
from layerscope.backends.keras.unreached import check_call
from layerscope.backends.keras.weights import weights_of
from layerscope.backends.random_state import random_state_kept
from layerscope.backends.structure import name_bytes, structure_digest
from layerscope.backends.turns import in_turn
from layerscope.core.axes import NamedArray, named_axes
from layerscope.core.errors import InputError, ModelError
from layerscope.core.network import InputSpec, Layer, Network
from layerscope.core.operations import OperationGraph
from layerscope.core.selection import Selection, select


class KerasBackend:
    """One Keras model or layer."""

    training = KerasTraining

    def __init__(self, model: Any) -> None:
        if not isinstance(model, keras.Layer):
            raise ModelError(f"{model!r} is no Keras model: pass the model itself.")
        self._model = model
        self._engine: Engine = engine()
        self._passes = KerasPasses(model, self._engine, self.framework)

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
        return self._result(received, self._passes.made(x, selection))

    @in_turn
    def reduced(
        self, x: Any, selection: Selection, reduction: ReductionOf, offsets: Any
    ) -> ReducedPass:
        """Make one forward pass in inference mode, and keep what the reduction makes of values."""
        check_call(self._model)
        x = keras.tree.map_structure(self._tensor, x)
        outcome = self._passes.made(x, selection, Reduced(reduction, self._tensor(offsets)))
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
            self._passes.build(x)
            received = inputs_by_name(self._model, x)
            with self._engine.eager(self._model, values) as keep:
                output, facts = watched(
                    self._model, x, selection, self._engine, values, keep,
                    perform=by_batch, training=None,
                )  # fmt: skip
        return self._result(received, PassResult(values, output, self._passes.named(facts)))

    def _array_of(self, value: Any) -> Any:
        return value if isinstance(value, np.ndarray) else self._engine.read(value)[0]

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
            self._passes.build(x)
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
        shifted: Sequence[Layer] = (),
        rule: GradientRule | None = None,
    ) -> Callable[..., dict[Tap, Any]]:
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

    def _result(self, received: Mapping[str, Any], outcome: PassResult) -> ForwardPass:
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


def _plain(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yield the numbers and words of a layer's configuration."""
    if isinstance(layer, keras.Model):
        return
    for name, value in sorted(layer.get_config().items()):
        if isinstance(value, bool | int | float | str | list | tuple | None):
            yield name, value
