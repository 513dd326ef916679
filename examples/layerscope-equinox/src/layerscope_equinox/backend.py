"""Equinox modules, as layerscope looks into them."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import metadata
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from layerscope.backends.base import ForwardPass
from layerscope.backends.structure import structure_digest
from layerscope.backends.trace import Subject, Trace
from layerscope.backends.turns import in_turn
from layerscope.core.axes import NamedArray, carried
from layerscope.core.errors import InputError, ModelError
from layerscope.core.network import InputSpec, Layer, Network, Parameter
from layerscope.core.selection import Selection, select
from layerscope_equinox import tree
from layerscope_equinox.kinds import kind_of
from layerscope_equinox.watching import Calls, Slot, watched


class EquinoxBackend:
    """One Equinox module, which computes one sample; ``jax.vmap`` makes batches of it."""

    def __init__(self, model: Any) -> None:
        if not isinstance(model, eqx.Module) or not callable(model):
            raise ModelError(f"A {type(model).__name__} can't be called: pass an Equinox module.")
        takes = inspect.signature(type(model).__call__).parameters
        if "state" in takes and takes["state"].default is inspect.Parameter.empty:
            raise ModelError(
                f"This {type(model).__name__} takes a state: pass eqx.Partial(model, state=state)."
            )
        self._given = model
        self._model = eqx.nn.inference_mode(model)
        self._takes = [
            name
            for name, parameter in list(takes.items())[1:]
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ]
        self._needs_key = "key" in takes and takes["key"].default is inspect.Parameter.empty

    @property
    def framework(self) -> str:
        """``Equinox 0.13.8``."""
        return f"Equinox {metadata.version('equinox')}"

    @in_turn
    def describe(self) -> Network:
        """Describe the modules: in their order of execution, where zeros can be run through."""
        spec = tree.spec_of(self._model)
        if spec is not None and spec.shape is not None and None not in spec.shape[1:]:
            # Somebody else's code, which may raise anything: then it is run on no zeros.
            with suppress(Exception):
                zeros = np.zeros((1, *spec.shape[1:]), np.float32)
                return self.run(zeros, Selection(everything=True)).network
        subjects = self._subjects()
        inner = {address: subject for address, subject in subjects.items() if address} or subjects
        return self._network(
            tuple(
                subject.row(subject.address, parameters=subject.parameters)
                for subject in inner.values()
                if subject.kind != "container"
            )
        )

    @in_turn
    def inputs(self) -> tuple[InputSpec, ...]:
        """Guess what the model expects from its first module with weights."""
        spec = tree.spec_of(self._model)
        return () if spec is None or len(self._takes) > 1 else (spec,)

    @in_turn
    def select(self, layers: Any, executed: Iterable[Layer] | None = None) -> Selection:
        """Read ``layers=``; the model's own modules are understood."""
        known = {id(module): address for address, module in tree.modules(self._given)}
        return select(layers, lambda thing: known.get(id(thing)) or None, executed)

    @in_turn
    def run(self, x: Any, selection: Selection) -> ForwardPass:
        """Run the model on a batch, in inference mode."""
        inputs = self._named(x)
        calls = Calls()
        result: list[Any] = []

        def one_sample(*args: Any) -> list[Any]:
            key = {"key": jax.random.key(0)} if self._needs_key else {}
            calls.slots(args)
            with watched(dict(tree.modules(self._model)), calls):
                output = self._model(*args, **key)
            result.append(calls.slots(output))
            return calls.values

        values = jax.vmap(one_sample)(*inputs.values())
        return self._replayed(selection, inputs, calls, values, result[0])

    @in_turn
    def weights(self) -> Mapping[str, NamedArray]:
        """Read every array of weights."""
        named = {}
        for _, key, value, axes in tree.arrays(self._model):
            squeezed = value.squeeze() if len(axes) < value.ndim else value
            named[key] = _array(squeezed, axes)
        return named

    @in_turn
    def digest(self) -> str:
        """Return SHA-256 over the names and values of the weights, or over the structure."""
        digest = hashlib.sha256()
        for key, array in (weights := self.weights()).items():
            digest.update(key.encode())
            digest.update(np.ascontiguousarray(array.values).data)
        return digest.hexdigest() if weights else structure_digest(self.describe(), [], [])

    def _named(self, x: Any) -> dict[str, Any]:
        """Return the arrays that the model takes, by name: ``input`` where there is only one."""
        if isinstance(x, Mapping):
            wrong = [name for name in x if name not in self._takes]
            if wrong:
                raise InputError(
                    f"The model takes no {wrong[0]!r}: its inputs are {', '.join(self._takes)}."
                )
            return {name: jnp.asarray(x[name]) for name in self._takes if name in x}
        if isinstance(x, list | tuple):
            return dict(zip(self._takes, map(jnp.asarray, x), strict=False))
        return {"input": jnp.asarray(x)}

    def _replayed(
        self, selection: Selection, inputs: dict[str, Any], calls: Calls, values: Any, result: Any
    ) -> ForwardPass:
        """Tell a trace of the calls, with the values of all samples."""

        def filled(slots: Any) -> Any:
            return jax.tree.map(lambda leaf: values[leaf.number] if type(leaf) is Slot else leaf,
                                slots, is_leaf=lambda leaf: type(leaf) is Slot)  # fmt: skip

        kept: dict[str, Any] = {}
        trace = Trace(
            selection,
            batch=len(next(iter(inputs.values()))),
            is_value=lambda value: isinstance(value, jax.Array),
            default_layout="channels_first",
            values=kept,
            may_stop=False,
        )
        for number, name in enumerate(inputs):
            trace.receive(name, values[number], listed=None)
        subjects = self._subjects()
        trace.left_out |= calls.inside_others
        arguments: list[Any] = []
        for call in calls.events:
            if call.arguments is not None:
                arguments.append(filled(call.arguments))
                trace.enter(subjects[call.address], arguments[-1])
            else:
                trace.leave(arguments.pop(), filled(call.result))
        network = self._network(tuple(trace.layers), trace)
        axes = {layer.address: layer.axes for layer in network}
        received = {n: _array(values[i], trace.input_axes[n]) for i, n in enumerate(inputs)}
        arrays = {address: _array(value, axes[address]) for address, value in kept.items()}
        output = jax.tree.map(np.asarray, filled(result))
        return ForwardPass(network, arrays, received, trace.aliases, output, tuple(trace.left_out))

    def _subjects(self) -> dict[str, Subject]:
        """Return what is known of each module before it is called, by its address."""
        parameters = tree.parameters(self._model)
        return {
            address: Subject(
                address or "output",
                type(module).__name__,
                layout=tree.layout_of(module),
                settings=tree.settings_of(module),
                parameters=parameters.get(address, ()),
                library=type(module).__module__.startswith("equinox."),
                kind=kind,
                activation=activation,
            )
            for address, module in tree.modules(self._model)
            for kind, activation in [kind_of(module)]
        }

    def _network(self, layers: tuple[Layer, ...], trace: Trace | None = None) -> Network:
        parameters: tuple[Parameter, ...] = sum(tree.parameters(self._model).values(), ())
        name = type(self._model).__name__
        if trace is not None:
            return trace.network(name, self.framework, parameters)
        notes = ("the order of the layers is that of their definition",)
        return Network(name, self.framework, layers, parameters, notes)


def _array(value: Any, axes: tuple[str, ...] | None) -> NamedArray:
    values, dtype = carried(np.asarray(value))
    return NamedArray(values, axes or (), {"dtype": dtype} if dtype else {})
